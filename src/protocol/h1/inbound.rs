//! The read side of an HTTP/1 connection.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::AsyncReadExt;

use crate::io::Stream;

/// Room for a read while heads are expected.
const HEAD: usize = 4 * 1024;
/// Room for a read of a body that fills what it is given.
const BULK: usize = 128 * 1024;
/// A buffer with more room than this is not kept while nothing is read.
const KEEP: usize = 8 * 1024;

/// What has been read and not been used.
#[derive(Debug, Default)]
pub struct Inbound {
    /// The bytes.
    pub buf: BytesMut,
    /// The peer has ended its side.
    pub eof: bool,
    /// Bytes read so far.
    pub received: u64,
    /// Room made for the next read; grows while reads fill it, so that little answers take little memory.
    room: usize,
}

impl Inbound {
    /// Starts with what was read before.
    pub fn new(buf: BytesMut) -> Self {
        Self { buf, ..Self::default() }
    }

    /// Nothing is to be read for a while: a large buffer is given back. A connection that waits holds little then, and whoever reads
    /// next gets memory that is still in the processor's caches.
    pub fn rest(&mut self) {
        if self.buf.is_empty() && self.buf.capacity() > KEEP {
            self.buf = BytesMut::new();
        }
    }

    /// Reads once, into at least `least` bytes of room. Ready with `false` at the end of the stream.
    pub fn poll_fill(&mut self, io: &mut Stream, cx: &mut Context<'_>, least: usize) -> Poll<io::Result<bool>> {
        if self.eof {
            return Poll::Ready(Ok(false));
        }
        let room = self.room.max(HEAD);
        if self.buf.capacity() - self.buf.len() < least {
            self.buf.reserve(room);
        }
        let available = self.buf.capacity() - self.buf.len();
        let read = ready!(pin!(io.read_buf(&mut self.buf)).poll(cx))?;
        self.room = if read == available { (room * 4).min(BULK) } else { room };
        self.eof = read == 0;
        self.received += read as u64;
        Poll::Ready(Ok(read > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_buffer_is_given_back_when_nothing_is_in_it_and_a_small_one_is_kept() {
        let with_room = |room, bytes: &[u8]| {
            let mut inbound = Inbound::new(BytesMut::with_capacity(room));
            inbound.buf.extend_from_slice(bytes);
            inbound.rest();
            inbound.buf.capacity() > 0
        };
        assert!(with_room(HEAD, b""));
        assert!(!with_room(BULK, b""));
        assert!(with_room(BULK, b"the beginning of the next message"));
    }
}
