//! Recording: what came of every exchange and of every session goes to the counters, the durations and the access log.

pub mod access;
mod failure;
mod promise;
pub mod samples;

pub use promise::Promised;

use std::time::{Duration, Instant};

use crate::error::{Kind, Side};
use crate::metrics::{Durations, Exemplar, Failures, GrpcCalls, PromiseEnd, Requests, SessionEnd};
use crate::outcome::{Outcome, SessionOutcome};
use crate::trace;

/// What a worker records with.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    access: Option<access::Log>,
    spans: Option<trace::Queue>,
}

/// What an exchange is counted in.
#[derive(Debug)]
pub struct Handles<'a> {
    /// The series of its listener, service and backend.
    pub requests: &'a Requests,
    /// The exchanges of its service, all together.
    pub totals: Option<&'a Requests>,
    /// Those of its service that failed, or of no service.
    pub failures: Option<&'a Failures>,
    /// Its service's durations.
    pub durations: Option<&'a Durations>,
    /// How its service's gRPC calls ended.
    pub grpc: Option<&'a GrpcCalls>,
    /// What its service's requests are counted in where something is promised of it.
    pub promised: Option<Promised<'a>>,
}

/// What is known of an exchange or a session at its end.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// How long it took.
    pub elapsed: Duration,
    /// How it counts for the promise of its service, where there is one.
    pub promise: Option<PromiseEnd>,
}

impl Handles<'_> {
    fn count_failure(&self, worker: usize, failure: Option<Kind>) {
        if let Some((kind, failures)) = failure.zip(self.failures) {
            failures.count(worker, failure::reason(kind));
        }
    }
}

impl Recorder {
    /// Records into the access log too, when there is one. Spans of traced exchanges go to `spans`.
    pub fn new(access: Option<access::Log>, spans: trace::Queue) -> Self {
        Self { access, spans: Some(spans) }
    }

    /// Where spans of traced exchanges go.
    pub fn spans(&self) -> Option<trace::Queue> {
        self.spans.clone()
    }

    /// Whether there is an access log, so that what only it needs is not collected in vain.
    pub fn logs_access(&self) -> bool {
        self.access.is_some()
    }

    /// Hands over lines of the access log that were gathered for a moment. Never done: each worker runs it.
    pub async fn hand_over_lines(&self) {
        match &self.access {
            Some(log) => log.hand_over().await,
            None => std::future::pending().await,
        }
    }

    /// Counts an exchange that ended then. `exemplar` leads from its duration to its trace, where that is exported.
    pub fn exchange(
        &self,
        worker: usize,
        handles: &Handles<'_>,
        outcome: &Outcome,
        ended: Instant,
        exemplar: Option<Exemplar>,
    ) -> Ended {
        let elapsed = ended.saturating_duration_since(outcome.began);
        handles.count_failure(worker, outcome.failure);
        let status = outcome.status.map_or(0, |status| status.as_u16());
        handles.requests.count(worker, status);
        if let Some(totals) = handles.totals {
            totals.count(worker, status);
        }
        // what is refused at once says nothing of how long the service takes
        let is_shed = outcome.failure == Some(Kind::Shed);
        if let Some(durations) = handles.durations.filter(|_| !is_shed) {
            durations.observe(worker, elapsed, exemplar);
        }
        if let Some((call, calls)) = outcome.grpc.zip(handles.grpc) {
            calls.count(worker, call.status());
        }
        let promise = handles.promised.map(|promised| {
            let end = promise::of_exchange(outcome, promised.latency);
            promised.requests.count(worker, end);
            end
        });
        Ended { elapsed, promise }
    }

    /// Writes its line to the access log.
    pub fn access(&self, entry: &access::ExchangeEntry, names: &access::Names<'_>, outcome: &Outcome, ended: Ended) {
        if let Some(log) = &self.access {
            log.exchange(entry, names, outcome, ended);
        }
    }

    /// Counts a session that ended then.
    pub fn session(&self, worker: usize, handles: &Handles<'_>, outcome: &SessionOutcome, ended: Instant) -> Ended {
        let elapsed = ended.saturating_duration_since(outcome.began);
        handles.count_failure(worker, outcome.failure);
        let end = match outcome.failure {
            None => SessionEnd::Ok,
            Some(kind) if kind.side() == Side::Client => SessionEnd::Gone,
            Some(_) => SessionEnd::Failed,
        };
        handles.requests.count_session(worker, end);
        if let Some(totals) = handles.totals {
            totals.count_session(worker, end);
        }
        // how long the client has waited for a backend; how long the two then talk is up to them
        let waited = outcome.connected.or(outcome.failure.map(|_| elapsed));
        if let Some((durations, waited)) = handles.durations.zip(waited) {
            durations.observe(worker, waited, None);
        }
        let promise = handles.promised.map(|promised| {
            let end = promise::of_session(outcome, promised.latency);
            promised.requests.count(worker, end);
            end
        });
        Ended { elapsed, promise }
    }

    /// Writes the session's line to the access log.
    pub fn session_access(
        &self,
        entry: &access::session::SessionEntry,
        names: &access::Names<'_>,
        outcome: &SessionOutcome,
        ended: Ended,
    ) {
        if let Some(log) = &self.access {
            log.session(entry, names, outcome, ended);
        }
    }
}
