//! Opening a connection to a backend.

use std::fmt::Display;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;

use crate::endpoint::paths::Via;
use crate::endpoint::{Endpoint, Target};
use crate::error::{Error, Kind, Result, Retry};
use crate::io::{self, FailureTiming, NotConnected, Socket, Stream};
use crate::shortage::{self, SocketKind};
use crate::timer::Timers;

/// How TLS is used towards a backend.
#[derive(Debug, Clone, Copy)]
pub struct Tls<'a> {
    /// The versions and cipher suites that are offered, and the authorities that are trusted.
    pub config: &'a Arc<rustls::ClientConfig>,
    /// The name that is sent as SNI and that the backend's certificate must have.
    pub name: &'a ServerName<'static>,
}

/// A connection that was made.
#[derive(Debug)]
pub struct Connected {
    /// The connection.
    pub stream: Stream,
    /// How long that took, the TLS handshake included.
    pub took: Duration,
    /// The path that it was made over, where the backend has several.
    pub via: Option<Via>,
}

/// Opens a connection to the first of the backend's addresses that answers, and does the TLS handshake if there is one; all of it
/// within `limit`. `first` is written before everything else, the TLS handshake included: it is a PROXY header, or empty.
pub async fn dial(
    endpoint: &Endpoint,
    tls: Option<Tls<'_>>,
    first: &[u8],
    timers: &Timers,
    limit: Duration,
) -> Result<Connected> {
    let began = Instant::now();
    // boxed, because the future is large, above all for the TLS handshake, and every exchange's future would have room for it
    // although few exchanges dial
    match Box::pin(timers.within(limit, connect(endpoint, tls, first, limit))).await {
        Some(connected) => connected.map(|(stream, via)| Connected { stream, took: began.elapsed(), via }),
        None => Err(Error::new(Kind::ConnectTimeout, "").retry(Retry::Safe)),
    }
}

async fn connect(
    endpoint: &Endpoint,
    tls: Option<Tls<'_>>,
    first: &[u8],
    limit: Duration,
) -> Result<(Stream, Option<Via>)> {
    let (mut socket, net, via) = match &endpoint.target {
        Target::Tcp(_) => {
            let connected = io::connect_any(endpoint.addresses.in_order(), limit, endpoint.outbound.as_deref()).await;
            let (tcp, address) = connected.map_err(all_addresses_failed)?;
            endpoint.addresses.works(address);
            // neither option can fail on a connected socket, and the connection is usable without them
            _ = tcp.set_nodelay(true).and_then(|()| io::keep_alive(&tcp));
            (Socket::Tcp(tcp), SocketKind::Ip, endpoint.addresses.via(address))
        }
        Target::Unix(path) => {
            let unix = UnixStream::connect(path).await;
            let unix =
                unix.map_err(|error| connect_error(error, SocketKind::Unix, FailureTiming::AtOnce, path.display()))?;
            (Socket::Unix(unix), SocketKind::Unix, None)
        }
    };
    if !first.is_empty() {
        let written = socket.write_all(first).await;
        written.map_err(|error| connect_error(error, net, FailureTiming::Later, &endpoint.name))?;
    }
    let Some(tls) = tls else { return Ok((Stream::Plain(socket), via)) };
    match TlsConnector::from(Arc::clone(tls.config)).connect(tls.name.clone(), socket).await {
        Ok(stream) => Ok((Stream::TlsClient(Box::new(stream)), via)),
        Err(error) => Err(Error::new(tls_error_kind(&error), "").retry(Retry::Safe).because(error)),
    }
}

/// The error for a backend when connecting to all of its addresses has failed.
pub(super) fn all_addresses_failed(failed: Vec<NotConnected>) -> Error {
    match shortage::decisive(failed) {
        Some((failed, _)) => connect_error(failed.error, SocketKind::Ip, failed.timing, failed.to),
        None => Error::new(Kind::Connect, "it has no address").retry(Retry::Safe),
    }
}

/// The error for a failed connect. It says whether the backend or this machine is at fault; a lack of resources on this machine
/// is also logged.
pub(super) fn connect_error(error: std::io::Error, net: SocketKind, timing: FailureTiming, to: impl Display) -> Error {
    let kind = match shortage::of_error(&error, net, timing) {
        Some(lack) => {
            shortage::report(lack, to, &error);
            Kind::Shortage(lack)
        }
        None if matches!(error.kind(), ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => Kind::Unreachable,
        None => Kind::Connect,
    };
    Error::new(kind, "").retry(Retry::Safe).because(error)
}

/// The kind of error for a failed handshake: RFC 9209, section 2.3, distinguishes a certificate that is not trusted from all
/// other TLS errors.
fn tls_error_kind(error: &std::io::Error) -> Kind {
    match error.get_ref().and_then(|source| source.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => Kind::UpstreamCertificate,
        _ => Kind::UpstreamTls,
    }
}

/// Whether the backend chose HTTP/2 by ALPN.
pub fn chose_h2(stream: &Stream) -> bool {
    matches!(stream, Stream::TlsClient(tls) if tls.get_ref().1.alpn_protocol() == Some(b"h2"))
}
