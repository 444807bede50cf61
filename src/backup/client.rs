//! One request to a bucket, on a connection of its own: bodies are read from a file, and written where they are wanted, a piece at a time.

use std::fs::File;
use std::io::{Read as _, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::{CONNECTION, HeaderValue, USER_AGENT};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper::rt::{Read, Write as WriteIo};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

/// The bytes that are read from a file at a time.
const PIECE: usize = 64 << 10;

/// What speaks S3.
pub(super) struct Server {
    pub host: String,
    pub port: u16,
    pub tls: Option<TlsConnector>,
}

/// An answer whose body is still to come.
pub(super) struct Answer {
    response: Response<Incoming>,
    /// The connection goes on in this task, and ends with it.
    connection: JoinHandle<()>,
}

impl Server {
    /// What people know it by.
    pub fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Sends a request; the head of the answer.
    pub async fn send(&self, mut request: Request<FileBody>) -> Result<Answer, String> {
        let fields = request.headers_mut();
        fields.insert(USER_AGENT, HeaderValue::from_static(concat!("evenkeel/", env!("CARGO_PKG_VERSION"))));
        fields.insert(CONNECTION, HeaderValue::from_static("close"));
        let host = self.host.trim_matches(['[', ']']);
        let connected = TcpStream::connect((host, self.port)).await;
        let tcp = connected.map_err(|error| format!("{} can't be connected to: {error}", self.name()))?;
        let Some(tls) = &self.tls else { return begin(TokioIo::new(tcp), request).await };
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let tls = tls.connect(name, tcp).await.map_err(|error| format!("TLS with {}: {error}", self.name()))?;
        begin(TokioIo::new(tls), request).await
    }
}

async fn begin(io: impl Read + WriteIo + Unpin + 'static, request: Request<FileBody>) -> Result<Answer, String> {
    let (mut sender, connection) = http1::handshake(io).await.map_err(broken)?;
    let connection = tokio::task::spawn_local(async move { drop(connection.await) });
    match sender.send_request(request).await {
        Ok(response) => Ok(Answer { response, connection }),
        Err(error) => {
            connection.abort();
            Err(broken(error))
        }
    }
}

impl Answer {
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Writes the body, as it comes.
    pub async fn read(&mut self, to: &mut dyn Write) -> Result<(), String> {
        while let Some(frame) = self.response.body_mut().frame().await {
            if let Ok(data) = frame.map_err(broken)?.into_data() {
                to.write_all(&data).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

fn broken(error: hyper::Error) -> String {
    use std::error::Error as _;
    let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    format!("the connection broke: {cause}")
}

/// The content of a file, or nothing. It is read on the thread that sends it, which does nothing else.
pub(super) struct FileBody {
    file: Option<File>,
    left: u64,
}

impl FileBody {
    /// The first so many bytes of a file.
    pub fn new(file: File, size: u64) -> Self {
        Self { file: Some(file), left: size }
    }

    /// No bytes.
    pub fn empty() -> Self {
        Self { file: None, left: 0 }
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(PIECE);
        let Some(file) = self.file.as_mut().filter(|_| wanted > 0) else { return Poll::Ready(None) };
        let mut piece = vec![0; wanted];
        Poll::Ready(Some(file.read_exact(&mut piece).map(|()| {
            self.left -= wanted as u64;
            Frame::data(Bytes::from(piece))
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
