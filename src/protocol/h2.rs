//! HTTP/2 towards clients, by hyper: streams become [`Request`]s for the same handler that serves HTTP/1.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode, Version};
use hyper::body::{Body, Incoming};
use hyper::ext::Protocol;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::body::{H2Body, RequestBody};
use super::fields;
use super::h1::framing::Length;
use super::h1::head;
use super::h1::server::Setup;
use super::tunnel::Relay;
use super::{Handler, Request, Upgrade};
use crate::error::{Error, Kind};
use crate::io::Stream;
use crate::timer::{Alarm, Timers};

/// What a client may have on its way to us: for a stream, and for the connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// A client with open streams is asked for a sign of life this often.
const PING: Duration = Duration::from_secs(20);
/// Bytes of a stream held for a client that does not read: back-pressure on the backend beyond it.
const SEND_BUFFER: usize = 256 * 1024;

/// Runs hyper's tasks on the worker's own runtime.
#[derive(Debug, Clone, Copy)]
pub struct LocalExecutor;

impl<F> Executor<F> for LocalExecutor
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// Runs the streams of one connection, and gives up one whose client does not take its answer: hyper asks for the next piece
/// only when there is room for it, so nothing inside the stream can tell.
#[derive(Clone)]
struct StreamExecutor {
    traffic: Rc<Traffic>,
    timers: Timers,
    idle: Duration,
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        // hyper asks the service for the answer, then for this task: what the service left is for it
        let Some(pace) = self.traffic.next.take() else {
            tokio::task::spawn_local(future);
            return;
        };
        // boxed: it would lie in the task twice, before and after its first turn
        let mut future = Box::pin(future);
        let (timers, idle) = (self.timers.clone(), self.idle);
        let mut alarm: Option<(u64, Alarm)> = None;
        tokio::task::spawn_local(poll_fn(move |cx| {
            if future.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let Some(given) = pace.unanswered() else {
                alarm = None;
                return Poll::Pending;
            };
            match &mut alarm {
                Some((since, alarm)) if *since == given => alarm.poll(cx),
                stale => stale.insert((given, Alarm::new(&timers, idle))).1.poll(cx),
            }
        }));
    }
}

/// How a stream's answer goes, as seen from its body.
#[derive(Debug, Default)]
struct Pace {
    /// Pieces that were given to hyper.
    given: Cell<u64>,
    /// The backend is waited for, or nothing is left.
    waiting: Cell<bool>,
}

impl Pace {
    /// The number of the last piece, while it is the client's turn to take it.
    fn unanswered(&self) -> Option<u64> {
        (self.given.get() > 0 && !self.waiting.get()).then(|| self.given.get())
    }
}

/// Serves a connection; `early` was read from it before.
pub async fn serve<H: Handler + 'static>(io: Stream, early: BytesMut, handler: Rc<H>, setup: &Setup) {
    let traffic = Rc::new(Traffic::default());
    let io = TokioIo::new(Counting { io, early, traffic: Rc::clone(&traffic) });
    let limits = &setup.limits;
    let service = service_fn(|request| {
        let handler = Rc::clone(&handler);
        let stream = traffic.open();
        traffic.next.set(Some(Rc::clone(&stream.pace)));
        let (received, sent) = traffic.take();
        handler.transferred(received, sent);
        let setup = setup.clone();
        // boxed: hyper moves it seven times before it is first polled
        Box::pin(async move {
            let answer = answer(request, &*handler, &setup).await;
            Ok::<_, std::convert::Infallible>(answer.map(|body| Held { body, stream }))
        })
    });
    let executor =
        StreamExecutor { traffic: Rc::clone(&traffic), timers: setup.timers.clone(), idle: setup.idle_timeout };
    let connection = http2::Builder::new(executor)
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_concurrent_streams(limits.max_concurrent_streams)
        .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(PING)
        .enable_connect_protocol()
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let mut drain = setup.drain.watch();
    let mut closing = false;
    let mut idle: Option<Alarm> = None;
    let served = poll_fn(|cx| {
        if let Poll::Ready(served) = connection.as_mut().poll(cx) {
            return Poll::Ready(served);
        }
        let mut rung = false;
        if traffic.is_idle() {
            let alarm = idle.get_or_insert_with(|| Alarm::new(&setup.timers, setup.idle_timeout));
            rung = alarm.poll(cx).is_ready();
        } else {
            idle = None;
        }
        if !closing && (rung || drain.poll(cx)) {
            closing = true;
            connection.as_mut().graceful_shutdown();
            return connection.as_mut().poll(cx);
        }
        Poll::Pending
    })
    .await;
    if let Err(error) = served {
        tracing::debug!(%error, "an HTTP/2 connection of a client ended");
    }
    let (received, sent) = traffic.take();
    handler.transferred(received, sent);
}

/// Answers one stream.
async fn answer<H: Handler>(request: http::Request<Incoming>, handler: &H, setup: &Setup) -> Response<H::Body> {
    match convert(request, setup) {
        Err(error) => handler.refuse(&error),
        Ok(request) => {
            let protocol_asked = matches!(request.upgrade, Some(Upgrade::H2(..)));
            let mut response = handler.handle(request).await;
            if !protocol_asked && response.status() == StatusCode::SWITCHING_PROTOCOLS {
                // HTTP/2 has no such status (RFC 9113, section 8.6)
                *response.status_mut() = StatusCode::BAD_GATEWAY;
            }
            response
        }
    }
}

/// Joins the stream of an extended CONNECT, once it is ours, to the backend.
pub fn relay(on_upgrade: hyper::upgrade::OnUpgrade, mut relay: Relay, done: impl FnOnce(&Relay) + 'static) {
    tokio::task::spawn_local(async move {
        if let Ok(upgraded) = on_upgrade.await {
            let mut client = TokioIo::new(upgraded);
            if let Err(error) = poll_fn(|cx| relay.poll(&mut client, cx)).await {
                tracing::debug!(%error, "a tunnel over HTTP/2 broke");
            }
        }
        done(&relay);
    });
}

fn convert(request: http::Request<Incoming>, setup: &Setup) -> Result<Box<Request>, Error> {
    let malformed = |detail| Error::new(Kind::MalformedRequest, detail);
    let limits = &setup.limits;
    let (mut parts, incoming) = request.into_parts();
    if parts.headers.len() > limits.max_headers {
        return Err(Error::new(Kind::HeadersTooLarge, "more fields than max_headers"));
    }
    let protocol = parts.extensions.remove::<Protocol>();
    let on_upgrade = parts.extensions.remove::<hyper::upgrade::OnUpgrade>();
    let upgrade = match (protocol, on_upgrade) {
        (Some(protocol), Some(on)) => {
            let name = HeaderValue::from_str(protocol.as_str()).map_err(|_| malformed(":protocol is malformed"))?;
            Some(Upgrade::H2(name, on))
        }
        _ if parts.method == Method::CONNECT => return Err(malformed("CONNECT is not served")),
        _ => None,
    };
    let host = host(&parts.uri, parts.headers.remove(header::HOST))?;
    let headers = &mut parts.headers;
    fields::join_cookies(headers);
    headers.remove(header::EXPECT);
    headers.remove(header::PROXY_AUTHORIZATION);
    let te_trailers = headers.remove(header::TE).is_some();
    let said = headers.remove(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let length = match (incoming.is_end_stream() || upgrade.is_some(), said) {
        (true, _) => Length::Fixed(0),
        (false, Some(length)) => Length::Fixed(length),
        (false, None) => Length::Chunked,
    };
    if limits.max_body != 0 && matches!(length, Length::Fixed(length) if length > limits.max_body) {
        return Err(Error::new(Kind::BodyTooLarge, "content-length is above limits.max_body"));
    }
    let body = match length {
        Length::Fixed(0) => RequestBody::Empty,
        _ => RequestBody::H2(Box::new(H2Body::new(incoming, limits.max_body))),
    };
    Ok(Box::new(Request {
        method: parts.method,
        uri: parts.uri,
        version: Version::HTTP_2,
        host,
        headers: parts.headers,
        body,
        length,
        upgrade,
        te_trailers,
        expect_continue: false,
        forwarded: None,
        interim: None,
    }))
}

/// `:authority`, or `Host` where that is missing; RFC 9113, section 8.3.1: they must not differ.
fn host(uri: &http::Uri, field: Option<HeaderValue>) -> Result<Option<HeaderValue>, Error> {
    let malformed = |detail| Error::new(Kind::MalformedRequest, detail);
    let authority = match uri.authority() {
        None => None,
        Some(authority) => {
            let authority = HeaderValue::from_str(authority.as_str());
            Some(authority.map_err(|_| malformed(":authority is malformed"))?)
        }
    };
    if let (Some(authority), Some(field)) = (&authority, &field)
        && !authority.as_bytes().eq_ignore_ascii_case(field.as_bytes())
    {
        return Err(malformed("Host is not :authority"));
    }
    match authority.or(field) {
        Some(host) if !head::is_host(host.as_bytes()) => Err(malformed("its host is malformed")),
        None => Err(malformed("neither :authority nor Host")),
        host => Ok(host),
    }
}

/// What went over a connection, and how many streams are open on it.
#[derive(Default)]
struct Traffic {
    received: Cell<u64>,
    sent: Cell<u64>,
    streams: Cell<usize>,
    /// Of the stream whose task is spawned next.
    next: Cell<Option<Rc<Pace>>>,
}

/// One open stream, from its head to the end of its answer.
struct Open {
    traffic: Rc<Traffic>,
    pace: Rc<Pace>,
}

/// The body of an answer, with its stream's place in the count.
struct Held<B> {
    body: B,
    stream: Open,
}

/// A stream that counts its bytes, and starts with what was read before.
struct Counting {
    io: Stream,
    early: BytesMut,
    traffic: Rc<Traffic>,
}

impl Traffic {
    fn open(self: &Rc<Self>) -> Open {
        self.streams.set(self.streams.get() + 1);
        Open { traffic: Rc::clone(self), pace: Rc::default() }
    }

    fn is_idle(&self) -> bool {
        self.streams.get() == 0
    }

    /// Bytes received and sent since this was asked last.
    fn take(&self) -> (u64, u64) {
        (self.received.take(), self.sent.take())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.traffic.streams.set(self.traffic.streams.get() - 1);
    }
}

impl<B: Body + Unpin> Body for Held<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<B::Data>, B::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        let pace = &this.stream.pace;
        pace.waiting.set(!matches!(polled, Poll::Ready(Some(Ok(_)))));
        pace.given.set(pace.given.get() + 1);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}

impl AsyncRead for Counting {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if !this.early.is_empty() {
            let here = this.early.len().min(buf.remaining());
            buf.put_slice(&this.early[..here]);
            this.early.advance(here);
        } else if Pin::new(&mut this.io).poll_read(cx, buf)?.is_pending() {
            return Poll::Pending;
        }
        let read = (buf.filled().len() - before) as u64;
        this.traffic.received.set(this.traffic.received.get() + read);
        Poll::Ready(Ok(()))
    }
}

impl Counting {
    fn sent(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(written)) = &written {
            self.traffic.sent.set(self.traffic.sent.get() + *written as u64);
        }
        written
    }
}

impl AsyncWrite for Counting {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, buf);
        this.sent(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, bufs);
        this.sent(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
