//! What is promised of a service and what came of it, through the running proxy: incidents, requests, maintenance, the history on the disk.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say so at once")]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the harness serves more than this binary")]
mod support;

mod buckets;
mod classes;
mod copies;
mod history;
mod incidents;
mod maintenance;
mod protection;
mod reports;
mod watching;

use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use support::{Conn, OK, Origin, Proxy, config, wait_until};

/// A backend that answers until it is told to be down; then it resets whoever comes, checks too.
struct Backend {
    origin: Origin,
    is_down: Arc<AtomicBool>,
}

impl Backend {
    fn new() -> Self {
        let is_down = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_down);
        let origin = Origin::script(move |conn: &mut Conn| {
            while conn.request().is_ok() {
                if told.load(Ordering::SeqCst) {
                    conn.reset();
                    return;
                }
                if !conn.send(OK) {
                    return;
                }
            }
        });
        Self { origin, is_down }
    }

    fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }
}

/// A proxy in front of these, with quick checks and a promise with these keys.
fn promising(sla: &str, backends: &[&Backend]) -> String {
    let origins: Vec<&Origin> = backends.iter().map(|backend| &backend.origin).collect();
    let checks = "[service.api.health]\ninterval = \"200ms\"\nfast_interval = \"100ms\"\nfall = 2\nrise = 1\n";
    format!("{}{checks}[service.api.sla]\n{sla}\n", config("", "", &origins))
}

/// What `GET /api/v1/sla` says of the service `api`.
fn sla(proxy: &Proxy) -> Value {
    let answer = proxy.admin("/api/v1/sla").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let all: Value = serde_json::from_str(&answer.text()).unwrap();
    all["api"].clone()
}

/// The events of this kind, oldest first.
fn events(proxy: &Proxy, kind: &str) -> Vec<Value> {
    let answer = proxy.admin("/api/v1/events?limit=10000").unwrap();
    let all: Vec<Value> = serde_json::from_str(&answer.text()).unwrap();
    all.into_iter().filter(|event| event["kind"] == kind).collect()
}

fn wait_for_event(proxy: &Proxy, kind: &str) -> Value {
    let mut found = Vec::new();
    wait_until(kind, || {
        found = events(proxy, kind);
        !found.is_empty()
    });
    found.remove(0)
}

/// Waits until the first incident has begun, and is on the disk.
fn wait_for_incident(proxy: &Proxy) {
    wait_for_event(proxy, "incident_began");
    wait_until("the incident is on the disk", || sla(proxy)["incidents"].as_array().is_some_and(|all| all.len() == 1));
}

/// Sends so many requests, each on a connection of its own; how many were not answered with 200.
fn send(proxy: &Proxy, count: usize) -> usize {
    (0..count).filter(|_| proxy.client().get("/x").status != 200).count()
}

/// Waits until the history holds so many requests that were good, and so many that were not.
fn wait_for_requests(proxy: &Proxy, good: usize, bad: usize) {
    let mut seen = Value::Null;
    wait_until(&format!("{good} good and {bad} bad requests are on the disk"), || {
        seen = sla(proxy)["requests"].clone();
        seen["good"] == good && seen["failed"] == bad
    });
}

/// Runs the binary with these arguments.
fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_evenkeel")).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}
