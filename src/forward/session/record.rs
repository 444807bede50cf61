//! The record of a session while it lasts. It is dropped when the session is over, for whatever reason, and what came of it is recorded then.
//!
//! A session may last for days and through many reloads. So the record holds what the session is counted in, and its backend, but no snapshot.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use crate::clock::Moment;
use crate::endpoint::Endpoint;
use crate::endpoint::waiters::Waiters;
use crate::error::{Error, Kind};
use crate::forward::Worker;
use crate::forward::placement::Admission;
use crate::forward::placement::attempt_result::{self, AttemptResult};
use crate::metrics::{AttemptEnd, BeganIn, Durations, Requests, Totals, UpstreamMetrics};
use crate::outcome::{End, SessionOutcome};
use crate::policy::Breaker;
use crate::record::{self, access};
use crate::snapshot::{Listener, Promised, Service};

/// One session.
#[derive(Debug)]
pub struct Record {
    worker: Rc<Worker>,
    listener: Arc<str>,
    /// What it is counted in as it stands now.
    requests: Arc<Requests>,
    service: Option<ServiceHandles>,
    attempt: Option<LastAttempt>,
    outcome: SessionOutcome,
    /// What the access log says of the client, when there is one.
    access: Option<Box<access::session::SessionEntry>>,
}

/// The service that it asks for, and the one whose backends do the work: they differ only while recovery sends work elsewhere.
#[derive(Debug)]
struct ServiceHandles {
    asked: Arc<str>,
    totals: Arc<Totals>,
    durations: Arc<Durations>,
    promised: Option<Arc<Promised>>,
    index: usize,
    name: Arc<str>,
    waiting: Arc<Waiters>,
    breaker: Option<Breaker>,
    consecutive_failures: u32,
}

/// The attempt that is under way, or was the last one.
#[derive(Debug)]
struct LastAttempt {
    endpoint: Arc<Endpoint>,
    upstream: Arc<UpstreamMetrics>,
    began: Instant,
    /// Set until the backend has been reached.
    waits_since: Option<BeganIn>,
    /// `None` once its slot at the backend is given back.
    admission: Option<Admission>,
    /// What it says about its backend was reported.
    is_reported: bool,
}

impl Record {
    /// Begins now.
    pub fn begin(worker: &Rc<Worker>, listener: &Listener) -> Self {
        Self {
            worker: Rc::clone(worker),
            listener: Arc::clone(&listener.name),
            requests: Arc::clone(&listener.local),
            service: None,
            attempt: None,
            outcome: SessionOutcome::begun(Instant::now()),
            access: None,
        }
    }

    /// When it began.
    pub fn began(&self) -> Instant {
        self.outcome.began
    }

    /// What the access log is to say of the client.
    pub fn log_access(&mut self, entry: access::session::SessionEntry) {
        self.access = Some(Box::new(entry));
    }

    /// It asks for this service and goes to the backends of another one, or of the same, from the listener at this place. How sessions end and
    /// what is promised is counted for the service that is asked; what says something about backends is counted where they belong.
    pub fn goes_to(&mut self, asked: &Service, service: &Service, listener: usize) {
        self.requests = Arc::clone(&asked.series[listener].none);
        self.service = Some(ServiceHandles {
            asked: Arc::clone(&asked.name),
            totals: Arc::clone(&asked.totals),
            durations: Arc::clone(&asked.durations),
            promised: asked.promised.clone(),
            index: service.index,
            name: Arc::clone(&service.name),
            waiting: Arc::clone(&service.waiting),
            breaker: service.breaker,
            consecutive_failures: service.outlier.consecutive_failures,
        });
    }

    /// An attempt begins with what was admitted to a backend of the service, from the listener at this place.
    pub fn attempt_begins(&mut self, service: &Service, listener: usize, admission: Admission) {
        let backend = admission.backend();
        // the clock is read again for the rare second attempt only, and for one that had to wait
        let first = if self.attempt.is_none() { Some(self.outcome.began) } else { None };
        let began = admission.placed.or(first).unwrap_or_else(Instant::now);
        if self.service.as_ref().is_some_and(|handles| handles.asked == service.name) {
            self.requests = Arc::clone(&service.series[listener].backends[backend]);
        }
        self.outcome.attempts += 1;
        if let Some(entry) = &mut self.access {
            entry.attempts.tried(&service.endpoints[backend].id);
        }
        let waits_since = Some(service.upstream[backend].begun(self.worker.index));
        self.attempt = Some(LastAttempt {
            endpoint: Arc::clone(&service.endpoints[backend]),
            upstream: Arc::clone(&service.upstream[backend]),
            began,
            waits_since,
            admission: Some(admission),
            is_reported: false,
        });
    }

    /// The attempt failed with an error of this kind, and its slot at the backend is free.
    pub fn attempt_failed(&mut self, kind: Kind) {
        if let Some(failure) = attempt_result::failure(kind) {
            self.report(Err(failure));
        }
        self.give_back();
    }

    /// The backend of the attempt that is under way, by its place in the service.
    pub fn backend(&self) -> Option<usize> {
        self.attempt.as_ref().and_then(|attempt| attempt.admission.as_ref()).map(Admission::backend)
    }

    /// The backend has been reached.
    pub fn connected(&mut self) {
        self.waited();
        self.outcome.connected = Some(self.outcome.began.elapsed());
    }

    /// The backend has sent something: the attempt has succeeded, whatever becomes of the session.
    pub fn answered(&mut self) {
        self.report(Ok(()));
    }

    /// The session failed with an error of this kind.
    pub fn failed(&mut self, kind: Kind) {
        self.outcome.failure = Some(kind);
    }

    /// The session failed with this error, which may say more than its kind.
    pub fn failed_with(&mut self, error: &Error) {
        self.failed(error.kind());
        if let Some(entry) = &mut self.access {
            entry.attempts.failed(error);
        }
    }

    /// It did not fail, and this is how it ended.
    pub fn ended(&mut self, end: End) {
        self.outcome.end = end;
    }

    /// So many bytes have come from the client and gone to it in all.
    pub fn moved(&mut self, received: u64, sent: u64) {
        (self.outcome.received, self.outcome.sent) = (received, sent);
    }

    /// So many datagrams have come from the client and gone to it in all.
    pub fn datagrams(&mut self, received: u64, sent: u64) {
        self.outcome.datagrams = Some([received, sent]);
    }

    /// Reports what the attempt says about its backend, once. How long it took is how long the backend took to be reached, or to fail.
    fn report(&mut self, end: AttemptEnd) {
        let (Some(attempt), Some(service)) = (&mut self.attempt, &self.service) else { return };
        if std::mem::replace(&mut attempt.is_reported, true) {
            return;
        }
        let permit = attempt.admission.as_mut().and_then(|admission| admission.permit.take());
        let ended = Instant::now();
        let before = attempt.began.saturating_duration_since(self.outcome.began);
        let elapsed = match self.outcome.connected {
            Some(connected) if end.is_ok() => connected.saturating_sub(before),
            _ => ended.saturating_duration_since(attempt.began),
        };
        let result = AttemptResult {
            live: &attempt.endpoint.live,
            upstream: &attempt.upstream,
            breaker: permit.zip(service.breaker.as_ref()),
            consecutive_failures: service.consecutive_failures,
            end,
            elapsed,
        };
        result.report(&self.worker, Moment::at(ended));
    }

    /// The attempt waits for its backend no more.
    fn waited(&mut self) {
        let Some(attempt) = &mut self.attempt else { return };
        if let Some(began) = attempt.waits_since.take() {
            attempt.upstream.waited(self.worker.index, began);
        }
    }

    /// Gives the slot at the backend back.
    fn give_back(&mut self) {
        self.waited();
        let (Some(attempt), Some(service)) = (&mut self.attempt, &self.service) else { return };
        let Some(admission) = attempt.admission.take() else { return };
        if let Some(permit) = admission.permit {
            attempt.endpoint.live.breaker.forgo(permit);
        }
        self.worker.give_back(service.index, &service.name, &service.waiting, &attempt.endpoint, admission.slot);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        match (self.outcome.failure, self.outcome.failure.and_then(attempt_result::failure)) {
            (Some(_), Some(failure)) => self.report(Err(failure)),
            // a session that was connected and did not fail is a success, even where its backend has sent nothing
            (None, _) if self.outcome.connected.is_some() => self.report(Ok(())),
            _ => {}
        }
        self.give_back();
        let handles = record::Handles {
            requests: &self.requests,
            totals: self.service.as_ref().map(|s| &s.totals.requests),
            failures: self.service.as_ref().map(|s| &s.totals.failures),
            durations: self.service.as_ref().map(|s| &*s.durations),
            grpc: None,
            promised: self.service.as_ref().and_then(|s| s.promised.as_ref()).map(|promised| promised.counted()),
        };
        let ended = self.worker.recorder.session(self.worker.index, &handles, &self.outcome, Instant::now());
        if let Some(entry) = self.access.take() {
            let names = access::Names {
                listener: &self.listener,
                service: self.service.as_ref().map(|service| &*service.asked),
                backend: self.attempt.as_ref().map(|attempt| &*attempt.endpoint.id),
                worker: self.worker.index,
            };
            self.worker.recorder.session_access(&entry, &names, &self.outcome, ended);
        }
    }
}
