//! The record of an exchange while it lasts: dropped when the exchange is over, however that comes, and recorded then.

use std::rc::Rc;
use std::time::{Duration, Instant};

use http::StatusCode;
use http::header::{HeaderMap, HeaderName};

use super::Worker;
use super::admit::Admission;
use crate::clock::Moment;
use crate::endpoint::load::Report;
use crate::error::{Kind, Side};
use crate::load::{Refused, orca};
use crate::outcome::Outcome;
use crate::record::{self, access};
use crate::snapshot::{Current, Service};

/// One exchange.
#[derive(Debug)]
pub struct Exchange {
    worker: Rc<Worker>,
    snapshot: Rc<Current>,
    listener: usize,
    service: Option<usize>,
    backend: Option<usize>,
    attempt: Option<Attempt>,
    outcome: Outcome,
    /// What the access log says of the request, when there is one.
    access: Option<Box<access::Entry>>,
}

/// The attempt that is under way.
#[derive(Debug)]
struct Attempt {
    admission: Admission,
    began: Instant,
    /// The head of its answer came so long after that. Set where the client's reading may take longer than the backend's
    /// answering.
    answered: Option<Duration>,
}

/// Where a load report comes.
const REPORT: HeaderName = HeaderName::from_static(orca::FIELD);
const REPORT_BIN: HeaderName = HeaderName::from_static(orca::FIELD_BIN);

/// Reads one form of a load report.
type Read = fn(&[u8]) -> Result<Report, Refused>;

/// What an attempt says about its backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Well,
    Failed,
    /// Nothing: the client went away, or made a mistake.
    Silent,
}

impl Exchange {
    /// Begins now.
    pub fn begin(worker: &Rc<Worker>, snapshot: &Rc<Current>, listener: usize) -> Self {
        Self {
            worker: Rc::clone(worker),
            snapshot: Rc::clone(snapshot),
            listener,
            service: None,
            backend: None,
            attempt: None,
            outcome: Outcome::begun(Instant::now()),
            access: None,
        }
    }

    /// When it began.
    pub fn began(&self) -> Instant {
        self.outcome.began
    }

    /// What the access log is to say of the request.
    pub fn log(&mut self, entry: access::Entry) {
        self.access = Some(Box::new(entry));
    }

    /// It goes to this service.
    pub fn service(&mut self, index: usize) {
        self.service = Some(index);
    }

    /// It is tried with a backend.
    pub fn attempt(&mut self, admission: Admission) {
        // the clock is read again for the rare second attempt only
        let began = if self.backend.is_none() { self.outcome.began } else { Instant::now() };
        self.backend = Some(admission.backend);
        self.attempt = Some(Attempt { admission, began, answered: None });
    }

    /// The attempt failed; `raced`: a connection was closed as it was used, which is nobody's failure.
    pub fn attempt_failed(&mut self, kind: Kind, raced: bool) {
        let verdict = match kind.side() {
            Side::Upstream if !raced => Verdict::Failed,
            _ => Verdict::Silent,
        };
        self.end_attempt(verdict, Instant::now());
    }

    /// The attempt was answered with this, which the client does not get to see.
    pub fn attempt_answered(&mut self, status: StatusCode) {
        let failed = self.current().is_some_and(|service| service.failure_status.contain(status));
        self.end_attempt(if failed { Verdict::Failed } else { Verdict::Well }, Instant::now());
    }

    /// This is what the client is answered with. `streamed`: its body is still to come.
    pub fn answered(&mut self, status: StatusCode, streamed: bool) {
        self.outcome.status = Some(status);
        if streamed && let Some(attempt) = &mut self.attempt {
            attempt.answered = Some(attempt.began.elapsed());
        }
    }

    /// It failed, in whole or within the body.
    pub fn failed(&mut self, kind: Kind) {
        self.outcome.failure = Some(kind);
    }

    /// Bytes of the answer's body.
    pub fn sent(&mut self, bytes: u64) {
        self.outcome.body_bytes += bytes;
    }

    /// The backend of the attempt that is under way.
    pub fn used(&self) -> Option<usize> {
        self.attempt.as_ref().map(|attempt| attempt.admission.backend)
    }

    /// Takes what the backend says about its load out of an answer's fields, or its trailers: that is for us, never for clients.
    pub fn hear(&self, headers: &mut HeaderMap) {
        // a look at the names costs less than two look-ups by hash, and nearly no answer has either
        if !headers.keys().any(|name| name.as_str().starts_with(orca::FIELD)) {
            return;
        }
        let Some(service) = self.current() else { return };
        for (field, read) in [(&REPORT, orca::read as Read), (&REPORT_BIN, orca::read_bin)] {
            let Some(value) = headers.remove(field) else { continue };
            let Some(endpoint) = self.used().map(|backend| &service.endpoints[backend]) else { continue };
            match read(value.as_bytes()) {
                Ok(report) if service.load_reports.orca => {
                    endpoint.live.load.report(report, endpoint.live.in_flight(), Moment::now());
                }
                Ok(_) => {}
                Err(refused) => {
                    let (service, backend) = (&service.name, &endpoint.id);
                    tracing::debug!(%service, %backend, %refused, "a load report was refused");
                }
            }
        }
    }

    /// The service that it goes to.
    pub fn current(&self) -> Option<&Service> {
        self.service.map(|service| &*self.snapshot.services[service])
    }

    /// What the last attempt says, at the end of the exchange.
    fn verdict(&self) -> Verdict {
        match (self.outcome.failure, self.outcome.status) {
            (Some(kind), _) if kind.side() == Side::Upstream => Verdict::Failed,
            (Some(_), _) | (None, None) => Verdict::Silent,
            (None, Some(status)) => match self.current().is_some_and(|s| s.failure_status.contain(status)) {
                true => Verdict::Failed,
                false => Verdict::Well,
            },
        }
    }

    /// Gives the place at the backend back, and tells what there is to tell about it.
    fn end_attempt(&mut self, verdict: Verdict, ended: Instant) {
        let Some(Attempt { admission, began, answered }) = self.attempt.take() else { return };
        let Some(service) = self.current() else { return };
        let endpoint = &service.endpoints[admission.backend];
        let live = &endpoint.live;
        if verdict == Verdict::Silent {
            if let Some(permit) = admission.permit {
                live.breaker.forgo(permit);
            }
        } else {
            let told = super::verdict::Verdict {
                live,
                upstream: &service.upstream[admission.backend],
                breaker: admission.permit.zip(service.breaker.as_ref()),
                consecutive_failures: service.outlier.consecutive_failures,
                failed: verdict == Verdict::Failed,
                elapsed: answered.unwrap_or_else(|| ended.saturating_duration_since(began)),
            };
            told.tell(&self.worker, Moment::at(ended));
        }
        drop(admission.in_flight);
        if endpoint.limit() > 0 {
            self.worker.queues.left(&service.name);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // one reading of the clock serves everything that ends here
        let ended = Instant::now();
        self.end_attempt(self.verdict(), ended);
        let listener = &self.snapshot.listeners[self.listener];
        let service = self.current();
        let series = match (service, self.backend) {
            (Some(service), Some(backend)) => &service.series[self.listener].backends[backend],
            (Some(service), None) => &service.series[self.listener].none,
            (None, _) => &listener.local,
        };
        let handles = record::Handles { requests: series, durations: service.map(|s| &*s.durations) };
        let elapsed = self.worker.recorder.exchange(self.worker.index, &handles, &self.outcome, ended);
        if let Some(entry) = self.access.take() {
            let service = self.current();
            let backend = service.zip(self.backend).map(|(s, b)| &*s.endpoints[b].id);
            let listener = &self.snapshot.listeners[self.listener];
            let names = access::Names { listener: &listener.name, service: service.map(|s| &*s.name), backend };
            self.worker.recorder.access(&entry, &names, &self.outcome, elapsed);
        }
    }
}
