//! Exchanges with a backend over HTTP/2, by hyper's client.
//!
//! One connection does not scale: its frames pass one lock-step state machine, one TCP stream, and at most as many streams as
//! the backend allows. So each worker keeps several, opens another when all are at [`STREAMS`], and puts an exchange on the
//! one with the fewest.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{Method, Request, StatusCode, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};

use super::dial::{self, Tls};
use super::h1::{self, Failed, Terms};
use super::pool::Counted;
use super::{Answer, Home};
use crate::endpoint::Endpoint;
use crate::error::{Error, Kind, Result, Retry};
use crate::io::Stream;
use crate::protocol::RequestBody;
use crate::protocol::executor::LocalExecutor;
use crate::protocol::h1::encode::RequestLine;
use crate::protocol::h1::framing::{self, Length};
use crate::timer::{Alarm, Timers};

mod upload;

use upload::{Hold, Outgoing, Progress};

/// Streams on a connection before another is opened; the usual limit of servers.
const STREAMS: usize = 100;
/// Flow-control windows: the product of a gigabit and some milliseconds, so that one stream can fill a fast link.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// A connection on which streams are open is asked for a sign of life this often.
const PING: Duration = Duration::from_secs(20);

/// A worker's HTTP/2 connections to one backend.
#[derive(Debug, Default)]
pub struct Connections {
    open: RefCell<Vec<Rc<Connection>>>,
    /// Held while one is being opened, so that a burst of exchanges opens as few as it needs.
    opening: tokio::sync::Mutex<()>,
}

/// One of them.
#[derive(Debug)]
pub struct Connection {
    sender: RefCell<SendRequest<Outgoing>>,
    streams: Cell<usize>,
    /// What the backend allows.
    allowed: Rc<Cell<usize>>,
    /// Tick at which the last stream ended.
    since: Cell<u64>,
}

/// A stream's place on its connection.
#[derive(Debug)]
struct Place {
    connection: Rc<Connection>,
    timers: Timers,
}

/// What can carry an exchange to a backend.
#[derive(Debug)]
pub enum Dialled {
    /// ALPN, or the configuration, chose HTTP/1.1.
    H1(Box<h1::Connection>),
    /// HTTP/2.
    H2(Rc<Connection>),
}

/// The body of an answer.
#[derive(Debug)]
pub struct ResponseBody {
    incoming: Incoming,
    /// How far the request's body is, and how far it was when the alarm was set.
    request: Hold,
    steps: u64,
    alarm: Alarm,
    idle: Duration,
    _place: Place,
}

impl Connections {
    /// One with room for another stream.
    pub fn take(&self) -> Option<Rc<Connection>> {
        let mut open = self.open.borrow_mut();
        open.retain(|c| !c.sender.borrow().is_closed());
        let freest = open.iter().min_by_key(|c| c.streams.get())?;
        (freest.streams.get() < freest.limit()).then(|| Rc::clone(freest))
    }

    /// Whether none is open.
    pub(super) fn is_empty(&self) -> bool {
        self.open.borrow().is_empty()
    }

    /// Closes what has had no stream for `limit` ticks.
    pub(super) fn sweep(&self, now: u64, limit: u128) {
        self.open.borrow_mut().retain(|c| {
            let idle = c.streams.get() == 0 && u128::from(now.saturating_sub(c.since.get())) >= limit;
            !idle && !c.sender.borrow().is_closed()
        });
    }

    /// One with room for another stream, if need be a new one.
    ///
    /// With `alpn`, the backend may choose HTTP/1.1 instead.
    pub async fn open(
        &self,
        endpoint: &Endpoint,
        tls: Option<Tls<'_>>,
        alpn: bool,
        home: &Home,
        terms: &Terms<'_>,
    ) -> Result<Dialled> {
        let _one_at_a_time = self.opening.lock().await;
        if let Some(connection) = self.take() {
            return Ok(Dialled::H2(connection));
        }
        let io = dial::dial(endpoint, tls, terms.first(), terms.timers, terms.timeouts.connect).await?;
        let counted = home.opened();
        if alpn && !dial::chose_h2(&io) {
            return Ok(Dialled::H1(h1::Connection::new(io, counted)));
        }
        if tls.is_some() && !dial::chose_h2(&io) {
            return Err(Error::new(Kind::UpstreamTls, "it does not speak h2 by ALPN"));
        }
        let connection = Rc::new(Box::pin(handshake(io, counted)).await?);
        self.open.borrow_mut().push(Rc::clone(&connection));
        Ok(Dialled::H2(connection))
    }
}

async fn handshake(io: Stream, counted: Counted) -> Result<Connection> {
    let failed = |error: hyper::Error| Error::new(Kind::Connect, "HTTP/2").retry(Retry::Safe).because(error);
    let (sender, connection) = http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(PING)
        .handshake(TokioIo::new(io))
        .await
        .map_err(failed)?;
    let allowed = Rc::new(Cell::new(STREAMS));
    let told = Rc::clone(&allowed);
    tokio::task::spawn_local(async move {
        let mut connection = pin!(connection);
        let ended = poll_fn(|cx| {
            let polled = connection.as_mut().poll(cx);
            told.set(connection.current_max_send_streams());
            polled
        });
        if let Err(error) = ended.await {
            tracing::debug!(%error, "an HTTP/2 connection to a backend ended");
        }
        drop(counted);
    });
    Ok(Connection { sender: RefCell::new(sender), streams: Cell::new(0), allowed, since: Cell::new(0) })
}

impl Connection {
    fn limit(&self) -> usize {
        self.allowed.get().clamp(1, STREAMS)
    }

    /// Sends a request and waits for the head of its answer.
    pub async fn call(
        self: Rc<Self>,
        line: &RequestLine<'_>,
        tls: bool,
        headers: &HeaderMap,
        body: RequestBody,
        terms: &Terms<'_>,
    ) -> Result<Answer<ResponseBody>, Failed> {
        let failed = |error, body| Failed { error, body, raced: false };
        let request = match request(line, tls, headers) {
            Ok(request) => request,
            Err(error) => return Err(failed(error, body)),
        };
        let progress = Rc::new(Progress::new(body, line.length == Length::Fixed(0)));
        let hold = Hold(Rc::clone(&progress));
        let repeatable = progress.ended.get();
        self.streams.set(self.streams.get() + 1);
        let place = Place { connection: Rc::clone(&self), timers: terms.timers.clone() };
        let request = request.map(|()| Outgoing(Rc::clone(&progress)));
        let sending = pin!(self.sender.borrow_mut().try_send_request(request));
        let response = match progress.watch(sending, terms).await {
            Err(error) => return Err(failed(error, RequestBody::Empty)),
            Ok(Err(mut error)) => {
                // what was never sent comes back whole; what was sent can be again only if there is no body that is lost
                let (body, retry) = match error.take_message() {
                    Some(_) => (progress.body.take(), Retry::Safe),
                    None if repeatable => (RequestBody::Empty, Retry::IfIdempotent),
                    None => (RequestBody::Empty, Retry::Never),
                };
                let error = error.into_error();
                // a connection that others use too may have been told to close before this stream was on it; a stream that is
                // reset was refused
                let raced = retry != Retry::Never && !is_reset(&error);
                return Err(Failed { error: call_error(error, retry), body, raced });
            }
            Ok(Ok(response)) => response,
        };
        let (mut parts, incoming) = response.into_parts();
        if *line.method != Method::HEAD && parts.status != StatusCode::NOT_MODIFIED {
            // the body says how long it is; only those two say it of a body that is not there
            parts.headers.remove(header::CONTENT_LENGTH);
        }
        let alarm = Alarm::new(terms.timers, terms.timeouts.idle);
        let steps = progress.steps.get();
        let idle = terms.timeouts.idle;
        let body = ResponseBody { incoming, request: hold, steps, alarm, idle, _place: place };
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }
}

fn is_reset(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error);
    source.and_then(|source| source.downcast_ref::<h2::Error>()).is_some_and(h2::Error::is_reset)
}

fn call_error(error: hyper::Error, retry: Retry) -> Error {
    let source = std::error::Error::source(&error);
    if let Some(client) = source.and_then(|source| source.downcast_ref::<Error>()) {
        // the request's body failed, which is not the backend's doing
        return Error::new(client.kind(), client.detail());
    }
    let reset = source.and_then(|source| source.downcast_ref::<h2::Error>()).filter(|error| error.is_reset());
    let retry = match (reset.and_then(h2::Error::reason), retry) {
        // RFC 9113, section 8.7: it did nothing with it
        (Some(h2::Reason::REFUSED_STREAM), Retry::IfIdempotent) => Retry::Safe,
        // any other reset is this exchange's own end
        (Some(_), _) => Retry::Never,
        (None, retry) => retry,
    };
    let kind = if error.is_parse() || error.is_user() { Kind::UpstreamMalformed } else { Kind::UpstreamClosed };
    Error::new(kind, "HTTP/2").retry(retry).because(error)
}

fn request(line: &RequestLine<'_>, tls: bool, headers: &HeaderMap) -> Result<Request<()>> {
    let malformed = || Error::new(Kind::MalformedRequest, "its host can't be an :authority");
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(if tls { Scheme::HTTPS } else { Scheme::HTTP });
    uri.authority = Some(Authority::try_from(line.host.as_bytes()).map_err(|_| malformed())?);
    uri.path_and_query = line.uri.path_and_query().cloned();
    let mut request = Request::new(());
    *request.method_mut() = line.method.clone();
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = Uri::from_parts(uri).map_err(|_| malformed())?;
    *request.headers_mut() = headers.clone();
    if let Some(forwarded) = line.forwarded {
        let fields = forwarded.fields().iter();
        request.headers_mut().extend(fields.map(|(name, value)| (name.clone(), value.clone())));
    }
    if line.te_trailers {
        request.headers_mut().insert(header::TE, HeaderValue::from_static("trailers"));
    }
    Ok(request)
}

/// A frame with no more than a trailer section may have, if it is one: an HTTP/1 client could take it for its framing.
fn as_allowed(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(trailers) => Frame::trailers(framing::as_trailers(trailers)),
        Err(frame) => frame,
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connection.streams.set(self.connection.streams.get() - 1);
        self.connection.since.set(self.timers.now());
    }
}

impl ResponseBody {
    /// Whether the client is waited for, which has still to send some of its request.
    pub fn is_starved(&self) -> bool {
        self.request.0.is_starved()
    }

    /// Ready when nothing has come for too long, and nothing of the request could go.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        loop {
            ready!(self.alarm.poll(cx));
            // this task is not woken when hyper's takes a piece: what it took is only seen here
            let steps = self.request.0.steps.get();
            if self.steps == steps {
                return Poll::Ready(h1::stalled(self.is_starved()));
            }
            self.steps = steps;
            self.alarm.set(self.idle);
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Ready(frame) => {
                this.alarm.set(this.idle);
                let frame = frame.map(|frame| frame.map(as_allowed));
                Poll::Ready(frame.map(|f| f.map_err(|error| Error::new(Kind::UpstreamClosed, "HTTP/2").because(error))))
            }
            Poll::Pending => this.poll_stalled(cx).map(|stalled| Some(Err(stalled))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
