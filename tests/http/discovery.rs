//! Backends from a watched file, and the watched configuration itself.

use std::path::Path;

use crate::support::{Origin, Proxy, config, wait_until};

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
fn the_configuration_is_reloaded_when_its_file_changes() {
    let (a, b) = (Origin::saying("a"), Origin::saying("b"));
    let proxy = Proxy::start(&config("", "", &[&a]));
    let mut client = proxy.client();
    assert_eq!(client.get("/x").text(), "a");
    proxy.rewrite(&config("", "", &[&b]));
    wait_until("b takes over", || client.get("/x").text() == "b");
}
