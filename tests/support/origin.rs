//! A backend that does what the test says and remembers what it was sent.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::message::{Broken, Request};
use super::wire::{Stream, Wire};
use super::{Cue, OK, PATIENCE};

/// A backend. What its scripts assert fails the test, at the latest when this goes out of scope.
pub struct Origin {
    address: String,
    wake: Option<SocketAddr>,
    log: Arc<Log>,
}

/// What all connections of a backend share.
#[derive(Default)]
struct Log {
    connections: AtomicUsize,
    open: AtomicUsize,
    requests: Mutex<Vec<Request>>,
    tape: Arc<Mutex<Vec<u8>>>,
    closing: AtomicBool,
    /// A script has panicked: what it asserts is an assertion of its test.
    failed: AtomicBool,
}

/// One connection to a backend.
pub struct Conn {
    /// Its number, from 0.
    pub number: usize,
    wire: Wire,
    log: Arc<Log>,
    resets: bool,
}

impl Origin {
    /// Runs `script` for each connection, on a thread of its own. The connection is closed when the script returns.
    pub fn script(script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let accept = move || listener.accept().map(|(tcp, _)| without_delay(tcp));
        Self::run(address.to_string(), Some(address), accept, script)
    }

    /// As [`script`](Self::script), over a Unix socket.
    pub fn script_unix(path: &Path, script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let accept = move || listener.accept().map(|(unix, _)| Stream::Unix(unix));
        Self::run(format!("unix:{}", path.display()), None, accept, script)
    }

    /// As [`script`](Self::script), over TLS.
    pub fn script_tls(config: &Arc<ServerConfig>, script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let config = Arc::clone(config);
        let accept = move || {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            listener.accept().map(|(tcp, _)| Stream::TlsServer(Box::new(StreamOwned::new(tls, tcp))))
        };
        Self::run(address.to_string(), Some(address), accept, script)
    }

    /// Answers every request with these bytes.
    pub fn answering(answer: impl AsRef<[u8]>) -> Self {
        let answer = answer.as_ref().to_vec();
        Self::script(move |conn| while conn.request().is_ok() && conn.send(&answer) {})
    }

    /// Answers the first request of each connection with these bytes and closes.
    pub fn answering_once(answer: impl AsRef<[u8]>) -> Self {
        let answer = answer.as_ref().to_vec();
        Self::script(move |conn| drop((conn.request(), conn.send(&answer))))
    }

    /// Answers 200 with a body of `ok`.
    pub fn ok() -> Self {
        Self::answering(OK)
    }

    /// Answers 200 with this body.
    pub fn saying(body: &str) -> Self {
        Self::answering(answer(body))
    }

    /// Answers 200 with this body, so long after the request has come: for those who must not take offence at it.
    pub fn saying_late(body: &str, after: Duration) -> Self {
        let answer = answer(body);
        Self::script(move |conn| {
            while conn.request().is_ok() {
                thread::sleep(after);
                conn.send(&answer);
            }
        })
    }

    /// Answers 200 with the body of the request.
    pub fn echoing() -> Self {
        Self::script(|conn| {
            while let Ok(request) = conn.request() {
                conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.body.len()));
                conn.send(request.body);
            }
        })
    }

    /// Reads each request and answers it with [`OK`] when the cue is given.
    pub fn answering_on_cue() -> (Self, Cue) {
        let cue = Cue::default();
        let awaited = cue.clone();
        let origin = Self::script(move |conn| while conn.request().is_ok() && awaited.wait() && conn.send(OK) {});
        (origin, cue)
    }

    /// Reads one request of each connection and never answers it; the proxy may close when it has waited enough.
    pub fn silent() -> Self {
        Self::script(|conn| {
            let _ = conn.request();
            conn.is_closed();
        })
    }

    fn run(
        address: String,
        wake: Option<SocketAddr>,
        accept: impl Fn() -> std::io::Result<Stream> + Send + 'static,
        script: impl Fn(&mut Conn) + Send + Sync + 'static,
    ) -> Self {
        let log = Arc::new(Log::default());
        let (shared, script) = (Arc::clone(&log), Arc::new(script));
        thread::spawn(move || {
            while let Ok(stream) = accept() {
                if shared.closing.load(Ordering::SeqCst) {
                    return;
                }
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                shared.open.fetch_add(1, Ordering::SeqCst);
                let (log, script) = (Arc::clone(&shared), Arc::clone(&script));
                thread::spawn(move || {
                    stream.set_limit(PATIENCE);
                    let wire = Wire::with_tape(stream, Arc::clone(&log.tape));
                    let mut conn = Conn { number, wire, log, resets: false };
                    let run = catch_unwind(AssertUnwindSafe(|| script(&mut conn)));
                    conn.log.failed.fetch_or(run.is_err(), Ordering::SeqCst);
                    if !conn.resets {
                        conn.wire.stream.finish();
                    }
                    conn.log.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, wake, log }
    }

    /// As written in a configuration.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The requests that came whole, in the order in which they ended.
    pub fn requests(&self) -> Vec<Request> {
        self.log.requests.lock().unwrap().clone()
    }

    /// The targets of [`requests`](Self::requests).
    pub fn targets(&self) -> Vec<String> {
        self.requests().iter().map(|r| r.target().to_owned()).collect()
    }

    /// The only request that came.
    pub fn request(&self) -> Request {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }

    /// Everything that was read, on all connections.
    pub fn tape(&self) -> String {
        String::from_utf8_lossy(&self.log.tape.lock().unwrap()).into_owned()
    }

    /// Connections that were ever made.
    pub fn connections(&self) -> usize {
        self.log.connections.load(Ordering::SeqCst)
    }

    /// Connections whose script still runs.
    pub fn open(&self) -> usize {
        self.log.open.load(Ordering::SeqCst)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.log.closing.store(true, Ordering::SeqCst);
        if let Some(address) = self.wake {
            let _ = TcpStream::connect(address);
        }
        if !thread::panicking() {
            assert!(
                !self.log.failed.load(Ordering::SeqCst),
                "the backend {} met what it does not expect",
                self.address
            );
        }
    }
}

impl Conn {
    /// Reads a whole request.
    pub fn request(&mut self) -> Result<Request, Broken> {
        let mut request = Request::read_head(&mut self.wire)?;
        self.finish_request(&mut request)?;
        Ok(request)
    }

    /// Reads the head of a request.
    pub fn request_head(&mut self) -> Result<Request, Broken> {
        Request::read_head(&mut self.wire)
    }

    /// Reads the body after its head.
    pub fn finish_request(&mut self, request: &mut Request) -> Result<(), Broken> {
        request.read_body(&mut self.wire)?;
        self.log.requests.lock().unwrap().push(request.clone());
        Ok(())
    }

    /// Sends bytes as they are; `false` when the proxy does not want them any more.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.wire.send(bytes.as_ref()).is_ok()
    }

    /// Reads exactly this many bytes; `None` when there are not so many.
    pub fn bytes(&mut self, n: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.wire.exactly(n, &mut bytes).ok().map(|()| bytes)
    }

    /// Reads some bytes; none at the end, or when the connection broke.
    pub fn some(&mut self) -> Vec<u8> {
        self.wire.some().unwrap_or_default()
    }

    /// Sends back what it gets, until the other side ends.
    pub fn echo(&mut self) {
        loop {
            let some = self.some();
            if some.is_empty() || !self.send(some) {
                return;
            }
        }
    }

    /// Ends our direction.
    pub fn finish(&mut self) {
        self.wire.stream.finish();
    }

    /// Waits until the connection ends; whether it ends by a reset.
    pub fn is_reset(&mut self) -> bool {
        self.wire.at_end() == Err(Broken::Reset)
    }

    /// Waits until the proxy closes the connection; `false` when it sends something instead.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.wire.at_end(), Ok(true) | Err(Broken::Reset))
    }

    /// Reads and writes fail after this time, instead of [`PATIENCE`].
    pub fn set_limit(&self, limit: Duration) {
        self.wire.stream.set_limit(limit);
    }

    /// Makes the close at the end of the script a reset.
    pub fn reset(&mut self) {
        self.wire.stream.reset_on_close();
        self.resets = true;
    }
}

fn answer(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn without_delay(tcp: TcpStream) -> Stream {
    tcp.set_nodelay(true).unwrap();
    Stream::Tcp(tcp)
}
