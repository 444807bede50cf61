//! Who a new connection is from: its peer, or, behind a proxy that sends PROXY headers, the client that the header
//! names.

use std::net::SocketAddr;

use rustls::ServerConnection;

use crate::forward::Ingress;
use crate::io::Socket;
use crate::layer4::proxy_protocol::{self, Failure, Peer, Refused, Tls};
use crate::metrics::{ListenerMetrics, Refusal};
use crate::snapshot::Listener;
use crate::tls::describe;

/// This is logged as a warning for the 1st, the 2nd, the 4th, the 8th, ... refusal of a kind on each worker.
const REFUSED: &str = "a connection was refused for its PROXY header";

/// Finds out who a new connection is from. Where the listener wants PROXY headers, one is read off the socket first;
/// `None` = there was none that may be believed, and the connection is to be closed.
pub(super) async fn identify(
    socket: &mut Socket,
    source: Option<SocketAddr>,
    ingress: &Ingress,
    metrics: &ListenerMetrics,
) -> Option<Peer> {
    let (snapshot, listener) = ingress.current()?;
    let listener = &snapshot.listeners[listener];
    let peer = match snapshot.sends_proxy_headers {
        true => Peer::new(source).reached(socket.local()),
        false => Peer::new(source),
    };
    if !listener.proxy_protocol {
        return Some(peer);
    }
    metrics.wants_header(ingress.worker().index);
    // over a Unix socket there is no address to tell peers by: the file's permissions decide who may connect
    let trusted = source.is_none_or(|source| listener.trusts(source.ip()));
    let (name, limit) = (listener.name.clone(), listener.limits.header_timeout);
    // a snapshot must not be held for as long as the header takes
    drop(snapshot);
    // boxed, because few listeners want headers, and every connection would have room for reading one
    let header = match trusted {
        false => Err((Refusal::Untrusted, None)),
        true => match ingress.worker().timers.within(limit, Box::pin(proxy_protocol::read(socket))).await {
            None => Err((Refusal::Timeout, None)),
            Some(Ok(header)) => Ok(header),
            Some(Err(Failure::Closed)) => return None,
            Some(Err(Failure::Broken(error))) => {
                tracing::debug!(listener = %name, ?source, %error, "a connection broke before its PROXY header");
                return None;
            }
            Some(Err(Failure::Refused(refused))) => Err((reason(refused), Some(refused))),
        },
    };
    match header {
        Ok(header) => {
            tracing::debug!(listener = %name, ?source, ?header, "a connection is introduced by a PROXY header");
            Some(peer.introduced(header))
        }
        Err((refusal, why)) => {
            let count = metrics.refused(ingress.worker().index, refusal);
            let why = why.map(tracing::field::display);
            let (source, reason) = (source.map(tracing::field::display), refusal.as_str());
            // a wrongly configured peer may do this a thousand times a second
            match count.is_power_of_two() {
                true => tracing::warn!(listener = %name, source, reason, why, count, "{REFUSED}"),
                false => tracing::debug!(listener = %name, source, reason, why, "{REFUSED}"),
            }
            None
        }
    }
}

/// Keeps what is known of the client's TLS session, for backends that are told of it by a PROXY header.
pub(super) fn secured(peer: &mut Peer, session: &ServerConnection) {
    if !peer.keeps_more() {
        return;
    }
    peer.asked_for(session.server_name(), session.alpn_protocol());
    // a certificate that was shown has been verified, or there would be no connection
    let certificate = session.peer_certificates().and_then(|chain| chain.first());
    peer.secured(Tls {
        version: session.protocol_version().map_or("unknown", describe::version),
        cipher: session.negotiated_cipher_suite().map_or("unknown", |suite| describe::cipher(suite.suite())),
        verified: certificate.is_some(),
        common_name: certificate.and_then(describe::common_name).map(Into::into),
    });
}

/// Whether a peer or a client at `address` is one of the proxies that `listener` trusts.
pub(super) fn is_trusted(listener: &Listener, address: Option<SocketAddr>) -> bool {
    address.is_some_and(|address| listener.trusts(address.ip()))
}

fn reason(refused: Refused) -> Refusal {
    match refused {
        Refused::Missing => Refusal::Missing,
        Refused::Truncated => Refusal::Truncated,
        Refused::Malformed(_) | Refused::TooLarge | Refused::Checksum => Refusal::Malformed,
    }
}
