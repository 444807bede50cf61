//! One exchange on an HTTP/2 stream, run by the task of the client's connection, as over HTTP/1.

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
use crate::upstream::terms::{CONTINUE_TIMEOUT, Failed, Terms, extends_timeout, stall_error, too_late};

/// The constant that the WebSocket handshake of HTTP/1.1 appends to a key (RFC 6455, section 1.3).
const WEBSOCKET_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A request that is being sent on a stream.
#[derive(Debug)]
pub struct Call {
    request: Request,
    body: RequestBody,
    /// Whether the body waits for a 100 of the backend, as the client waits for ours.
    awaits_continue: bool,
    /// Whether all of the body was put on the stream.
    given: bool,
}

/// A backend's reply to a request.
#[derive(Debug)]
pub enum Reply {
    /// A response.
    Answer(Answer<Box<ResponseBody>>),
    /// The stream now speaks another protocol. It has the response in the form of HTTP/1.1 (a 101), and the stream.
    Upgraded(Answer<()>, Box<Tunnel>),
}

/// The body of a backend's response.
#[derive(Debug)]
pub struct ResponseBody {
    call: Call,
    /// The idle time-out, which is set while the body waits for the backend.
    alarm: Option<Alarm>,
    moved: u64,
    timers: Timers,
    idle: Duration,
}

impl Call {
    /// Sends a request and waits for the head of the response.
    pub async fn run(
        room: Room,
        line: &RequestLine<'_>,
        is_tls: bool,
        headers: &HeaderMap,
        body: RequestBody,
        terms: &Terms<'_>,
    ) -> Result<Reply, Failed> {
        // a request without a body ends with its head, and no other does: gRPC servers wait for a DATA frame with END_STREAM when
        // the head had none
        let ends = line.length == Length::Fixed(0) && line.upgrade.is_none();
        let Some(request) = room.send(&head(line, is_tls, headers), ends) else {
            let error = Error::new(Kind::UpstreamClosed, "no more streams on its connection").retry(Retry::Safe);
            return Err(Failed { error, raced: true });
        };
        let given = ends || line.upgrade.is_some();
        let mut call = Self { request, body, awaits_continue: line.expect_continue, given };
        match call.head(line.method, terms).await {
            Ok(head) => Ok(call.reply(head, line, headers, terms)),
            Err(CallError::Client(error)) => Err(Failed { error, raced: false }),
            Err(CallError::Upstream(error, raced)) => Err(Failed { error, raced }),
        }
    }

    /// Puts as much of the request's body on its stream as the stream takes; an error is one of the client's body. The next piece
    /// is read only when the one before was cut into frames, so that the client is slowed down to the speed of its backend.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<()> {
        if let RequestBody::Replayed(body) = &mut self.body {
            body.mark_sent(self.request.bytes_sent());
        }
        self.awaits_continue = self.awaits_continue && self.body.poll_begun(cx).is_pending();
        while !self.given && !self.awaits_continue && self.request.has_room(cx) {
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

    /// Waits for the head of the final response. Meanwhile it sends the body, and passes interim responses on.
    async fn head(&mut self, method: &Method, terms: &Terms<'_>) -> Result<Head, CallError> {
        let mut alarm: Option<Alarm> = None;
        let mut last_progress = (0, false, self.awaits_continue);
        poll_fn(|cx| {
            loop {
                self.poll_send(cx).map_err(CallError::Client)?;
                match self.request.poll_head(cx) {
                    Poll::Ready(Ok(head)) if head.status.is_informational() => {
                        self.awaits_continue &= head.status != StatusCode::CONTINUE;
                        if let Some(sink) = terms.interim {
                            sink.send(head.status, &head.headers);
                        }
                        if extends_timeout(head.status) {
                            alarm = None;
                        }
                        continue;
                    }
                    Poll::Ready(Ok(head)) => return Poll::Ready(Ok(head)),
                    Poll::Ready(Err(cause)) => return Poll::Ready(Err(CallError::by(cause))),
                    Poll::Pending => {}
                }
                if self.request.is_unresponsive() && method.is_idempotent() {
                    let error = Error::new(Kind::UpstreamClosed, "its connection gives no sign of life");
                    return Poll::Ready(Err(CallError::Upstream(error.retry(Retry::IfIdempotent), false)));
                }
                let limit = self.step_timeout(terms);
                let alarm = alarm.get_or_insert_with(|| Alarm::new(terms.timers, limit));
                let progress = (self.request.bytes_framed(), self.request.is_sent(), self.awaits_continue);
                if last_progress != progress || self.body.is_held() {
                    last_progress = progress;
                    alarm.set(limit);
                }
                if terms.is_too_late() && self.is_starved() {
                    return Poll::Ready(Err(CallError::Client(too_late(true))));
                }
                ready!(alarm.poll(cx));
                if std::mem::take(&mut self.awaits_continue) {
                    continue;
                }
                return Poll::Ready(Err(self.too_slow()));
            }
        })
        .await
    }

    /// How long to wait before the next step of the exchange.
    fn step_timeout(&self, terms: &Terms<'_>) -> Duration {
        match (self.awaits_continue, self.request.is_sent()) {
            (true, _) => CONTINUE_TIMEOUT.min(terms.timeouts.response),
            (_, true) => terms.timeouts.response,
            (_, false) => terms.timeouts.idle,
        }
    }

    /// Whether all that is here of the request was taken by the connection and more has to come from the client.
    fn is_starved(&self) -> bool {
        !self.awaits_continue && !self.given && self.request.is_free()
    }

    fn too_slow(&self) -> CallError {
        if self.is_starved() {
            return CallError::Client(stall_error(true));
        }
        // the response may be slow, or the connection dead: a ping finds out
        self.request.suspect();
        let error = Error::new(Kind::UpstreamTimeout, "no answer in time").retry(Retry::IfIdempotent);
        CallError::Upstream(error, false)
    }

    fn reply(self, head: Head, line: &RequestLine<'_>, asked: &HeaderMap, terms: &Terms<'_>) -> Reply {
        let Head { status, mut headers } = head;
        if let Some(protocol) = line.upgrade
            && status.is_success()
        {
            headers.insert(header::UPGRADE, protocol.clone());
            if let Some(key) = asked.get(header::SEC_WEBSOCKET_KEY) {
                headers.insert(header::SEC_WEBSOCKET_ACCEPT, websocket_accept(key));
            }
            let answer = Answer { status: StatusCode::SWITCHING_PROTOCOLS, headers, body: () };
            return Reply::Upgraded(answer, Box::new(self.request.into_tunnel()));
        }
        if *line.method != Method::HEAD && status != StatusCode::NOT_MODIFIED {
            // the body's size hint has the length; only a response to HEAD and a 304 give the length of a body that is not sent
            headers.remove(header::CONTENT_LENGTH);
        }
        let (timers, idle) = (terms.timers.clone(), terms.timeouts.idle);
        Reply::Answer(Answer {
            status,
            headers,
            body: Box::new(ResponseBody { call: self, alarm: None, moved: 0, timers, idle }),
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
        traceparent: line.traceparent,
        length: match line.length {
            Length::Fixed(length) if length > 0 => Some(length),
            _ => None,
        },
        te_trailers: line.te_trailers,
        expect_continue: line.expect_continue,
    }
}

/// The value of `Sec-WebSocket-Accept` for a client's key (RFC 6455, section 4.2.2).
fn websocket_accept(key: &HeaderValue) -> HeaderValue {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), WEBSOCKET_GUID].concat());
    HeaderValue::try_from(BASE64.encode(digest.as_ref())).unwrap_or(HeaderValue::from_static(""))
}

/// The reason why a call failed, by who caused it.
enum CallError {
    Client(Error),
    /// The flag says that the backend did not process the request, so that it does not count as a failure of the backend.
    Upstream(Error, bool),
}

impl CallError {
    fn by(cause: Cause) -> Self {
        let (retry, raced) = match cause {
            // RFC 9113, section 8.7: a request that was not processed can be sent again, whatever its method
            Cause::Unprocessed | Cause::Refused => (Retry::Safe, true),
            Cause::Lost | Cause::Reset(_) | Cause::Fault(_) | Cause::Finished => (Retry::IfIdempotent, false),
            Cause::Malformed(_) | Cause::TooLarge(_) => (Retry::Never, false),
        };
        Self::Upstream(error(cause).retry(retry), raced)
    }
}

/// The error for the end of a stream.
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
    /// Whether the response waits for the client, which has not sent all of its request yet.
    pub fn is_starved(&self) -> bool {
        self.call.is_starved()
    }

    /// Goes on sending the request while nobody reads the response. An error shows when the response is read.
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
        self.restart_idle();
        Poll::Ready(part.map(|part| match part {
            Ok(Part::Data(data)) => Ok(Frame::data(data)),
            Ok(Part::Trailers(trailers)) => Ok(Frame::trailers(trailers)),
            Err(cause) => Err(error(cause)),
        }))
    }

    /// The idle time-out begins anew: something has arrived, or nobody wants to read for a while.
    pub fn restart_idle(&mut self) {
        if let Some(alarm) = &mut self.alarm {
            alarm.set(self.idle);
        }
    }

    /// Ready with an error when the idle time-out is over, in which no byte came and none of the request could be sent.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let alarm = self.alarm.get_or_insert_with(|| Alarm::new(&self.timers, self.idle));
        let moved = self.call.request.bytes_framed();
        if self.moved != moved || self.call.body.is_held() {
            self.moved = moved;
            alarm.set(self.idle);
        }
        ready!(alarm.poll(cx));
        let starved = self.is_starved();
        if !starved {
            self.call.request.suspect();
        }
        Poll::Ready(stall_error(starved))
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
