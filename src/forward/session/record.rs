//! The record of a session while it lasts: dropped when the session is over, however that comes, and recorded then.
//!
//! A session may last for days, and many reloads: it holds what it is recorded in, and its backend, but no snapshot.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use crate::clock::Moment;
use crate::endpoint::Endpoint;
use crate::endpoint::waiting::Waiting;
use crate::error::{Error, Kind, Side};
use crate::forward::Worker;
use crate::forward::placement::Admission;
use crate::forward::placement::queue::Place;
use crate::forward::placement::verdict::Verdict;
use crate::metrics::{Durations, Requests, UpstreamMetrics};
use crate::outcome;
use crate::policy::Breaker;
use crate::record::{self, access};
use crate::snapshot::{Listener, Service};

/// One session.
#[derive(Debug)]
pub struct Record {
    worker: Rc<Worker>,
    listener: Arc<str>,
    /// What it is counted in as it stands now.
    requests: Arc<Requests>,
    service: Option<Served>,
    attempt: Option<Attempt>,
    outcome: outcome::Session,
    /// What the access log says of the client, when there is one.
    access: Option<Box<access::session::Entry>>,
}

/// The service that it went to.
#[derive(Debug)]
struct Served {
    index: usize,
    name: Arc<str>,
    durations: Arc<Durations>,
    waiting: Arc<Waiting>,
    breaker: Option<Breaker>,
    consecutive_failures: u32,
}

/// The try with a backend that is under way, or was the last.
#[derive(Debug)]
struct Attempt {
    endpoint: Arc<Endpoint>,
    upstream: Arc<UpstreamMetrics>,
    began: Instant,
    /// `None` once its place at the backend is given back.
    admission: Option<Admission>,
    /// Its backend has been judged by it.
    judged: bool,
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
            outcome: outcome::Session::begun(Instant::now()),
            access: None,
        }
    }

    /// When it began.
    pub fn began(&self) -> Instant {
        self.outcome.began
    }

    /// What the access log is to say of the client.
    pub fn log(&mut self, entry: access::session::Entry) {
        self.access = Some(Box::new(entry));
    }

    /// It goes to this service, from the listener at this place.
    pub fn service(&mut self, service: &Service, listener: usize) {
        self.requests = Arc::clone(&service.series[listener].none);
        self.service = Some(Served {
            index: service.index,
            name: Arc::clone(&service.name),
            durations: Arc::clone(&service.durations),
            waiting: Arc::clone(&service.waiting),
            breaker: service.breaker,
            consecutive_failures: service.outlier.consecutive_failures,
        });
    }

    /// It is tried with a backend of the service, from the listener at this place.
    pub fn attempt(&mut self, service: &Service, listener: usize, admission: Admission) {
        let backend = admission.backend;
        // the clock is read again for the rare second try only
        let began = if self.attempt.is_none() { self.outcome.began } else { Instant::now() };
        self.requests = Arc::clone(&service.series[listener].backends[backend]);
        self.outcome.attempts += 1;
        if let Some(entry) = &mut self.access {
            entry.journey.tried(&service.endpoints[backend].id);
        }
        self.attempt = Some(Attempt {
            endpoint: Arc::clone(&service.endpoints[backend]),
            upstream: Arc::clone(&service.upstream[backend]),
            began,
            admission: Some(admission),
            judged: false,
        });
    }

    /// The try failed so, and its place at the backend is free.
    pub fn attempt_failed(&mut self, kind: Kind) {
        if kind.side() == Side::Upstream {
            self.judge(true);
        }
        self.leave();
    }

    /// The backend of the try that is under way, by its place in the service.
    pub fn backend(&self) -> Option<usize> {
        self.attempt.as_ref().and_then(|attempt| attempt.admission.as_ref()).map(|admission| admission.backend)
    }

    /// The backend has been reached.
    pub fn connected(&mut self) {
        self.outcome.connected = Some(self.outcome.began.elapsed());
    }

    /// The backend has said something: it is well, whatever becomes of the session.
    pub fn answered(&mut self) {
        self.judge(false);
    }

    /// The session failed so.
    pub fn failed(&mut self, kind: Kind) {
        self.outcome.failure = Some(kind);
    }

    /// The session failed of this, which says more than its kind.
    pub fn failed_of(&mut self, error: &Error) {
        self.failed(error.kind());
        if let Some(entry) = &mut self.access {
            entry.journey.failed(error);
        }
    }

    /// It ended so.
    pub fn ended(&mut self, end: outcome::End) {
        self.outcome.end = end;
    }

    /// So many bytes, in all, came from the client and went to it.
    pub fn moved(&mut self, received: u64, sent: u64) {
        (self.outcome.received, self.outcome.sent) = (received, sent);
    }

    /// They came in so many datagrams.
    pub fn datagrams(&mut self, received: u64, sent: u64) {
        self.outcome.datagrams = Some([received, sent]);
    }

    /// Tells what the try says about its backend, once. How long it took is how long the backend took to be reached, or to fail.
    fn judge(&mut self, failed: bool) {
        let (Some(attempt), Some(service)) = (&mut self.attempt, &self.service) else { return };
        if std::mem::replace(&mut attempt.judged, true) {
            return;
        }
        let permit = attempt.admission.as_mut().and_then(|admission| admission.permit.take());
        let ended = Instant::now();
        let before = attempt.began.saturating_duration_since(self.outcome.began);
        let elapsed = match self.outcome.connected {
            Some(connected) if !failed => connected.saturating_sub(before),
            _ => ended.saturating_duration_since(attempt.began),
        };
        let verdict = Verdict {
            live: &attempt.endpoint.live,
            upstream: &attempt.upstream,
            breaker: permit.zip(service.breaker.as_ref()),
            consecutive_failures: service.consecutive_failures,
            failed,
            elapsed,
        };
        verdict.tell(&self.worker, Moment::at(ended));
    }

    /// Gives the place at the backend back.
    fn leave(&mut self) {
        let (Some(attempt), Some(service)) = (&mut self.attempt, &self.service) else { return };
        let Some(admission) = attempt.admission.take() else { return };
        if let Some(permit) = admission.permit {
            attempt.endpoint.live.breaker.forgo(permit);
        }
        let place = Place { in_flight: admission.in_flight, backend: admission.backend };
        self.worker.leave((service.index, &service.name), &service.waiting, &attempt.endpoint, place);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        match self.outcome.failure {
            Some(kind) if kind.side() == Side::Upstream => self.judge(true),
            // a session that was connected and ended in its own time is what the backend is there for
            None if self.outcome.connected.is_some() => self.judge(false),
            _ => {}
        }
        self.leave();
        let handles = record::Handles {
            requests: &self.requests,
            durations: self.service.as_ref().map(|s| &*s.durations),
            grpc: None,
        };
        let elapsed = self.worker.recorder.session(self.worker.index, &handles, &self.outcome, Instant::now());
        if let Some(entry) = self.access.take() {
            let names = access::Names {
                listener: &self.listener,
                service: self.service.as_ref().map(|service| &*service.name),
                backend: self.attempt.as_ref().map(|attempt| &*attempt.endpoint.id),
            };
            self.worker.recorder.session_access(&entry, &names, &self.outcome, elapsed);
        }
    }
}
