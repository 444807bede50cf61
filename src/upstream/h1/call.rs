//! One exchange with a backend over HTTP/1.1: sending the request, and reading the head of the response.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};

use super::body::ResponseBody;
use super::connection::{Connection, ROOM};
use super::sending::Sending;
use crate::endpoint::Endpoint;
use crate::error::{Error, Kind, Result, Retry};
use crate::io::Stream;
use crate::policy::Timeouts;
use crate::protocol::h1::head::{self, ResponseHead};
use crate::protocol::h1::{encode, framing};
use crate::protocol::http::length::Length;
use crate::protocol::http::{RequestBody, RequestLine};
use crate::timer::Alarm;
use crate::upstream::Answer;
use crate::upstream::dial::{self, Connected, Tls};
use crate::upstream::pool::Pool;
use crate::upstream::terms::{CONTINUE_TIMEOUT, Failed, Terms, extends_timeout, stall_error, too_late};

/// A backend's reply to a request.
#[derive(Debug)]
pub enum Reply {
    /// A response. Its body is boxed, because an answer is moved from hand to hand until its client has it.
    Answer(Answer<Box<ResponseBody>>),
    /// A 101: the connection now speaks another protocol. It has the stream, and the bytes of that protocol that were already
    /// read.
    Upgraded(Answer<()>, Stream, BytesMut),
}

/// Opens a new connection.
pub async fn dial(
    endpoint: &Endpoint,
    tls: Option<Tls<'_>>,
    pool: &Pool,
    terms: &Terms<'_>,
) -> Result<Box<Connection>> {
    let Connected { stream, took, via } =
        dial::dial(endpoint, tls, terms.first(), terms.timers, terms.timeouts.connect).await?;
    Ok(Connection::new(stream, pool.opened(Some(took), via)))
}

impl Connection {
    /// Sends a request and waits for the head of the response.
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
        let head_size = self.out.buffer().len() as u64;
        let mut sending = Sending {
            connection: self,
            body,
            coding,
            head_size,
            bytes_queued: 0,
            awaits_continue: line.expect_continue,
            ended,
            sent: false,
            broken: false,
        };
        let error = match sending.head(line, terms).await {
            Ok(head) => match framing::response(&head.fields, line.method, head.status, head.version) {
                Ok(length) => return Ok(sending.reply(head, length, line.method, pool, terms)),
                Err(error) => error,
            },
            Err(error) => error,
        };
        let unanswered = sending.connection.inbound.buf.is_empty();
        let raced = reused && unanswered && error.kind() == Kind::UpstreamClosed;
        Err(Failed { error, raced })
    }
}

impl Sending {
    /// Waits for the head of the final response, and passes interim ones on.
    async fn head(&mut self, line: &RequestLine<'_>, terms: &Terms<'_>) -> Result<ResponseHead> {
        let limits = terms.heads;
        let mut interim = 0;
        let mut alarm: Option<Alarm> = None;
        let mut last_progress = (0, self.awaits_continue);
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
                        return Poll::Ready(check_reply(&head, line).map(|()| head));
                    }
                    interim += before - inbound.buf.len();
                    if interim > limits.bytes {
                        return Poll::Ready(Err(Error::new(
                            Kind::UpstreamMalformed,
                            "more bytes of interim responses than a head may have",
                        )));
                    }
                    // only a 100 asks for the body; another interim response, such as 103, does not
                    self.awaits_continue &= head.status != StatusCode::CONTINUE;
                    if let Some(sink) = terms.interim {
                        sink.send(head.status, &head.headers);
                    }
                    if extends_timeout(head.status) {
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
                let limit = self.step_timeout(&terms.timeouts);
                let alarm = alarm.get_or_insert_with(|| Alarm::new(terms.timers, limit));
                let progress = (self.connection.out.sent, self.awaits_continue);
                if last_progress != progress || self.body.is_held() {
                    last_progress = progress;
                    alarm.set(limit);
                }
                self.check_deadline(terms)?;
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
    fn step_timeout(&self, timeouts: &Timeouts) -> Duration {
        match (self.awaits_continue, self.sent) {
            (true, _) => CONTINUE_TIMEOUT.min(timeouts.response),
            (_, true) => timeouts.response,
            (_, false) => timeouts.idle,
        }
    }

    /// The error for the end of the whole exchange's time while the client is the one that is waited for.
    fn check_deadline(&self, terms: &Terms<'_>) -> Result<()> {
        let waits_for_client = !self.awaits_continue && self.is_starved();
        if terms.is_too_late() && waits_for_client { Err(too_late(true)) } else { Ok(()) }
    }

    fn too_slow(&self) -> Error {
        if self.is_starved() {
            return stall_error(true);
        }
        Error::new(Kind::UpstreamTimeout, "no answer in time").retry(Retry::IfIdempotent)
    }

    fn closed(&self, detail: &'static str) -> Error {
        let retry = match (self.connection.out.sent, self.connection.inbound.buf.is_empty()) {
            (0, true) => Retry::Safe,
            // no byte of the response was passed on to the client, however much of it came
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
        // this Content-Length is what a GET would have got; it is passed on although no body follows
        if let Some(said) = fields.content_length
            && (*method == Method::HEAD || status == StatusCode::NOT_MODIFIED)
        {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(said));
        }
        let reusable = hop.persists(version) && length != Length::UntilClose;
        let body = Box::new(ResponseBody::new(self, length, reusable, Rc::clone(pool), terms));
        Reply::Answer(Answer { status, headers, body })
    }
}

/// Checks that the head of a final response is a possible reply to the request.
fn check_reply(head: &ResponseHead, line: &RequestLine<'_>) -> Result<()> {
    if head.status == StatusCode::SWITCHING_PROTOCOLS && line.upgrade.is_none() {
        return Err(Error::new(Kind::UpstreamMalformed, "it switched protocols without being asked"));
    }
    Ok(())
}
