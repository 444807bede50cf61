//! Another configuration, under load and on demand.

use crate::load::Load;
use crate::support::{Origin, Proxy, config, wait_until};

fn generation(proxy: &Proxy) -> u64 {
    proxy.metric("evenkeel_config_generation ")
}

#[test]
fn reloads_under_load_lose_nothing_and_traffic_goes_where_the_last_one_says() {
    let (a, b) = (Origin::ok(), Origin::ok());
    let proxy = Proxy::start(&config("", "", &[&a]));
    let load = Load::on(proxy.address());
    let mut last = 1;
    for round in 0..10 {
        let backends: &[&Origin] = if round % 2 == 0 { &[&a, &b] } else { &[&b] };
        let answer = proxy.reload(&config("", "", backends));
        assert_eq!(answer.status, 200);
        let said: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
        let now = said["config_generation"].as_u64().unwrap();
        // it may have seen by itself that the file has changed, before it was told
        assert!(now == last + 1 || now == last + 2, "{last}, then {now}");
        last = now;
        load.goes_on(20);
    }
    load.lost_nothing();
    assert!(b.connections() > 0);
    let before = a.requests().len();
    assert_eq!(proxy.client().get("/x").text(), "ok");
    assert_eq!(a.requests().len(), before, "the last one knows only b");
    assert_eq!(proxy.metric("evenkeel_reloads_total{outcome=\"ok\"} "), last - 1);
}

#[test]
fn a_bad_file_changes_nothing_and_every_mistake_is_told() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    assert_eq!(client.get("/before").text(), "ok");
    let bad = config("wrong = 1", "balance = \"nearest\"", &[&origin]);
    let answer = proxy.reload(&bad);
    assert_eq!(answer.status, 422);
    assert_eq!(answer.head.field("content-type"), Some("application/problem+json"));
    for place in ["listener[0].wrong", "service.api.balance"] {
        assert!(answer.text().contains(place), "{}", answer.text());
    }
    assert!(proxy.stderr().contains("2 mistakes in "), "{}", proxy.stderr());
    assert_eq!(client.get("/after").text(), "ok");
    assert_eq!(generation(&proxy), 1);
    assert!(proxy.metric("evenkeel_reloads_total{outcome=\"failed\"} ") >= 1);
    let refused = proxy.status()["reload_refused"]["reason"].to_string();
    assert!(refused.contains("the configuration can't be used"), "{refused}");
    assert_eq!(proxy.reload(&config("", "", &[&origin])).status, 200);
    assert!(proxy.status()["reload_refused"].is_null());
}

#[test]
fn sighup_reloads() {
    let (a, b) = (Origin::ok(), Origin::saying("b"));
    let proxy = Proxy::to(&a);
    let mut client = proxy.client();
    assert_eq!(client.get("/x").text(), "ok");
    proxy.rewrite(&config("", "", &[&b]));
    proxy.signal("HUP");
    wait_until("the configuration is read", || generation(&proxy) >= 2);
    assert_eq!(client.get("/x").text(), "b", "on the same connection");
    let said = proxy.stderr();
    assert!(said.contains("backends added: api/") && said.contains("backends removed: api/"), "{said}");
}

#[test]
fn a_file_that_is_touched_and_holds_what_it_held_is_not_loaded_again() {
    let (a, b) = (Origin::ok(), Origin::ok());
    let toml = |backend: &Origin| config("", "", &[backend]) + "[log]\nlevel = \"debug\"\n";
    let proxy = Proxy::start(&toml(&a));
    // not written anew: there must be no moment in which it is empty
    let file = std::fs::File::options().append(true).open(proxy.path("proxy.toml")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    drop(file);
    wait_until("its watcher has told of it", || {
        proxy.stderr().contains("the file was touched, and holds what it held")
    });
    assert_eq!((generation(&proxy), proxy.metric("evenkeel_reloads_total{outcome=\"ok\"} ")), (1, 0));
    proxy.rewrite(&toml(&b));
    wait_until("a change is taken", || generation(&proxy) == 2);
}

#[test]
fn what_was_counted_of_a_backend_that_stays_stays() {
    let (a, b) = (Origin::ok(), Origin::ok());
    let proxy = Proxy::to(&a);
    assert_eq!(proxy.client().get("/x").text(), "ok");
    let count = format!(
        "evenkeel_requests_total{{listener=\"web\",service=\"api\",backend=\"{}\",code_class=\"2xx\"}} ",
        a.address()
    );
    wait_until("it is counted", || proxy.metric(&count) == 1);
    assert_eq!(proxy.reload(&config("", "", &[&b, &a])).status, 200);
    assert_eq!(proxy.metric(&count), 1);
}

#[test]
fn what_cannot_change_is_said_and_stays() {
    let origin = Origin::ok();
    let toml = config("", "", &[&origin]);
    let proxy = Proxy::start(&(toml.clone() + "[server]\nworkers = 1\n"));
    assert_eq!(proxy.reload(&(toml + "[server]\nworkers = 2\n")).status, 200);
    assert!(proxy.stderr().contains("server.workers can't change while the process runs: it stays 1"));
    assert!(proxy.admin("/api/v1/config").unwrap().text().contains("\"workers\":1"));
}

#[test]
fn a_reload_is_asked_for_by_post_only() {
    let proxy = Proxy::to(&Origin::ok());
    let answer = proxy.admin("/api/v1/reload").unwrap();
    assert_eq!((answer.status, answer.head.field("allow")), (405, Some("POST")));
}

#[test]
fn the_access_log_goes_elsewhere_with_the_next_request() {
    let origin = Origin::ok();
    let toml = |file: &str| config("", "", &[&origin]) + &format!("[log]\naccess = \"{{dir}}/{file}\"\n");
    let proxy = Proxy::start(&toml("first.log"));
    let lines = |file: &str| std::fs::read_to_string(proxy.path(file)).unwrap_or_default().lines().count();
    proxy.client().get("/x");
    wait_until("the line is written", || lines("first.log") == 1);
    assert_eq!(proxy.reload(&toml("second.log")).status, 200);
    proxy.client().get("/x");
    wait_until("the line is written", || lines("second.log") == 1);
    assert_eq!(lines("first.log"), 1);
}
