//! The record of an exchange while it lasts. It is dropped when the exchange is over, for whatever reason, and what came of it is recorded
//! then.

pub mod access;
mod before;
mod counted;
mod hedged;
mod places;
mod logged;
mod traced;
mod upload;

use std::rc::Rc;
use std::time::{Duration, Instant};

use http::StatusCode;
use http::header::{self, HeaderMap};

use crate::clock::Moment;
use crate::error::{Error, Kind, Retry};
use crate::forward::Ingress;
use crate::forward::http::load_report;
use crate::forward::placement::Admission;
use crate::forward::placement::attempt_result::{self, AttemptResult};
use crate::metrics::{AttemptEnd, BeganIn, Failure};
use crate::outcome::{Grpc, Outcome, Peer, TunnelEnd};
use crate::protocol::http::grpc;
use crate::record;
use crate::record::access as log;
use crate::snapshot::{Current, Service};
use crate::trace::ExchangeTrace;
use crate::upstream::terms::Failed;
use counted::{AskedView, BackendView, Counted};
pub use places::ClientShare;
use places::HeldPlace;
use upload::Upload;

/// One exchange.
#[derive(Debug)]
pub struct Exchange {
    ingress: Rc<Ingress>,
    counted: Counted,
    attempt: Option<CurrentAttempt>,
    /// A second attempt that is under way beside it. It is rare, so that it has memory of its own.
    beside: Option<Box<CurrentAttempt>>,
    outcome: Outcome,
    /// When it could be sent to a backend, where that was later than its begin.
    ready: Option<Instant>,
    /// Whether its client was waited for, which had to send the body.
    upload: Upload,
    /// The status that the client is answered with counts as a failure of the backend.
    is_failure: bool,
    /// What the access log says of the request, when there is one.
    access: Option<Box<log::ExchangeEntry>>,
    /// Its place within the adaptive limit of the service whose backends do the work, where there is one.
    place: Option<Box<HeldPlace>>,
    /// What it takes of what its client may have, where that is limited.
    client: Option<Box<ClientShare>>,
    /// Its trace, while exchanges are traced.
    trace: Option<Box<ExchangeTrace>>,
}

/// The attempt that is under way.
#[derive(Debug)]
struct CurrentAttempt {
    admission: Admission,
    began: Instant,
    /// Set while it waits for the head of its answer.
    waits_since: Option<BeganIn>,
    /// How long after that the head of its answer came. Set where more of the answer follows: how long that takes may be up to the client.
    answered: Option<Duration>,
    /// It was made beside another one, which was late.
    is_hedge: bool,
    /// Its place in the trace, where there is one.
    traced: usize,
}

/// How the rest of an answer follows its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// It is there already: the backend is done.
    Whole,
    /// The backend is still to send it.
    Streamed,
    /// The backend is still to send it, and that may take for ever: the exchange lets go of its snapshot.
    Lasting,
}

impl Exchange {
    /// Begins now.
    pub fn begin(ingress: &Rc<Ingress>, snapshot: &Rc<Current>, listener: usize) -> Self {
        Self {
            ingress: Rc::clone(ingress),
            counted: Counted::new(snapshot, listener),
            attempt: None,
            beside: None,
            outcome: Outcome::begun(Instant::now()),
            ready: None,
            upload: Upload::default(),
            is_failure: false,
            access: None,
            place: None,
            client: None,
            trace: None,
        }
    }

    /// When it began.
    pub fn began(&self) -> Instant {
        self.outcome.began
    }

    /// It asks for the service at the first place in its snapshot, and the backends of the one at the second place do the work. They differ only
    /// while recovery sends work elsewhere.
    pub fn goes_to(&mut self, asked: usize, service: usize) {
        self.counted.set_service(asked, service);
    }

    /// An attempt begins with what was admitted.
    pub fn attempt_begins(&mut self, admission: Admission) {
        // the clock is read again for the rare second attempt only, and for one that had to wait
        let first = if self.counted.backend().is_none() { self.ready.or(Some(self.outcome.began)) } else { None };
        let let_in = self.place.as_mut().and_then(|held| held.take_let_in());
        let began = admission.placed.or(let_in).or(first).unwrap_or_else(Instant::now);
        self.counted.set_backend(admission.backend());
        self.trace_attempt(admission.backend(), began);
        self.outcome.attempts += 1;
        let used = self.counted.backend();
        if let Some((entry, used)) = self.access.as_mut().zip(used.as_ref()) {
            entry.attempts.tried(&used.endpoint.id);
        }
        let waits_since = used.map(|used| used.upstream.begun(self.ingress.worker().index));
        let traced = self.trace.as_ref().map_or(0, |trace| trace.current());
        self.attempt = Some(CurrentAttempt { admission, began, waits_since, answered: None, is_hedge: false, traced });
    }

    /// The attempt failed. It may have lost a race: a kept connection was closed as it was used. That is nobody's failure where the backend has said so, and
    /// otherwise while it is rare.
    pub fn attempt_failed(&mut self, failed: &Failed) {
        let kind = failed.error.kind();
        let is_told = failed.error.retryability() == Retry::Safe;
        let worker = self.ingress.worker().index;
        if let Some(trace) = &mut self.trace {
            trace.failed(kind);
        }
        // a path that is dead says nothing of the backend behind it
        let is_cut_off = kind == Kind::UpstreamHung && failed.raced;
        if kind == Kind::UpstreamHung
            && !is_cut_off
            && let Some(used) = self.counted.backend()
        {
            used.upstream.abandoned(worker);
        }
        let forgives = |used: BackendView<'_>| is_told || used.upstream.forgives_race(worker);
        let is_forgiven = failed.raced && !is_cut_off && self.counted.backend().is_some_and(forgives);
        let failure = attempt_result::failure(kind).filter(|_| !is_forgiven);
        self.end_attempt(failure.map(Err), Instant::now());
    }

    /// The attempt was answered with this status, and another attempt follows: the client does not see this answer.
    pub fn attempt_answered(&mut self, status: StatusCode) {
        let failed = self.service().is_some_and(|service| service.failure_status.contain(status));
        if let Some(trace) = &mut self.trace {
            trace.answered(status.as_u16());
        }
        self.end_attempt(Some(if failed { Err(Failure::Status) } else { Ok(()) }), Instant::now());
    }

    /// The client is answered with this status.
    pub fn answered(&mut self, status: StatusCode, rest: Rest) {
        self.outcome.status = Some(status);
        self.is_failure = self.service().is_some_and(|service| service.failure_status.contain(status));
        if let Some(trace) = &mut self.trace
            && self.outcome.failure.is_none()
        {
            trace.answered(status.as_u16());
        }
        self.waited();
        let has_promised = |asked: AskedView<'_>| asked.promised.is_some_and(|promised| promised.latency.is_some());
        let is_timed = self.counted.asked().is_some_and(has_promised) || self.wants_times();
        if is_timed || self.attempt.is_some() {
            self.answered_at(Instant::now(), is_timed, rest);
        }
        // how long the rest takes may be up to the client
        self.leave_limit();
        if rest == Rest::Lasting {
            self.keep_traced();
            self.counted.let_go();
        }
    }

    /// One reading of the clock serves all who want to know when the head of the answer was there. `is_timed`: that was promised, or the access
    /// log says it.
    fn answered_at(&mut self, now: Instant, is_timed: bool, rest: Rest) {
        let since_begin = now.saturating_duration_since(self.outcome.began);
        if is_timed {
            self.outcome.answered = Some(since_begin);
        }
        let is_of_backend = self.attempt.is_some() && self.outcome.failure.is_none();
        if let Some(asked) = self.counted.whole_asked().filter(|_| is_of_backend) {
            asked.attempts.stages.first_byte.observe(self.ingress.worker().index, since_begin, None);
        }
        let is_hedge = self.attempt.as_ref().is_some_and(|attempt| attempt.is_hedge);
        match (rest, &mut self.attempt) {
            // how long the client takes to read says nothing about the backend
            (Rest::Whole, Some(_)) => self.end_attempt(self.attempt_end(), now),
            (_, Some(attempt)) => {
                let elapsed = self.upload.backend_time(attempt.began, now);
                attempt.answered = Some(elapsed);
                if let Some(end) = self.attempt_end().filter(|_| rest == Rest::Streamed && !is_hedge) {
                    self.took(end, elapsed);
                }
            }
            (_, None) => {}
        }
    }

    /// The last of the answer came from the backend. The attempt ends here, whatever the client does from now on.
    pub fn backend_done(&mut self) {
        if self.attempt.is_some() {
            self.end_attempt(self.attempt_end(), Instant::now());
        }
    }

    /// The exchange failed, as a whole or within the body of its answer.
    pub fn failed(&mut self, error: &Error) {
        self.outcome.failure = Some(error.kind());
        if let Some(trace) = &mut self.trace {
            trace.failed(error.kind());
        }
        if let Some(entry) = &mut self.access {
            entry.attempts.failed(error);
        }
    }

    /// What the client sent was refused before it became a request.
    pub fn refused(&mut self, error: &Error) {
        self.outcome.failure = Some(error.kind());
        if let Some(entry) = &mut self.access {
            entry.attempts.refused(error);
        }
    }

    /// It ended before its answer did. Where nothing else went wrong, and we have not cut it off ourselves, that is the client's doing.
    pub fn broke_off(&mut self) {
        let is_cut = self.ingress.is_cut();
        if is_cut {
            self.outcome.end = Some(TunnelEnd::Cut);
        }
        self.outcome.failure.get_or_insert(if is_cut { Kind::DrainOver } else { Kind::ClientGone });
    }

    /// It was a tunnel, which ended in this way. A client that is gone because its connection was cut off has not broken it.
    pub fn tunnel_ended(&mut self, end: TunnelEnd) {
        let is_cut = end == TunnelEnd::BrokenBy(Peer::Client) && self.ingress.is_cut();
        self.outcome.end = Some(if is_cut { TunnelEnd::Cut } else { end });
    }

    /// So many more bytes of the answer's body were sent.
    pub fn sent(&mut self, bytes: u64) {
        self.outcome.body_bytes += bytes;
    }

    /// The backend of the attempt that is under way, by its place in the service.
    pub fn backend(&self) -> Option<usize> {
        self.attempt.as_ref().map(|attempt| attempt.admission.backend())
    }

    /// It is a gRPC call.
    pub fn is_grpc_call(&mut self) {
        self.outcome.grpc = Some(Grpc::Unknown);
    }

    /// We have answered a gRPC call with this status.
    pub fn grpc_call_answered(&mut self, status: grpc::Code) {
        self.outcome.grpc = Some(Grpc::Status(status as u16));
    }

    /// Takes out of an answer's fields, or its trailers, what its backend says to us and not to clients, such as its load. Notes how a gRPC
    /// call ended.
    pub fn take_backend_words(&mut self, headers: &mut HeaderMap) {
        if self.outcome.grpc.is_some()
            && let Some(status) = grpc::status(headers)
        {
            self.outcome.grpc = Some(Grpc::Status(status));
        }
        // a look at the names costs less than look-ups by hash, and nearly no answer has any of these
        if !headers.keys().any(|name| *name == header::ALT_SVC || load_report::is_in(name)) {
            return;
        }
        // names another address for the same origin (RFC 7838): clients would go to the backend itself, past us
        headers.remove(header::ALT_SVC);
        let Some((service, used)) = self.counted.service().zip(self.counted.backend()) else { return };
        load_report::take(headers, (used.endpoint, service.name, service.reports));
    }

    /// The service that it asks for; `None` once a lasting answer has let go of the snapshot.
    pub fn asked(&self) -> Option<&Service> {
        self.counted.whole_asked()
    }

    /// The service whose backends do the work; `None` once a lasting answer has let go of the snapshot.
    pub fn service(&self) -> Option<&Service> {
        self.counted.whole_service()
    }

    /// What the last attempt says about its backend, at the end of the exchange; `None` = nothing: the client went away or made a mistake, or something failed
    /// that is nobody's fault.
    fn attempt_end(&self) -> Option<AttemptEnd> {
        match (self.outcome.failure, self.outcome.status) {
            (Some(kind), _) => attempt_result::failure(kind).map(Err),
            (None, None) => None,
            (None, Some(_)) if self.is_failure => Some(Err(Failure::Status)),
            (None, Some(_)) => Some(Ok(())),
        }
    }

    /// The attempt that is under way waits for the head of its answer no more.
    fn waited(&mut self) {
        let began = self.attempt.as_mut().and_then(|attempt| attempt.waits_since.take());
        if let Some((began, used)) = began.zip(self.counted.backend()) {
            used.upstream.waited(self.ingress.worker().index, began);
        }
    }

    /// Ends the attempt that is under way: reports what it says about its backend, and gives its slot back.
    fn end_attempt(&mut self, end: Option<AttemptEnd>, ended: Instant) {
        self.waited();
        let Some(CurrentAttempt { admission, began, answered, is_hedge, .. }) = self.attempt.take() else { return };
        if let Some(trace) = &mut self.trace {
            trace.attempt_ended(ended);
        }
        let Some((service, used)) = self.counted.service().zip(self.counted.backend()) else { return };
        let live = &used.endpoint.live;
        if let Some(end) = end {
            let elapsed = answered.unwrap_or_else(|| self.upload.backend_time(began, ended));
            if let Some(hedges) = service.hedges.filter(|_| end.is_ok() && !is_hedge) {
                hedges.took(self.ingress.worker().index, elapsed);
            }
            if !is_hedge {
                self.took(end, elapsed);
            }
            let result = AttemptResult {
                live,
                upstream: used.upstream,
                breaker: admission.permit.zip(service.breaker),
                consecutive_failures: service.consecutive_failures,
                end,
                elapsed,
            };
            result.report(self.ingress.worker(), Moment::at(ended));
        } else if let Some(permit) = admission.permit {
            live.breaker.forgo(permit);
        }
        let worker = self.ingress.worker();
        worker.give_back(service.index, service.name, service.waiting, used.endpoint, admission.slot);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // one reading of the clock serves everything that ends here
        let ended = Instant::now();
        self.end_attempt(self.attempt_end(), ended);
        if self.beside.is_some() {
            self.end_beside(ended);
        }
        self.leave_limit();
        if self.outcome.status.is_none() {
            match std::thread::panicking() {
                true => self.outcome.failure = Some(Kind::Internal),
                false => self.broke_off(),
            }
        }
        let exemplar = self.end_trace(ended);
        let asked = self.counted.asked();
        let handles = record::Handles {
            requests: self.counted.requests(),
            totals: asked.map(|asked| &asked.totals.requests),
            failures: self.counted.failures(),
            durations: asked.map(|asked| asked.durations),
            grpc: asked.map(|asked| asked.grpc),
            promised: asked.and_then(|asked| asked.promised),
        };
        let worker = self.ingress.worker();
        let ended = worker.recorder.exchange(worker.index, &handles, &self.outcome, ended, exemplar);
        if let Some(entry) = self.access.take() {
            let names = log::Names {
                listener: self.counted.listener(),
                service: asked.map(|asked| asked.name),
                backend: self.counted.backend().map(|used| &*used.endpoint.id),
                worker: worker.index,
            };
            worker.recorder.access(&entry, &names, &self.outcome, ended);
        }
    }
}
