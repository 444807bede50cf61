//! The end of a client's connection: it gets to read all that was sent, or sees that what it got is not whole.

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
use crate::protocol::h1::wire::{ROOM, Wire};
use crate::protocol::http::length::Length;
use crate::timer::Timers;

/// How long, and how much, is read from a client that sends on after a last answer, so that it gets to read that answer: data
/// that arrives on a closed socket makes the kernel send RST, which discards what the client has not read yet.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1024 * 1024;

/// Closes so that the client gets to read all that was sent.
pub(super) async fn close(wire: &RefCell<Wire>, timers: &Timers) {
    if !wire.borrow_mut().ends_cleanly() {
        // boxed: few connections get here, and all would have room for it
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
            match ready!(wire.inbound.poll_fill(&mut wire.io, cx, ROOM)) {
                Ok(true) => left = left.saturating_sub(wire.inbound.buf.len()),
                _ => break,
            }
            // so that what arrives next is still looked for
            wire.expect_anything();
        }
        Poll::Ready(())
    });
    let _ = timers.within(LINGER, closing).await;
}

impl Wire {
    /// Whatever the client sends on is not looked at, and is not in the way of its reading our last words.
    pub(super) fn expect_anything(&mut self) {
        self.decoder = Decoder::new(Length::UntilClose, Kind::MalformedRequest);
    }

    /// Whether the client has sent, or is still to send, something that nobody reads.
    fn is_unread(&self) -> bool {
        !self.decoder.is_done() || !self.inbound.buf.is_empty()
    }

    /// Ends our side in clear, which is when the last bytes leave: whatever the client does now, they are on their way. Tells whether
    /// nothing is left to be read, so that letting go of the socket ends it in order.
    fn ends_cleanly(&mut self) -> bool {
        let Stream::Plain(socket) = &self.io else { return false };
        // one that is gone need not be told
        let _: io::Result<()> = socket.end();
        if self.io.has_more() {
            // nobody looked since the request came
            self.expect_anything();
        }
        !self.is_unread()
    }

    /// Makes the end of this connection a reset, where a clean end would say that a body is whole.
    pub(super) fn reset_on_close(&self) {
        if let Stream::Plain(socket) = &self.io {
            socket.reset_on_close();
        }
    }
}
