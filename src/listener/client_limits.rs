//! What each client may have of connections, TLS handshakes and the bandwidth of sessions (`[listener.client_limits]`).
//!
//! What is above is closed by a reset, before anything is read or answered: an end in good order would keep the connection in the kernel for a while, which is
//! what a client that floods wants.

use std::net::IpAddr;

use super::settings::Accepted;
use crate::bandwidth::Paces;
use crate::forward::Ingress;
use crate::io::Socket;
use crate::layer4::proxy_protocol::Peer;

/// Counts a connection whose client a PROXY header has named. `None` = the client may not have it, and it is to be closed. Where there are no such
/// headers, it was counted when it was accepted.
pub(super) fn introduced(accepted: &mut Accepted, socket: &Socket, peer: &Peer) -> Option<()> {
    let Some((snapshot, listener)) = accepted.ingress.current() else { return Some(()) };
    let listener = &snapshot.listeners[listener];
    if !listener.proxy_protocol || listener.client_limits.is_none() {
        return Some(());
    }
    match listener.connects(peer.ip(), accepted.ingress.worker().index) {
        Ok(place) => {
            accepted.place = place;
            Some(())
        }
        Err(_) => {
            socket.reset_on_close();
            None
        }
    }
}

/// Counts a TLS handshake that is about to begin. `None` = the client may not begin it, and the connection is to be closed.
pub(super) fn begins_handshake(ingress: &Ingress, socket: &Socket, client: Option<IpAddr>) -> Option<()> {
    let Some((snapshot, listener)) = ingress.current() else { return Some(()) };
    if snapshot.listeners[listener].shakes_hands(client, ingress.worker().index).is_err() {
        socket.reset_on_close();
        return None;
    }
    Some(())
}

/// A handshake has resumed a session.
pub(super) fn resumed(ingress: &Ingress, client: Option<IpAddr>) {
    if let Some((snapshot, listener)) = ingress.current() {
        snapshot.listeners[listener].resumed(client);
    }
}

/// What a session is held to.
pub(super) fn paces(accepted: &Accepted) -> Paces {
    let Some((snapshot, listener)) = accepted.ingress.current() else { return Paces::default() };
    let worker = accepted.ingress.worker();
    snapshot.listeners[listener].paces(accepted.place.as_ref(), &worker.timers, worker.index)
}
