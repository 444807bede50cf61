//! What detection has found.

use std::time::Duration;

use serde_json::{Value, json};
use tracing::{info, warn};

use super::{Level, seconds};
use crate::detect::fault::{Subject, Verdict, Vote};
use crate::event;

/// A fault was found, or holds no more.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultChange {
    /// The verdict.
    pub verdict: Verdict,
    /// How long it had held when it was cleared; `None` = it was raised.
    pub held: Option<Duration>,
}

impl FaultChange {
    pub(super) fn name(&self) -> &'static str {
        if self.held.is_some() { "fault_cleared" } else { "fault_raised" }
    }

    pub(super) fn level(&self) -> Level {
        if self.held.is_some() { Level::Info } else { Level::Warn }
    }

    pub(super) fn text(&self) -> String {
        let (who, what) = (who(&self.verdict.subject), self.verdict.fault);
        match self.held {
            None => format!("{who} {what}: {}", reasons(&self.verdict.votes)),
            // it may be well again, or do nothing any more by which that could be told
            Some(held) => {
                format!("{who}: the fault is not seen any more, {:.1} s after it was found: {what}", held.as_secs_f64())
            }
        }
    }

    pub(super) fn cause(&self) -> Value {
        let verdict = &self.verdict;
        json!({
            "fault": verdict.fault.as_str(),
            "scope": scope(&verdict.subject),
            "name": name(&verdict.subject),
            "confidence": rounded(verdict.confidence),
            "votes": verdict.votes.iter().map(vote).collect::<Vec<_>>(),
            "held_s": self.held.map(seconds),
        })
    }

    pub(super) fn log(&self, subject: &event::Subject) {
        let (service, backend) = (subject.service.as_deref(), subject.backend.as_deref());
        let (fault, confidence) = (self.verdict.fault.as_str(), rounded(self.verdict.confidence));
        match self.held {
            None => warn!(service, backend, fault, confidence, "{}", self.text()),
            Some(_) => info!(service, backend, fault, "{}", self.text()),
        }
    }
}

/// A vote as the API and the events show it.
pub fn vote(vote: &Vote) -> Value {
    json!({
        "detector": vote.detector.as_str(),
        "fault": vote.fault.as_str(),
        "confidence": rounded(vote.confidence),
        "reason": vote.reason,
    })
}

/// What a verdict is on, as the API and the events call it.
pub fn scope(subject: &Subject) -> &'static str {
    match subject {
        Subject::Service => "service",
        Subject::Backend(_) => "backend",
        Subject::Host(_) => "host",
        Subject::Zone(_) => "zone",
    }
}

/// The name of the host or zone that a verdict is on.
pub fn name(subject: &Subject) -> Option<&str> {
    match subject {
        Subject::Host(name) | Subject::Zone(name) => Some(name),
        Subject::Service | Subject::Backend(_) => None,
    }
}

fn who(subject: &Subject) -> String {
    match subject {
        Subject::Service => "service".to_owned(),
        Subject::Backend(_) => "backend".to_owned(),
        Subject::Host(name) => format!("host {name}"),
        Subject::Zone(name) => format!("zone {name}"),
    }
}

fn reasons(votes: &[Vote]) -> String {
    let reasons: Vec<_> = votes.iter().map(|vote| vote.reason.as_str()).collect();
    reasons.join("; ")
}

/// A confidence, to two digits.
pub fn rounded(confidence: f64) -> f64 {
    (confidence * 100.0).round() / 100.0
}
