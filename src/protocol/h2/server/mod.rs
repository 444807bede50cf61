//! The server's side of HTTP/2: a client's connection, from its preface to its end.
//!
//! One task reads the socket, understands frames and writes ([`connection`], [`receive`]); each stream has a task that has its
//! request answered and puts the answer where the first one writes from ([`exchange`]). [`leave`] is how a connection ends, and [`guard`]
//! tells a client that wastes our work from one that cancels now and then.

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

/// Serves a connection; `early` was read from it before.
pub async fn serve<H: Handler + 'static>(io: Stream, early: BytesMut, handler: Rc<H>, setup: Rc<Setup>) {
    let mut connection = Connection::new(io, early, handler, setup);
    poll_fn(|cx| connection.poll(cx)).await;
}

#[cfg(test)]
mod tests;
