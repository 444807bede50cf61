//! The live view, as the page and `evenkeel top` read it.

use serde_json::{Map, Value, json};

use crate::events::{ends, stream_of};
use crate::support::{Origin, Proxy, backend, config, wait_until};
use crate::{ask, bearer, tokens, two, with};

const CHECKS: &str = "[service.api.health]\nkind = \"tcp\"\ninterval = \"50ms\"\nfall = 1\nrise = 1\n";

fn fleet(a: &Origin, b: &Origin) -> String {
    let backends = format!("{}id = \"a\"\n{}id = \"b\"\n", backend(a.address()), backend(b.address()));
    config("", CHECKS, &[]) + &backends
}

fn document(proxy: &Proxy, query: &str) -> Value {
    serde_json::from_str(&proxy.admin(&format!("/api/v1/live{query}")).unwrap().text()).unwrap()
}

/// Applies a merge patch (RFC 7396), as a client of the stream does.
fn apply(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else { return *target = patch };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    for (name, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(&name);
        } else {
            apply(&mut target[name.as_str()], value);
        }
    }
}

/// Follows a stream until its document is so.
fn follow(lines: &mut impl Iterator<Item = String>, document: &mut Value, is_so: impl Fn(&Value) -> bool) {
    while !is_so(document) {
        let name = lines.find_map(|line| line.strip_prefix("event: ").map(str::to_owned)).unwrap();
        let data = lines.find_map(|line| line.strip_prefix("data: ").map(str::to_owned)).unwrap();
        let data: Value = serde_json::from_str(&data).unwrap();
        match &*name {
            "whole" => *document = data,
            "patch" => apply(document, data),
            other => panic!("there is no event {other}"),
        }
    }
}

#[test]
fn who_follows_the_stream_knows_all_that_the_document_has() {
    let (a, b) = (Origin::ok(), Origin::ok());
    let proxy = Proxy::start(&fleet(&a, &b));
    let mut lines = stream_of(&proxy, "/api/v1/live?service=api", "");
    let mut seen = Value::Null;
    let state = |seen: &Value| seen["services"]["api"]["state"].clone();
    follow(&mut lines, &mut seen, |seen| state(seen) == "ok" && seen["phase"] == "ready");
    assert!(seen["service"]["history"]["rate"].is_array());
    let mut client = proxy.client();
    (0..20).for_each(|_| assert_eq!(client.get("/x").status, 200));
    follow(&mut lines, &mut seen, |seen| seen["services"]["api"]["rate"].as_f64() > Some(0.0));
    assert!(seen["services"]["api"]["p50_ms"].is_number() && seen["service"]["backends"]["a"]["share"].is_number());

    drop(a);
    let words = |seen: &Value| seen["services"]["api"]["words"].as_str().unwrap().to_owned();
    let why = "1 of 2 backends can be used: a is down (connection refused)";
    follow(&mut lines, &mut seen, |seen| words(seen).starts_with(why));
    assert_eq!((state(&seen), &seen["service"]["backends"]["a"]["state"]), (json!("impaired"), &json!("down")));
    drop(b);
    follow(&mut lines, &mut seen, |seen| state(seen) == "down");
    // what was measured of late goes as time passes
    follow(&mut lines, &mut seen, |seen| seen["services"]["api"].get("error_rate").is_none());
    follow(&mut lines, &mut seen, |seen| {
        let mut seen = seen.clone();
        seen["service"].as_object_mut().unwrap().remove("history");
        seen == document(&proxy, "?service=api")
    });
}

#[test]
fn the_document_can_be_asked_for_once() {
    let (a, b) = (Origin::ok(), Origin::ok());
    let proxy = Proxy::start(&fleet(&a, &b));
    wait_until("both are well", || document(&proxy, "")["services"]["api"]["healthy"] == 2);
    let document = document(&proxy, "");
    assert_eq!((&document["config_generation"], &document["faults"]), (&json!(1), &json!({})));
    let listener = &document["listeners"]["web"];
    assert_eq!((&listener["protocol"], &listener["tls"]), (&json!("http"), &json!(false)));
    assert_eq!(proxy.admin("/api/v1/live?service=nothing").unwrap().status, 404);
}

#[test]
fn a_live_stream_ends_when_the_token_that_opened_it_is_taken_away() {
    let dir = tokens();
    let proxy = with(&two(&dir));
    let mut lines = stream_of(&proxy, "/api/v1/live", &bearer("ci"));
    assert!(lines.by_ref().any(|line| line == "event: whole"));
    dir.file("ci", "another-0123456789");
    assert_eq!(ask(&proxy, "POST", "/api/v1/reload", &bearer("admin")).status, 200);
    assert!(ends(lines));
}
