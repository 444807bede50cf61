//! Recovery through the running proxy: what is done about faults, by what commands, within which brakes, and what is seen and kept of it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say so at once")]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the harness serves more than this binary")]
mod support;

mod brakes;
mod crashes;
mod failover;
mod fleet;
mod hooks;
mod instances;
mod leaders;
mod load;
mod people;
mod reloads;
mod repairs;
mod webhooks;

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::{Proxy, wait_until as wait_eagerly};

/// The pause between two looks at a proxy that has many of them to answer.
const AGAIN: Duration = Duration::from_millis(20);

/// As the harness has it, but looks less often.
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    wait_eagerly(what, || {
        done() || {
            std::thread::sleep(AGAIN);
            false
        }
    });
}

/// What this path of the admin address has.
fn get(proxy: &Proxy, path: &str) -> Value {
    let answer = proxy.admin(path).unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    serde_json::from_str(&answer.text()).unwrap()
}

/// Says something to the admin address; the status of the answer, and the answer.
fn post(proxy: &Proxy, path: &str) -> (u16, Value) {
    let answer = proxy.admin_call("POST", path, "").unwrap();
    (answer.status, serde_json::from_str(&answer.text()).unwrap_or_default())
}

/// The attempts so far, the oldest first.
fn attempts(proxy: &Proxy) -> Vec<Value> {
    let mut all: Vec<Value> = serde_json::from_value(get(proxy, "/api/v1/recoveries")).unwrap();
    all.reverse();
    all
}

/// Waits until there is an attempt of which this holds.
fn wait_for_attempt(proxy: &Proxy, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
    let mut found = None;
    wait_until(what, || {
        found = attempts(proxy).into_iter().find(|attempt| wanted(attempt));
        found.is_some()
    });
    found.unwrap()
}

/// Waits until an attempt has come to this.
fn wait_for_outcome(proxy: &Proxy, outcome: &str) -> Value {
    wait_for_attempt(proxy, outcome, |attempt| attempt["outcome"] == outcome)
}

/// What recovery has told, oldest first.
fn told(proxy: &Proxy) -> Vec<Value> {
    let all: Vec<Value> = serde_json::from_value(get(proxy, "/api/v1/events?limit=10000")).unwrap();
    all.into_iter().filter(|event| event["kind"].as_str().is_some_and(|kind| kind.starts_with("recovery_"))).collect()
}

/// Waits until recovery has told something of this kind.
fn wait_for_event(proxy: &Proxy, kind: &str) -> Value {
    let mut found = None;
    wait_until(kind, || {
        found = told(proxy).into_iter().find(|event| event["kind"] == kind);
        found.is_some()
    });
    found.unwrap()
}

/// Waits until this brake has been told.
fn wait_for_brake(proxy: &Proxy, brake: &str) -> Value {
    let mut found = None;
    wait_until(brake, || {
        found = told(proxy).into_iter().find(|event| event["cause"]["brake"] == brake);
        found.is_some()
    });
    found.unwrap()
}

/// The names of the kinds of what recovery has told.
fn kinds(proxy: &Proxy) -> Vec<String> {
    told(proxy).iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
}

/// The backend of the service `api` with this id, as `GET /api/v1/status` shows it.
fn backend(proxy: &Proxy, id: &str) -> Value {
    let status = proxy.status();
    let backends = &status["services"]["api"]["backends"];
    backends.as_array().unwrap().iter().find(|backend| backend["id"] == id).unwrap().clone()
}

/// Runs `evenkeel recovery` with these arguments: its exit code, and what it printed.
fn command_line(proxy: &Proxy, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    command.arg("recovery").args(arguments).arg("-c").arg(proxy.path("proxy.toml"));
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// How recovery stands with the service `api`.
fn state(proxy: &Proxy) -> Value {
    get(proxy, "/api/v1/recovery")["services"]["api"].clone()
}

/// Whether the ledger has an attempt of which this holds, in the language of SQLite.
fn is_kept(proxy: &Proxy, condition: &str) -> bool {
    let read_only = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let Ok(ledger) = rusqlite::Connection::open_with_flags(proxy.path("state/ledger.sqlite"), read_only) else {
        return false;
    };
    let query = format!("SELECT count(*) FROM recovery WHERE {condition}");
    ledger.query_row(&query, [], |row| row.get::<_, i64>(0)).is_ok_and(|count| count > 0)
}

/// Sends so many requests, each on a connection of its own; how many were not answered with 200.
fn send(proxy: &Proxy, count: usize) -> usize {
    (0..count).filter(|_| proxy.client().get("/x").status != 200).count()
}
