//! From a connection to a session of Layer 4: what has to be known of the client before a backend can be chosen.

use std::net::SocketAddr;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;

use super::handshake::handshake;
use super::settings::Accepted;
use super::{client_limits, peer};
use crate::bandwidth::Paces;
use crate::error::Kind;
use crate::forward::session::{self, Arrival};
use crate::io::{Socket, Stream};
use crate::layer4::client_hello::{self, ClientHello, Progress};
use crate::layer4::proxy_protocol::Peer;
use crate::policy::ListenerProtocol;
use crate::protocol::http::Setup;

/// Serves a connection whose bytes are passed on without being looked at.
pub(super) async fn serve(
    socket: Socket,
    address: Option<SocketAddr>,
    protocol: ListenerProtocol,
    mut serving: Accepted,
    setup: Rc<Setup>,
) {
    // boxed, so that a session that has begun has no room for these first steps
    let Some((arrival, peer)) = Box::pin(arrive(socket, address, protocol, &mut serving, setup)).await else { return };
    session::serve(arrival, &peer, &serving.ingress, &serving.settings.metrics).await;
}

/// Finds out what has to be known of the client; `None` = there will be no session.
async fn arrive(
    mut socket: Socket,
    address: Option<SocketAddr>,
    protocol: ListenerProtocol,
    serving: &mut Accepted,
    setup: Rc<Setup>,
) -> Option<(Arrival, Peer)> {
    let mut peer = peer::identify(&mut socket, address, &serving.ingress, &serving.settings.metrics).await?;
    client_limits::introduced(serving, &socket, &peer)?;
    let arrival = match (protocol, &serving.settings.tls) {
        (ListenerProtocol::Tls, _) => named(socket, &mut peer, serving, &setup).await?,
        (_, None) => {
            Arrival { stream: plain(socket)?, server_name: None, early: Bytes::new(), paces: Paces::default() }
        }
        (_, Some(tls)) => {
            let (stream, sni, _) = handshake(socket, &mut peer, tls, (&setup, &serving.ingress)).await?;
            let server_name = sni.map(|(name, _)| name.into());
            Arrival { stream, server_name, early: Bytes::new(), paces: Paces::default() }
        }
    };
    let paces = client_limits::paces(serving);
    Some((Arrival { paces, ..arrival }, peer))
}

/// The stream of a connection in clear, registered with the event loop because a session waits for it from the start.
fn plain(mut socket: Socket) -> Option<Stream> {
    socket.watch().ok()?;
    Some(Stream::Plain(socket))
}

/// Reads the name that a client asks for whose TLS is passed on: the name decides where to.
async fn named(mut socket: Socket, peer: &mut Peer, serving: &Accepted, setup: &Setup) -> Option<Arrival> {
    let client = peer.ip();
    let why = match setup.timers.within(setup.limits.header_timeout, hello(&mut socket)).await {
        Some(Ok((hello, early))) => {
            if peer.keeps_more() {
                peer.asked_for(hello.server_name.as_deref(), None);
            }
            let server_name = hello.server_name;
            return Some(Arrival { stream: plain(socket)?, server_name, early, paces: Paces::default() });
        }
        Some(Err(reason)) => {
            tracing::debug!(?client, reason, "a connection is not TLS that can be passed on");
            Kind::MalformedRequest
        }
        None => {
            tracing::debug!(?client, "a ClientHello took longer than header_timeout");
            Kind::SlowRequest
        }
    };
    session::refuse(peer, &serving.ingress, why);
    None
}

/// Reads until the ClientHello is complete; returns it with all bytes that were read.
async fn hello(socket: &mut Socket) -> Result<(ClientHello, Bytes), &'static str> {
    let (mut read, mut needed) = (BytesMut::with_capacity(2048), 0);
    loop {
        match socket.read_buf(&mut read).await {
            Ok(0) => return Err("it ended before its ClientHello did"),
            Ok(_) if read.len() < needed => continue,
            Ok(_) => {}
            Err(_) => return Err("it broke before its ClientHello was there"),
        }
        match client_hello::read(&read) {
            Progress::Need(more) => needed = more,
            Progress::Hello(hello) => return Ok((hello, read.freeze())),
            Progress::NotTls(reason) => return Err(reason),
        }
    }
}
