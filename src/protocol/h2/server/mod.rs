//! The server's side of HTTP/2: a client's connection, from its preface to its end.
//!
//! One task reads the socket, handles frames and writes ([`connection`], [`receive`]). Each stream has a task that has its
//! request handled and queues the response for the first task to write ([`exchange`]). [`shutdown`](connection::shutdown) ends a connection. [`guard`]
//! tells a client that wastes our work from one that cancels a request now and then.

mod body;
mod connection;
mod exchange;
pub(super) mod head;
mod receive;

use std::future::poll_fn;
use std::rc::Rc;

use bytes::BytesMut;

pub use body::RequestBody;
use connection::Connection;

use crate::io::Stream;
use crate::protocol::http::Handler;
use crate::protocol::http::Setup;

/// Serves a connection, of which `early` was already read.
pub async fn serve<H: Handler + 'static>(io: Stream, early: BytesMut, handler: Rc<H>, setup: Rc<Setup>) {
    let mut connection = Connection::new(io, early, handler, setup);
    poll_fn(|cx| connection.poll(cx)).await;
}

#[cfg(test)]
mod tests;
