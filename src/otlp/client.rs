//! The connection to a collector. It is kept from message to message.

use std::error::Error as _;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, TE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::rt::{Executor, Read, Write};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use super::answer::Answer;
use super::target::{Signal, Target};
use crate::config::model::OtlpProtocol;
use crate::protobuf::framed;

/// The most of an answer that is read: it says whether a message was taken, and why not.
const MOST_ANSWER: usize = 64 * 1024;

/// A connection to a collector, if there is one.
#[derive(Debug, Default)]
pub struct Client {
    open: Option<Sender>,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// Where hyper runs the tasks of a connection: on this thread.
#[derive(Debug, Clone, Copy)]
struct LocalExecutor;

impl<F> Executor<F> for LocalExecutor
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

impl Client {
    /// Closes the connection: the next message goes to another collector, or with other settings.
    pub fn close(&mut self) {
        self.open = None;
    }

    /// Sends a message, and reads the answer. A kept connection that turns out to be closed is replaced once; a message that comes twice by that
    /// is one that collectors know how to live with.
    ///
    /// # Errors
    ///
    /// A sentence for people, when there was no answer in time.
    pub async fn send(&mut self, target: &Target, signal: Signal, message: Bytes) -> Result<Answer, String> {
        let sent = tokio::time::timeout(target.timeout, self.send_at_leisure(target, signal, message)).await;
        if !matches!(sent, Ok(Ok(_))) {
            self.open = None;
        }
        sent.unwrap_or_else(|_| Err(format!("no answer within {} s", target.timeout.as_secs_f64())))
    }

    async fn send_at_leisure(&mut self, target: &Target, signal: Signal, message: Bytes) -> Result<Answer, String> {
        let request = || request(target, signal, message.clone()).map_err(|error| error.to_string());
        if let Some(kept) = &mut self.open {
            if let Ok(answer) = kept.ask(request()?).await {
                return read(answer).await;
            }
            self.open = None;
        }
        let mut new = connect(target).await?;
        let answer = new.ask(request()?).await?;
        self.open = Some(new);
        read(answer).await
    }
}

impl Sender {
    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, String> {
        let asked = match self {
            Self::Http1(sender) => match sender.ready().await {
                Ok(()) => sender.send_request(request).await,
                Err(error) => Err(error),
            },
            Self::Http2(sender) => match sender.ready().await {
                Ok(()) => sender.send_request(request).await,
                Err(error) => Err(error),
            },
        };
        asked.map_err(broken)
    }
}

async fn connect(target: &Target) -> Result<Sender, String> {
    let (host, port) = target.address();
    let connected = TcpStream::connect((host, port)).await;
    let tcp = connected.map_err(|error| format!("{host}:{port} can't be connected to: {error}"))?;
    // it is usable without
    let _ = tcp.set_nodelay(true);
    let Some(tls) = &target.tls else { return begin(target.protocol, TokioIo::new(tcp)).await };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let tls = tls.connect(name, tcp).await.map_err(|error| format!("TLS with {host}:{port}: {error}"))?;
    if target.protocol == OtlpProtocol::Grpc && tls.get_ref().1.alpn_protocol() != Some(b"h2") {
        return Err(format!("{host}:{port} does not offer HTTP/2, which gRPC needs"));
    }
    begin(target.protocol, TokioIo::new(tls)).await
}

async fn begin(protocol: OtlpProtocol, io: impl Read + Write + Unpin + 'static) -> Result<Sender, String> {
    match protocol {
        OtlpProtocol::Http => {
            let (sender, connection) = http1::handshake(io).await.map_err(broken)?;
            tokio::task::spawn_local(async move { drop(connection.await) });
            Ok(Sender::Http1(sender))
        }
        OtlpProtocol::Grpc => {
            let (sender, connection) =
                http2::Builder::new(LocalExecutor).timer(TokioTimer::new()).handshake(io).await.map_err(broken)?;
            tokio::task::spawn_local(async move { drop(connection.await) });
            Ok(Sender::Http2(sender))
        }
    }
}

fn request(target: &Target, signal: Signal, message: Bytes) -> http::Result<Request<Full<Bytes>>> {
    let path = target.path(signal);
    let mut headers = HeaderMap::with_capacity(4 + target.headers.len());
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("evenkeel/", env!("CARGO_PKG_VERSION"))));
    headers.extend(target.headers.iter().cloned());
    let authority = target.endpoint.authority();
    let (uri, body) = match target.protocol {
        OtlpProtocol::Http => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
            headers.insert(HOST, HeaderValue::from_str(authority.map_or("", |authority| authority.as_str()))?);
            (Uri::try_from(path)?, message)
        }
        OtlpProtocol::Grpc => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert(TE, HeaderValue::from_static("trailers"));
            let mut uri = target.endpoint.clone().into_parts();
            uri.path_and_query = Some(path.parse()?);
            (Uri::from_parts(uri)?, framed(&message))
        }
    };
    let mut request = Request::post(uri).body(Full::new(body))?;
    *request.headers_mut() = headers;
    Ok(request)
}

async fn read(answer: Response<Incoming>) -> Result<Answer, String> {
    let (head, mut rest) = answer.into_parts();
    let (mut body, mut trailers) = (Vec::new(), HeaderMap::new());
    while let Some(frame) = rest.frame().await {
        match frame.map_err(broken)?.into_data() {
            Ok(data) => body.extend_from_slice(&data[..data.len().min(MOST_ANSWER - body.len())]),
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
    }
    Ok(Answer { status: head.status, headers: head.headers, body, trailers })
}

/// An error of hyper's, with the cause that its own text leaves out.
fn broken(error: hyper::Error) -> String {
    let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    format!("the connection broke: {cause}")
}
