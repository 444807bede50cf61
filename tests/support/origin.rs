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

use super::message::Request;
use super::wire::{Stream, Wire};
use super::{Conn, Cue, OK, PATIENCE};

/// A backend. What its scripts assert fails the test, at the latest when this goes out of scope.
pub struct Origin {
    address: String,
    wake: Option<SocketAddr>,
    log: Arc<Log>,
}

/// What all connections of a backend share.
#[derive(Default)]
pub(super) struct Log {
    connections: AtomicUsize,
    open: AtomicUsize,
    pub(super) requests: Mutex<Vec<Request>>,
    tape: Arc<Mutex<Vec<u8>>>,
    closing: AtomicBool,
    /// A script has panicked: what it asserts is an assertion of its test.
    failed: AtomicBool,
}

impl Origin {
    /// Runs `script` for each connection, on a thread of its own. The connection is closed when the script returns.
    pub fn script(script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let accept = move || listener.accept().map(|(tcp, _)| without_delay(tcp));
        Self::run(address.to_string(), Some(address), accept, script)
    }

    /// As [`script`](Self::script), at an address where nobody has listened so far.
    pub fn script_at(address: SocketAddr, script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap();
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
        Self::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    }

    /// As [`ok`](Self::ok), so long after each request: for those who must not take offence at it.
    pub fn ok_after(pause: Duration) -> Self {
        Self::script(move |conn| {
            while conn.request().is_ok() {
                thread::sleep(pause);
                conn.send(OK);
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

fn without_delay(tcp: TcpStream) -> Stream {
    tcp.set_nodelay(true).unwrap();
    Stream::Tcp(tcp)
}
