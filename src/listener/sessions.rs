//! From a connection to a session of Layer 4: what has to be known of the client before a backend can be chosen.

use std::net::IpAddr;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;

use super::accept::Accepted;
use crate::error::Kind;
use crate::forward::session::{self, Arrival};
use crate::io::{Socket, Stream};
use crate::protocol::client_hello::{self, ClientHello, Progress};
use crate::protocol::h1::server::Setup;

/// Serves a connection whose bytes mean nothing to us. `server_name` is what the client asked for, where its TLS ends here.
pub(super) async fn serve(stream: Stream, address: Option<IpAddr>, server_name: Option<Box<str>>, serving: &Accepted) {
    let client = address.map(|address| address.to_canonical());
    let arrival = Arrival { stream, client, server_name, early: Bytes::new() };
    session::serve(arrival, &serving.ingress, &serving.settings.metrics).await;
}

/// Serves a connection whose TLS is passed on: it goes where the name that the client asks for says.
pub(super) async fn by_name(mut socket: Socket, address: Option<IpAddr>, serving: &Accepted, setup: &Setup) {
    let client = address.map(|address| address.to_canonical());
    let limit = setup.limits.header_timeout;
    let (hello, early) = match setup.timers.within(limit, hello(&mut socket)).await {
        Some(Ok(read)) => read,
        Some(Err(reason)) => {
            tracing::debug!(?client, reason, "a connection is not TLS that can be passed on");
            return session::refuse(client, &serving.ingress, Kind::MalformedRequest);
        }
        None => {
            tracing::debug!(?client, "a ClientHello took longer than header_timeout");
            return session::refuse(client, &serving.ingress, Kind::SlowRequest);
        }
    };
    let arrival = Arrival { stream: Stream::Plain(socket), client, server_name: hello.server_name, early };
    session::serve(arrival, &serving.ingress, &serving.settings.metrics).await;
}

/// Reads until the client has said what it wants; with all that was read.
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
