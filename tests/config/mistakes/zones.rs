//! Mistakes about zones.

use crate::support::{good, only_mistake};

fn zones(cluster: &str, backend: &str) -> String {
    format!(
        "[cluster]\n{cluster}\n[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:8080\"\nservice = \"app\"\n\
         [service.app]\nzones = \"prefer\"\nbackend = [{{ address = \"127.0.0.1:9001\"{backend} }}]\n"
    )
}

#[test]
fn a_zone_can_be_preferred_by_an_instance_that_knows_its_own() {
    let mistake = only_mistake(&zones("", ", zone = \"a\""));
    assert!(mistake.starts_with("service.app.zones: this instance's zone is not known"), "{mistake}");
    let warned = |backend: &str| good(&zones("zone = \"eu-a\"", backend)).warnings.to_string();
    assert_eq!(warned(", zone = \"eu-a\""), "");
    let other = warned(", zone = \"eu-b\"");
    assert!(other.contains("no backend stands in this instance's zone `eu-a`") && other.contains("eu-b"), "{other}");
    assert!(warned("").contains("none has a `zone`"));
}
