//! What nobody has watched is unknown: a process that was stopped, backends that nobody has checked yet, the time between two processes.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Conn, Cue, OK, Origin, Proxy, Successor, config, wait_until};
use crate::{Backend, events, promising, send, sla, wait_for_event, wait_for_incident, wait_for_requests};

fn seconds(sla: &Value, name: &str) -> f64 {
    sla[name].as_f64().unwrap_or_default()
}

/// How many words of this room the ledger keeps.
fn kept(proxy: &Proxy, room: &str) -> i64 {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let ledger = rusqlite::Connection::open_with_flags(proxy.path("state/ledger.sqlite"), flags).unwrap();
    ledger.query_row("SELECT count(*) FROM kept WHERE room = ?1", [room], |row| row.get(0)).unwrap()
}

#[test]
fn a_process_that_is_stopped_for_six_seconds_has_not_watched_and_says_so() {
    let origin = Backend::new();
    let proxy = Proxy::start(&promising("", &[&origin]));
    assert_eq!(send(&proxy, 10), 0);
    wait_for_requests(&proxy, 10, 0);
    let before = sla(&proxy);
    proxy.signal("STOP");
    // that is how long it is stopped
    std::thread::sleep(Duration::from_secs(6));
    proxy.signal("CONT");
    wait_until("the time is unknown", || seconds(&sla(&proxy), "unknown_s") >= 5.9);
    let after = sla(&proxy);
    assert!(seconds(&before, "unknown_s") < 3.0, "{before}");
    assert_eq!(after["downtime_s"], 0.0, "{after}");
    let report = proxy.admin("/api/v1/sla/report?format=markdown&last=1h").unwrap().text();
    assert!(report.contains("the process was stopped for a while"), "{report}");
}

#[test]
fn a_new_process_that_finds_an_outage_late_takes_none_of_it_for_uptime() {
    let origin = Backend::new();
    let checks = "[service.api.health]\ninterval = \"400ms\"\nfast_interval = \"400ms\"\nfall = 4\nrise = 1\n";
    let promise = "[service.api.sla]\n";
    let mut proxy = Proxy::start(&format!("{}{checks}{promise}", config("", "", &[&origin.origin])));
    assert_eq!(send(&proxy, 10), 0);
    origin.set_down(true);
    wait_for_incident(&proxy);
    let before = sla(&proxy);
    proxy.kill_and_start();
    wait_for_event(&proxy, "service_down");
    wait_until("it is down again", || seconds(&sla(&proxy), "downtime_s") > seconds(&before, "downtime_s"));
    let after = sla(&proxy);
    assert_eq!(before["uptime_s"], after["uptime_s"]);
    assert!(seconds(&after, "unknown_s") > 1.0, "three checks that failed say too little: {after}");
    assert_eq!(after["incidents"].as_array().unwrap().len(), 1, "it is the same one");
}

#[test]
fn backends_that_are_taken_for_down_until_they_are_checked_are_no_outage() {
    let origin = Backend::new();
    let checks = "[service.api.health]\ninterval = \"300ms\"\ninitial = \"down\"\n";
    let promise = "[service.api.sla]\n";
    let proxy = Proxy::start(&format!("{}{checks}{promise}", config("", "", &[&origin.origin])));
    wait_until("it serves", || send(&proxy, 1) == 0);
    wait_until("it is known to be up", || seconds(&sla(&proxy), "uptime_s") > 1.0);
    assert_eq!(sla(&proxy)["downtime_s"], 0.0);
    assert!(events(&proxy, "incident_began").is_empty());
}

#[test]
fn an_outage_that_is_over_ended_when_it_did_also_where_the_process_is_replaced_or_killed_soon_after() {
    for is_replaced in [true, false] {
        let origin = Backend::new();
        let mut proxy = Proxy::start(&promising("", &[&origin]));
        assert_eq!(send(&proxy, 10), 0);
        origin.set_down(true);
        wait_for_event(&proxy, "incident_began");
        origin.set_down(false);
        wait_for_event(&proxy, "service_up");
        wait_until("that it is up again is on the disk", || kept(&proxy, "up_again") == 1);
        let lasted = sla(&proxy)["incidents"][0]["lasted_s"].clone();
        let _successor = if is_replaced {
            proxy.signal("USR2");
            assert_eq!(proxy.wait().code(), Some(0));
            Some(Successor::of(&proxy))
        } else {
            proxy.kill_and_start();
            None
        };
        wait_for_event(&proxy, "incident_ended");
        wait_until("the end is on the disk", || sla(&proxy)["incidents"][0]["ended"].is_string());
        let incident = &sla(&proxy)["incidents"][0];
        assert_eq!((&incident["lasted_s"], &incident["cut"]), (&lasted, &json!(false)), "{is_replaced} {incident}");
    }
}

#[test]
fn requests_that_end_after_their_promise_was_taken_back_were_promised_to() {
    let (go, seen) = (Cue::default(), Cue::default());
    let (wait, tell) = (go.clone(), seen.clone());
    let origin = Origin::script(move |conn: &mut Conn| {
        while let Ok(request) = conn.request() {
            if request.target() == "/slow" {
                tell.give();
                wait.wait();
            }
            if !conn.send(OK) {
                return;
            }
        }
    });
    let promised = format!("{}[service.api.sla]\n", config("", "", &[&origin]));
    let proxy = Proxy::start(&promised);
    assert_eq!(send(&proxy, 3), 0);
    wait_for_requests(&proxy, 3, 0);
    let mut client = proxy.client();
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(seen.wait());
    assert_eq!(proxy.reload(&config("", "", &[&origin])).status, 200);
    go.give();
    assert_eq!(client.response().status, 200);
    assert_eq!(proxy.reload(&promised).status, 200);
    wait_for_requests(&proxy, 4, 0);
}
