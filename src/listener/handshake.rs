//! The TLS handshake of a client.

use std::sync::Arc;

use rustls::HandshakeKind;

use super::{client_limits, peer};
use crate::forward::Ingress;
use crate::io::{Socket, Stream};
use crate::layer4::proxy_protocol::Peer;
use crate::protocol::http::Setup;
use crate::tls::{Acceptor, Resolver};

/// Makes the TLS handshake, if the client may begin one. Returns the stream, the name that the client asked for with the certificates that there were for it, and whether ALPN chose
/// HTTP/2;
/// `None` = the handshake failed, or was refused.
pub(super) async fn handshake(
    socket: Socket,
    peer: &mut Peer,
    tls: &Acceptor,
    (setup, ingress): (&Setup, &Ingress),
) -> Option<(Stream, Option<(String, Arc<Resolver>)>, bool)> {
    client_limits::begins_handshake(ingress, &socket, peer.ip())?;
    let (stream, certificates) = match setup.timers.within(setup.limits.header_timeout, tls.accept(socket)).await {
        Some(Ok(done)) => done,
        Some(Err(error)) => {
            tracing::debug!(%error, client = ?peer.address(), "a TLS handshake failed");
            return None;
        }
        None => {
            tracing::debug!(client = ?peer.address(), "a TLS handshake took longer than header_timeout");
            return None;
        }
    };
    let session = stream.get_ref().1;
    if session.handshake_kind() == Some(HandshakeKind::Resumed) {
        client_limits::resumed(ingress, peer.ip());
    }
    peer::secured(peer, session);
    let sni = session.server_name().map(|sni| (sni.to_owned(), certificates));
    let is_h2 = session.alpn_protocol() == Some(b"h2");
    Some((Stream::TlsServer(Box::new(stream)), sni, is_h2))
}
