//! One exchange with a backend over HTTP/1.1: the request is sent, and the head of its answer read.

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
use crate::upstream::dial::{self, Tls};
use crate::upstream::pool::Pool;
use crate::upstream::terms::{CONTINUE, Failed, Terms, extends, stalled};

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
        let mut sending = Sending {
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
