//! Backends from keys of etcd.

use serde_json::{Value, json};

use crate::support::{Etcd, Origin, Proxy, Scratch, config, wait_until};

/// A proxy that discovers the backends of its service below `/api/`, with further keys of the section.
fn discovering(etcd: &[&Etcd], more: &str) -> Proxy {
    Proxy::start(&config("", &section(etcd, more), &[]))
}

fn section(etcd: &[&Etcd], more: &str) -> String {
    let urls: Vec<String> = etcd.iter().map(|etcd| etcd.url()).collect();
    format!("discover = {{ etcd = \"/api/\", endpoints = {urls:?}{more} }}")
}

/// How the source stands, as the status has it.
fn source(proxy: &Proxy) -> Value {
    proxy.status()["services"]["api"]["discovery"].clone()
}

fn total(proxy: &Proxy) -> u64 {
    proxy.status()["services"]["api"]["total"].as_u64().unwrap()
}

/// The events of discovery, without those of a change.
fn trouble(proxy: &Proxy) -> Vec<(String, Value)> {
    let events: Value = serde_json::from_str(&proxy.admin("/api/v1/events?limit=10000").unwrap().text()).unwrap();
    let events = events.as_array().unwrap().iter().map(|event| (event["kind"].as_str().unwrap(), &event["cause"]));
    let kinds = ["discovery_failed", "discovery_recovered", "discovery_refused"];
    events.filter(|(kind, _)| kinds.contains(kind)).map(|(kind, cause)| (kind.to_owned(), cause.clone())).collect()
}

#[test]
fn backends_come_and_go_with_keys_and_their_leases() {
    let (a, b, c) = (Origin::saying("a"), Origin::saying("b"), Origin::saying("c"));
    let etcd = Etcd::start();
    etcd.put("/api/one", &format!("{{ \"address\": \"{}\", \"zone\": \"z\" }}", a.address()));
    etcd.put("/apis/not-ours", "10.0.0.1:80");
    let proxy = discovering(&[&etcd], "");
    let mut client = proxy.client();
    assert_eq!(client.get("/x").text(), "a", "it is there from the start");
    let backend = &proxy.status()["services"]["api"]["backends"][0];
    assert_eq!(
        (&backend["id"], &backend["address"], &backend["zone"]),
        (&json!("one"), &json!(a.address()), &json!("z"))
    );

    let lease = etcd.put_leased("/api/two", b.address());
    etcd.delete("/api/one");
    wait_until("b takes over", || client.get("/x").text() == "b");
    etcd.run_out(lease);
    wait_until("its lease is over, and nobody is left", || client.get("/x").status == 503);
    assert_eq!(source(&proxy)["backends"], 0, "an answer without keys is one");
    etcd.put("/api/three", c.address());
    wait_until("c comes", || client.get("/x").text() == "c");
    etcd.put("/api/three", a.address());
    wait_until("it has moved", || client.get("/x").text() == "a");
    assert_eq!(trouble(&proxy), []);
    assert_eq!(proxy.metric("evenkeel_discovery_up{service=\"api\"}"), 1);
}

#[test]
fn a_bad_value_is_told_once_and_the_others_are_used() {
    let (a, b) = (Origin::saying("a"), Origin::saying("b"));
    let etcd = Etcd::start();
    etcd.put("/api/one", a.address());
    etcd.put("/api/two", "{ \"address\": ");
    let proxy = discovering(&[&etcd], "");
    let mut client = proxy.client();
    assert_eq!(client.get("/x").text(), "a");
    let told = trouble(&proxy);
    assert_eq!((told.len(), &*told[0].0, &told[0].1["refused"]), (1, "discovery_refused", &json!(1)));
    let key = &told[0].1["keys"][0];
    assert_eq!((&key["key"], &key["kept"]), (&json!("/api/two"), &json!(false)));
    assert!(proxy.stderr().contains("`/api/two`"));
    assert_eq!(proxy.metric("evenkeel_discovery_refused{service=\"api\"}"), 1);
    let shown = source(&proxy);
    assert_eq!((&shown["up"], &shown["backends"], &shown["refused"]), (&json!(true), &json!(1), &json!(1)));
    assert_eq!(shown["first_refused"][0]["key"], "/api/two");

    // one that was good stays as it was
    etcd.put("/api/two", b.address());
    wait_until("b comes", || client.get("/x").text() == "b");
    etcd.put("/api/two", "nowhere");
    wait_until("it is told", || trouble(&proxy).len() == 2);
    assert_eq!(trouble(&proxy)[1].1["keys"][0]["kept"], true);
    etcd.delete("/api/one");
    wait_until("a has gone", || total(&proxy) == 1);
    assert_eq!(client.get("/x").text(), "b");
    // and nothing more is told of it, though the keys are read anew
    etcd.end_watches();
    etcd.put("/api/one", a.address());
    wait_until("a comes back", || total(&proxy) == 2);
    assert_eq!(trouble(&proxy).len(), 2);
}

#[test]
fn nothing_is_taken_away_while_etcd_is_silent_and_what_has_changed_is_seen_then() {
    let (a, b) = (Origin::saying("a"), Origin::saying("b"));
    let etcd = Etcd::start();
    etcd.put("/api/one", a.address());
    let proxy = discovering(&[&etcd], "");
    let mut client = proxy.client();
    assert_eq!(client.get("/x").text(), "a");
    etcd.set_silent(true);
    etcd.delete("/api/one");
    etcd.put("/api/two", b.address());
    wait_until("it is noticed", || trouble(&proxy).iter().any(|(kind, _)| kind == "discovery_failed"));
    assert_eq!(client.get("/x").text(), "a");
    assert_eq!(proxy.metric("evenkeel_discovery_up{service=\"api\"}"), 0);
    let shown = source(&proxy);
    assert_eq!((&shown["up"], &shown["backends"]), (&json!(false), &json!(1)));
    assert!(shown["reason"].as_str().unwrap().contains("no answer"), "{shown}");

    etcd.set_silent(false);
    wait_until("b takes over", || client.get("/x").text() == "b");
    let told: Vec<_> = trouble(&proxy).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(told, ["discovery_failed", "discovery_recovered"]);
}

#[test]
fn a_proxy_that_starts_without_etcd_finds_it_later() {
    let (etcd, a) = (Etcd::start(), Origin::saying("a"));
    etcd.put("/api/one", a.address());
    etcd.set_silent(true);
    let proxy = discovering(&[&etcd], "");
    let mut client = proxy.client();
    assert_eq!(client.get("/x").status, 503);
    etcd.set_silent(false);
    wait_until("a is found", || client.get("/x").text() == "a");
}

#[test]
fn a_member_that_hangs_is_left_for_another_one_and_nothing_is_told_of_it() {
    let (a, b) = (Origin::saying("a"), Origin::saying("b"));
    let (one, two) = (Etcd::start(), Etcd::start());
    one.put("/api/one", a.address());
    two.put("/api/two", b.address());
    // whichever it asks first
    two.set_silent(true);
    let proxy = discovering(&[&one, &two], "");
    let mut client = proxy.client();
    wait_until("the one that answers is asked", || client.get("/x").text() == "a");
    two.set_silent(false);
    one.set_silent(true);
    wait_until("the other one is asked", || client.get("/x").text() == "b");
    assert_eq!(trouble(&proxy), []);
}

#[test]
fn keys_are_read_anew_when_etcd_has_forgotten_what_came_next() {
    let (a, b) = (Origin::saying("a"), Origin::saying("b"));
    let etcd = Etcd::start();
    etcd.put("/api/one", a.address());
    let proxy = discovering(&[&etcd], "");
    let mut client = proxy.client();
    assert_eq!(client.get("/x").text(), "a");
    etcd.put_unseen("/api/one", b.address());
    etcd.compact();
    wait_until("b takes over", || client.get("/x").text() == "b");
    etcd.put("/api/one", a.address());
    wait_until("it is watched again", || client.get("/x").text() == "a");
    assert_eq!(trouble(&proxy), []);
}

#[test]
fn thousands_of_keys_come_in_pages_and_many_changes_are_few_sets() {
    let a = Origin::saying("a");
    let etcd = Etcd::start();
    (0..2_500).for_each(|at| etcd.put(&format!("/api/{at}"), a.address()));
    let proxy = discovering(&[&etcd], "");
    assert_eq!(total(&proxy), 2_500);
    assert!(etcd.calls("KV/Range") >= 3);
    let before = proxy.metric("evenkeel_config_generation ");
    (0..500).for_each(|at| etcd.delete(&format!("/api/{at}")));
    wait_until("they have gone", || total(&proxy) == 2_000);
    let sets = proxy.metric("evenkeel_config_generation ") - before;
    assert!(sets < 100, "{sets} snapshots for 500 keys");
}

#[test]
fn more_keys_than_a_service_may_have_backends_leave_the_last_good_answer() {
    let a = Origin::saying("a");
    let etcd = Etcd::start();
    etcd.put("/api/one", a.address());
    let proxy = discovering(&[&etcd], "");
    etcd.end_watches();
    (0..10_000).for_each(|at| etcd.put(&format!("/api/{at}"), a.address()));
    wait_until("it is told", || !trouble(&proxy).is_empty());
    let reason = &trouble(&proxy)[0].1["reason"];
    assert!(reason.as_str().unwrap().contains("more than 10000"), "{reason}");
    assert_eq!(proxy.client().get("/x").text(), "a");
    (1..10_000).for_each(|at| etcd.delete(&format!("/api/{at}")));
    wait_until("it works again", || total(&proxy) == 2);
}

#[test]
fn etcd_is_told_who_asks() {
    let (etcd, a) = (Etcd::start(), Origin::saying("a"));
    etcd.put("/api/one", a.address());
    etcd.set_password("edge", "a secret");
    let folder = Scratch::new();
    let file = folder.path().join("password");
    std::fs::write(&file, "a guess").unwrap();
    let more = format!(", user = \"edge\", password_file = {file:?}");
    let proxy = discovering(&[&etcd], &more);
    wait_until("it is refused", || !trouble(&proxy).is_empty());
    assert_eq!(proxy.client().get("/x").status, 503);
    std::fs::write(&file, "a secret\n").unwrap();
    assert_eq!(proxy.reload(&config("", &section(&[&etcd], &more), &[])).status, 200);
    assert_eq!(proxy.client().get("/x").text(), "a");
}

#[test]
fn the_etcd_of_the_election_is_asked_where_no_other_is_named() {
    let (etcd, a) = (Etcd::start(), Origin::saying("a"));
    etcd.put("/api/one", a.address());
    let cluster = format!("cluster = {{ elect = {{ etcd = [\"{}\"] }} }}\n", etcd.url());
    let service = config("", "discover = { etcd = \"/api/\" }", &[]);
    let proxy = Proxy::start(&(cluster + &service));
    assert_eq!(proxy.client().get("/x").text(), "a");
    assert!(source(&proxy)["source"].as_str().unwrap().starts_with("etcd /api/ at 127.0.0.1:"));
    // without the section nothing is shown, and nothing is counted
    assert_eq!(proxy.reload(&config("", "", &[&a])).status, 200);
    assert_eq!(source(&proxy), Value::Null);
    assert!(!proxy.metrics().contains("evenkeel_discovery_refused{"));
}
