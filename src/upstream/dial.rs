//! Making a connection to a backend.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::endpoint::{Endpoint, Target};
use crate::error::{Error, Kind, Result, Retry};
use crate::io::{self, Socket, Stream};
use crate::timer::Timers;

/// TLS towards a backend.
#[derive(Debug, Clone, Copy)]
pub struct Tls<'a> {
    /// What is offered and verified.
    pub config: &'a Arc<rustls::ClientConfig>,
    /// The name that is asked for and verified.
    pub name: &'a ServerName<'static>,
}

/// Connects within `limit`, the TLS handshake included. `first` goes before everything else: a PROXY header, or nothing.
pub async fn dial(
    endpoint: &Endpoint,
    tls: Option<Tls<'_>>,
    first: &[u8],
    timers: &Timers,
    limit: Duration,
) -> Result<Stream> {
    // boxed: it is large, above all its TLS handshake, and would lie in every exchange's future, which hardly ever dials
    match Box::pin(timers.within(limit, connect(endpoint, tls, first))).await {
        Some(connected) => connected,
        None => Err(Error::new(Kind::ConnectTimeout, "").retry(Retry::Safe)),
    }
}

async fn connect(endpoint: &Endpoint, tls: Option<Tls<'_>>, first: &[u8]) -> Result<Stream> {
    let socket = match &endpoint.target {
        Target::Tcp(address) => TcpStream::connect(address).await.and_then(|tcp| {
            tcp.set_nodelay(true)?;
            io::keep_alive(&tcp)?;
            Ok(Socket::Tcp(tcp))
        }),
        Target::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
    };
    let mut socket = socket.map_err(not_connected)?;
    if !first.is_empty() {
        socket.write_all(first).await.map_err(not_connected)?;
    }
    let Some(tls) = tls else { return Ok(Stream::Plain(socket)) };
    match TlsConnector::from(Arc::clone(tls.config)).connect(tls.name.clone(), socket).await {
        Ok(stream) => Ok(Stream::TlsClient(Box::new(stream))),
        Err(error) => Err(Error::new(not_agreed(&error), "").retry(Retry::Safe).because(error)),
    }
}

fn not_connected(error: std::io::Error) -> Error {
    // EMFILE and ENFILE: out of file descriptors, which is our trouble and not the backend's
    let kind = match error.raw_os_error() {
        Some(23 | 24) => Kind::Overload,
        _ => Kind::Connect,
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
