//! Copies of requests that go to a second service (`mirror` of a route).
//!
//! A copy is made as if its route led to the second service: with what listener and route change in requests, and with what that service changes,
//! not the one that is asked. It has a task of its own, for which nobody waits, and which holds nothing that the client's exchange needs: no time-out,
//! no connection and no place. What the two share is the body, whose pieces are handed to the copy as the exchange reads them (`body`); a copy that
//! does not keep up is given up.
//!
//! How a copy ends is counted for its route's listener ([`Mirrored`](crate::metrics::Mirrored)). Of the service that gets it, it takes a place at a backend, and what it
//! shows of that backend counts as of any attempt, so that breakers and detection work for a service that gets nothing but copies. It is no request to
//! that service: nothing is promised of it, and it is neither sent again nor hedged.

mod body;
mod outcome;
mod sending;

use std::cell::Cell;
use std::sync::Arc;

use http::Method;
use http::header::HeaderValue;

use super::Connection;
use super::context::Context;
use super::exchange::Exchange;
use super::{request, split};
use crate::clock::Moment;
use crate::forward::placement::keys::Keys;
use crate::metrics::MirrorResult;
use crate::protocol::http::fields::MIRROR;
use crate::protocol::http::{Request, RequestBody};
use crate::route::meaning::Meaning;
use crate::snapshot::{Action, Current, Mirror, Point, Route, Service};
use crate::trace::{Parent, TRACEPARENT, Traceparent};
use sending::RequestCopy;

/// What a copy says of itself.
const IS_COPY: HeaderValue = HeaderValue::from_static("1");

/// The way of a request that may be copied.
pub struct Way<'a, 'c> {
    /// What decides.
    pub snapshot: &'a Current,
    /// The route that takes it.
    pub route: &'a Route,
    /// What is known of it.
    pub context: &'a Context<'c>,
    /// What its path means, where it has other spellings.
    pub meaning: Option<&'a Meaning>,
}

impl Connection {
    /// Sends a copy of a request to the service that its route mirrors to, where the request is one of those that are copied. To be called before anything is changed for
    /// the service that is asked.
    pub(super) fn mirror(&self, mirror: &Mirror, request: &mut Request, way: &Way<'_, '_>, exchange: &Exchange) {
        // what is sent in a tunnel depends on what comes back in it
        let is_tunnel = request.upgrade.is_some() || request.method == Method::CONNECT;
        if is_tunnel || !self.is_drawn(mirror, request, way) {
            return;
        }
        let (worker, service) = (self.worker.index, &way.snapshot.services[mirror.service]);
        if service.protection.gets_no_copies() {
            return mirror.counts.count(worker, MirrorResult::HeldBack);
        }
        // a body of unknown length has at least one byte, as far as anybody knows
        if request.length.known().unwrap_or(1) > mirror.rule.max_body {
            return mirror.counts.count(worker, MirrorResult::TooLarge);
        }
        let path = super::compared(request, way.meaning);
        if way.snapshot.cut_off(mirror.service, path, || Moment::at(exchange.began())).is_some() {
            return mirror.counts.count(worker, MirrorResult::NoPlace);
        }
        let Some(in_flight) = mirror.counts.begin(worker, mirror.rule.max_in_flight) else { return };
        if let Some(copy) = self.copy(mirror, request, (way, service), exchange) {
            // boxed, as the runtime moves a task several times
            tokio::task::spawn_local(Box::pin(sending::send(copy, in_flight)));
        }
    }

    /// Whether this request is one of those that are copied.
    fn is_drawn(&self, mirror: &Mirror, request: &Request, way: &Way<'_, '_>) -> bool {
        mirror.takes_all() || mirror.takes(self.point(request, way))
    }

    /// What decides whether a request is copied: its client, where the route keeps clients on the sides of a split; else chance.
    fn point(&self, request: &Request, way: &Way<'_, '_>) -> Point {
        match (&way.route.action, way.context.new_point.get()) {
            (Action::Split(_), Some(point)) => Point::Client(u64::from(point)),
            (Action::Split(split), None) => {
                split::point(split, request, (self, way.context.listener), &Cell::new(None))
            }
            _ => Point::Random(self.worker.random.borrow_mut().u32(..)),
        }
    }

    /// The copy, with what is changed on the way to its service; `None` = that can't be done, for which the request itself will fail.
    fn copy(
        &self,
        mirror: &Mirror,
        original: &mut Request,
        (way, service): (&Way<'_, '_>, &Arc<Service>),
        exchange: &Exchange,
    ) -> Option<RequestCopy> {
        let listener = way.context.listener;
        let keys = Keys { hash: self.hash(listener, service, original), affinity: None };
        let mut request = Request {
            method: original.method.clone(),
            uri: original.uri.clone(),
            version: original.version,
            host: original.host.clone(),
            headers: original.headers.clone(),
            body: RequestBody::Empty,
            length: original.length,
            upgrade: None,
            te_trailers: original.te_trailers,
            // nobody would send the body because this backend asks for it
            expect_continue: false,
            forwarded: None,
            interim: None,
            presence: None,
        };
        let feed = body::share(original, &mut request, mirror.rule.max_body, &self.worker.mirrored_bytes);
        let is_traced = exchange.trace().is_some();
        request::prepare(&mut request, way.context, way.route, service, is_traced, way.meaning).ok()?;
        let traceparent = match exchange.trace() {
            Some(trace) => Some(trace.of_copy()),
            None => Parent::of(&request.headers).map(|parent| Traceparent::new(parent.trace, parent.span, false)),
        };
        if let Some(value) = traceparent.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok()) {
            request.headers.insert(TRACEPARENT, value);
        }
        request.headers.insert(MIRROR, IS_COPY);
        let proxy_header =
            service.proxy_header.map(|version| self.worker.header(&self.peer, version, listener).to_vec());
        // a request that is announced to have a body is sent when some of it is here: it may be refused before
        let awaits_body = original.expect_continue || original.length.known().is_some_and(|length| length > 0);
        let (worker, service, timeout) = (self.worker.clone(), Arc::clone(service), mirror.rule.timeout);
        Some(RequestCopy { worker, service, request, keys, proxy_header, feed, awaits_body, timeout })
    }
}
