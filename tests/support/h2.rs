//! HTTP/2 on both sides of the proxy, by the `h2` crate.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::PATIENCE;

/// Runs a test's futures; it fails when that takes too long.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("it took too long") })
}

/// As [`wait_until`](super::wait_until), while the test's other futures go on.
pub async fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A connection of an HTTP/2 client.
#[derive(Clone)]
pub struct Client {
    requests: SendRequest<Bytes>,
}

/// A message that was read to its end.
#[derive(Debug)]
pub struct Whole {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

impl Client {
    /// By prior knowledge.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::connect_behind(&[], address).await
    }

    /// By prior knowledge, with these bytes before the preface.
    pub async fn connect_behind(first: &[u8], address: SocketAddr) -> Self {
        let mut tcp = TcpStream::connect(address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        tcp.write_all(first).await.unwrap();
        Self::over(tcp).await
    }

    /// By ALPN; the error is that of the TLS handshake.
    pub async fn connect_tls(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> io::Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let tls = TlsConnector::from(Arc::clone(config)).connect(name, tcp).await?;
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Ok(Self::over(tls).await)
    }

    async fn over(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (requests, connection) = h2::client::handshake(io).await.unwrap();
        tokio::spawn(connection);
        Self { requests }
    }

    /// Opens a stream with this request; its body is sent on what is given back, unless `end` is set.
    pub async fn open(&self, request: Request<()>, end: bool) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
        let mut ready = self.requests.clone().ready().await.unwrap();
        ready.send_request(request, end).unwrap()
    }

    /// Waits until the proxy said that it takes extended CONNECT.
    pub async fn takes_extended_connect(&self) -> bool {
        // the proxy's settings are there once anything was answered
        self.call(get("https://a/settings"), "").await;
        self.requests.is_extended_connect_protocol_enabled()
    }

    /// A whole exchange.
    pub async fn call(&self, request: Request<()>, body: impl Into<Bytes>) -> Whole {
        self.try_call(request, body).await.unwrap()
    }

    /// A whole exchange that may fail.
    pub async fn try_call(&self, request: Request<()>, body: impl Into<Bytes>) -> Result<Whole, h2::Error> {
        let body = body.into();
        let (answer, mut sending) = self.open(request, body.is_empty()).await;
        if !body.is_empty() {
            sending.send_data(body, true)?;
        }
        whole(answer.await?).await
    }
}

/// A GET of this URI.
pub fn get(uri: &str) -> Request<()> {
    Request::get(uri).body(()).unwrap()
}

/// A POST to this URI.
pub fn post(uri: &str) -> Request<()> {
    Request::post(uri).body(()).unwrap()
}

/// Reads a response to its end.
pub async fn whole(response: Response<RecvStream>) -> Result<Whole, h2::Error> {
    let (parts, mut stream) = response.into_parts();
    let (body, trailers) = read(&mut stream).await?;
    Ok(Whole { status: parts.status.as_u16(), headers: parts.headers, body, trailers })
}

/// Reads a body to its end.
pub async fn read(stream: &mut RecvStream) -> Result<(Bytes, Option<HeaderMap>), h2::Error> {
    let mut body = BytesMut::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        body.extend_from_slice(&data);
    }
    Ok((body.freeze(), stream.trailers().await?))
}

/// Sends data as the window allows it.
pub async fn send(stream: &mut SendStream<Bytes>, mut data: Bytes, end: bool) -> Result<(), h2::Error> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let Some(capacity) = poll_fn(|cx| stream.poll_capacity(cx)).await else { return Ok(()) };
        let piece = data.split_to(capacity?.min(data.len()));
        stream.send_data(piece, false)?;
    }
    if end { stream.send_data(Bytes::new(), true) } else { Ok(()) }
}

/// An HTTP/2 backend on a thread of its own.
pub struct Origin {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<http::request::Parts>>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

impl Origin {
    /// Runs `answer` for each stream, all on one thread.
    pub fn script<F>(answer: impl Fn(Request<RecvStream>, SendResponse<Bytes>) -> F + Send + Clone + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        Self::leaving(usize::MAX, false, answer)
    }

    /// As [`script`](Self::script), but each connection is left after `streams` of them: with GOAWAY, or without a word and
    /// with the last of them unanswered.
    pub fn leaving<F>(
        streams: usize,
        without_a_word: bool,
        answer: impl Fn(Request<RecvStream>, SendResponse<Bytes>) -> F + Send + Clone + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let seen = Arc::clone(&heads);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let local = tokio::task::LocalSet::new();
            local.spawn_local(accept(listener, answer, seen, (streams, without_a_word)));
            let _ = local.block_on(&runtime, stopped);
        });
        Self { address, heads, stop: Some(stop) }
    }

    /// As written in a configuration.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The heads of the requests that came.
    pub fn heads(&self) -> std::sync::MutexGuard<'_, Vec<http::request::Parts>> {
        self.heads.lock().unwrap()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        drop(self.stop.take());
    }
}

async fn accept<F>(
    listener: std::net::TcpListener,
    answer: impl Fn(Request<RecvStream>, SendResponse<Bytes>) -> F + Clone + 'static,
    heads: Arc<Mutex<Vec<http::request::Parts>>>,
    (streams, without_a_word): (usize, bool),
) where
    F: Future<Output = ()> + 'static,
{
    let listener = TcpListener::from_std(listener).unwrap();
    while let Ok((tcp, _)) = listener.accept().await {
        let (answer, heads) = (answer.clone(), Arc::clone(&heads));
        tokio::task::spawn_local(async move {
            let Ok(mut connection) = h2::server::handshake(tcp).await else { return };
            let mut accepted = 0;
            while let Some(Ok((request, respond))) = connection.accept().await {
                let (parts, body) = request.into_parts();
                heads.lock().unwrap().push(parts.clone());
                accepted += 1;
                match without_a_word {
                    true if accepted == streams => return,
                    false if accepted == streams => connection.graceful_shutdown(),
                    _ => {}
                }
                tokio::task::spawn_local(answer(Request::from_parts(parts, body), respond));
            }
        });
    }
}
