//! One exchange with a backend over HTTP/1.1: the request is sent, and the head of its answer read.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use http_body::Body;

use super::body::ResponseBody;
use super::connection::Connection;
use crate::endpoint::Endpoint;
use crate::error::{Error, Kind, Result, Retry};
use crate::io::Stream;
use crate::policy::Timeouts;
use crate::protocol::h1::head::{self, ResponseHead};
use crate::protocol::h1::outbound::Coding;
use crate::protocol::h1::{encode, framing};
use crate::protocol::http::length::Length;
use crate::protocol::http::{RequestBody, RequestLine};
use crate::timer::Alarm;
use crate::upstream::Answer;
use crate::upstream::dial::{self, Tls};
use crate::upstream::pool::Pool;
use crate::upstream::terms::{CONTINUE, Failed, Terms, extends, stalled, too_late};

/// Room for a read of an answer.
pub(super) const ROOM: usize = 1024;

/// A request on its way.
#[derive(Debug)]
pub struct Call {
    pub(super) connection: Box<Connection>,
    body: RequestBody,
    coding: Coding,
    /// Bytes of the request's head.
    head: u64,
    /// Bytes of the body that were put into the connection's buffers.
    given: u64,
    /// The body waits for the backend's 100, and its client for ours.
    held: bool,
    /// Everything was put into the connection's buffers.
    ended: bool,
    /// Everything was written, or can't be.
    pub(super) sent: bool,
    /// Writing failed: there may be an answer all the same.
    pub(super) broken: bool,
}

/// What a backend answers.
#[derive(Debug)]
pub enum Reply {
    /// An answer.
    Answer(Answer<ResponseBody>),
    /// 101: the connection is another protocol's. The stream, and what was read of it.
    Upgraded(Answer<()>, Stream, BytesMut),
}

/// Dials a new connection.
pub async fn dial(
    endpoint: &Endpoint,
    tls: Option<Tls<'_>>,
    pool: &Pool,
    terms: &Terms<'_>,
) -> Result<Box<Connection>> {
    let io = dial::dial(endpoint, tls, terms.first(), terms.timers, terms.timeouts.connect).await?;
    Ok(Connection::new(io, pool.opened()))
}

impl Connection {
    /// Sends a request and waits for the head of its answer.
    pub async fn call(
        mut self: Box<Self>,
        line: &RequestLine<'_>,
        headers: &HeaderMap,
        body: RequestBody,
        pool: &Rc<Pool>,
        terms: &Terms<'_>,
    ) -> Result<Reply, Failed> {
        let reused = std::mem::replace(&mut self.reused, true);
        let coding = encode::request(self.out.buffer(), line, headers);
        let ended = line.length == Length::Fixed(0);
        let head = self.out.buffer().len() as u64;
        let mut call = Call {
            connection: self,
            body,
            coding,
            head,
            given: 0,
            held: line.expect_continue,
            ended,
            sent: false,
            broken: false,
        };
        let error = match call.head(line, terms).await {
            Ok(head) => match framing::response(&head.fields, line.method, head.status, head.version) {
                Ok(length) => return Ok(call.reply(head, length, line.method, pool, terms)),
                Err(error) => error,
            },
            Err(error) => error,
        };
        let unanswered = call.connection.inbound.buf.is_empty();
        let raced = reused && unanswered && error.kind() == Kind::UpstreamClosed;
        Err(Failed { error, raced })
    }
}

impl Call {
    /// Puts the request into the connection as far as it goes. Ready when all was written; an error is the client's. The next piece is
    /// asked for when the one before was written, or is small: a client gives no more than that ahead of what its backend takes.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.held = self.held && self.body.poll_begun(cx).is_pending();
        while !self.sent {
            self.let_go();
            let mut starved = false;
            while !self.ended && self.connection.out.has_room() {
                if self.held {
                    starved = true;
                    break;
                }
                match Pin::new(&mut self.body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) => {
                            self.given += data.len() as u64;
                            self.connection.out.data(data, self.coding);
                        }
                        Err(frame) => {
                            self.connection.out.end(self.coding, frame.trailers_ref());
                            self.ended = true;
                        }
                    },
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                    Poll::Ready(None) => {
                        self.connection.out.end(self.coding, None);
                        self.ended = true;
                    }
                    Poll::Pending => {
                        starved = true;
                        break;
                    }
                }
            }
            let connection = &mut *self.connection;
            match ready!(connection.out.poll_flush(&mut connection.io, cx)) {
                Ok(()) if self.ended => {
                    self.sent = true;
                    self.let_go();
                }
                Ok(()) if starved => return Poll::Pending,
                Ok(()) => {}
                Err(_) => (self.sent, self.broken) = (true, true),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Tells the body how much of it may have left: no more than was given to the connection, nor than was written behind the head.
    fn let_go(&mut self) {
        if let RequestBody::Kept(body) = &mut self.body {
            body.has_gone(self.given.min(self.connection.out.sent.saturating_sub(self.head)));
        }
    }

    /// Waits for the head of the answer, past the interim ones.
    async fn head(&mut self, line: &RequestLine<'_>, terms: &Terms<'_>) -> Result<ResponseHead> {
        let limits = terms.heads;
        let mut interim = 0;
        let mut alarm: Option<Alarm> = None;
        let mut moved = (0, self.held);
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(Err(error)) = self.poll_send(cx) {
                    return Poll::Ready(Err(error));
                }
                let Connection { io, inbound, scan, .. } = &mut *self.connection;
                let before = inbound.buf.len();
                if before > 0
                    && let Some(head) = head::response(&mut inbound.buf, scan, limits)?
                {
                    let last = !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS;
                    if last {
                        return Poll::Ready(fits(&head, line).map(|()| head));
                    }
                    interim += before - inbound.buf.len();
                    if interim > limits.bytes {
                        return Poll::Ready(Err(Error::new(
                            Kind::UpstreamMalformed,
                            "more bytes of interim responses than a head may have",
                        )));
                    }
                    // another one, such as 103, is no wish for the body
                    self.held &= head.status != StatusCode::CONTINUE;
                    if let Some(to) = terms.interim {
                        to.send(head.status, &head.headers);
                    }
                    if extends(head.status) {
                        alarm = None;
                    }
                    continue;
                }
                match inbound.poll_fill(io, cx, ROOM) {
                    Poll::Ready(Ok(true)) => continue,
                    Poll::Ready(Ok(false)) => return Poll::Ready(Err(self.closed("closed before an answer"))),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(self.closed("").because(error))),
                    Poll::Pending => {}
                }
                let limit = self.patience(&terms.timeouts);
                let alarm = alarm.get_or_insert_with(|| Alarm::new(terms.timers, limit));
                let progress = (self.connection.out.sent, self.held);
                if moved != progress {
                    moved = progress;
                    alarm.set(limit);
                }
                self.check_deadline(terms)?;
                ready!(alarm.poll(cx));
                if std::mem::take(&mut self.held) {
                    continue;
                }
                return Poll::Ready(Err(self.too_slow()));
            }
        })
        .await
    }

    /// How long the next thing may take.
    fn patience(&self, timeouts: &Timeouts) -> Duration {
        match (self.held, self.sent) {
            (true, _) => CONTINUE.min(timeouts.response),
            (_, true) => timeouts.response,
            (_, false) => timeouts.idle,
        }
    }

    /// Nothing is left to write, and it is not at the end: it is the client who is waited for.
    pub(super) fn is_starved(&self) -> bool {
        !self.sent && self.connection.out.is_empty()
    }

    /// An error when the time of the whole exchange is over while it is the client that is waited for.
    fn check_deadline(&self, terms: &Terms<'_>) -> Result<()> {
        if terms.is_too_late() && !self.held && self.is_starved() { Err(too_late(true)) } else { Ok(()) }
    }

    fn too_slow(&self) -> Error {
        if self.is_starved() {
            return stalled(true);
        }
        Error::new(Kind::UpstreamTimeout, "no answer in time").retry(Retry::IfIdempotent)
    }

    fn closed(&self, detail: &'static str) -> Error {
        let retry = match (self.connection.out.sent, self.connection.inbound.buf.is_empty()) {
            (0, true) => Retry::Safe,
            // nothing of an answer was passed on, however much of it came
            (_, _) => Retry::IfIdempotent,
        };
        Error::new(Kind::UpstreamClosed, detail).retry(retry)
    }

    fn reply(self, head: ResponseHead, length: Length, method: &Method, pool: &Rc<Pool>, terms: &Terms<'_>) -> Reply {
        let ResponseHead { status, version, mut headers, fields, hop } = head;
        if status == StatusCode::SWITCHING_PROTOCOLS {
            if let Some(protocol) = hop.upgrade {
                headers.insert(header::UPGRADE, protocol);
            }
            let connection = *self.connection;
            return Reply::Upgraded(Answer { status, headers, body: () }, connection.io, connection.inbound.buf);
        }
        // says what a GET would have got: passed on, though nothing follows
        if let Some(said) = fields.content_length
            && (*method == Method::HEAD || status == StatusCode::NOT_MODIFIED)
        {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(said));
        }
        let reusable = hop.persists(version) && length != Length::UntilClose;
        let body = ResponseBody::new(self, length, reusable, Rc::clone(pool), terms);
        Reply::Answer(Answer { status, headers, body })
    }
}

/// A head that is the answer: does it fit the request?
fn fits(head: &ResponseHead, line: &RequestLine<'_>) -> Result<()> {
    if head.status == StatusCode::SWITCHING_PROTOCOLS && line.upgrade.is_none() {
        return Err(Error::new(Kind::UpstreamMalformed, "it switched protocols without being asked"));
    }
    Ok(())
}
