//! HTTP/2 towards clients (RFC 9113), by our own hand: streams become [`Request`](super::Request)s for the same handler that
//! serves HTTP/1.
//!
//! One task reads the socket, understands frames and writes ([`connection`], [`receive`]); each stream has a task that has its
//! request answered and puts the answer where the first one writes from ([`exchange`]). What they share is the [`link`] and the
//! [`stream`]. Bytes are made and understood without any state in [`frame`], windows are counted in [`flow`], and [`guard`]
//! tells a client that wastes our work from one that cancels now and then.

mod body;
mod connection;
mod exchange;
mod flow;
mod frame;
mod guard;
mod head;
mod leave;
mod link;
mod outbound;
mod receive;
mod stream;

use std::future::poll_fn;
use std::rc::Rc;

use bytes::BytesMut;

pub use body::RequestBody;
use connection::Connection;
pub use exchange::Interim;

use super::Handler;
use super::h1::server::Setup;
use crate::io::Stream;

/// What a client may have on its way to us: for a stream, and for the connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Windows before anybody said anything (section 6.9.2).
const DEFAULT_WINDOW: u32 = 65_535;

/// Serves a connection; `early` was read from it before.
pub async fn serve<H: Handler + 'static>(io: Stream, early: BytesMut, handler: Rc<H>, setup: &Setup) {
    let mut connection = Connection::new(io, early, handler, setup);
    poll_fn(|cx| connection.poll(cx)).await;
}

#[cfg(test)]
mod tests;
