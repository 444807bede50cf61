//! Maintenance that is started by hand.

use serde_json::{Value, json};

use crate::support::{Proxy, backend, config, wait_until};
use crate::{Backend, events, promising, run, send, sla, text, wait_for_event};

const PATH: &str = "/api/v1/services/api/maintenance";

fn call(proxy: &Proxy, method: &str, body: &str) -> (u16, Value) {
    let answer = proxy.admin_call(method, PATH, body).unwrap();
    (answer.status, serde_json::from_str(&answer.text()).unwrap())
}

#[test]
fn what_happens_in_maintenance_does_not_count_also_after_a_crash() {
    let origin = Backend::new();
    let mut proxy = Proxy::start(&promising("", &[&origin]));
    let (status, answer) = call(&proxy, "POST", r#"{ "minutes": 30, "reason": "new disks" }"#);
    assert_eq!((status, &answer["kept"], &answer["reason"]), (200, &json!(true), &json!("new disks")));
    let began = wait_for_event(&proxy, "maintenance_began");
    assert_eq!((&began["cause"]["reason"], &began["cause"]["who"]), (&json!("new disks"), &json!("127.0.0.1")));
    origin.set_down(true);
    let lost = send(&proxy, 30);
    assert!(lost > 0);
    wait_for_event(&proxy, "service_down");
    wait_until("the requests are on the disk", || sla(&proxy)["requests"]["excluded"] == 30);
    proxy.kill_and_start();
    wait_until("it is still in maintenance", || sla(&proxy)["state"] == "maintenance");
    assert_eq!(call(&proxy, "GET", "").1["reason"], "new disks");
    assert_eq!(sla(&proxy)["downtime_s"], 0.0);
    assert!(events(&proxy, "incident_began").is_empty(), "nothing counts");
    wait_for_event(&proxy, "service_down");
    let (status, answer) = call(&proxy, "DELETE", "");
    assert_eq!((status, &answer["kept"]), (200, &json!(true)));
    wait_for_event(&proxy, "maintenance_ended");
    // what is still down when maintenance is over is an incident from then on
    wait_for_event(&proxy, "incident_began");
    assert_eq!(call(&proxy, "GET", "").1, Value::Null);
    assert_eq!(call(&proxy, "DELETE", "").0, 404);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let origin = Backend::new();
    let proxy = Proxy::start(&promising("", &[&origin]));
    for (body, detail) in [
        ("{}", "until when?"),
        (r#"{ "minutes": 5 }"#, "a reason has to be given"),
        (r#"{ "minutes": -5, "reason": "x" }"#, "is no time"),
        (r#"{ "minutes": 100000, "reason": "x" }"#, "at most seven days"),
        (r#"{ "until": "2020-01-01T00:00:00Z", "reason": "x" }"#, "over already"),
        (r#"{ "hours": 5, "reason": "x" }"#, "unknown field"),
        ("nonsense", "the body"),
    ] {
        let (status, answer) = call(&proxy, "POST", body);
        assert_eq!(status, 400, "{body}");
        assert!(answer["detail"].as_str().unwrap().contains(detail), "{body}: {answer}");
    }
    let unknown = proxy.admin_call("POST", "/api/v1/services/other/maintenance", "{}").unwrap();
    assert_eq!(unknown.status, 404);
}

#[test]
fn without_a_promise_there_is_no_history_and_nothing_to_leave_out_of_it() {
    let proxy = Proxy::start(&(config("", "", &[]) + &backend("127.0.0.1:9")));
    assert_eq!(call(&proxy, "POST", r#"{ "minutes": 5, "reason": "x" }"#).0, 409);
    assert!(!proxy.path("state/ledger.sqlite").exists());
    assert_eq!(proxy.admin("/api/v1/sla/report").unwrap().status, 503);
}

#[test]
fn one_word_plans_the_time_and_shows_clients_the_page() {
    let origin = Backend::new();
    let proxy = Proxy::start(&promising("", &[&origin]));
    let (status, answer) = call(&proxy, "POST", r#"{ "minutes": 30, "reason": "new disks", "page": true }"#);
    assert_eq!((status, &answer["planned"], &answer["page"]), (200, &json!(true), &json!(true)));
    assert_eq!(send(&proxy, 5), 5, "clients are shown the page");
    wait_for_event(&proxy, "maintenance_began");
    wait_for_event(&proxy, "maintenance_page_shown");
    wait_until("nothing of it counts", || sla(&proxy)["requests"]["excluded"] == 5);
    // clients are let in again while the time is still planned
    let opened = proxy.admin_call("DELETE", &format!("{PATH}?only=page"), "").unwrap();
    assert_eq!(opened.status, 200);
    assert_eq!(send(&proxy, 5), 0);
    let (_, running) = call(&proxy, "GET", "");
    assert_eq!((&running["planned"], &running["page"]), (&json!(true), &json!(false)));
    call(&proxy, "POST", r#"{ "minutes": 30, "reason": "more disks", "page": true }"#);
    assert_eq!(send(&proxy, 1), 1);
    let (status, ended) = call(&proxy, "DELETE", "");
    assert_eq!((status, &ended["planned"], &ended["page"]), (200, &json!(true), &json!(true)));
    assert_eq!((send(&proxy, 1), call(&proxy, "GET", "").1), (0, Value::Null));
    wait_for_event(&proxy, "maintenance_ended");
}

#[test]
fn a_page_that_nobody_has_planned_counts_as_what_clients_miss() {
    let origin = Backend::new();
    let proxy = Proxy::start(&promising("", &[&origin]));
    let (status, answer) = call(&proxy, "POST", r#"{ "reason": "new disks", "page": true, "planned": false }"#);
    assert_eq!((status, &answer["planned"], &answer["counts"]), (200, &json!(false), &json!(true)));
    assert_eq!(send(&proxy, 5), 5);
    wait_until("it counts", || sla(&proxy)["requests"]["failed"] == 5);
    // planned time needs an end, a page does not
    assert_eq!(call(&proxy, "POST", r#"{ "reason": "new disks", "page": true }"#).0, 400);
}

#[test]
fn what_the_configuration_plans_is_told_with_its_rule_and_in_reports() {
    let origin = Backend::new();
    // no window that a year has begun ends while the test runs
    let rules = "maintenance = [{ from = \"2026-01-01T00:00:00Z\", to = \"2099-01-01T00:00:00Z\" },\
                 { from = \"2099-02-01T00:00:00Z\", to = \"2099-02-01T02:00:00Z\" }]";
    let proxy = Proxy::start(&promising(rules, &[&origin]));
    wait_until("it is in maintenance", || sla(&proxy)["state"] == "maintenance");
    let standing = sla(&proxy);
    let rule = "2099-02-01T00:00:00.000Z to 2099-02-01T02:00:00.000Z";
    let next = json!({ "from": "2099-02-01T00:00:00.000Z", "to": "2099-02-01T02:00:00.000Z", "rule": rule });
    assert_eq!(standing["next_maintenance"], next);
    assert!(standing["from"].as_str() < standing["to"].as_str(), "{standing}");
    let (_, shown) = call(&proxy, "GET", "");
    assert_eq!((&shown["who"], &shown["until"]), (&json!("configuration"), &json!("2099-01-01T00:00:00.000Z")));
    let (status, refused) = call(&proxy, "DELETE", "");
    let detail = refused["detail"].as_str().unwrap();
    assert_eq!(status, 404);
    assert!(detail.contains("plans it until 2099-01-01T00:00:00.000Z") && detail.contains("reload"), "{detail}");
    let admin = format!("http://{}", proxy.admin_address());
    let told = text(&run(&["maintenance", "api", "--show", "--admin", &admin]));
    assert!(
        told.starts_with("api is in maintenance until 2099-01-01T00:00:00.000Z, as the configuration plans ("),
        "{told}"
    );
    assert!(told.ends_with(&format!("from 2099-02-01T00:00:00.000Z to 2099-02-01T02:00:00.000Z ({rule})\n")), "{told}");
    let status = text(&run(&["status", "--admin", &admin]));
    assert!(status.contains("  promise of 99.9 %: maintenance until 2"), "{status}");
    // by hand goes before it, and is over again
    call(&proxy, "POST", r#"{ "minutes": 30, "reason": "new disks" }"#);
    assert_eq!(call(&proxy, "GET", "").1["reason"], "new disks");
    assert_eq!(call(&proxy, "DELETE", "").0, 200);
    assert_eq!(call(&proxy, "GET", "").1["who"], "configuration");
    wait_until("the history has it", || sla(&proxy)["planned_s"].as_f64().unwrap() > 0.0);
    let state = proxy.path("state");
    let asked = text(&run(&["report", "--admin", &admin, "--format", "json", "--last", "1d"]));
    let read = text(&run(&["report", "--state", state.to_str().unwrap(), "--format", "json", "--last", "1d"]));
    for report in [asked, read] {
        let report: Value = serde_json::from_str(&report).unwrap();
        let windows = report["maintenance_windows"].as_array().unwrap();
        let by_rule: Vec<_> = windows.iter().filter(|window| !window["rule"].is_null()).collect();
        assert_eq!(by_rule.len(), 1, "{windows:?}");
        assert_eq!(by_rule[0]["from"], "2026-01-01T00:00:00.000Z");
        assert!(windows.iter().any(|window| window["reason"] == "new disks"), "{windows:?}");
    }
}
