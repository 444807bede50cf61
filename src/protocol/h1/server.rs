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
use super::wire::{ROOM, Wire, gone};
use super::writing::Writing;
use crate::crowd::{Rest, Resting};
use crate::drain::Watch;
use crate::error::{Error, Kind};
use crate::io::{Socket, Stream};
use crate::protocol::http::length::{Announced, Length, announced, is_bodiless};
use crate::protocol::http::partial::Partial;
use crate::protocol::http::tunnel::{MayTunnel, Relay};
use crate::protocol::http::{self as neutral, Handler, HeadLimits, Interim, Leniency, Presence, Request, Setup};
use crate::timer::{Alarm, TICK};

/// How long a client may be gone while its request is worked on without anybody seeing it, where nobody watches its connection
/// yet: most answers are there long before.
const UNSEEN: Duration = TICK;

/// How a connection ended.
#[derive(Debug)]
pub enum End {
    /// It is over.
    Closed,
    /// The client speaks HTTP/2 by prior knowledge: the stream, and what was read of it. Boxed, for few do.
    Http2(Box<(Stream, BytesMut)>),
}

struct Connection<'a, H> {
    wire: Rc<RefCell<Wire>>,
    handler: &'a H,
    setup: &'a Setup,
    drain: Watch,
    /// Where there is a limit to connections.
    rest: Option<Rest>,
    scan: Scan,
    served: u64,
}

enum Arrived {
    Request(RequestHead),
    Http2,
    Nothing,
    /// Did not become a request: an answer to HEAD has no body, whatever else is wrong with it.
    Refused(Error, Method),
}

/// How long a drain waits for a client's next request, or its first: what the client sent before it could know must be answered, and
/// a connection that carries load is told by `Connection: close` in time.
const LAST_CALL: Duration = Duration::from_secs(1);

/// What follows an exchange.
enum Next {
    Request,
    /// Closed in order: the client gets to read everything.
    Close,
    /// The client went away, or must see that what it got is not whole.
    Abort,
}

/// Serves a connection; `early` was read from it before.
pub fn serve<H: Handler>(io: Stream, early: BytesMut, handler: &H, setup: &Setup) -> impl Future<Output = End> {
    // here, so that the future has no room for what it was given
    let wire = Rc::new(RefCell::new(Wire::new(io, early)));
    run(wire, handler, setup)
}

async fn run<H: Handler>(wire: Rc<RefCell<Wire>>, handler: &H, setup: &Setup) -> End {
    let mut connection = Connection {
        wire: Rc::clone(&wire),
        handler,
        setup,
        drain: setup.drain.watch(),
        rest: setup.resting.as_ref().map(Resting::connection),
        scan: Scan::default(),
        served: 0,
    };
    let http2 = connection.run().await;
    connection.account();
    drop(connection);
    let Wire { io, inbound, .. } = &mut *wire.borrow_mut();
    // taken out, for a body may still be held by somebody, which must not keep the client waiting for the end
    let io = std::mem::replace(io, Stream::Plain(Socket::gone()));
    match http2 {
        true => End::Http2(Box::new((io, std::mem::take(&mut inbound.buf)))),
        false => End::Closed,
    }
}

impl<H: Handler> Connection<'_, H> {
    /// Request after request; `true` when it turns out to be HTTP/2.
    async fn run(&mut self) -> bool {
        loop {
            let arrived = self.read_head().await;
            self.stir();
            let next = match arrived {
                // boxed: a connection that waits for a request has no room for an exchange; and made in its box, not on the stack
                // and copied into one
                Arrived::Request(head) => {
                    let room = Box::new_uninit();
                    Box::into_pin(Box::write(room, self.exchange(head))).await
                }
                Arrived::Nothing => Next::Close,
                Arrived::Http2 => return true,
                Arrived::Refused(error, method) => Box::pin(async { self.refuse_head(&error, &method).await }).await,
            };
            self.account();
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

    /// Waits for the next request's head: `idle_timeout` for its first byte, then `header_timeout` for the rest.
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
                        rest.stir();
                    }
                }
                match wire.inbound.poll_fill(&mut wire.io, cx, ROOM) {
                    Poll::Ready(Ok(true)) => {}
                    Poll::Ready(Ok(false)) if !started => return Poll::Ready(Arrived::Nothing),
                    Poll::Ready(Ok(false)) => return refused(gone("closed within a head")),
                    Poll::Ready(Err(error)) => return refused(gone("").because(error)),
                    Poll::Pending => {
                        wire.inbound.rest();
                        if !started
                            && self.rest.as_mut().is_some_and(|rest| rest.gives_way(self.setup.timers.now(), cx))
                        {
                            return Poll::Ready(Arrived::Nothing);
                        }
                        // only now: what was sent before the drain is answered, and who is about to send may send
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

    /// How long the next bytes of a head may take: it has begun, or is the last that a drain waits for, or neither.
    fn head_timeout(&self, has_begun: bool, is_last: bool) -> Duration {
        let limit = self.setup.limits.header_timeout;
        match (has_begun, is_last) {
            (true, _) => limit,
            (false, true) => limit.min(LAST_CALL),
            (false, false) => self.setup.idle_timeout,
        }
    }

    /// The connection is in use, and gives way to nobody.
    fn stir(&mut self) {
        if let Some(rest) = &mut self.rest {
            rest.stir();
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
            // it is we who close: a next request may be on its way, and closing at it would break off what was answered before
            self.wire.borrow_mut().expect_anything();
        }
        next
    }

    /// Gives the request its body, and makes the connection ready for that.
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

    /// Lets the handler work, while the client is watched; `None` = it went away.
    async fn answer(&self, request: Box<Request>) -> Option<Response<H::Body>> {
        let mut answer = pin!(self.handler.handle(request));
        let mut unseen: Option<Alarm> = None;
        poll_fn(|cx| {
            if let Poll::Ready(response) = answer.as_mut().poll(cx) {
                return Poll::Ready(Some(response));
            }
            let wire = &mut *self.wire.borrow_mut();
            if wire.io.is_unwatched() && wire.out.is_empty() {
                ready!(unseen.get_or_insert_with(|| Alarm::new(&self.setup.timers, UNSEEN)).poll(cx));
            }
            wire.poll_gone(cx).map(|()| None)
        })
        .await
    }

    /// Sends an answer. It is lent, not given: it is large, and a future keeps room for each place that it is moved to.
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
                && !self.setup.resting.as_ref().is_some_and(Resting::is_crowded);
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

    /// Answers what did not become a request, and closes.
    async fn refuse_head(&mut self, error: &Error, method: &Method) -> Next {
        if error.kind() == Kind::ClientGone {
            return Next::Abort;
        }
        let response = self.handler.refuse(error, &partial::of_head(&self.wire.borrow().inbound.buf));
        self.refuse(response, method).await
    }

    /// Sends the answer of a refusal, and closes.
    async fn refuse(&mut self, mut response: Response<H::Body>, method: &Method) -> Next {
        // whatever it sends on is not looked at
        self.wire.borrow_mut().expect_anything();
        self.respond(&mut response, method, Version::HTTP_11, false).await
    }

    /// The connection becomes another protocol's.
    async fn tunnel(&mut self, mut response: Response<H::Body>, mut relay: Relay) -> Next {
        {
            let wire = &mut *self.wire.borrow_mut();
            encode::response(wire.out.buffer(), response.status(), response.headers(), None, None, After::Upgrade);
            relay.add_early_bytes(wire.inbound.buf.split());
        }
        let done = poll_fn(|cx| {
            let wire = &mut *self.wire.borrow_mut();
            match ready!(wire.out.poll_flush(&mut wire.io, cx)) {
                Ok(()) => relay.poll(&mut wire.io, cx),
                Err(error) => Poll::Ready(Err(error)),
            }
        });
        let whole = done.await.is_ok();
        response.body_mut().tunnelled(relay.to_client());
        self.handler.transferred(relay.from_client(), relay.to_client());
        if !whole {
            self.wire.borrow().reset_on_close();
        }
        Next::Abort
    }

    fn account(&self) {
        let wire = &mut *self.wire.borrow_mut();
        let (received, sent) = (std::mem::take(&mut wire.inbound.received), std::mem::take(&mut wire.out.sent));
        if received + sent > 0 {
            self.handler.transferred(received, sent);
        }
    }
}
