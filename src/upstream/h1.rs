//! One exchange with a backend over HTTP/1.1, driven by the task that wants its answer.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::dial::{self, Tls};
use super::pool::{Counted, glance};
use super::{Answer, ClientPools, Home};
use crate::endpoint::Endpoint;
use crate::error::{Error, Kind, Result, Retry};
use crate::io::Stream;
use crate::io::pipe::Pipe;
use crate::policy::Timeouts;
use crate::protocol::h1::decode::{Decoded, Decoder};
use crate::protocol::h1::encode::{self, RequestLine};
use crate::protocol::h1::framing::{self, Length};
use crate::protocol::h1::head::{self, HeadLimits, ResponseHead, Scan};
use crate::protocol::h1::inbound::Inbound;
use crate::protocol::h1::outbound::{Coding, Outbound};
use crate::protocol::{Interim, RequestBody};
use crate::timer::{Alarm, Timers};
/// Room for a read of an answer.
const ROOM: usize = 1024;
/// How long a backend is waited for to say 100; RFC 9110, section 10.1.1, says not to wait indefinitely.
pub(super) const CONTINUE: Duration = Duration::from_secs(1);

/// An HTTP/1.1 connection to a backend.
#[derive(Debug)]
pub struct Connection {
    io: Stream,
    inbound: Inbound,
    out: Outbound,
    scan: Scan,
    /// It has carried an exchange before.
    reused: bool,
    pub(super) counted: Counted,
}

/// A request on its way.
#[derive(Debug)]
struct Call {
    connection: Box<Connection>,
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
    sent: bool,
    /// Writing failed: there may be an answer all the same.
    broken: bool,
}

/// What a call is made with.
#[derive(Debug)]
pub struct Terms<'a> {
    /// Time-outs.
    pub timeouts: Timeouts,
    /// The worker's.
    pub timers: &'a Timers,
    /// Where interim responses go.
    pub interim: Option<&'a Interim>,
    /// Kept up to date by the call: it is the client that is waited for, to send more of its body.
    pub starved: &'a Cell<bool>,
    /// How the heads of answers are read.
    pub heads: HeadLimits,
    /// The backend is told of the client at the beginning of each connection, so that none can carry another client's.
    pub own: Option<Own<'a>>,
}

/// A client's own connections to backends.
#[derive(Debug, Clone, Copy)]
pub struct Own<'a> {
    /// Those that wait.
    pub pools: &'a ClientPools,
    /// What a new one begins with.
    pub header: &'a [u8],
}

/// How a call that failed leaves things.
#[derive(Debug)]
pub struct Failed {
    /// What happened.
    pub error: Error,
    /// The connection had been used before, and was closed without a byte: the request and the close may have crossed on
    /// their way.
    pub raced: bool,
}

/// What a backend answers.
#[derive(Debug)]
pub enum Reply {
    /// An answer.
    Answer(Answer<ResponseBody>),
    /// 101: the connection is another protocol's. The stream, and what was read of it.
    Upgraded(Answer<()>, Stream, BytesMut),
}

/// The body of a backend's answer. When it was read to its end, the connection goes back to its pool.
#[derive(Debug)]
pub struct ResponseBody {
    call: Option<Call>,
    decoder: Decoder,
    /// While it is waited for.
    alarm: Option<Alarm>,
    /// What of the request had been written when that was set.
    written: u64,
    timers: Timers,
    idle: Duration,
    reusable: bool,
    home: Rc<Home>,
}

impl<'a> Terms<'a> {
    /// What a new connection begins with.
    pub(super) fn first(&self) -> &'a [u8] {
        self.own.map_or(&[], |own| own.header)
    }
}

impl Connection {
    /// Dials a new connection.
    pub async fn dial(endpoint: &Endpoint, tls: Option<Tls<'_>>, home: &Home, terms: &Terms<'_>) -> Result<Box<Self>> {
        let io = dial::dial(endpoint, tls, terms.first(), terms.timers, terms.timeouts.connect).await?;
        Ok(Self::new(io, home.opened()))
    }

    pub(super) fn new(io: Stream, counted: Counted) -> Box<Self> {
        Box::new(Self {
            io,
            inbound: Inbound::default(),
            out: Outbound::default(),
            scan: Scan::default(),
            reused: false,
            counted,
        })
    }

    /// Whether nothing came since the last answer: no end, no error, and no bytes that nobody asked for. Without news from the
    /// kernel this is no system call.
    pub fn is_quiet(&mut self) -> bool {
        self.io.has_no_news() || glance(|cx| self.inbound.poll_fill(&mut self.io, cx, 1)).is_pending()
    }

    /// Sends a request and waits for the head of its answer.
    pub async fn call(
        mut self: Box<Self>,
        line: &RequestLine<'_>,
        headers: &http::HeaderMap,
        body: RequestBody,
        home: &Rc<Home>,
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
                Ok(length) => return Ok(call.reply(head, length, line.method, home, terms)),
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
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
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
                terms.starved.set(!self.held && self.is_starved());
                let limit = self.patience(&terms.timeouts);
                let alarm = alarm.get_or_insert_with(|| Alarm::new(terms.timers, limit));
                let progress = (self.connection.out.sent, self.held);
                if moved != progress {
                    moved = progress;
                    alarm.set(limit);
                }
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
    fn is_starved(&self) -> bool {
        !self.sent && self.connection.out.is_empty()
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

    fn reply(self, head: ResponseHead, length: Length, method: &Method, home: &Rc<Home>, terms: &Terms<'_>) -> Reply {
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
        let mut body = ResponseBody {
            call: Some(self),
            decoder: Decoder::new(length, Kind::UpstreamMalformed),
            alarm: None,
            written: 0,
            timers: terms.timers.clone(),
            idle: terms.timeouts.idle,
            reusable,
            home: Rc::clone(home),
        };
        body.finish_if_done();
        Reply::Answer(Answer { status, headers, body })
    }
}

/// Whether this interim response says that the answer takes its time: 102 of WebDAV (RFC 2518, section 10.1), and 104 of resumable
/// uploads, which tells how much has arrived.
pub(super) fn extends(status: StatusCode) -> bool {
    matches!(status.as_u16(), 102 | 104)
}

/// Nothing has moved for too long; `starved`: it was the client's turn, which is nothing that a backend can do about.
pub(super) fn stalled(starved: bool) -> Error {
    Error::new(if starved { Kind::SlowRequest } else { Kind::UpstreamTimeout }, "its body stalled")
}

/// A head that is the answer: does it fit the request?
fn fits(head: &ResponseHead, line: &RequestLine<'_>) -> Result<()> {
    if head.status == StatusCode::SWITCHING_PROTOCOLS && line.upgrade.is_none() {
        return Err(Error::new(Kind::UpstreamMalformed, "it switched protocols without being asked"));
    }
    Ok(())
}

impl ResponseBody {
    /// Gives the connection back once the whole answer was read, or closes it.
    fn finish_if_done(&mut self) {
        if !self.decoder.is_done() {
            return;
        }
        if let Some(call) = self.call.take() {
            let clean = call.sent && !call.broken && call.connection.inbound.buf.is_empty();
            if self.reusable && clean {
                let mut connection = call.connection;
                connection.out.sent = 0;
                connection.inbound.rest();
                self.home.park(connection);
            }
        }
    }

    /// What of it is still to come through the socket as it is: nothing of it was read ahead, and the request has gone.
    pub fn spliceable(&self) -> u64 {
        match (&self.call, self.decoder.remaining()) {
            (Some(Call { connection, sent: true, .. }), Some(left))
                if connection.inbound.buf.is_empty() && matches!(connection.io, Stream::Plain(_)) =>
            {
                left
            }
            _ => 0,
        }
    }

    /// Moves what has come of it into an empty pipe.
    pub fn poll_splice(&mut self, pipe: &mut Pipe, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        let (left, call) = (self.spliceable(), self.call.as_ref());
        let Some(Stream::Plain(socket)) = call.map(|call| &call.connection.io) else { return Poll::Ready(Ok(0)) };
        match pipe.poll_fill(socket, left, cx) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(Error::new(Kind::UpstreamClosed, "within a body"))),
            Poll::Ready(Ok(moved)) => {
                self.decoder.skip(moved as u64);
                self.moved();
                Poll::Ready(Ok(moved))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(Error::new(Kind::UpstreamClosed, "").because(error))),
            Poll::Pending => self.poll_stalled(cx).map(Err),
        }
    }

    /// Something of it came: the backend has its time again, and the connection goes back if that was the last of it.
    fn moved(&mut self) {
        if let Some(alarm) = &mut self.alarm {
            alarm.set(self.idle);
        }
        self.finish_if_done();
    }

    /// Whether the client is waited for, which has still to send some of its request.
    pub fn is_starved(&self) -> bool {
        self.call.as_ref().is_some_and(Call::is_starved)
    }

    /// Ready when nothing has come for too long, and nothing of the request could go.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let starved = self.is_starved();
        let alarm = self.alarm.get_or_insert_with(|| Alarm::new(&self.timers, self.idle));
        let written = self.call.as_ref().map_or(0, |call| call.connection.out.sent);
        if self.written != written {
            self.written = written;
            alarm.set(self.idle);
        }
        alarm.poll(cx).map(|()| stalled(starved))
    }

    /// Sends more of the request while nobody takes the answer. What goes wrong is told when it is taken.
    pub fn poll_upload(&mut self, cx: &mut Context<'_>) {
        if let Some(call) = &mut self.call {
            let _: Poll<Result<()>> = call.poll_send(cx);
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        loop {
            let Some(call) = &mut self.call else { return Poll::Ready(None) };
            if let Poll::Ready(Err(error)) = call.poll_send(cx) {
                return Poll::Ready(Some(Err(error)));
            }
            let frame = match self.decoder.decode(&mut call.connection.inbound.buf)? {
                Decoded::Data(data) => Some(Frame::data(data)),
                Decoded::Trailers(trailers) => Some(Frame::trailers(trailers)),
                Decoded::End => None,
                Decoded::Starved => {
                    match call.connection.inbound.poll_fill(&mut call.connection.io, cx, ROOM) {
                        Poll::Ready(Ok(true)) => {}
                        Poll::Ready(Ok(false)) if self.decoder.end_of_stream() => {}
                        Poll::Ready(Ok(false)) => {
                            return Poll::Ready(Some(Err(Error::new(Kind::UpstreamClosed, "within a body"))));
                        }
                        Poll::Ready(Err(error)) => {
                            return Poll::Ready(Some(Err(Error::new(Kind::UpstreamClosed, "").because(error))));
                        }
                        Poll::Pending => return self.poll_stalled(cx).map(|stalled| Some(Err(stalled))),
                    }
                    continue;
                }
            };
            self.moved();
            return Poll::Ready(frame.map(Ok));
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        self.get_mut().poll_next(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.call.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.decoder.remaining().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
