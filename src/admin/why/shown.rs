//! Answers as JSON.

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::clock::rfc3339;
use crate::event::Event;
use crate::event::kind::fault::rounded;
use crate::why::facts::{Facts, Vote};
use crate::why::read::Common;
use crate::why::{Brake, Rule, brakes, rules, sentences, service};

/// Everything that follows from the facts of a backend. `at` = they are of the change before that time; `None` = they are of now, and `change` has
/// those of the change to the present state, where they are known.
pub(super) fn backend(facts: &Facts, at: Option<SystemTime>, change: Option<&Facts>) -> Value {
    let (rules, brakes) = (rules::of(facts), brakes::of(facts));
    json!({
        "service": &*facts.limits.service,
        "backend": &*facts.id,
        "at": rfc3339(at.unwrap_or(facts.at)),
        "state": facts.condition.state.as_str(),
        "reason": &*facts.reason,
        "by": facts.condition.by.as_str(),
        "since": rfc3339(facts.since),
        "text": sentences::of(facts, &rules, &brakes, at, change),
        "rules": rules.iter().map(rule).collect::<Vec<_>>(),
        "votes": facts.votes.iter().map(vote).collect::<Vec<_>>(),
        "brakes": brakes.iter().map(brake).collect::<Vec<_>>(),
        "algorithms": [],
        "timeline": [],
    })
}

/// A service, with the facts of all its backends.
pub(super) fn service(
    name: &str,
    common: &Common,
    panic_threshold: f64,
    backends: impl Iterator<Item = Facts>,
) -> Value {
    let fleet = common.fleet();
    json!({
        "service": name,
        "state": service::state(fleet),
        "text": service::sentences(name, fleet, panic_threshold, common.recovery()),
        "healthy": fleet.usable,
        "total": fleet.total,
        "panic": fleet.panic,
        "backends": backends.map(|facts| in_short(&facts, None)).collect::<Vec<_>>(),
    })
}

/// A backend in one sentence.
pub(super) fn in_short(facts: &Facts, at: Option<SystemTime>) -> Value {
    let text = sentences::of(facts, &rules::of(facts), &brakes::of(facts), at, None).into_iter().next();
    json!({
        "backend": &*facts.id,
        "state": facts.condition.state.as_str(),
        "by": facts.condition.by.as_str(),
        "reason": &*facts.reason,
        "since": rfc3339(facts.since),
        "text": text,
    })
}

fn rule(rule: &Rule) -> Value {
    let Rule { rule, figure, threshold, would, holds, text, .. } = rule;
    json!({ "rule": rule, "figure": figure, "threshold": threshold, "would": would, "holds": holds, "text": text })
}

fn vote(vote: &Vote) -> Value {
    json!({
        "fault": vote.fault.as_str(),
        "detector": vote.detector.as_str(),
        "confidence": rounded(vote.confidence),
        "of": vote.of.unwrap_or("backend"),
        "text": &*vote.text,
    })
}

fn brake(Brake { brake, holds, text }: &Brake) -> Value {
    json!({ "brake": brake, "holds": holds, "text": text })
}

/// Events as the API gives them everywhere.
pub(super) fn events(events: &[Arc<Event>]) -> Value {
    events.iter().map(|event| event.to_json()).collect()
}
