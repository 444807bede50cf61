//! Backends from a watched file, and the watched configuration itself.

use std::path::Path;

use crate::support::{Origin, Proxy, Scratch, config, wait_until};

fn write(path: &Path, backends: &[&Origin]) {
    let entries: Vec<String> = backends.iter().map(|b| format!("{{ \"address\": \"{}\" }}", b.address())).collect();
    // as editors and ConfigMaps do it: another file takes the place of the old one
    let draft = path.with_extension("draft");
    std::fs::write(&draft, format!("[{}]", entries.join(", "))).unwrap();
    std::fs::rename(&draft, path).unwrap();
}

fn discovering() -> Proxy {
    Proxy::start(&config("", "discover = { file = \"{dir}/backends.json\" }", &[]))
}

#[test]
fn backends_come_and_go_with_a_file() {
    let (a, b) = (Origin::saying("a"), Origin::saying("b"));
    let proxy = discovering();
    let mut client = proxy.client();
    assert_eq!(client.get("/x").status, 503, "nothing is known yet");
    write(&proxy.path("backends.json"), &[&a]);
    wait_until("a is found", || client.get("/x").text() == "a");
    write(&proxy.path("backends.json"), &[&b]);
    wait_until("b takes over", || client.get("/x").text() == "b");
    assert!((0..10).all(|_| client.get("/x").text() == "b"));
}

#[test]
fn a_broken_file_takes_nothing_away() {
    let a = Origin::saying("a");
    let proxy = discovering();
    write(&proxy.path("backends.json"), &[&a]);
    let mut client = proxy.client();
    wait_until("a is found", || client.get("/x").text() == "a");
    std::fs::write(proxy.path("backends.json"), "[{ \"address\": ").unwrap();
    wait_until("it is said", || proxy.stderr().contains("backends.json"));
    assert_eq!(client.get("/x").text(), "a");
    std::fs::remove_file(proxy.path("backends.json")).unwrap();
    assert_eq!(client.get("/x").text(), "a");
}

#[test]
fn nobody_is_served_before_the_backends_are_known() {
    let a = Origin::saying("a");
    let folder = Scratch::new();
    let file = folder.path().join("backends.json");
    // so many that reading them takes its time
    let entry = |id| format!("{{ \"id\": \"{id}\", \"address\": \"{}\" }}", a.address());
    std::fs::write(&file, format!("[{}]", (0..5000).map(entry).collect::<Vec<_>>().join(", "))).unwrap();
    let proxy = Proxy::start(&config("", &format!("discover = {{ file = {file:?} }}"), &[]));
    assert_eq!(proxy.client().get("/x").text(), "a");
}

#[test]
fn a_service_that_is_discovered_no_more_has_only_what_is_written() {
    let (a, b) = (Origin::saying("a"), Origin::saying("b"));
    let proxy = discovering();
    write(&proxy.path("backends.json"), &[&a]);
    let mut client = proxy.client();
    wait_until("a is found", || client.get("/x").text() == "a");
    proxy.rewrite(&config("", "", &[&b]));
    wait_until("it is reloaded", || client.get("/x").text() == "b");
    assert!((0..10).all(|_| client.get("/x").text() == "b"));
}

#[test]
fn what_was_found_stays_when_it_is_only_looked_for_more_often() {
    let a = Origin::saying("a");
    let proxy = discovering();
    write(&proxy.path("backends.json"), &[&a]);
    let mut client = proxy.client();
    wait_until("a is found", || client.get("/x").text() == "a");
    std::fs::write(proxy.path("backends.json"), "[{").unwrap();
    wait_until("it is said", || proxy.stderr().contains("backends.json"));
    for refresh in ["1s", "2s"] {
        proxy.rewrite(&config(
            "",
            &format!("discover = {{ file = \"{{dir}}/backends.json\", refresh = \"{refresh}\" }}"),
            &[],
        ));
        let done = format!("generation={}", proxy.metric("evenkeel_config_generation ") + 1);
        proxy.signal("HUP");
        wait_until("it is reloaded", || proxy.stderr().contains(&done));
        assert_eq!(client.get("/x").text(), "a", "{refresh}");
    }
}

#[test]
fn the_configuration_is_reloaded_when_its_file_changes() {
    let (a, b) = (Origin::saying("a"), Origin::saying("b"));
    let proxy = Proxy::start(&config("", "", &[&a]));
    let mut client = proxy.client();
    assert_eq!(client.get("/x").text(), "a");
    proxy.rewrite(&config("", "", &[&b]));
    wait_until("b takes over", || client.get("/x").text() == "b");
}
