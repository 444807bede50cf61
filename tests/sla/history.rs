//! The history on the disk: through crashes, restarts, upgrades and damage.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::{Proxy, Successor, wait_until};
use crate::{Backend, promising, run, send, sla, text, wait_for_event, wait_for_incident, wait_for_requests};

/// All the time that is accounted, in seconds.
fn elapsed(sla: &Value) -> f64 {
    ["uptime_s", "downtime_s", "planned_s", "unknown_s"].iter().map(|name| sla[name].as_f64().unwrap_or_default()).sum()
}

#[test]
fn after_a_crash_nothing_is_lost_nothing_is_twice_and_the_gap_is_unknown() {
    let origin = Backend::new();
    let started = Instant::now();
    let mut proxy = Proxy::start(&promising("", &[&origin]));
    let mut sent = 0;
    for _ in 0..5 {
        sent += 20;
        assert_eq!(send(&proxy, 20), 0);
        wait_for_requests(&proxy, sent, 0);
        proxy.kill_and_start();
    }
    // what the last process counts is on the disk together with the gap before it
    assert_eq!(send(&proxy, 20), 0);
    wait_for_requests(&proxy, sent + 20, 0);
    let sla = sla(&proxy);
    assert!(sla["unknown_s"].as_f64().unwrap() > 0.0, "{sla}");
    assert!(elapsed(&sla) <= started.elapsed().as_secs_f64() + 1.0, "{sla}");
    assert_eq!((&sla["downtime_s"], &sla["failures"]), (&json!(0.0), &json!(0)));
    let report = proxy.admin("/api/v1/sla/report?format=markdown&last=1h").unwrap().text();
    assert_eq!(report.matches("Evenkeel ended without a word").count(), 5, "{report}");
    assert_eq!(
        text(&run(&["state", "check", "--state", proxy.path("state").to_str().unwrap()])).matches("sound").count(),
        1
    );
}

#[test]
fn an_incident_under_way_goes_on_after_a_crash() {
    let origin = Backend::new();
    let mut proxy = Proxy::start(&promising("", &[&origin]));
    send(&proxy, 20);
    origin.set_down(true);
    send(&proxy, 20);
    wait_for_incident(&proxy);
    proxy.kill_and_start();
    wait_for_event(&proxy, "service_down");
    origin.set_down(false);
    let ended = wait_for_event(&proxy, "incident_ended");
    assert_eq!(ended["cause"]["incident"], 1);
    wait_until("the end is on the disk", || sla(&proxy)["incidents"][0]["ended"].is_string());
    assert_eq!(sla(&proxy)["incidents"].as_array().unwrap().len(), 1, "no second one has begun");
}

#[test]
fn in_an_upgrade_no_second_passes_twice_and_no_request_is_lost() {
    let origin = Backend::new();
    let started = Instant::now();
    let mut proxy = Proxy::start(&promising("", &[&origin]));
    assert_eq!(send(&proxy, 30), 0);
    wait_until("the first second is on the disk", || elapsed(&sla(&proxy)) > 1.0);
    let unchecked = sla(&proxy)["unknown_s"].clone();
    proxy.signal("USR2");
    assert_eq!(proxy.wait().code(), Some(0));
    let _successor = Successor::of(&proxy);
    assert_eq!(send(&proxy, 30), 0);
    wait_for_requests(&proxy, 60, 0);
    let sla = sla(&proxy);
    let real = started.elapsed().as_secs_f64();
    assert!(elapsed(&sla) <= real, "{real} {sla}");
    assert_eq!(sla["unknown_s"], unchecked, "one of the two has watched all the time: {sla}");
}

#[test]
fn a_damaged_history_is_set_aside_and_said_to_be() {
    let origin = Backend::new();
    let mut proxy = Proxy::start(&promising("", &[&origin]));
    send(&proxy, 10);
    wait_for_requests(&proxy, 10, 0);
    let file = proxy.path("state/ledger.sqlite");
    let mut damaged = fs::OpenOptions::new().write(true).open(&file).unwrap();
    damaged.seek(SeekFrom::Start(0)).unwrap();
    damaged.write_all(b"this is no database any more").unwrap();
    drop(damaged);
    proxy.kill_and_start();
    let told = wait_for_event(&proxy, "ledger_set_aside");
    assert_eq!(told["level"], "error");
    let aside = told["cause"]["file"].as_str().unwrap();
    assert!(fs::exists(aside).unwrap(), "{aside}");
    send(&proxy, 10);
    wait_for_requests(&proxy, 10, 0);
    let report = proxy.admin("/api/v1/sla/report?format=markdown").unwrap().text();
    assert!(report.contains("damaged"), "{report}");
}

#[test]
fn where_it_cannot_be_written_the_proxy_serves_and_says_so() {
    let origin = Backend::new();
    let proxy = Proxy::start_with(&promising("", &[&origin]), |command| {
        // a file is in the place of the folder
        let folder = command.get_args().last().map(|file| std::path::Path::new(file).parent().unwrap().join("state"));
        fs::write(folder.unwrap(), "").unwrap();
    });
    let told = wait_for_event(&proxy, "ledger_failed");
    assert_eq!(told["level"], "error");
    assert_eq!(send(&proxy, 10), 0);
    assert_eq!(proxy.metric("evenkeel_ledger_ok"), 0);
    // how it stands is known all the same
    wait_until("how it stands is shown", || sla(&proxy)["state"] == "up");
    assert!(sla(&proxy)["ledger_trouble"].is_string() && sla(&proxy)["uptime_s"].is_null());
    fs::remove_file(proxy.path("state")).unwrap();
    wait_for_event(&proxy, "ledger_recovered");
    // what has happened meanwhile is not lost
    wait_for_requests(&proxy, 10, 0);
    assert_eq!(proxy.metric("evenkeel_ledger_ok"), 1);
}

#[test]
fn a_copy_is_made_while_it_runs_and_can_be_restored() {
    let origin = Backend::new();
    let mut proxy = Proxy::start(&promising("", &[&origin]));
    send(&proxy, 10);
    wait_for_requests(&proxy, 10, 0);
    assert_eq!(proxy.command("drain", origin.origin.address()), 200);
    let (state, copy) = (proxy.path("state"), proxy.path("copy.sqlite"));
    let (state, copy) = (state.to_str().unwrap(), copy.to_str().unwrap());
    text(&run(&["state", "backup", copy, "--state", state]));
    assert!(!run(&["state", "backup", copy, "--state", state]).status.success(), "nothing is written over");
    assert!(text(&run(&["state", "check", copy])).contains("sound"));
    let refused = run(&["state", "restore", copy, "--state", state]);
    assert!(!refused.status.success(), "a process has it open");
    proxy.signal("TERM");
    proxy.wait();
    assert!(text(&run(&["state", "restore", copy, "--state", state])).contains("restored"));
    let report: Value = serde_json::from_str(&text(&run(&["report", "--state", state, "--format", "json"]))).unwrap();
    assert_eq!(report["services"]["api"]["requests"]["good"], 10, "{report}");
    // on another machine there is nothing but the copy: what operators have said comes back with it
    fs::remove_file(proxy.path("state/operators.json")).unwrap();
    proxy.kill_and_start();
    assert_eq!(proxy.status()["services"]["api"]["backends"][0]["state"], "draining");
    // it was told to stop and did: what is missing is what came after the copy
    let report = || proxy.admin("/api/v1/sla/report?format=markdown&last=1h").unwrap().text();
    wait_until("the gap is on the disk", || report().contains("the history was restored from a copy that ends at"));
    let report = report();
    assert!(report.contains("what came after it is in ledger.replaced-"), "{report}");
    assert!(!report.contains("Nobody watched"), "{report}");
}

#[test]
fn a_deletion_by_hand_is_told_by_the_process_that_runs() {
    let origin = Backend::new();
    let proxy = Proxy::start(&promising("", &[&origin]));
    send(&proxy, 10);
    wait_for_requests(&proxy, 10, 0);
    text(&run(&["state", "prune", "--before", "2024-01-01", "--state", proxy.path("state").to_str().unwrap()]));
    let told = wait_for_event(&proxy, "ledger_pruned");
    assert_eq!((&told["level"], &told["cause"]["before"]), (&json!("warn"), &json!("2024-01-01T00:00:00.000Z")));
    // nothing of the service was deleted
    let sla = sla(&proxy);
    assert_eq!((&sla["compliant"], &sla["deleted_s"]), (&json!(true), &json!(0.0)), "{sla}");
    assert_eq!(sla["recovery_point"], json!({ "crashes": 0, "longest_gap_s": 0.0, "within_rpo": true }));
}

#[test]
fn a_history_that_could_not_be_read_at_the_start_gets_its_gap_when_it_is_written_again() {
    let origin = Backend::new();
    let mut proxy = Proxy::start(&promising("", &[&origin]));
    send(&proxy, 20);
    origin.set_down(true);
    send(&proxy, 20);
    wait_for_incident(&proxy);
    let file = proxy.path("state/ledger.sqlite");
    let version = |sql: &str| rusqlite::Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    let known: i64 = {
        let connection = rusqlite::Connection::open(&file).unwrap();
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    };
    proxy.signal("KILL");
    proxy.wait();
    origin.set_down(false);
    version("PRAGMA user_version = 1000");
    proxy.kill_and_start();
    wait_for_event(&proxy, "ledger_failed");
    version(&format!("PRAGMA user_version = {known}"));
    wait_until("it is read again", || sla(&proxy)["incidents"][0]["ended"].is_string());
    let sla = sla(&proxy);
    assert_eq!(sla["incidents"][0]["cut"], true, "{sla}");
    assert!(sla["unknown_s"].as_f64().unwrap() > 0.0, "{sla}");
    let report = proxy.admin("/api/v1/sla/report?format=markdown&last=1h").unwrap().text();
    assert!(report.contains("Evenkeel ended without a word."), "{report}");
}

#[test]
fn a_second_process_in_the_same_folder_serves_says_so_and_takes_over_when_the_first_has_ended() {
    let origin = Backend::new();
    let promised = promising("", &[&origin]);
    let mut first = Proxy::start(&promised);
    wait_until("the first one accounts", || elapsed(&sla(&first)) > 0.5);
    let second = Proxy::start(&promised.replace("[service.api.sla]\n", ""));
    let _ = fs::remove_dir_all(second.path("state"));
    std::os::unix::fs::symlink(first.path("state"), second.path("state")).unwrap();
    assert_eq!(second.reload(&promised).status, 200);
    let told = wait_for_event(&second, "ledger_kept_elsewhere");
    let trouble = sla(&second)["ledger_trouble"].to_string();
    assert!(trouble.contains("the process ") && trouble.contains("keeps the ledger"), "{trouble} {told}");
    assert_eq!(second.metric("evenkeel_ledger_ok"), 0);
    assert_eq!(send(&second, 5), 0, "it serves");
    let before = elapsed(&sla(&first));
    wait_until("the first one is not disturbed", || elapsed(&sla(&first)) > before + 1.0);
    first.signal("TERM");
    assert_eq!(first.wait().code(), Some(0));
    wait_for_event(&second, "ledger_recovered");
    wait_until("the second one accounts", || elapsed(&sla(&second)) > before + 2.0);
    assert_eq!(send(&second, 5), 0);
    wait_until("its requests are counted", || sla(&second)["requests"]["good"].as_u64() >= Some(5));
    assert_eq!(sla(&second)["ledger_trouble"], Value::Null);
}
