//! The end of every exchange, in one call: counters, durations, and the access log.

pub mod access;

use std::time::{Duration, Instant};

use crate::metrics::{Durations, Requests};
use crate::outcome::Outcome;

/// A worker's way to record.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    access: Option<access::Log>,
}

/// What an exchange is counted in.
#[derive(Debug)]
pub struct Handles<'a> {
    /// The series of its listener, service and backend.
    pub requests: &'a Requests,
    /// Its service's durations.
    pub durations: Option<&'a Durations>,
}

impl Recorder {
    /// Records into the access log too, when there is one.
    pub fn new(access: Option<access::Log>) -> Self {
        Self { access }
    }

    /// Whether there is an access log, so that what only it needs is not collected in vain.
    pub fn logs_access(&self) -> bool {
        self.access.is_some()
    }

    /// Counts an exchange that ended then; gives back how long it took.
    pub fn exchange(&self, worker: usize, handles: &Handles<'_>, outcome: &Outcome, ended: Instant) -> Duration {
        let elapsed = ended.saturating_duration_since(outcome.began);
        handles.requests.count(worker, outcome.status.map_or(0, |status| status.as_u16()));
        if let Some(durations) = handles.durations {
            durations.observe(worker, elapsed);
        }
        elapsed
    }

    /// Writes its line to the access log.
    pub fn access(&self, entry: &access::Entry, names: &access::Names<'_>, outcome: &Outcome, elapsed: Duration) {
        if let Some(log) = &self.access {
            log.write(entry, names, outcome, elapsed);
        }
    }
}
