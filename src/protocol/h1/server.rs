//! A client's HTTP/1 connection, from its first byte to its last.

mod closing;

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use http::{Method, Response, Version};

use super::body::RequestBody;
use super::decode::Decoder;
use super::encode::Coding;
use super::encode::{self, After};
use super::head::{self, RequestHead, Scan};
use super::partial;
use super::wire::{READ_SIZE, Wire, gone};
use super::writing::Writing;
use crate::drain::DrainWatch;
use crate::error::{Error, Kind};
use crate::eviction::{IdleConnection, IdleList};
use crate::io::{Socket, Stream};
use crate::protocol::http::length::{Announced, Length, announced, is_bodiless};
use crate::protocol::http::partial::Partial;
use crate::protocol::http::tunnel::{MayTunnel, Relay, Tunnel};
use crate::protocol::http::{self as neutral, Handler, HeadLimits, Interim, Leniency, Presence, Request, Setup};
use crate::timer::{Alarm, TICK};

/// How long a client's leaving may go unnoticed while its request is handled, when nothing watches its connection yet. Most
/// responses are there before that, and need no watch.
const WATCH_AFTER: Duration = TICK;

/// How a connection ended.
#[derive(Debug)]
pub enum End {
    /// The connection is closed.
    Closed,
    /// The client speaks HTTP/2 with prior knowledge. It has the stream, and the bytes that were already read from it. Boxed,
    /// because few clients do this.
    Http2(Box<(Stream, BytesMut)>),
}

struct Connection<'a, H> {
    wire: Rc<RefCell<Wire>>,
    handler: &'a H,
    setup: &'a Setup,
    drain: DrainWatch,
    /// The connection's entry among the idle ones, when the number of connections is limited.
    rest: Option<IdleConnection>,
    scan: Scan,
    served: u64,
}

enum Arrived {
    Request(RequestHead),
    Http2,
    Nothing,
    /// A head that did not become a request. The method is kept because a response to HEAD has no body, whatever else is wrong.
    Refused(Error, Method),
}

/// How long a drain waits for a client's next request, or its first. What the client sent before it could know of the drain must
/// be answered. A connection in use learns of it by `Connection: close` before this time is over.
const DRAIN_GRACE: Duration = Duration::from_secs(1);

/// What follows after an exchange.
enum Next {
    Request,
    /// The connection is closed so that the client can read everything that was sent.
    Close,
    /// The client is gone, or must see that the response is not complete.
    Abort,
}

/// Serves a connection, of which `early` was already read.
pub fn serve<H: Handler>(io: Stream, early: BytesMut, handler: &H, setup: &Setup) -> impl Future<Output = End> {
    // made here, so that the future does not contain the arguments
    let wire = Rc::new(RefCell::new(Wire::new(io, early)));
    run(wire, handler, setup)
}

async fn run<H: Handler>(wire: Rc<RefCell<Wire>>, handler: &H, setup: &Setup) -> End {
    let mut connection = Connection {
        wire: Rc::clone(&wire),
        handler,
        setup,
        drain: setup.drain.watch(),
        rest: setup.resting.as_ref().map(IdleList::connection),
        scan: Scan::default(),
        served: 0,
    };
    let http2 = connection.run().await;
    connection.count_bytes();
    drop(connection);
    let Wire { io, inbound, .. } = &mut *wire.borrow_mut();
    // the stream is taken out, because somebody may still hold a request body that shares it, and the client must see the end now
    let io = std::mem::replace(io, Stream::Plain(Socket::gone()));
    match http2 {
        true => End::Http2(Box::new((io, std::mem::take(&mut inbound.buf)))),
        false => End::Closed,
    }
}

impl<H: Handler> Connection<'_, H> {
    /// Serves one request after the other. Returns `true` when the client turns out to speak HTTP/2.
    async fn run(&mut self) -> bool {
        loop {
            let arrived = self.read_head().await;
            self.mark_in_use();
            let next = match arrived {
                // boxed, so that a connection which waits for a request does not hold the memory for an exchange; written
                // directly into its box, so that it is not copied there from the stack
                Arrived::Request(head) => {
                    let room = Box::new_uninit();
                    Box::into_pin(Box::write(room, self.exchange(head))).await
                }
                Arrived::Nothing => Next::Close,
                Arrived::Http2 => return true,
                Arrived::Refused(error, method) => Box::pin(async { self.refuse_head(&error, &method).await }).await,
            };
            self.count_bytes();
            match next {
                Next::Request => {}
                Next::Close => {
                    closing::close(&self.wire, &self.setup.timers).await;
                    return false;
                }
                Next::Abort => return false,
            }
        }
    }

    /// Waits for the head of the next request: up to `idle_timeout` for its first byte, then up to `header_timeout` for the rest.
    async fn read_head(&mut self) -> Arrived {
        let limits = &self.setup.limits;
        let leniency = Leniency { encoded_controls: limits.allow_encoded_controls, ..Leniency::default() };
        let head_limits = HeadLimits { bytes: limits.max_header_bytes, fields: limits.max_headers, leniency };
        let mut started = false;
        let mut last = false;
        let mut alarm: Option<Alarm> = None;
        poll_fn(|cx| {
            loop {
                let wire = &mut *self.wire.borrow_mut();
                let buf = &mut wire.inbound.buf;
                if self.served == 0 && buf.starts_with(b"PRI ") {
                    return Poll::Ready(Arrived::Http2);
                }
                let method = if buf.starts_with(b"HEAD ") { Method::HEAD } else { Method::GET };
                let refused = |error| Poll::Ready(Arrived::Refused(error, method));
                match head::request(buf, &mut self.scan, head_limits) {
                    Ok(Some(head)) => return Poll::Ready(Arrived::Request(head)),
                    Ok(None) => {}
                    Err(error) => return refused(error),
                }
                if !started && !buf.is_empty() {
                    started = true;
                    alarm = None;
                    if let Some(rest) = &mut self.rest {
                        rest.begin_work();
                    }
                }
                match wire.inbound.poll_fill(&mut wire.io, cx, READ_SIZE) {
                    Poll::Ready(Ok(true)) => {}
                    Poll::Ready(Ok(false)) if !started => return Poll::Ready(Arrived::Nothing),
                    Poll::Ready(Ok(false)) => return refused(gone("closed within a head")),
                    Poll::Ready(Err(error)) => return refused(gone("").because(error)),
                    Poll::Pending => {
                        wire.inbound.rest();
                        if !started
                            && self.rest.as_mut().is_some_and(|rest| rest.must_close(self.setup.timers.now(), cx))
                        {
                            return Poll::Ready(Arrived::Nothing);
                        }
                        // asked only when nothing more is to be read: a request that was sent before the drain began is answered
                        if self.drain.poll(cx) && !started && !last {
                            last = true;
                            alarm = None;
                        }
                        let limit = self.head_timeout(started, last);
                        let alarm = alarm.get_or_insert_with(|| Alarm::new(&self.setup.timers, limit));
                        ready!(alarm.poll(cx));
                        return match started {
                            true => refused(Error::new(Kind::SlowRequest, "its head took longer than header_timeout")),
                            false => Poll::Ready(Arrived::Nothing),
                        };
                    }
                }
            }
        })
        .await
    }

    /// How long the next bytes of a head may take. `has_begun`: some of it is there. `is_last`: a drain waits for this last
    /// request.
    fn head_timeout(&self, has_begun: bool, is_last: bool) -> Duration {
        let limit = self.setup.limits.header_timeout;
        match (has_begun, is_last) {
            (true, _) => limit,
            (false, true) => limit.min(DRAIN_GRACE),
            (false, false) => self.setup.idle_timeout,
        }
    }

    /// Marks the connection as in use, so that it is not closed to make room for others.
    fn mark_in_use(&mut self) {
        if let Some(rest) = &mut self.rest {
            rest.begin_work();
        }
    }

    async fn exchange(&mut self, head: RequestHead) -> Next {
        self.served += 1;
        let RequestHead { mut request, persists } = head;
        let limits = &self.setup.limits;
        let max = limits.max_requests_per_connection;
        let may_persist = persists && (max == 0 || self.served < max);
        let (method, version) = (request.method.clone(), request.version);
        if limits.max_body != 0 && matches!(request.length, Length::Fixed(length) if length > limits.max_body) {
            let too_large = Error::new(Kind::BodyTooLarge, "Content-Length is above limits.max_body");
            let response = self.handler.refuse(&too_large, &Partial::of_request(&request));
            return self.refuse(response, &method).await;
        }
        self.connect_body(&mut request);
        let Some(mut response) = self.answer(request).await else { return Next::Abort };
        if let Some(relay) = response.body_mut().take_tunnel() {
            return self.tunnel(response, relay).await;
        }
        let next = self.respond(&mut response, &method, version, may_persist).await;
        if persists && matches!(next, Next::Close) {
            // we are the side that closes, and the next request may already be on its way: closing with it unread would reset the
            // connection and might destroy the response
            self.wire.borrow_mut().expect_anything();
        }
        next
    }

    /// Gives the request its body, and prepares the connection for reading it.
    fn connect_body(&self, request: &mut Request) {
        let mut wire = self.wire.borrow_mut();
        wire.decoder = Decoder::new(request.length, Kind::MalformedRequest);
        wire.owes_continue = request.expect_continue && !wire.decoder.is_done();
        if !wire.decoder.is_done() {
            let body = RequestBody::new(Rc::clone(&self.wire), &self.setup.limits, &self.setup.timers);
            request.body = neutral::RequestBody::Client(Box::new(body));
        }
        request.expect_continue = wire.owes_continue;
        request.presence = Some(Presence::new(Rc::clone(&self.wire) as _));
        request.interim = (request.version == Version::HTTP_11).then(|| Interim::new(Rc::clone(&self.wire) as _));
    }

    /// Runs the handler, and watches the client meanwhile. `None` when the client went away.
    async fn answer(&self, request: Box<Request>) -> Option<Response<H::Body>> {
        let mut answer = pin!(self.handler.handle(request));
        let mut watch_alarm: Option<Alarm> = None;
        poll_fn(|cx| {
            if let Poll::Ready(response) = answer.as_mut().poll(cx) {
                return Poll::Ready(Some(response));
            }
            let wire = &mut *self.wire.borrow_mut();
            if wire.io.is_unwatched() && wire.out.is_empty() {
                ready!(watch_alarm.get_or_insert_with(|| Alarm::new(&self.setup.timers, WATCH_AFTER)).poll(cx));
            }
            wire.poll_gone(cx).map(|()| None)
        })
        .await
    }

    /// Sends a response. It is borrowed, because it is large, and a future holds memory for each place that a value is moved to.
    async fn respond(
        &mut self,
        response: &mut Response<H::Body>,
        method: &Method,
        version: Version,
        persists: bool,
    ) -> Next {
        let status = response.status();
        let announced = announced(response.body(), response.headers(), method, status);
        let (length, coding) = match announced {
            Announced::Nothing => (None, Coding::Plain),
            Announced::Exact(length) => (Some(Length::Fixed(length)), Coding::Plain),
            Announced::Open if version == Version::HTTP_11 => (Some(Length::Chunked), Coding::Chunked),
            Announced::Open => (Some(Length::UntilClose), Coding::Plain),
        };
        let persists = {
            let wire = &mut *self.wire.borrow_mut();
            let persists = persists
                && wire.decoder.is_done()
                && !wire.inbound.eof
                && length != Some(Length::UntilClose)
                && !self.setup.drain.has_begun()
                && !self.setup.resting.as_ref().is_some_and(IdleList::is_full);
            let after = match (persists, version) {
                (false, _) => After::Close,
                (true, Version::HTTP_10) => After::KeepAlive,
                (true, _) => After::Open,
            };
            let date = self.setup.date.now(&self.setup.timers);
            encode::response(wire.out.buffer(), status, response.headers(), Some(&date), length, after);
            persists
        };
        let bodiless = is_bodiless(method, status);
        let writing = Writing::new(&self.wire, response.body_mut(), coding, self.setup).ended(bodiless).last(!persists);
        match writing.run().await {
            Err(()) => {
                if length == Some(Length::UntilClose) {
                    self.wire.borrow().reset_on_close();
                }
                Next::Abort
            }
            Ok(()) if persists && self.wire.borrow().decoder.is_done() => Next::Request,
            Ok(()) => Next::Close,
        }
    }

    /// Answers a head that did not become a request, and closes the connection.
    async fn refuse_head(&mut self, error: &Error, method: &Method) -> Next {
        if error.kind() == Kind::ClientGone {
            return Next::Abort;
        }
        let response = self.handler.refuse(error, &partial::of_head(&self.wire.borrow().inbound.buf));
        self.refuse(response, method).await
    }

    /// Sends the response of a refusal, and closes the connection.
    async fn refuse(&mut self, mut response: Response<H::Body>, method: &Method) -> Next {
        // nothing that the client sends after this is looked at
        self.wire.borrow_mut().expect_anything();
        self.respond(&mut response, method, Version::HTTP_11, false).await
    }

    /// Turns the connection into a tunnel for another protocol.
    async fn tunnel(&mut self, response: Response<H::Body>, mut relay: Relay) -> Next {
        {
            let wire = &mut *self.wire.borrow_mut();
            encode::response(wire.out.buffer(), response.status(), response.headers(), None, None, After::Upgrade);
            relay.add_early_bytes(wire.inbound.buf.split());
        }
        let mut tunnel = Tunnel::new(response.into_body(), relay);
        poll_fn(|cx| {
            let wire = &mut *self.wire.borrow_mut();
            if ready!(wire.out.poll_flush(&mut wire.io, cx)).is_ok() {
                return tunnel.poll(&mut wire.io, cx);
            }
            tunnel.client_broke();
            Poll::Ready(())
        })
        .await;
        let relay = tunnel.relay();
        self.handler.transferred(relay.from_client(), relay.to_client());
        if !relay.is_whole() {
            self.wire.borrow().reset_on_close();
        }
        Next::Abort
    }

    fn count_bytes(&self) {
        let wire = &mut *self.wire.borrow_mut();
        let (received, sent) = (std::mem::take(&mut wire.inbound.received), std::mem::take(&mut wire.out.sent));
        if received + sent > 0 {
            self.handler.transferred(received, sent);
        }
    }
}
