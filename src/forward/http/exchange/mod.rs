//! The record of an exchange while it lasts: dropped when the exchange is over, however that comes, and recorded then.

pub mod access;
mod counted;

use std::rc::Rc;
use std::time::{Duration, Instant};

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName};

use crate::clock::Moment;
use crate::endpoint::load::Report;
use crate::error::{Error, Kind, Side};
use crate::forward::Ingress;
use crate::forward::placement::queue::Place;
use crate::forward::placement::{Admission, verdict};
use crate::load::{Refused, orca};
use crate::outcome::{Grpc, Outcome};
use crate::protocol::http::grpc;
use crate::record;
use crate::record::access as log;
use crate::snapshot::{Current, Service};
use counted::Counted;

/// One exchange.
#[derive(Debug)]
pub struct Exchange {
    ingress: Rc<Ingress>,
    counted: Counted,
    attempt: Option<Attempt>,
    outcome: Outcome,
    /// The status that the client is answered with counts as a failure of the backend.
    is_failure: bool,
    /// What the access log says of the request, when there is one.
    access: Option<Box<log::Entry>>,
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

/// How the rest of an answer comes after its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// It is there already: its backend is done.
    Whole,
    /// The backend is still to send it.
    Streamed,
    /// The same, and it may take for ever: the exchange lets go of its snapshot.
    Lasting,
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
    pub fn begin(ingress: &Rc<Ingress>, snapshot: &Rc<Current>, listener: usize) -> Self {
        Self {
            ingress: Rc::clone(ingress),
            counted: Counted::new(snapshot, listener),
            attempt: None,
            outcome: Outcome::begun(Instant::now()),
            is_failure: false,
            access: None,
        }
    }

    /// When it began.
    pub fn began(&self) -> Instant {
        self.outcome.began
    }

    /// What the access log is to say of the request.
    pub fn log(&mut self, entry: log::Entry) {
        self.access = Some(Box::new(entry));
    }

    /// It goes to this service.
    pub fn service(&mut self, index: usize) {
        self.counted.set_service(index);
    }

    /// It is tried with a backend.
    pub fn attempt(&mut self, admission: Admission) {
        // the clock is read again for the rare second attempt only
        let began = if self.counted.backend().is_none() { self.outcome.began } else { Instant::now() };
        self.counted.set_backend(admission.backend);
        self.outcome.attempts += 1;
        if let Some((entry, used)) = self.access.as_mut().zip(self.counted.backend()) {
            entry.journey.tried(&used.endpoint.id);
        }
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

    /// This is what the client is answered with.
    pub fn answered(&mut self, status: StatusCode, rest: Rest) {
        self.outcome.status = Some(status);
        self.is_failure = self.current().is_some_and(|service| service.failure_status.contain(status));
        match (rest, &mut self.attempt) {
            // whatever time the client takes from here on is its own
            (Rest::Whole, _) => self.backend_done(),
            (_, Some(attempt)) => attempt.answered = Some(attempt.began.elapsed()),
            (_, None) => {}
        }
        if rest == Rest::Lasting {
            self.counted.let_go();
        }
    }

    /// The last of the answer came from the backend: it is judged, and its place is free, whatever the client does.
    pub fn backend_done(&mut self) {
        if self.attempt.is_some() {
            self.end_attempt(self.verdict(), Instant::now());
        }
    }

    /// It failed, in whole or within the body.
    pub fn failed(&mut self, error: &Error) {
        self.outcome.failure = Some(error.kind());
        if let Some(entry) = &mut self.access {
            entry.journey.failed(error);
        }
    }

    /// It was refused: it did not become a request.
    pub fn refused(&mut self, error: &Error) {
        self.outcome.failure = Some(error.kind());
        if let Some(entry) = &mut self.access {
            entry.journey.refused(error);
        }
    }

    /// It ended before its answer did; where nothing else went wrong, and we have not cut it off ourselves, that is the client's doing.
    pub fn broke_off(&mut self) {
        if !self.ingress.is_cut() {
            self.outcome.failure.get_or_insert(Kind::ClientGone);
        }
    }

    /// Bytes of the answer's body.
    pub fn sent(&mut self, bytes: u64) {
        self.outcome.body_bytes += bytes;
    }

    /// The backend of the attempt that is under way.
    pub fn used(&self) -> Option<usize> {
        self.attempt.as_ref().map(|attempt| attempt.admission.backend)
    }

    /// It is a gRPC call.
    pub fn is_call(&mut self) {
        self.outcome.grpc = Some(Grpc::Unsaid);
    }

    /// We have answered a gRPC call with this status.
    pub fn ended_call(&mut self, status: grpc::Code) {
        self.outcome.grpc = Some(Grpc::Status(status as u16));
    }

    /// Hears how a gRPC call ended, and takes what the backend says about its load out of an answer's fields, or its trailers: that is for us, never for clients.
    pub fn hear(&mut self, headers: &mut HeaderMap) {
        if self.outcome.grpc.is_some()
            && let Some(status) = grpc::status(headers)
        {
            self.outcome.grpc = Some(Grpc::Status(status));
        }
        // a look at the names costs less than look-ups by hash, and nearly no answer has any of these
        if !headers.keys().any(|name| *name == header::ALT_SVC || name.as_str().starts_with(orca::FIELD)) {
            return;
        }
        // it names where else this origin is served (RFC 7838), which a backend says of itself: clients would go there past us
        headers.remove(header::ALT_SVC);
        let Some((service, used)) = self.counted.service().zip(self.counted.backend()) else { return };
        for (field, read) in [(&REPORT, orca::read as Read), (&REPORT_BIN, orca::read_bin)] {
            let Some(value) = headers.remove(field) else { continue };
            let endpoint = used.endpoint;
            match read(value.as_bytes()) {
                Ok(report) if service.takes_reports => {
                    endpoint.live.load.report(report, endpoint.live.in_flight(), Moment::now());
                }
                Ok(_) => {}
                Err(refused) => {
                    let (service, backend) = (service.name, &endpoint.id);
                    tracing::debug!(%service, %backend, %refused, "a load report was refused");
                }
            }
        }
    }

    /// The service that it goes to, until it is answered.
    pub fn current(&self) -> Option<&Service> {
        self.counted.deciding()
    }

    /// What the last attempt says, at the end of the exchange.
    fn verdict(&self) -> Verdict {
        match (self.outcome.failure, self.outcome.status) {
            (Some(kind), _) if kind.side() == Side::Upstream => Verdict::Failed,
            (Some(_), _) | (None, None) => Verdict::Silent,
            (None, Some(_)) if self.is_failure => Verdict::Failed,
            (None, Some(_)) => Verdict::Well,
        }
    }

    /// Gives the place at the backend back, and tells what there is to tell about it.
    fn end_attempt(&mut self, verdict: Verdict, ended: Instant) {
        let Some(Attempt { admission, began, answered }) = self.attempt.take() else { return };
        let Some((service, used)) = self.counted.service().zip(self.counted.backend()) else { return };
        let live = &used.endpoint.live;
        if verdict == Verdict::Silent {
            if let Some(permit) = admission.permit {
                live.breaker.forgo(permit);
            }
        } else {
            let told = verdict::Verdict {
                live,
                upstream: used.upstream,
                breaker: admission.permit.zip(service.breaker),
                consecutive_failures: service.consecutive_failures,
                failed: verdict == Verdict::Failed,
                elapsed: answered.unwrap_or_else(|| ended.saturating_duration_since(began)),
            };
            told.tell(self.ingress.worker(), Moment::at(ended));
        }
        let place = Place { in_flight: admission.in_flight, backend: used.place };
        self.ingress.worker().leave((service.index, service.name), service.waiting, used.endpoint, place);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // one reading of the clock serves everything that ends here
        let ended = Instant::now();
        self.end_attempt(self.verdict(), ended);
        if self.outcome.status.is_none() {
            match std::thread::panicking() {
                true => self.outcome.failure = Some(Kind::Internal),
                false => self.broke_off(),
            }
        }
        let service = self.counted.service();
        let handles = record::Handles {
            requests: self.counted.requests(),
            durations: service.map(|service| service.durations),
            grpc: service.map(|service| service.grpc),
        };
        let worker = self.ingress.worker();
        let elapsed = worker.recorder.exchange(worker.index, &handles, &self.outcome, ended);
        if let Some(entry) = self.access.take() {
            let names = log::Names {
                listener: self.counted.listener(),
                service: service.map(|service| &**service.name),
                backend: self.counted.backend().map(|used| &*used.endpoint.id),
            };
            worker.recorder.access(&entry, &names, &self.outcome, elapsed);
        }
    }
}
