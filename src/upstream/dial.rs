//! Making a connection to a backend.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;

use crate::endpoint::{Endpoint, Target};
use crate::error::{Error, Kind, Result, Retry};
use crate::io::{self, FailureTiming, NotConnected, Socket, Stream};
use crate::shortage::{self, SocketKind};
use crate::timer::Timers;

/// TLS towards a backend.
#[derive(Debug, Clone, Copy)]
pub struct Tls<'a> {
    /// What is offered and verified.
    pub config: &'a Arc<rustls::ClientConfig>,
    /// The name that is asked for and verified.
    pub name: &'a ServerName<'static>,
}

/// Connects within `limit`, to the first of the backend's addresses that answers, the TLS handshake included. `first` goes before everything else: a PROXY header, or nothing.
pub async fn dial(
    endpoint: &Endpoint,
    tls: Option<Tls<'_>>,
    first: &[u8],
    timers: &Timers,
    limit: Duration,
) -> Result<Stream> {
    // boxed: it is large, above all its TLS handshake, and would lie in every exchange's future, which hardly ever dials
    match Box::pin(timers.within(limit, connect(endpoint, tls, first, limit))).await {
        Some(connected) => connected,
        None => Err(Error::new(Kind::ConnectTimeout, "").retry(Retry::Safe)),
    }
}

async fn connect(endpoint: &Endpoint, tls: Option<Tls<'_>>, first: &[u8], limit: Duration) -> Result<Stream> {
    let (mut socket, net) = match &endpoint.target {
        Target::Tcp(_) => {
            let (tcp, address) = io::connect_any(endpoint.addresses.in_order(), limit).await.map_err(none_connected)?;
            endpoint.addresses.works(address);
            // neither can fail on a socket that is connected; if they do, the connection is as good without
            _ = tcp.set_nodelay(true).and_then(|()| io::keep_alive(&tcp));
            (Socket::Tcp(tcp), SocketKind::Ip)
        }
        Target::Unix(path) => {
            let unix = UnixStream::connect(path).await;
            let unix =
                unix.map_err(|error| not_connected(error, SocketKind::Unix, FailureTiming::AtOnce, path.display()))?;
            (Socket::Unix(unix), SocketKind::Unix)
        }
    };
    if !first.is_empty() {
        let written = socket.write_all(first).await;
        written.map_err(|error| not_connected(error, net, FailureTiming::Later, &endpoint.name))?;
    }
    let Some(tls) = tls else { return Ok(Stream::Plain(socket)) };
    match TlsConnector::from(Arc::clone(tls.config)).connect(tls.name.clone(), socket).await {
        Ok(stream) => Ok(Stream::TlsClient(Box::new(stream))),
        Err(error) => Err(Error::new(not_agreed(&error), "").retry(Retry::Safe).because(error)),
    }
}

/// None of a backend's addresses could be connected to.
pub(super) fn none_connected(failed: Vec<NotConnected>) -> Error {
    match shortage::decisive(failed) {
        Some((failed, _)) => not_connected(failed.error, SocketKind::Ip, failed.timing, failed.to),
        None => Error::new(Kind::Connect, "it has no address").retry(Retry::Safe),
    }
}

/// The backend's trouble, or ours, which is told.
pub(super) fn not_connected(error: std::io::Error, net: SocketKind, timing: FailureTiming, to: impl Display) -> Error {
    let kind = match shortage::of_error(&error, net, timing) {
        Some(lack) => {
            shortage::report(lack, to, &error);
            Kind::Shortage(lack)
        }
        None => Kind::Connect,
    };
    Error::new(kind, "").retry(Retry::Safe).because(error)
}

/// Why a handshake failed: RFC 9209, section 2.3, tells a certificate that is not believed from all else.
fn not_agreed(error: &std::io::Error) -> Kind {
    match error.get_ref().and_then(|source| source.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => Kind::UpstreamCertificate,
        _ => Kind::UpstreamTls,
    }
}

/// Whether the backend chose HTTP/2 by ALPN.
pub fn chose_h2(stream: &Stream) -> bool {
    matches!(stream, Stream::TlsClient(tls) if tls.get_ref().1.alpn_protocol() == Some(b"h2"))
}
