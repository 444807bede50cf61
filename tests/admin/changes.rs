//! What reloads, renewals and discovery change, as the events tell it.

use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::support::certs::Authority;
use crate::support::{Origin, Proxy, Scratch, Successor, backend, config, wait_until};

/// All events whose kinds begin like this: what follows in the kind, the event.
fn events(proxy: &Proxy, kinds: &str) -> Vec<(String, Value)> {
    let answer = proxy.admin("/api/v1/events").unwrap();
    let all: Vec<Value> = serde_json::from_str(&answer.text()).unwrap();
    let rest = |event: &Value| event["kind"].as_str().unwrap().strip_prefix(kinds).map(str::to_owned);
    all.into_iter().filter_map(|event| Some((rest(&event)?, event))).collect()
}

fn kinds(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(kind, _)| &**kind).collect()
}

fn last(proxy: &Proxy, kinds: &str) -> Value {
    events(proxy, kinds).pop().unwrap().1
}

/// One more listener.
fn listener(name: &str, port: &str) -> String {
    format!("[[listener]]\nname = \"{name}\"\nbind = \"127.0.0.1:{port}\"\nservice = \"api\"\n")
}

#[test]
fn listeners_are_told_of_when_they_come_change_move_and_go() {
    let origin = Origin::ok();
    let toml = config("", "", &[&origin]);
    let proxy = Proxy::start(&toml);
    let at = |address: std::net::SocketAddr| json!(address.to_string());
    let first = last(&proxy, "listener_");
    assert_eq!((&first["kind"], &first["listener"]), (&json!("listener_added"), &json!("web")));
    assert_eq!(first["cause"], json!({ "address": at(proxy.address()), "protocol": "http", "tls": false }));

    assert_eq!(proxy.reload(&(listener("more", "{port2}") + &toml)).status, 200);
    let added = last(&proxy, "listener_");
    assert_eq!((&added["kind"], &added["listener"]), (&json!("listener_added"), &json!("more")));

    assert_eq!(proxy.reload(&(listener("more", "{port2}") + "max_connections = 7\n" + &toml)).status, 200);
    let changed = last(&proxy, "listener_");
    assert_eq!(changed["cause"], json!({ "address": at(proxy.second_address()), "was": null }));

    assert_eq!(proxy.reload(&(listener("more", "{port3}") + "max_connections = 7\n" + &toml)).status, 200);
    assert_eq!(last(&proxy, "listener_")["cause"]["was"], at(proxy.second_address()));

    assert_eq!(proxy.reload(&toml).status, 200);
    let all = events(&proxy, "listener_");
    assert_eq!(kinds(&all), ["added", "added", "changed", "changed", "removed"]);
    assert!(all[1..].iter().all(|(_, event)| event["listener"] == "more"));
    wait_until("the log says so", || proxy.stderr().contains("listener removed listener=\"more\""));
    assert_eq!(proxy.metric("evenkeel_events_total{kind=\"listener_changed\"}"), 2);
}

#[test]
fn a_listener_whose_address_is_taken_refuses_the_reload_and_both_are_told() {
    let origin = Origin::ok();
    let toml = config("", "", &[&origin]);
    let proxy = Proxy::start(&toml);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    assert_eq!(proxy.reload(&(listener("more", &port) + &toml)).status, 422);
    let failed = last(&proxy, "listener_");
    assert_eq!(
        (&failed["kind"], &failed["listener"], &failed["level"]),
        (&json!("listener_failed"), &json!("more"), &json!("error"))
    );
    let cause = json!({ "address": format!("127.0.0.1:{port}"), "reason": "address already in use" });
    assert_eq!(failed["cause"], cause);
    // nobody is to think that a listener which was open has gone
    let text = format!(
        "a reload wants to listen at 127.0.0.1:{port}, which can't be opened: address already in use; what is open stays open"
    );
    assert_eq!(failed["text"], text);
    wait_until("the log says so", || proxy.stderr().contains("can't be opened: what is open stays open"));
    assert_eq!(proxy.client().get("/").status, 200);
    // the file's change may have been seen as well as the request
    let configs = events(&proxy, "config_");
    assert!(!configs.is_empty() && configs.iter().all(|(kind, _)| kind == "refused"), "{configs:?}");
}

#[test]
fn backends_that_the_configuration_does_not_have_any_more_are_told_of() {
    let (a, b) = (Origin::ok(), Origin::ok());
    let of = |origin: &Origin, id: &str| format!("{}id = \"{id}\"\n", backend(origin.address()));
    let proxy = Proxy::start(&(config("", "", &[]) + &of(&a, "a") + &of(&b, "b")));
    assert_eq!(proxy.reload(&(config("", "", &[]) + &of(&b, "b"))).status, 200);
    let removed = last(&proxy, "backend_");
    assert_eq!(
        (&removed["kind"], &removed["service"], &removed["backend"]),
        (&json!("backend_removed"), &json!("api"), &json!("a"))
    );
    assert_eq!(removed["cause"], json!({ "by": "configuration" }));
}

#[test]
fn what_a_source_of_backends_answers_is_told_and_counted() {
    let (a, b) = (Origin::ok(), Origin::ok());
    let proxy = Proxy::start(&config("", "discover = { file = \"{dir}/backends.json\" }", &[]));
    let write = |text: &str| {
        // another file takes the place of the old one
        std::fs::write(proxy.path("draft"), text).unwrap();
        std::fs::rename(proxy.path("draft"), proxy.path("backends.json")).unwrap();
    };
    let told = |want: &[&str]| {
        wait_until(&format!("{want:?} is told"), || kinds(&events(&proxy, "discovery_")) == want);
        last(&proxy, "discovery_")["cause"].clone()
    };
    let entry = |origin: &Origin| format!("{{ \"address\": \"{}\" }}", origin.address());
    assert_eq!(told(&["failed"])["backends"], 0);
    assert_eq!(proxy.metric("evenkeel_discovery_up{service=\"api\"}"), 0);
    write(&format!("[{}]", entry(&a)));
    assert_eq!(told(&["failed", "recovered", "changed"]), json!({ "backends": 1, "added": 1, "removed": 0 }));
    write(&format!("[{}]", entry(&b)));
    assert_eq!(
        told(&["failed", "recovered", "changed", "changed"]),
        json!({ "backends": 1, "added": 1, "removed": 1 })
    );
    wait_until("a is removed", || !events(&proxy, "backend_removed").is_empty());
    let removed = last(&proxy, "backend_removed");
    assert_eq!((removed["backend"].as_str(), &removed["cause"]["by"]), (Some(a.address()), &json!("discovery")));
    write("[{");
    let failed = told(&["failed", "recovered", "changed", "changed", "failed"]);
    assert!(failed["reason"].as_str().unwrap().contains("backends.json") && failed["backends"] == 1, "{failed}");
    let answers =
        |outcome| proxy.metric(&format!("evenkeel_discovery_answers_total{{service=\"api\",outcome=\"{outcome}\"}}"));
    assert_eq!(answers("changed"), 2);
    assert!(answers("failed") >= 2);

    // with the section its series go
    assert_eq!(proxy.reload(&config("", "", &[&b])).status, 200);
    assert!(!proxy.metrics().contains("evenkeel_discovery_up{"));
}

#[test]
fn certificates_are_told_of_when_they_come_change_expire_and_can_not_be_used() {
    let (dir, authority, origin) = (Scratch::new(), Authority::shared(), Origin::ok());
    let now = SystemTime::now();
    let day = Duration::from_secs(86_400);
    let identity = authority.sign_until(&dir, &["a.example"], now + 300 * day);
    let tls = format!("[listener.tls]\ncertificates = [{}]\n", identity.toml());
    let toml = config(&tls, "", &[&origin]);
    let proxy = Proxy::start(&toml);
    let told = |want: &[&str]| {
        let all = events(&proxy, "certificate_");
        assert_eq!(kinds(&all), want);
        all.last().unwrap().1.clone()
    };
    let loaded = told(&["loaded"]);
    let path = identity.cert.to_str().unwrap();
    assert_eq!((&loaded["listener"], &loaded["cause"]["path"]), (&json!("web"), &json!(path)));
    assert_eq!(loaded["cause"]["names"], json!(["a.example"]));
    let expiry =
        format!("evenkeel_certificate_expiry_timestamp_seconds{{listener=\"web\",service=\"\",path=\"{path}\"}}");
    let seconds = (now + 300 * day).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(proxy.metric(&expiry), seconds);

    // the configuration stays; only its certificate becomes another one
    let reload = || proxy.admin_call("POST", "/api/v1/reload", "").unwrap().status;
    assert_eq!(reload(), 200);
    told(&["loaded"]);
    authority.sign_until(&dir, &["a.example"], now + 2 * day);
    assert_eq!(reload(), 200);
    let expiring = told(&["loaded", "changed", "expiring"]);
    assert_eq!(expiring["level"], "warn");
    // what has expired does not take the place of what is valid, by a reload as little as without one
    authority.sign_until(&dir, &["a.example"], now - day);
    assert_eq!(reload(), 200);
    wait_until("it is refused", || kinds(&events(&proxy, "certificate_")).contains(&"refused"));
    assert!(!kinds(&events(&proxy, "certificate_")).contains(&"expired"));
    let begun = Proxy::start(&toml);
    let expired = last(&begun, "certificate_expired");
    assert_eq!((&expired["level"], &expired["listener"]), (&json!("error"), &json!("web")));
    std::fs::write(&identity.cert, "nothing").unwrap();
    assert_eq!(reload(), 422);
    assert_eq!(last(&proxy, "certificate_failed")["cause"]["key"], "listener[0].tls.certificates[0].cert");
    assert_eq!(kinds(&events(&proxy, "config_refused")), [""]);

    // with the listener's TLS its series goes
    assert_eq!(proxy.reload(&config("", "", &[&origin])).status, 200);
    assert!(!proxy.metrics().contains("evenkeel_certificate_expiry_timestamp_seconds{"));
}

#[test]
fn a_reload_that_is_refused_because_of_an_upgrade_is_told() {
    let origin = Origin::ok();
    let toml = config("", "", &[&origin]) + "[service.api.affinity]\nby = \"cookie\"\n";
    let proxy = Proxy::start(&toml);
    // nobody ever writes into it, so that the new process, which reads its key there, never gets ready
    let key = proxy.path("state").join("affinity.key");
    std::fs::remove_file(&key).unwrap();
    assert!(Command::new("mkfifo").arg(&key).status().unwrap().success());
    proxy.signal("USR2");
    wait_until("the upgrade is under way", || proxy.stderr().contains("takes over when it is ready"));
    let _successor = Successor::of(&proxy);
    assert_eq!(proxy.admin_call("POST", "/api/v1/reload", "").unwrap().status, 422);
    let refused = last(&proxy, "config_refused");
    assert!(refused["cause"]["detail"].as_str().unwrap().contains("another process is about to take over"));
    assert!(refused["cause"]["why"].as_str().unwrap().starts_with("POST /api/v1/reload by"));
    assert_eq!(proxy.metric("evenkeel_events_total{kind=\"config_refused\"}"), 1);
}
