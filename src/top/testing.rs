//! A document, and a model that shows it, for tests.

use std::time::Duration;

use serde_json::{Value, json};

use super::document::{Event, Live};
use super::keys::Action;
use super::model::{Effect, Model, Now};
use super::report::{Report, Watch};
use crate::clock::{Moment, parse_rfc3339};

/// The time at which the document came.
pub fn now() -> Now {
    Now { moment: Moment::from_millis(1 << 40), wall: parse_rfc3339("2026-11-27T14:02:07Z").unwrap() }
}

/// So many seconds later.
pub fn later(seconds: u64) -> Now {
    let (now, time) = (now(), Duration::from_secs(seconds));
    Now { moment: now.moment.plus(time), wall: now.wall + time }
}

/// A model with an answer in which one service is down, one is impaired, and one is as it should be.
pub fn model() -> Model {
    let mut model = Model::new("http://127.0.0.1:9900".to_owned(), Duration::from_secs(1));
    model.hear(answer(&document()), now());
    model
}

/// Presses keys one after the other; what the last one asked for.
pub fn press(model: &mut Model, actions: &[Action]) -> Option<Effect> {
    let mut effect = None;
    for action in actions {
        effect = model.press(*action, now());
        // as the client does, when it hears what is looked at
        let watch = model.watch();
        let events = if watch.backend.is_some() { events() } else { Vec::new() };
        if let Some(mut live) = model.live.clone() {
            live.service = watch.service.is_some().then(|| read(&document()).service).flatten();
            model.hear(Report::Answer { watch, live: Box::new(live), events, why: Vec::new() }, now());
        }
    }
    effect
}

/// The report of a document that the overview asked for.
pub fn answer(document: &Value) -> Report {
    Report::Answer { watch: Watch::default(), live: Box::new(read(document)), events: Vec::new(), why: Vec::new() }
}

fn read(document: &Value) -> Live {
    Live::read(document.clone()).unwrap()
}

fn events() -> Vec<Event> {
    let event = |time: &str, level: &str, text: &str| Event {
        time: time.to_owned(),
        level: level.to_owned(),
        text: text.to_owned(),
    };
    let fault = "fault outage (confidence 0.97): 31 of 31 attempts failed to connect within the last 10 s, and the other \
                 backends answered all of theirs";
    vec![
        event("2026-11-27T14:00:02.120Z", "error", fault),
        event("2026-11-27T14:00:01.500Z", "warn", "backend is down: connection refused"),
        event("2026-11-27T09:12:44.001Z", "info", "backend is up"),
    ]
}

/// The document.
pub fn document() -> Value {
    let service = |state: &str, words: &str, healthy: u32, rate: f64| {
        json!({
            "state": state, "words": words, "balance": "round_robin", "healthy": healthy, "total": 3, "panic": false,
            "rate": rate, "error_rate": 0.0, "p50_ms": 3.2, "p99_ms": 45.0, "in_flight": 4, "waiting": 0,
            "retry_rate": 0.0, "budget_left": 0.93,
        })
    };
    let mut document = json!({
        "version": "0.2.0", "started": "2026-11-24T10:00:00Z", "phase": "ready",
        "recovery": { "paused": false, "reason": "", "by": "" },
        "listeners": { "web": { "connections": 121 }, "internal": { "connections": 7 } },
        "services": {
            "api": service("impaired", "2 of 3 backends can be used: c is down (connection refused)", 2, 120.0),
            "payments": service("down", "no backend can be used: p1 is disabled by an operator (migration to the new \
                                rack), p2 is down (status 503, and 200 was expected), p3 is ejected", 0, 14.2),
            "web": service("ok", "", 3, 1800.0),
        },
        "faults": { "api/c outage": { "service": "api", "backend": "c", "fault": "outage", "confidence": 0.97,
                                      "text": "31 of 31 attempts failed to connect within 10 s" } },
        "recoveries": {
            "16": { "service": "api", "backend": "c", "fault": "outage", "strategy": "circuit", "phase": "acting" },
            "17": { "service": "payments", "backend": "p2", "fault": "outage", "strategy": "restart", "phase": "proposed",
                    "text": "restart of payments/p2 against outage", "waits_for_approval": true },
        },
        "service": { "name": "api", "balance": "round_robin", "protocol": "http", "backends": {
            "a": backend("up", ""), "b": backend("up", ""), "c": backend("down", "connection refused"),
        } },
    });
    document["services"]["payments"]["error_rate"] = json!(1.0);
    document["services"]["payments"]["budget_left"] = json!(-0.4);
    document["services"]["api"]["error_rate"] = json!(0.012);
    document
}

fn backend(state: &str, reason: &str) -> Value {
    let is_up = state == "up";
    json!({
        "address": "10.0.0.7:8080", "weight": 1, "zone": "eu-a", "backup": false, "state": state, "reason": reason,
        "since": "2026-11-27T14:00:01.500Z", "by": "checks", "rate": if is_up { 60.0 } else { 0.0 },
        "share": if is_up { 0.5 } else { 0.0 }, "error_rate": is_up.then_some(0.0), "latency_ms": is_up.then_some(4.1),
        "p50_ms": is_up.then_some(3.2), "p99_ms": is_up.then_some(45.0), "in_flight": if is_up { 2 } else { 0 },
        "max_connections": 100, "breaker": "closed", "work_share": 1.0, "cpu": null, "memory": null,
        "last_check": { "ok": is_up, "ms": 1.2, "reason": reason },
    })
}
