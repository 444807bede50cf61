//! What is collected of one exchange while it lasts.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::HeaderValue;
use http::{Method, Uri, Version};

use super::context::{TraceId, Traceparent};
use crate::endpoint::Endpoint;
use crate::error::Kind;
use crate::policy::Tracing;

/// The most attempts that have a span of their own. More are made only for a request whose connections are closed again and again as it is sent.
const MOST_ATTEMPTS: usize = 16;

/// An exchange that is traced.
#[derive(Debug)]
pub struct ExchangeTrace {
    /// What is exported.
    pub(super) tracing: Tracing,
    /// Its trace.
    pub(super) trace: TraceId,
    /// The number of the request's span.
    pub(super) span: u64,
    /// The span of the client that has asked, where it named one.
    pub(super) parent: Option<u64>,
    /// Whether it is recorded in any case.
    pub(super) sampled: bool,
    /// What is exported of what the client sent as `tracestate`.
    pub(super) state: Option<Box<[u8]>>,
    pub(super) request: Option<RequestFacts>,
    /// The route that took it, by its place in the listener.
    pub(super) route: Option<usize>,
    /// The name of that route, once the snapshot was let go of.
    pub(super) route_name: Option<Arc<str>>,
    /// How long it took to the head of an answer that lasts.
    pub(super) to_head: Option<Duration>,
    /// What finds out whether the client may come in, where it has to show something; and the number of its span.
    pub(super) entry: Option<(u64, Wait)>,
    pub(super) waits: Vec<Wait>,
    pub(super) attempts: Vec<Attempt>,
    /// The attempt that is under way, by its place among them.
    current: usize,
    /// Times of an attempt that nobody notes any more: kept for its memory.
    spare: Rc<Connecting>,
}

/// When an attempt began to make a connection, and when it had one.
#[derive(Debug, Default)]
struct Connecting {
    began: Cell<Option<Instant>>,
    ended: Cell<Option<Instant>>,
}

/// What an attempt that is under way needs of the trace: it has that to itself, so that there may be two.
#[derive(Debug)]
pub struct AttemptTrace {
    traceparent: Traceparent,
    times: Rc<Connecting>,
}

/// What is kept of a request for its span.
#[derive(Debug)]
pub struct RequestFacts {
    /// Its method.
    pub method: Method,
    /// Its target, as the client has sent it.
    pub uri: Uri,
    /// The host that it asks for.
    pub host: Option<HeaderValue>,
    /// The version of HTTP that it came by.
    pub version: Version,
    /// Who has sent it.
    pub client: Option<IpAddr>,
    /// It came over TLS.
    pub is_tls: bool,
    /// When its head had been read.
    pub began: Instant,
    /// The length of its body, where that was announced.
    pub length: Option<u64>,
}

/// A time for which it has waited for a place at a backend.
#[derive(Debug)]
pub(super) struct Wait {
    pub began: Instant,
    pub ended: Option<Instant>,
}

/// One attempt with a backend.
#[derive(Debug)]
pub(super) struct Attempt {
    pub span: u64,
    pub began: Instant,
    pub ended: Option<Instant>,
    /// The backend, by its place in the service.
    pub backend: usize,
    /// The backend, once the snapshot was let go of.
    pub endpoint: Option<Arc<Endpoint>>,
    /// What it was answered with.
    pub status: Option<u16>,
    /// Why it failed.
    pub failure: Option<Kind>,
    /// When it began to make a connection, and when it had one; `None` = it never did.
    pub connecting: Option<(Instant, Option<Instant>)>,
    /// It was made beside another one, which was late.
    pub is_hedge: bool,
    /// It was given up because the one beside it was answered.
    pub is_cancelled: bool,
    /// Where its connection is noted, until it has ended.
    times: Rc<Connecting>,
}

impl AttemptTrace {
    /// The value of `traceparent` for the attempt.
    pub fn traceparent(&self) -> Traceparent {
        self.traceparent
    }

    /// The attempt makes a new connection, or waits for one that is made.
    pub fn connects(&self) {
        self.times.began.set(Some(Instant::now()));
    }

    /// The attempt has a new connection.
    pub fn connected(&self) {
        self.times.ended.set(Some(Instant::now()));
    }
}

impl ExchangeTrace {
    /// A trace of which nothing is known yet.
    pub(super) fn new(tracing: Tracing) -> Self {
        Self {
            tracing,
            trace: TraceId(1),
            span: 1,
            parent: None,
            sampled: false,
            state: None,
            request: None,
            route: None,
            route_name: None,
            to_head: None,
            entry: None,
            waits: Vec::new(),
            attempts: Vec::with_capacity(2),
            current: 0,
            spare: Rc::default(),
        }
    }

    /// Forgets the exchange, and keeps the memory.
    pub(super) fn clear(&mut self) {
        (self.state, self.request, self.route_name) = (None, None, None);
        (self.route, self.to_head, self.entry) = (None, None, None);
        self.waits.clear();
        self.attempts.clear();
    }

    /// Its trace.
    pub fn id(&self) -> TraceId {
        self.trace
    }

    /// It is found out from now on whether its client may come in; the span of that has this number.
    pub(super) fn enters(&mut self, span: u64, now: Instant) {
        self.entry = Some((span, Wait { began: now, ended: None }));
    }

    /// That was found out.
    pub fn entered(&mut self, now: Instant) {
        if let Some((_, entry)) = &mut self.entry {
            entry.ended = Some(now);
        }
    }

    /// The value of `traceparent` for a service that is asked whether its client may come in.
    pub fn entry_traceparent(&self) -> Traceparent {
        let span = self.entry.as_ref().map_or(self.span, |(span, _)| *span);
        Traceparent::new(self.trace, span, self.sampled)
    }

    /// Whether it is recorded in any case: others that take part in the trace are told so.
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// A route has taken the request, by its place in the listener.
    pub fn took_route(&mut self, place: Option<usize>) {
        self.route = place;
    }

    /// It waits for a place at a backend from now on.
    pub fn waits(&mut self, now: Instant) {
        self.waits.push(Wait { began: now, ended: None });
    }

    /// Whether it waits for a place at a backend.
    pub fn is_waiting(&self) -> bool {
        self.waits.last().is_some_and(|wait| wait.ended.is_none())
    }

    /// An attempt with the backend at this place begins, as the span with this number. A wait for the place ends with that.
    pub(super) fn attempt_begins(&mut self, span: u64, backend: usize, began: Instant) {
        self.waited(began);
        if self.attempts.len() == MOST_ATTEMPTS {
            self.attempts.pop();
        }
        // one reading has no use for two of them: only a hedge needs memory of its own
        if Rc::strong_count(&self.spare) > 1 {
            self.spare = Rc::default();
        }
        self.spare.began.set(None);
        self.spare.ended.set(None);
        self.current = self.attempts.len();
        self.attempts.push(Attempt {
            span,
            began,
            ended: None,
            backend,
            endpoint: None,
            status: None,
            failure: None,
            connecting: None,
            is_hedge: false,
            is_cancelled: false,
            times: Rc::clone(&self.spare),
        });
    }

    /// The attempt that is under way is made beside another one, which was late.
    pub fn is_hedge(&mut self) {
        if let Some(attempt) = self.attempts.get_mut(self.current) {
            attempt.is_hedge = true;
        }
    }

    /// The attempt that is under way, by its place among all: two may be, of which one is spoken of at a time.
    pub fn current(&self) -> usize {
        self.current
    }

    /// From now on the attempt at this place is the one that is spoken of.
    pub fn speak_of(&mut self, attempt: usize) {
        self.current = attempt;
    }

    /// What a copy of the request says of the trace: that it belongs to it, and is not recorded.
    pub fn of_copy(&self) -> Traceparent {
        Traceparent::new(self.trace, self.span, false)
    }

    /// What the attempt that is under way needs of the trace.
    pub fn of_attempt(&self) -> AttemptTrace {
        let attempt = self.attempts.get(self.current);
        let span = attempt.map_or(self.span, |attempt| attempt.span);
        let times = Rc::clone(attempt.map_or(&self.spare, |attempt| &attempt.times));
        AttemptTrace { traceparent: Traceparent::new(self.trace, span, self.sampled), times }
    }

    /// The attempt that is under way is given up because the one beside it was answered.
    pub fn cancelled(&mut self) {
        if let Some(attempt) = self.open_attempt() {
            attempt.is_cancelled = true;
        }
    }

    /// The attempt that is under way was answered with this status.
    pub fn answered(&mut self, status: u16) {
        if let Some(attempt) = self.open_attempt() {
            attempt.status = Some(status);
        }
    }

    /// The attempt that is under way failed.
    pub fn failed(&mut self, kind: Kind) {
        if let Some(attempt) = self.open_attempt() {
            attempt.failure = Some(kind);
        }
    }

    /// The attempt that is under way has ended.
    pub fn attempt_ended(&mut self, ended: Instant) {
        if let Some(attempt) = self.open_attempt() {
            attempt.ended = Some(ended);
            attempt.connecting = attempt.times.began.get().map(|began| (began, attempt.times.ended.get()));
        }
    }

    /// A wait for a place at a backend that lasts has ended.
    pub(super) fn waited(&mut self, ended: Instant) {
        if let Some(wait) = self.waits.last_mut() {
            wait.ended.get_or_insert(ended);
        }
    }

    /// The head of an answer that lasts was there after so long: how long the rest takes is up to its client. The snapshot is let go of, and what it
    /// would have told at the end is kept. `backend` gives the backend at a place of the service.
    pub fn keep(
        &mut self,
        to_head: Duration,
        route: Option<&Arc<str>>,
        backend: impl Fn(usize) -> Option<Arc<Endpoint>>,
    ) {
        self.to_head = Some(to_head);
        self.route_name = route.cloned();
        self.attempts.iter_mut().for_each(|attempt| attempt.endpoint = backend(attempt.backend));
    }

    /// The path of the route that took it, where the snapshot was let go of.
    pub fn route_name(&self) -> Option<&Arc<str>> {
        self.route_name.as_ref()
    }

    /// The place of the route that took it, in its listener.
    pub fn route(&self) -> Option<usize> {
        self.route
    }

    fn open_attempt(&mut self) -> Option<&mut Attempt> {
        self.attempts.get_mut(self.current).filter(|attempt| attempt.ended.is_none())
    }
}
