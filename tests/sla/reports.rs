//! Reports and notes.

use serde_json::{Value, json};

use crate::support::Proxy;
use crate::{Backend, promising, run, send, sla, text, wait_for_event, wait_for_requests};

/// A proxy whose service was down once.
fn with_an_incident(backend: &Backend) -> Proxy {
    let proxy = Proxy::start(&promising("target = 0.9995", &[backend]));
    send(&proxy, 20);
    backend.set_down(true);
    send(&proxy, 20);
    wait_for_event(&proxy, "incident_began");
    backend.set_down(false);
    wait_for_event(&proxy, "incident_ended");
    proxy
}

#[test]
fn the_report_is_the_same_from_the_admin_address_and_from_the_file_in_all_formats() {
    let backend = Backend::new();
    let proxy = with_an_incident(&backend);
    let note =
        proxy.admin_call("POST", "/api/v1/sla/incidents/1/note", r#"{ "text": "the <switch> was rebooted" }"#).unwrap();
    assert_eq!(note.status, 200, "{}", note.text());
    let admin = format!("http://{}", proxy.admin_address());
    let state = proxy.path("state");
    for (format, piece) in [
        ("markdown", "99.95 %"),
        ("json", "\"the <switch> was rebooted\""),
        ("csv", "the <switch> was rebooted"),
        ("html", "the &lt;switch&gt; was rebooted"),
    ] {
        let asked = text(&run(&["report", "--admin", &admin, "--format", format, "--last", "1d"]));
        let read = text(&run(&["report", "--state", state.to_str().unwrap(), "--format", format, "--last", "1d"]));
        for report in [&asked, &read] {
            assert!(report.contains(piece), "{format}: {report}");
        }
        let served = proxy.admin(&format!("/api/v1/sla/report?format={format}&last=1d")).unwrap();
        let kind = served.field("content-type").unwrap().to_owned();
        assert!(kind.contains(format) || format == "markdown" && kind.contains("text/markdown"), "{format}: {kind}");
    }
    let sla = sla(&proxy);
    assert_eq!(sla["incidents"][0]["notes"][0]["who"], "127.0.0.1");
    assert_eq!((&sla["tier"], &sla["target"]), (&Value::Null, &json!(0.9995)));
}

#[test]
fn a_report_is_of_a_quarter_or_from_day_to_day_and_of_several_services() {
    let backend = Backend::new();
    let proxy = with_an_incident(&backend);
    let admin = format!("http://{}", proxy.admin_address());
    let state = proxy.path("state");
    let places = [["--admin", &admin], ["--state", state.to_str().unwrap()]];
    for place in places {
        let report = |more: &[&str]| {
            let text = text(&run(&[&["report", "--format", "json"][..], &place, more].concat()));
            serde_json::from_str::<Value>(&text).unwrap()
        };
        let quarter = report(&["--month", "2026-Q4"]);
        assert_eq!(
            (&quarter["from"], &quarter["to"]),
            (&json!("2026-10-01T00:00:00.000Z"), &json!("2027-01-01T00:00:00.000Z"))
        );
        let days = report(&["--from", "2026-01-15", "--to", "2026-02-14", "--service", "api"]);
        assert_eq!(
            (&days["from"], &days["to"]),
            (&json!("2026-01-15T00:00:00.000Z"), &json!("2026-02-15T00:00:00.000Z"))
        );
        assert_eq!((&days["is_over"], &days["label"]), (&json!(true), &json!("2026-01-15 to 2026-02-14")));
        assert_eq!(report(&["--last-month"])["is_over"], true);
        let unknown = run(&[&["report", "--service", "api", "--service", "other"][..], &place].concat());
        assert!(!unknown.status.success() && String::from_utf8_lossy(&unknown.stderr).contains("other"));
    }
}

#[test]
fn a_note_is_about_an_incident_that_there_is() {
    let backend = Backend::new();
    let proxy = with_an_incident(&backend);
    for (number, body, status) in [
        ("1", r#"{ "text": " " }"#, 400),
        ("1", r#"{ "txt": "a" }"#, 400),
        ("1", r#"{ "text": "a\u0007" }"#, 400),
        ("2", r#"{ "text": "a" }"#, 404),
        ("x", r#"{ "text": "a" }"#, 404),
        ("1", r#"{ "text": "two\nlines" }"#, 200),
    ] {
        let answer = proxy.admin_call("POST", &format!("/api/v1/sla/incidents/{number}/note"), body).unwrap();
        assert_eq!(answer.status, status, "{number} {body}: {}", answer.text());
    }
}

#[test]
fn a_report_that_cannot_be_made_says_why() {
    let backend = Backend::new();
    let proxy = Proxy::start(&promising("", &[&backend]));
    send(&proxy, 1);
    wait_for_requests(&proxy, 1, 0);
    for (query, status) in [
        ("format=pdf", 400),
        ("month=13", 400),
        ("last=1d&month=2026-11", 400),
        ("service=other", 404),
        ("month=2020-01", 200),
    ] {
        let answer = proxy.admin(&format!("/api/v1/sla/report?{query}")).unwrap();
        assert_eq!(answer.status, status, "{query}: {}", answer.text());
    }
    let nothing = run(&["report", "--state", proxy.path("nowhere").to_str().unwrap()]);
    assert!(!nothing.status.success() && String::from_utf8_lossy(&nothing.stderr).contains("there is no ledger"));
}

#[test]
fn promises_go_out_and_come_in_as_openslo() {
    let backend = Backend::new();
    let proxy = Proxy::start(&promising("tier = \"enhanced\"\ncalendar = \"month\"\nlatency = \"500ms\"", &[&backend]));
    let file = proxy.path("proxy.toml");
    let exported = text(&run(&["slo", "export", "-c", file.to_str().unwrap()]));
    let yaml = proxy.path("slo.yaml");
    std::fs::write(&yaml, &exported).unwrap();
    let imported = text(&run(&["slo", "import", yaml.to_str().unwrap()]));
    for line in ["[service.api.sla]", "tier = \"enhanced\"", "calendar = \"month\"", "latency = \"500ms\""] {
        assert!(imported.contains(line), "{line} is not in\n{imported}");
    }
    std::fs::write(&yaml, "apiVersion: openslo/v1alpha\nkind: SLO\n").unwrap();
    let refused = run(&["slo", "import", yaml.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
}
