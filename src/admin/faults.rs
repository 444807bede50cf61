//! `GET /api/v1/faults`: what detection has found, with the votes of every detector.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract;
use serde_json::{Value, json};

use super::Shared;
use super::answer::{self, Answer};
use crate::clock::rfc3339;
use crate::event::kind::fault;
use crate::health::faults::Fault;

/// Those that hold now, and then those of late, the latest first.
pub(super) async fn faults(extract::State(shared): extract::State<Arc<Shared>>) -> Answer {
    let now = SystemTime::now();
    let faults: Vec<Value> = shared.faults.all().iter().map(|fault| to_json(fault, now)).collect();
    answer::json(&Value::Array(faults))
}

fn to_json(fault: &Fault, now: SystemTime) -> Value {
    let held = fault.until.unwrap_or(now).duration_since(fault.since).unwrap_or_default();
    let verdict = &fault.verdict;
    json!({
        "service": &*fault.service,
        "backend": fault.backend.as_deref(),
        "scope": fault::scope(&verdict.subject),
        "name": fault::name(&verdict.subject),
        "fault": verdict.fault.as_str(),
        "text": verdict.fault.to_string(),
        "confidence": fault::rounded(verdict.confidence),
        "votes": verdict.votes.iter().map(fault::vote).collect::<Vec<_>>(),
        "since": rfc3339(fault.since),
        "until": fault.until.map(rfc3339),
        "held_s": (held.as_secs_f64() * 1e3).round() / 1e3,
        "action": fault.action,
    })
}
