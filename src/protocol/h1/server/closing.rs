//! Closing a client's connection: so that the client can read everything that was sent, or, if that is incomplete, so that it
//! sees that.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;

use crate::error::Kind;
use crate::io::Stream;
use crate::protocol::h1::decode::Decoder;
use crate::protocol::h1::wire::{READ_SIZE, Wire};
use crate::protocol::http::length::Length;
use crate::timer::Timers;

/// How long, and how many bytes, we go on reading from a client after our last response. Data that arrives on a closed socket
/// makes the kernel send RST, which discards what the client has not read yet (RFC 9112, section 9.6).
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1024 * 1024;

/// Closes the connection so that the client can read everything that was sent.
pub(super) async fn close(wire: &RefCell<Wire>, timers: &Timers) {
    if !wire.borrow_mut().end_our_side() {
        // boxed, because few connections get here, and the future of each would hold memory for it
        Box::pin(linger(wire, timers)).await;
    }
}

async fn linger(wire: &RefCell<Wire>, timers: &Timers) {
    let mut left = LINGER_BYTES;
    let closing = poll_fn(|cx| {
        let wire = &mut *wire.borrow_mut();
        let _ = ready!(Pin::new(&mut wire.io).poll_shutdown(cx));
        let unread = wire.is_unread();
        while unread && left > 0 {
            wire.inbound.buf.clear();
            match ready!(wire.inbound.poll_fill(&mut wire.io, cx, READ_SIZE)) {
                Ok(true) => left = left.saturating_sub(wire.inbound.buf.len()),
                _ => break,
            }
            // bytes that arrive next are to be discarded as well
            wire.expect_anything();
        }
        Poll::Ready(())
    });
    let _ = timers.within(LINGER, closing).await;
}

impl Wire {
    /// From now on the client's bytes are discarded, whatever they are, so that they don't keep it from reading our last
    /// response.
    pub(super) fn expect_anything(&mut self) {
        self.decoder = Decoder::new(Length::UntilClose, Kind::MalformedRequest);
    }

    /// Whether the client has sent, or announced, something that was not read.
    fn is_unread(&self) -> bool {
        !self.decoder.is_done() || !self.inbound.buf.is_empty()
    }

    /// Ends our side of a connection in clear; that is when its last bytes are sent. Returns whether nothing is left to be read,
    /// so that dropping the socket closes it without a reset.
    fn end_our_side(&mut self) -> bool {
        let Stream::Plain(socket) = &self.io else { return false };
        // an error means that the client is gone
        let _: io::Result<()> = socket.end();
        if self.io.has_more() {
            // these bytes arrived after the request, and nobody has read them
            self.expect_anything();
        }
        !self.is_unread()
    }

    /// Makes the connection end with a reset, where a clean end would tell the client that the body is complete.
    pub(super) fn reset_on_close(&self) {
        if let Stream::Plain(socket) = &self.io {
            socket.reset_on_close();
        }
    }
}
