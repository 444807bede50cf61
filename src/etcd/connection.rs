//! HTTP/2 to one endpoint, and what gRPC puts on it: a message has its length in front, and its status behind it
//! (grpc's `PROTOCOL-HTTP2.md`).

use std::convert::Infallible;
use std::error::Error as _;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE, USER_AGENT};
use http::{Request, Uri};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http2;
use hyper::rt::{Executor, Read, Write};
use hyper_util::rt::{TokioIo, TokioTimer};
use percent_encoding::percent_decode;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;

use super::endpoint::Endpoint;
use crate::protobuf::framed;

/// The most that is read of an answer. etcd takes requests of 1.5 MiB; what it answers to the wish for a prefix may be much longer.
const MOST_ANSWER: usize = 64 << 20;

/// The statuses of gRPC that every member would answer with, because they are about what was asked or who asks: INVALID_ARGUMENT, NOT_FOUND,
/// ALREADY_EXISTS, PERMISSION_DENIED, OUT_OF_RANGE, UNAUTHENTICATED. With another one the member itself may be unwell, a learner, or no etcd.
const OF_THE_CALL: [u32; 6] = [INVALID_ARGUMENT, NOT_FOUND, 6, 7, 11, UNAUTHENTICATED];
const INVALID_ARGUMENT: u32 = 3;
const NOT_FOUND: u32 = 5;
const FAILED_PRECONDITION: u32 = 9;
/// The token is not known (any more).
const UNAUTHENTICATED: u32 = 16;

/// What else etcd says where a new token helps, under INVALID_ARGUMENT (`api/v3rpc/rpctypes/error.go`; its own client does the same).
const ABOUT_TOKEN: [&str; 2] = ["etcdserver: user name is empty", "etcdserver: revision of auth store is old"];

/// Why there is no answer that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nobody knows whether it was carried out; why, for people.
    NoAnswer(String),
    /// etcd has refused it: gRPC's status, and etcd's words.
    Refused(u32, String),
}

/// A connection to one endpoint.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    sender: http2::SendRequest<Sent>,
    /// The endpoint, without a path.
    base: Uri,
}

/// The body of a request: one message.
#[derive(Debug)]
pub(super) struct Sent {
    message: Option<Bytes>,
    /// After the message the stream stays open until the other side of this is dropped.
    open: Option<oneshot::Receiver<Infallible>>,
}

/// The messages of an answer, as they come.
#[derive(Debug)]
pub(super) struct Messages {
    body: Incoming,
    buffer: BytesMut,
    /// What came instead of a body: gRPC's status may be in the head.
    head: HeaderMap,
}

/// Where hyper runs the tasks of a connection: on this thread.
#[derive(Debug, Clone, Copy)]
struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

impl Failure {
    /// Whether a new token may help.
    pub(super) fn is_about_token(&self) -> bool {
        match self {
            Self::Refused(UNAUTHENTICATED, _) => true,
            Self::Refused(INVALID_ARGUMENT, why) => ABOUT_TOKEN.contains(&why.as_str()),
            _ => false,
        }
    }

    /// Whether etcd has no users: authentication is off.
    pub(super) fn is_without_users(&self) -> bool {
        matches!(self, Self::Refused(FAILED_PRECONDITION, why) if why == "etcdserver: authentication is not enabled")
    }

    /// Whether there is no such thing, such as a lease.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(NOT_FOUND, _))
    }

    /// Whether another endpoint may do better.
    pub fn is_of_endpoint(&self) -> bool {
        match self {
            Self::NoAnswer(_) => true,
            Self::Refused(status, _) => !OF_THE_CALL.contains(status),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer(why) => f.write_str(why),
            Self::Refused(status, why) => write!(f, "etcd refuses it: {why} (gRPC status {status})"),
        }
    }
}

impl Connection {
    pub(super) async fn open(endpoint: &Endpoint, tls: Option<&Arc<ClientConfig>>) -> Result<Self, Failure> {
        let Endpoint { host, port } = endpoint;
        let failed = |what: String| Failure::NoAnswer(format!("{endpoint}: {what}"));
        let connected = TcpStream::connect((host.as_str(), *port)).await;
        let tcp = connected.map_err(|error| failed(format!("can't be connected to: {error}")))?;
        // it is usable without
        let _ = tcp.set_nodelay(true);
        let scheme = if tls.is_some() { "https" } else { "http" };
        let base = format!("{scheme}://{endpoint}/").parse().map_err(|error| failed(format!("{error}")))?;
        let sender = match tls {
            None => begin(TokioIo::new(tcp)).await,
            Some(tls) => {
                let name = ServerName::try_from(host.clone()).map_err(|error| failed(error.to_string()))?;
                let tls = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await;
                begin(TokioIo::new(tls.map_err(|error| failed(format!("TLS: {error}")))?)).await
            }
        };
        Ok(Self { sender: sender.map_err(|error| failed(broken(&error)))?, base })
    }

    /// Sends one message and reads the one that answers it.
    pub(super) async fn call(
        &mut self,
        path: &'static str,
        message: &[u8],
        token: Option<&HeaderValue>,
    ) -> Result<Bytes, Failure> {
        let mut messages = self.ask(path, Sent { message: Some(framed(message)), open: None }, token).await?;
        let answer = messages.next().await?;
        answer.ok_or_else(|| Failure::NoAnswer("etcd has answered without a message".to_owned()))
    }

    /// Sends one message; what answers it comes for as long as `open` has its other side.
    pub(super) async fn stream(
        &mut self,
        path: &'static str,
        message: &[u8],
        token: Option<&HeaderValue>,
        open: oneshot::Receiver<Infallible>,
    ) -> Result<Messages, Failure> {
        self.ask(path, Sent { message: Some(framed(message)), open: Some(open) }, token).await
    }

    async fn ask(&mut self, path: &'static str, sent: Sent, token: Option<&HeaderValue>) -> Result<Messages, Failure> {
        let mut parts = self.base.clone().into_parts();
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static(path));
        let uri = Uri::from_parts(parts).map_err(|error| Failure::NoAnswer(error.to_string()))?;
        let mut request = Request::new(sent);
        (*request.method_mut(), *request.uri_mut()) = (http::Method::POST, uri);
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("evenkeel/", env!("CARGO_PKG_VERSION"))));
        // a member that is cut off from the others ends streams and refuses calls, instead of being silent
        headers.insert("hasleader", HeaderValue::from_static("true"));
        if let Some(token) = token {
            headers.insert("token", token.clone());
        }
        let failed = |error: hyper::Error| Failure::NoAnswer(broken(&error));
        self.sender.ready().await.map_err(failed)?;
        let (head, body) = self.sender.send_request(request).await.map_err(failed)?.into_parts();
        if head.status != http::StatusCode::OK {
            return Err(Failure::NoAnswer(format!("status {}: that is not etcd", head.status.as_u16())));
        }
        Ok(Messages { body, buffer: BytesMut::new(), head: head.headers })
    }
}

impl Messages {
    /// The next message; `None` = there are no more, and all is well.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            if let Some(message) = self.take()? {
                return Ok(Some(message));
            }
            let Some(frame) = self.body.frame().await else { return status(&self.head).map(|()| None) };
            let frame = frame.map_err(|error| Failure::NoAnswer(broken(&error)))?;
            match frame.into_data() {
                Ok(data) => self.buffer.extend_from_slice(&data),
                Err(frame) => return status(&frame.into_trailers().unwrap_or_default()).map(|()| None),
            }
        }
    }

    /// A message that has come as a whole.
    fn take(&mut self) -> Result<Option<Bytes>, Failure> {
        let Some(&[compressed, a, b, c, d]) = self.buffer.first_chunk() else { return Ok(None) };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length > MOST_ANSWER {
            let (length, most) = (length >> 20, MOST_ANSWER >> 20);
            return Err(Failure::NoAnswer(format!("an answer of etcd has {length} MiB, more than {most}")));
        }
        if compressed != 0 {
            return Err(Failure::NoAnswer("etcd has sent what can't be read".to_owned()));
        }
        if self.buffer.len() - 5 < length {
            return Ok(None);
        }
        self.buffer.advance(5);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(message) = self.message.take() {
            return Poll::Ready(Some(Ok(Frame::data(message))));
        }
        if let Some(open) = &mut self.open {
            // nothing is ever sent on it: it ends when its other side is dropped
            let _ = ready!(Pin::new(open).poll(cx));
        }
        self.open = None;
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.message.is_none() && self.open.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.open, &self.message) {
            (None, message) => SizeHint::with_exact(message.as_ref().map_or(0, |message| message.len() as u64)),
            (Some(_), _) => SizeHint::default(),
        }
    }
}

async fn begin(io: impl Read + Write + Unpin + 'static) -> hyper::Result<http2::SendRequest<Sent>> {
    let (sender, connection) = http2::Builder::new(LocalExecutor).timer(TokioTimer::new()).handshake(io).await?;
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(sender)
}

/// What gRPC's status says.
fn status(fields: &HeaderMap) -> Result<(), Failure> {
    let code = fields.get("grpc-status").and_then(|code| code.to_str().ok()?.parse::<u32>().ok());
    match code {
        Some(0) => Ok(()),
        Some(code) => {
            let text = fields.get("grpc-message").map(HeaderValue::as_bytes).unwrap_or_default();
            Err(Failure::Refused(code, percent_decode(text).decode_utf8_lossy().into_owned()))
        }
        None => Err(Failure::NoAnswer("the answer ends without a status of gRPC".to_owned())),
    }
}

/// An error of hyper's, with the cause that its own text leaves out.
fn broken(error: &hyper::Error) -> String {
    let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    format!("the connection broke: {cause}")
}
