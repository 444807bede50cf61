//! One check of one backend, over a connection of its own, within its time-out.
//!
//! What a backend answers is bounded in every way: heads and bodies to 64 KiB, time by the time-out. Every failure has a
//! reason short enough for a line of the log.

pub mod agent;
mod executor;
pub mod grpc;
mod h2;
pub mod http;
mod search;
pub mod tcp;

#[cfg(test)]
pub(super) mod testing;

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use crate::endpoint::addresses::Addresses;
use crate::endpoint::paths::Paths;
use crate::endpoint::{self, Live};
use crate::io::outbound::Outbound;
use crate::io::{FailureTiming, Socket, Stream, connect_any, resolve};
use crate::policy::{Check, Health, ProxyHeader, UpstreamProtocol};
use crate::shortage::{self, SocketKind};

/// Names that are looked up at a time. A name server that is silent holds a thread for half a minute.
static LOOK_UPS: Semaphore = Semaphore::const_new(16);

/// The most bytes that are read of any answer.
const MAX_ANSWER: usize = 64 * 1024;

/// A backend that is checked.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its service.
    pub service: Arc<str>,
    /// Unique in its service.
    pub id: String,
    /// Its atomics, by which a backend is recognised that stays from snapshot to snapshot.
    pub live: Arc<Live>,
    /// Where it is.
    pub address: endpoint::Target,
    /// All addresses of its name, or its paths, with what is known of them; none = the name is looked up at each check.
    pub addresses: Arc<Addresses>,
    /// Where connections to it come from, and how these are marked.
    pub outbound: Option<Arc<Outbound>>,
    /// The host part of its address as written.
    pub host: String,
    /// What its service speaks with it.
    pub protocol: UpstreamProtocol,
    /// TLS, where its service uses it, with the name asked for and verified.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// The version of the PROXY header that connections to it begin with; `None` = they begin without.
    pub proxy_header: Option<ProxyHeader>,
    /// How it is checked.
    pub policy: Arc<Health>,
    /// Its answers are handed to the agent's handler, but don't decide over its health.
    pub advisory: bool,
    /// How long a limit holds that its agent has set.
    pub expire: Duration,
}

/// The result of a check: a few words on what was good, or why it failed.
pub type CheckResult = Result<Cow<'static, str>, CheckFailure>;

/// Why a check failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckFailure {
    /// For people; short.
    pub reason: Cow<'static, str>,
    /// Whether this process could not make the check: it then says nothing about the backend.
    pub is_ours: bool,
}

/// Handles the line that an agent has answered with; an error means that the backend is unhealthy, and why.
pub type Agent = dyn Fn(&Target, &str) -> Result<(), String> + Send + Sync;

/// What the check of one path has shown.
#[derive(Debug, Clone)]
pub struct PathResult {
    /// The result of the check over it.
    pub result: CheckResult,
    /// How long it took to connect, where that was possible: about the time that a packet takes there and back.
    pub rtt: Option<Duration>,
}

/// Checks a backend once, over whichever of its addresses works.
pub async fn check(target: &Target, agent: &Agent) -> CheckResult {
    check_over(target, None, agent).await.result
}

/// Checks a backend once, over one of its paths, which has this long to be connected to.
pub async fn check_path(target: &Target, place: usize, patience: Duration, agent: &Agent) -> PathResult {
    match target.addresses.at(place) {
        Some(address) => check_over(target, Some((address, patience)), agent).await,
        None => PathResult { result: Err(CheckFailure::new("there is no such path")), rtt: None },
    }
}

async fn check_over(target: &Target, only: Option<(SocketAddr, Duration)>, agent: &Agent) -> PathResult {
    let began = Instant::now();
    let deadline = began + target.policy.timeout;
    let rtt = Cell::new(None);
    let result = try_check(target, only, agent, deadline, &|| rtt.set(Some(began.elapsed()))).await;
    PathResult { result, rtt: rtt.get() }
}

async fn try_check(
    target: &Target,
    only: Option<(SocketAddr, Duration)>,
    agent: &Agent,
    deadline: Instant,
    connected: &dyn Fn(),
) -> CheckResult {
    let limit = target.policy.timeout;
    let connecting = timeout_at(deadline, connect(target, only, connected));
    let late = || CheckFailure::new(format!("no connection in {}", shown(limit)));
    let stream = connecting.await.unwrap_or_else(|_| Err(late()))?;
    let asked = timeout_at(deadline, ask(target, stream, agent)).await;
    asked.unwrap_or_else(|_| Err(CheckFailure::new(format!("no answer in {}", shown(limit)))))
}

impl Target {
    /// The paths to it, each of which is checked; `None` = it has one.
    pub fn paths(&self) -> Option<&Arc<Paths>> {
        self.addresses.paths().filter(|paths| paths.count() > 1)
    }

    /// The host that is asked for when the check names none, with the port that is asked at.
    fn authority(&self) -> String {
        self.address.authority(&self.host, self.policy.port, self.tls.is_some())
    }
}

async fn ask(target: &Target, mut stream: Stream, agent: &Agent) -> CheckResult {
    match &target.policy.kind {
        Check::Http(check) if speaks_h2(target, &stream) => h2::check(stream, target, check).await,
        Check::Http(_) if is_refused_h2(target, &stream) => {
            Err(CheckFailure::new("TLS: it does not choose HTTP/2 (ALPN)"))
        }
        Check::Http(check) => http::check(&mut stream, target, check).await,
        Check::Tcp { send, expect } => tcp::check(&mut stream, send, expect).await,
        Check::Grpc { service } => grpc::check(stream, target, service).await,
        Check::Agent => agent::check(&mut stream, |line| agent(target, line)).await,
    }
}

/// Whether the connection carries HTTP/2: with TLS where ALPN chose it, in clear where the service's protocol is
/// HTTP/2.
fn speaks_h2(target: &Target, stream: &Stream) -> bool {
    match stream {
        Stream::TlsClient(tls) => tls.get_ref().1.alpn_protocol() == Some(b"h2"),
        _ => target.protocol == UpstreamProtocol::Http2,
    }
}

/// Whether this is the port that requests go to, which need HTTP/2, and the backend has not chosen HTTP/2.
fn is_refused_h2(target: &Target, stream: &Stream) -> bool {
    target.protocol == UpstreamProtocol::Http2 && target.policy.port.is_none() && matches!(stream, Stream::TlsClient(_))
}

/// Connects to one address, or to any; `connected` is called before TLS.
async fn connect(
    target: &Target,
    only: Option<(SocketAddr, Duration)>,
    connected: &dyn Fn(),
) -> Result<Stream, CheckFailure> {
    let mut socket = match &target.address {
        endpoint::Target::Tcp(_) => {
            let tcp = connect_tcp(target, only).await?;
            connected();
            // a check is small and the only thing under way
            tcp.set_nodelay(true)?;
            // closed by a reset once the answer has come: that saves both sides the packets of an orderly end, and this
            // machine a port in TIME_WAIT
            tcp.set_zero_linger()?;
            Socket::Tcp(tcp)
        }
        endpoint::Target::Unix(path) => {
            let unix = UnixStream::connect(path).await;
            Socket::Unix(unix.map_err(|error| {
                CheckFailure::not_connected(error, SocketKind::Unix, FailureTiming::AtOnce, path.display())
            })?)
        }
    };
    // an agent is not the service: it uses neither TLS nor PROXY headers
    if target.policy.kind == Check::Agent {
        return Ok(Stream::Plain(socket));
    }
    if let Some(version) = target.proxy_header {
        socket.write_all(own_connection(version)).await?;
    }
    let Some((config, name)) = &target.tls else { return Ok(Stream::Plain(socket)) };
    let connector = TlsConnector::from(offering(config, &target.policy.kind));
    match connector.connect(name.clone(), socket).await {
        Ok(stream) => Ok(Stream::TlsClient(Box::new(stream))),
        Err(error) => Err(CheckFailure::new(format!("TLS: {error}"))),
    }
}

/// A connection to this address of the backend, or to the first that answers, at the port where it is checked.
async fn connect_tcp(target: &Target, only: Option<(SocketAddr, Duration)>) -> Result<TcpStream, CheckFailure> {
    let (all, port) = (&target.addresses, target.policy.port);
    let at_port = |at: SocketAddr| SocketAddr::new(at.ip(), port.unwrap_or(at.port()));
    let mut addresses: Vec<SocketAddr> = match only {
        Some((only, _)) => vec![at_port(only)],
        None => all.in_order().map(at_port).collect(),
    };
    if let (true, endpoint::Target::Tcp(address)) = (addresses.is_empty(), &target.address) {
        addresses = look_up(&target.host, address.port()).await?;
    }
    let connecting = connect_any(addresses.into_iter(), target.policy.timeout, target.outbound.as_deref());
    let connected = match only {
        // one that was made meanwhile counts, however late this thread comes to look
        Some((_, patience)) => timeout(patience, connecting)
            .await
            .map_err(|_| CheckFailure::new(format!("no connection in {}", shown(patience))))?,
        None => connecting.await,
    };
    match connected {
        Ok((tcp, address)) => {
            // a check at another port says nothing about the address that requests go to, and one of a path nothing about the others
            if port.is_none() && only.is_none() {
                all.works(address);
            }
            Ok(tcp)
        }
        Err(failed) => Err(match shortage::decisive(failed) {
            Some((failed, _)) => CheckFailure::not_connected(failed.error, SocketKind::Ip, failed.timing, failed.to),
            None => CheckFailure::new("it has no address"),
        }),
    }
}

/// The addresses of a name. The resolver blocks, so it has a thread of its own, which goes on when the check is given up.
async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, CheckFailure> {
    if host.is_empty() {
        return Err(CheckFailure::new("it has no address"));
    }
    let (name, permit) = (host.to_owned(), LOOK_UPS.acquire().await);
    let found = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        resolve(&name, port)
    });
    match found.await {
        Ok(found) => found.map_err(|why| CheckFailure::new(format!("its name can't be looked up: {why}"))),
        Err(_) => Err(CheckFailure { reason: "the look-up broke off".into(), is_ours: true }),
    }
}

/// The TLS settings of a check. gRPC needs HTTP/2, whatever the service's requests use.
fn offering(config: &Arc<ClientConfig>, kind: &Check) -> Arc<ClientConfig> {
    if !matches!(kind, Check::Grpc { .. }) || config.alpn_protocols == [b"h2"] {
        return Arc::clone(config);
    }
    let mut config = ClientConfig::clone(config);
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// The PROXY header of a connection that is the proxy's own, with nobody behind it.
fn own_connection(version: ProxyHeader) -> &'static [u8] {
    match version {
        ProxyHeader::V1 => b"PROXY UNKNOWN\r\n",
        // the signature; version 2, LOCAL; no family; nothing follows
        ProxyHeader::V2 => b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00",
    }
}

impl CheckFailure {
    fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into(), is_ours: false }
    }

    /// The failure of a connection that could not be made.
    fn not_connected(error: io::Error, net: SocketKind, timing: FailureTiming, to: impl Display) -> Self {
        let shortage = shortage::of_error(&error, net, timing);
        match shortage {
            Some(shortage) => {
                shortage::report(shortage, to, &error);
                Self { reason: Cow::Borrowed(shortage.as_str()), is_ours: true }
            }
            None => Self::from(error),
        }
    }
}

impl From<io::Error> for CheckFailure {
    fn from(error: io::Error) -> Self {
        let is_ours = shortage::of_error(&error, SocketKind::Ip, FailureTiming::Later).is_some();
        let reason = match error.kind() {
            io::ErrorKind::ConnectionRefused => Cow::Borrowed("connection refused"),
            io::ErrorKind::ConnectionReset => Cow::Borrowed("connection reset"),
            io::ErrorKind::HostUnreachable => Cow::Borrowed("host unreachable"),
            io::ErrorKind::NetworkUnreachable => Cow::Borrowed("network unreachable"),
            _ => Cow::Owned(error.to_string()),
        };
        Self { reason, is_ours }
    }
}

/// A time as people write it: in seconds when it is a whole number of them.
fn shown(time: Duration) -> String {
    let millis = time.as_millis();
    if millis.is_multiple_of(1000) { format!("{} s", millis / 1000) } else { format!("{millis} ms") }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;
    use tokio::io::AsyncReadExt;
    use tokio::sync::mpsc;

    use super::testing::{Server, http, reason, target};
    use super::*;

    #[tokio::test]
    async fn a_check_that_was_given_up_closes_its_connection() {
        let (closed, mut was_closed) = mpsc::unbounded_channel();
        // reads all and says nothing
        let server = Server::serve(move |mut stream| {
            let closed = closed.clone();
            async move {
                while stream.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {}
                let _ = closed.send(());
            }
        })
        .await;
        for kind in [Check::Http(http()), Check::Grpc { service: String::new() }, Check::Agent] {
            let mut target = target(server.address, kind);
            Arc::make_mut(&mut target.policy).timeout = Duration::from_millis(20);
            let local = tokio::task::LocalSet::new();
            let test = async {
                let result = check(&target, &|_, _| Ok(())).await;
                assert_eq!(result, Err(CheckFailure::new("no answer in 20 ms")));
                was_closed.recv().await
            };
            assert!(local.run_until(test).await.is_some());
        }
    }

    #[tokio::test]
    async fn a_backend_behind_a_unix_socket_is_checked_there() {
        let folder = std::env::temp_dir().join(format!("evenkeel-probe-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("backend.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let mut target = target(([127, 0, 0, 1], 1).into(), Check::Tcp { send: Vec::new(), expect: Vec::new() });
        target.address = endpoint::Target::Unix(path);
        assert_eq!(reason(&target).await, "good: connected");
        drop(listener);
        assert_eq!(reason(&target).await, "connection refused");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn being_out_of_descriptors_is_our_trouble() {
        assert!(CheckFailure::from(io::Error::from(Errno::MFILE)).is_ours);
        assert!(!CheckFailure::from(io::Error::from(Errno::CONNREFUSED)).is_ours);
    }

    #[test]
    fn times_are_written_as_people_do() {
        assert_eq!(shown(Duration::from_secs(1)), "1 s");
        assert_eq!(shown(Duration::from_millis(250)), "250 ms");
    }
}
