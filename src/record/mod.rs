//! Recording: what came of every exchange and of every session goes to the counters, the durations and the access log.

pub mod access;
pub mod samples;

use std::time::{Duration, Instant};

use crate::error::Side;
use crate::metrics::{Durations, GrpcCalls, Requests, SessionEnd};
use crate::outcome::{Outcome, SessionOutcome};

/// What a worker records with.
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
    /// How its service's gRPC calls ended.
    pub grpc: Option<&'a GrpcCalls>,
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
        if let Some((call, calls)) = outcome.grpc.zip(handles.grpc) {
            calls.count(worker, call.status());
        }
        elapsed
    }

    /// Writes its line to the access log.
    pub fn access(
        &self,
        entry: &access::ExchangeEntry,
        names: &access::Names<'_>,
        outcome: &Outcome,
        elapsed: Duration,
    ) {
        if let Some(log) = &self.access {
            log.exchange(entry, names, outcome, elapsed);
        }
    }

    /// Counts a session that ended then; gives back how long it took.
    pub fn session(&self, worker: usize, handles: &Handles<'_>, outcome: &SessionOutcome, ended: Instant) -> Duration {
        let elapsed = ended.saturating_duration_since(outcome.began);
        let end = match outcome.failure {
            None => SessionEnd::Ok,
            Some(kind) if kind.side() == Side::Client => SessionEnd::Gone,
            Some(_) => SessionEnd::Failed,
        };
        handles.requests.count_session(worker, end);
        // how long the client has waited for a backend; how long the two then talk is up to them
        let waited = outcome.connected.or(outcome.failure.map(|_| elapsed));
        if let Some((durations, waited)) = handles.durations.zip(waited) {
            durations.observe(worker, waited);
        }
        elapsed
    }

    /// Writes the session's line to the access log.
    pub fn session_access(
        &self,
        entry: &access::session::SessionEntry,
        names: &access::Names<'_>,
        outcome: &SessionOutcome,
        elapsed: Duration,
    ) {
        if let Some(log) = &self.access {
            log.session(entry, names, outcome, elapsed);
        }
    }
}
