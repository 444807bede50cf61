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

#[test]
fn weights_that_the_algorithm_does_not_heed_are_told_of_once_until_that_is_over() {
    let (a, b) = (Origin::saying("a"), Origin::saying("b"));
    let proxy = discovering();
    let write = |weights: [u32; 2]| {
        let [a, b] = [(&a, weights[0]), (&b, weights[1])]
            .map(|(origin, weight)| format!("{{ \"address\": \"{}\", \"weight\": {weight} }}", origin.address()));
        std::fs::write(proxy.path("draft"), format!("[{a}, {b}]")).unwrap();
        std::fs::rename(proxy.path("draft"), proxy.path("backends.json")).unwrap();
    };
    let told = || proxy.stderr().matches("which `round_robin` does not heed: `weighted_round_robin` does").count();
    // what is told of an answer is told before its backends are asked
    let mut client = proxy.client();
    let mut is_in_force = |weights: [u32; 2]| {
        write(weights);
        let shown = || {
            let backends = proxy.status()["services"]["api"]["backends"].clone();
            let shown = |at: usize| backends[at]["weight"].as_u64();
            let mut both = [shown(0), shown(1)];
            both.sort_unstable();
            both
        };
        let mut wanted = weights.map(|weight| Some(u64::from(weight)));
        wanted.sort_unstable();
        wait_until("it is in force", || shown() == wanted);
        client.get("/x").status
    };
    assert_eq!((is_in_force([5, 5]), told()), (200, 0), "all alike are shared alike");
    assert_eq!((is_in_force([5, 0]), told()), (200, 0), "0 is heeded by all");
    assert_eq!((is_in_force([5, 1]), told()), (200, 1));
    assert_eq!((is_in_force([6, 1]), told()), (200, 1), "it was told");
    assert_eq!((is_in_force([1, 1]), told()), (200, 1));
    assert_eq!((is_in_force([1, 2]), told()), (200, 2));
    assert_eq!(proxy.metric("evenkeel_events_total{kind=\"discovery_weights_ignored\"}"), 2);
}
