//! What a copy takes at a backend, what it says about it, and what came of it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::Moment;
use crate::concurrency::ConcurrencyPlace;
use crate::endpoint::Endpoint;
use crate::error::{Error, Kind, Retry, Side};
use crate::forward::Worker;
use crate::forward::concurrency;
use crate::forward::placement::Admission;
use crate::forward::placement::attempt_result::{self, AttemptResult};
use crate::metrics::{AttemptEnd, BeganIn, Failure, MirrorResult, UpstreamMetrics};
use crate::policy::Priority;
use crate::snapshot::Service;
use crate::upstream::terms::Failed;

/// An attempt that sends a copy. What it holds is given back when it is dropped.
#[derive(Debug)]
pub struct CopyAttempt<'a> {
    worker: &'a Rc<Worker>,
    service: &'a Arc<Service>,
    backend: usize,
    admission: Option<Admission>,
    place: Option<ConcurrencyPlace>,
    began: Instant,
    /// Set while it waits for the head of its answer.
    waits_since: Option<BeganIn>,
    /// How long it took to the head of its answer.
    answered: Option<Duration>,
}

impl<'a> CopyAttempt<'a> {
    /// Begins with what was admitted. `None` = the service has an adaptive limit, and what is least important does not find a place within it.
    pub fn begin(worker: &'a Rc<Worker>, service: &'a Arc<Service>, admission: Admission) -> Option<Self> {
        let backend = admission.backend();
        let mut attempt = Self {
            worker,
            service,
            backend,
            admission: Some(admission),
            place: None,
            began: Instant::now(),
            waits_since: None,
            answered: None,
        };
        if let Some(limit) = &service.concurrency {
            attempt.place = Some(concurrency::enter(worker, limit, Priority::Low)?);
        }
        attempt.waits_since = Some(attempt.upstream().begun(worker.index));
        Some(attempt)
    }

    /// The backend.
    pub fn endpoint(&self) -> &'a Endpoint {
        &self.service.endpoints[self.backend]
    }

    /// The head of the answer is here.
    pub fn answered(&mut self) {
        self.answered = Some(self.began.elapsed());
        self.waited();
    }

    /// All of the answer is here, or it broke with an error that is the backend's doing.
    pub fn ended(mut self, end: AttemptEnd) {
        self.end(Some(end));
    }

    /// It has failed. One that lost a race is nobody's failure where the backend has said so, and otherwise while it is rare.
    pub fn failed(mut self, failed: &Failed) {
        let is_told = failed.error.retryability() == Retry::Safe;
        let is_forgiven = failed.raced && (is_told || self.upstream().forgives_race(self.worker.index));
        let failure = attempt_result::failure(failed.error.kind()).filter(|_| !is_forgiven);
        self.end(failure.map(Err));
    }

    fn upstream(&self) -> &'a UpstreamMetrics {
        &self.service.upstream[self.backend]
    }

    fn waited(&mut self) {
        if let Some(began) = self.waits_since.take() {
            self.upstream().waited(self.worker.index, began);
        }
    }

    /// Reports what it says about its backend, if it says something, and gives back what it holds.
    fn end(&mut self, end: Option<AttemptEnd>) {
        self.waited();
        let elapsed = self.answered.unwrap_or_else(|| self.began.elapsed());
        if let Some(place) = self.place.take() {
            if matches!(end, Some(Ok(()) | Err(Failure::TimedOut))) {
                place.took(self.worker.index, elapsed);
            }
            self.worker.lines.give_back(place);
        }
        let Some(Admission { slot, permit, .. }) = self.admission.take() else { return };
        let (service, endpoint) = (self.service, self.endpoint());
        match end {
            Some(end) => {
                let result = AttemptResult {
                    live: &endpoint.live,
                    upstream: self.upstream(),
                    breaker: permit.zip(service.breaker.as_ref()),
                    consecutive_failures: service.outlier.consecutive_failures,
                    end,
                    elapsed,
                };
                result.report(self.worker, Moment::now());
            }
            None => {
                if let Some(permit) = permit {
                    endpoint.live.breaker.forgo(permit);
                }
            }
        }
        self.worker.give_back(service.index, &service.name, &service.waiting, endpoint, slot);
    }
}

impl Drop for CopyAttempt<'_> {
    /// One whose end was not told says nothing about its backend.
    fn drop(&mut self) {
        self.end(None);
    }
}

/// What came of a copy that ended with this error. `given_up`: why its body was given up, if it was.
pub fn of(error: &Error, given_up: Option<MirrorResult>) -> MirrorResult {
    match (error.kind(), error.kind().side()) {
        (_, Side::Client) => given_up.unwrap_or(MirrorResult::Cancelled),
        (Kind::ConnectTimeout | Kind::NoStream | Kind::UpstreamTimeout, _) => MirrorResult::TimedOut,
        (_, Side::Upstream | Side::Internal) => MirrorResult::Failed,
    }
}
