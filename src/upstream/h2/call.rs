//! One exchange on a stream: driven by the task that wants its answer, as over HTTP/1.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aws_lc_rs::digest;
use bytes::Bytes;
use data_encoding::BASE64;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use http_body::{Body, Frame, SizeHint};

use crate::error::{Error, Kind, Result, Retry};
use crate::protocol::h2::client::{Cause, Head, Part, Request, RequestHead, Room, Section, Tunnel, code_name};
use crate::protocol::http::RequestBody;
use crate::protocol::http::RequestLine;
use crate::protocol::http::fields::Forwarded;
use crate::protocol::http::length::Length;
use crate::timer::{Alarm, Timers};
use crate::upstream::Answer;
use crate::upstream::terms::{CONTINUE, Failed, Terms, extends, stalled, too_late};

/// What HTTP/1.1's handshake of WebSocket adds to a key (RFC 6455, section 1.3).
const WEBSOCKET: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A request on its way.
#[derive(Debug)]
pub struct Call {
    request: Request,
    body: RequestBody,
    /// The body waits for the backend's 100, and its client for ours.
    held: bool,
    /// All of the body was given to the stream.
    given: bool,
}

/// What a backend answers.
#[derive(Debug)]
pub enum Reply {
    /// An answer.
    Answer(Answer<ResponseBody>),
    /// The stream is another protocol's: the answer as HTTP/1.1 says that, and the stream.
    Upgraded(Answer<()>, Box<Tunnel>),
}

/// The body of a backend's answer.
#[derive(Debug)]
pub struct ResponseBody {
    call: Call,
    /// While it is waited for, and what of the request had gone when that was armed.
    alarm: Option<Alarm>,
    moved: u64,
    timers: Timers,
    idle: Duration,
}

impl Call {
    /// Sends a request and waits for the head of its answer.
    pub async fn run(
        room: Room,
        line: &RequestLine<'_>,
        is_tls: bool,
        headers: &HeaderMap,
        body: RequestBody,
        terms: &Terms<'_>,
    ) -> Result<Reply, Failed> {
        // what came without a body ends with its head, and nothing else does: gRPC servers wait for the DATA that ends a stream
        // whose head did not
        let ends = line.length == Length::Fixed(0) && line.upgrade.is_none();
        let Some(request) = room.send(&head(line, is_tls, headers), ends) else {
            let error = Error::new(Kind::UpstreamClosed, "no more streams on its connection").retry(Retry::Safe);
            return Err(Failed { error, raced: true });
        };
        let given = ends || line.upgrade.is_some();
        let mut call = Self { request, body, held: line.expect_continue, given };
        match call.head(line.method, terms).await {
            Ok(head) => Ok(call.reply(head, line, headers, terms)),
            Err(Broken::Client(error)) => Err(Failed { error, raced: false }),
            Err(Broken::Upstream(error, raced)) => Err(Failed { error, raced }),
        }
    }

    /// Puts the request's body on its stream as far as that takes it; an error is the client's. The next piece is asked for when the
    /// one before has gone into frames: a client gives no more than that ahead of what its backend takes.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<()> {
        if let RequestBody::Kept(body) = &mut self.body {
            body.has_gone(self.request.gone());
        }
        self.held = self.held && self.body.poll_begun(cx).is_pending();
        while !self.given && !self.held && self.request.has_room(cx) {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        self.given = self.body.is_end_stream();
                        self.request.data(data, self.given);
                    }
                    Err(frame) => {
                        self.given = true;
                        self.request.finish(frame.into_trailers().ok());
                    }
                },
                Poll::Ready(Some(Err(error))) => return Err(error),
                Poll::Ready(None) => {
                    self.given = true;
                    self.request.finish(None);
                }
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    /// Waits for the head of the answer, sending the body meanwhile and passing interim responses on.
    async fn head(&mut self, method: &Method, terms: &Terms<'_>) -> Result<Head, Broken> {
        let mut alarm: Option<Alarm> = None;
        let mut moved = (0, false, self.held);
        poll_fn(|cx| {
            loop {
                self.poll_send(cx).map_err(Broken::Client)?;
                match self.request.poll_head(cx) {
                    Poll::Ready(Ok(head)) if head.status.is_informational() => {
                        self.held &= head.status != StatusCode::CONTINUE;
                        if let Some(to) = terms.interim {
                            to.send(head.status, &head.headers);
                        }
                        if extends(head.status) {
                            alarm = None;
                        }
                        continue;
                    }
                    Poll::Ready(Ok(head)) => return Poll::Ready(Ok(head)),
                    Poll::Ready(Err(cause)) => return Poll::Ready(Err(Broken::by(cause))),
                    Poll::Pending => {}
                }
                if self.request.is_silent() && method.is_idempotent() {
                    let error = Error::new(Kind::UpstreamClosed, "its connection gives no sign of life");
                    return Poll::Ready(Err(Broken::Upstream(error.retry(Retry::IfIdempotent), false)));
                }
                let limit = self.patience(terms);
                let alarm = alarm.get_or_insert_with(|| Alarm::new(terms.timers, limit));
                let progress = (self.request.moved(), self.request.is_sent(), self.held);
                if moved != progress {
                    moved = progress;
                    alarm.set(limit);
                }
                if terms.is_too_late() && self.is_starved() {
                    return Poll::Ready(Err(Broken::Client(too_late(true))));
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
    fn patience(&self, terms: &Terms<'_>) -> Duration {
        match (self.held, self.request.is_sent()) {
            (true, _) => CONTINUE.min(terms.timeouts.response),
            (_, true) => terms.timeouts.response,
            (_, false) => terms.timeouts.idle,
        }
    }

    /// All that came of the request was taken, and it is not at the end: it is the client who is waited for.
    fn is_starved(&self) -> bool {
        !self.held && !self.given && self.request.is_free()
    }

    fn too_slow(&self) -> Broken {
        if self.is_starved() {
            return Broken::Client(stalled(true));
        }
        // the answer may be slow, or nobody may be there any more
        self.request.doubt();
        let error = Error::new(Kind::UpstreamTimeout, "no answer in time").retry(Retry::IfIdempotent);
        Broken::Upstream(error, false)
    }

    fn reply(self, head: Head, line: &RequestLine<'_>, asked: &HeaderMap, terms: &Terms<'_>) -> Reply {
        let Head { status, mut headers } = head;
        if let Some(protocol) = line.upgrade
            && status.is_success()
        {
            headers.insert(header::UPGRADE, protocol.clone());
            if let Some(key) = asked.get(header::SEC_WEBSOCKET_KEY) {
                headers.insert(header::SEC_WEBSOCKET_ACCEPT, accepted(key));
            }
            let answer = Answer { status: StatusCode::SWITCHING_PROTOCOLS, headers, body: () };
            return Reply::Upgraded(answer, Box::new(self.request.into_tunnel()));
        }
        if *line.method != Method::HEAD && status != StatusCode::NOT_MODIFIED {
            // the body says how long it is; only those two say it of a body that is not there
            headers.remove(header::CONTENT_LENGTH);
        }
        let (timers, idle) = (terms.timers.clone(), terms.timeouts.idle);
        Reply::Answer(Answer {
            status,
            headers,
            body: ResponseBody { call: self, alarm: None, moved: 0, timers, idle },
        })
    }
}

fn head<'a>(line: &'a RequestLine<'_>, is_tls: bool, headers: &'a HeaderMap) -> RequestHead<'a> {
    RequestHead {
        method: line.method,
        is_tls,
        authority: line.host,
        path: line.uri.path_and_query().map_or("/", |path| path.as_str()),
        protocol: line.upgrade,
        headers,
        more: line.forwarded.map(Forwarded::fields),
        length: match line.length {
            Length::Fixed(length) if length > 0 => Some(length),
            _ => None,
        },
        te_trailers: line.te_trailers,
        expect_continue: line.expect_continue,
    }
}

/// The value that shows a WebSocket client that its key was understood (RFC 6455, section 4.2.2).
fn accepted(key: &HeaderValue) -> HeaderValue {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), WEBSOCKET].concat());
    HeaderValue::try_from(BASE64.encode(digest.as_ref())).unwrap_or(HeaderValue::from_static(""))
}

/// What ended a call, and whose doing it was.
enum Broken {
    Client(Error),
    /// With whether it is nobody's failure: the backend has not looked at the request.
    Upstream(Error, bool),
}

impl Broken {
    fn by(cause: Cause) -> Self {
        let (retry, raced) = match cause {
            // section 8.7: what it has not looked at can be sent again, whatever it is
            Cause::Unprocessed | Cause::Refused => (Retry::Safe, true),
            Cause::Lost | Cause::Reset(_) | Cause::Fault(_) | Cause::Finished => (Retry::IfIdempotent, false),
            Cause::Malformed(_) | Cause::TooLarge(_) => (Retry::Never, false),
        };
        Self::Upstream(error(cause).retry(retry), raced)
    }
}

/// What the end of a stream is called.
fn error(cause: Cause) -> Error {
    match cause {
        Cause::Unprocessed => Error::new(Kind::UpstreamClosed, "it left before it looked at the request"),
        Cause::Refused => Error::new(Kind::UpstreamRefused, ""),
        Cause::Reset(code) => Error::new(Kind::UpstreamReset, code_name(code)),
        Cause::Lost | Cause::Finished => Error::new(Kind::UpstreamClosed, "its HTTP/2 connection ended"),
        Cause::Malformed(detail) => Error::new(Kind::UpstreamMalformed, detail),
        Cause::TooLarge(Section::Head) => Error::new(Kind::UpstreamHeadersTooLarge, ""),
        Cause::TooLarge(Section::Trailers) => Error::new(Kind::UpstreamTrailersTooLarge, ""),
        Cause::Fault(detail) => Error::new(Kind::UpstreamProtocol, detail),
    }
}

impl ResponseBody {
    /// Whether the client is waited for, which has still to send some of its request.
    pub fn is_starved(&self) -> bool {
        self.call.is_starved()
    }

    /// Sends more of the request while nobody takes the answer. What goes wrong is told when it is taken.
    pub fn poll_upload(&mut self, cx: &mut Context<'_>) {
        let _: Result<()> = self.call.poll_send(cx);
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        if let Err(error) = self.call.poll_send(cx) {
            return Poll::Ready(Some(Err(error)));
        }
        let part = match self.call.request.poll_part(cx) {
            Poll::Ready(part) => part,
            Poll::Pending => return self.poll_stalled(cx).map(|stalled| Some(Err(stalled))),
        };
        if let Some(alarm) = &mut self.alarm {
            alarm.set(self.idle);
        }
        Poll::Ready(part.map(|part| match part {
            Ok(Part::Data(data)) => Ok(Frame::data(data)),
            Ok(Part::Trailers(trailers)) => Ok(Frame::trailers(trailers)),
            Err(cause) => Err(error(cause)),
        }))
    }

    /// Ready when nothing has come for too long, and nothing of the request could go.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let alarm = self.alarm.get_or_insert_with(|| Alarm::new(&self.timers, self.idle));
        let moved = self.call.request.moved();
        if self.moved != moved {
            self.moved = moved;
            alarm.set(self.idle);
        }
        ready!(alarm.poll(cx));
        let starved = self.is_starved();
        if !starved {
            self.call.request.doubt();
        }
        Poll::Ready(stalled(starved))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        self.get_mut().poll_next(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.call.request.is_read()
    }

    fn size_hint(&self) -> SizeHint {
        self.call.request.unread().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
