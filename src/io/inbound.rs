//! The read side of an HTTP connection, of any version.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::AsyncReadExt;

use crate::io::{SMALL_READ, Stream};

/// The largest read of a body whose bytes arrive fast, in bytes.
const BULK: usize = 128 * 1024;

/// Bytes that were read and not used yet.
#[derive(Debug, Default)]
pub struct Inbound {
    /// The unused bytes.
    pub buf: BytesMut,
    /// Whether the peer has ended its side.
    pub eof: bool,
    /// The number of bytes read so far.
    pub received: u64,
    /// The room to allocate for the next read. It grows while reads fill it, so that small messages take little memory. 0 means
    /// that memory is allocated only after the read.
    room: usize,
}

impl Inbound {
    /// Starts with bytes that were read before.
    pub fn new(buf: BytesMut) -> Self {
        Self { buf, ..Self::default() }
    }

    /// To be called when nothing is read for a while: frees the buffer if it is empty, so that an idle connection holds none.
    pub fn rest(&mut self) {
        if self.buf.is_empty() {
            self.buf = BytesMut::new();
        }
    }

    /// Reads once. With large reads, makes at least `least` bytes of room first. Ready with `false` at the end of the stream.
    pub fn poll_fill(&mut self, io: &mut Stream, cx: &mut Context<'_>, least: usize) -> Poll<io::Result<bool>> {
        if self.eof {
            return Poll::Ready(Ok(false));
        }
        let (read, available) = match self.room {
            0 => (ready!(io.poll_append(cx, &mut self.buf))?, SMALL_READ),
            room => {
                if self.buf.capacity() - self.buf.len() < least {
                    self.buf.reserve(room);
                }
                let available = self.buf.capacity() - self.buf.len();
                (ready!(pin!(io.read_buf(&mut self.buf)).poll(cx))?, available)
            }
        };
        if read >= available {
            self.room = (self.room.max(SMALL_READ) * 4).min(BULK);
        }
        self.eof = read == 0;
        self.received += read as u64;
        Poll::Ready(Ok(read > 0))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::UnixStream;

    use super::*;
    use crate::io::Socket;

    #[tokio::test(flavor = "local")]
    async fn what_waits_holds_no_buffer_and_what_comes_takes_as_much_as_it_is() {
        let (mut client, ours) = UnixStream::pair().unwrap();
        let (mut inbound, mut io) = (Inbound::default(), Stream::Plain(Socket::Unix(ours)));
        let waiting = std::future::poll_fn(|cx| Poll::Ready(inbound.poll_fill(&mut io, cx, 1024).is_pending())).await;
        assert!(waiting);
        assert_eq!(inbound.buf.capacity(), 0);
        client.write_all(&[7; 100]).await.unwrap();
        assert!(std::future::poll_fn(|cx| inbound.poll_fill(&mut io, cx, 1024)).await.unwrap());
        assert_eq!(inbound.buf, [7; 100][..]);
        assert!(inbound.buf.capacity() < 200, "{}", inbound.buf.capacity());
        inbound.rest();
        assert_eq!(inbound.buf.len(), 100, "nothing of a message is lost");
        inbound.buf.clear();
        inbound.rest();
        assert_eq!(inbound.buf.capacity(), 0);
    }

    #[tokio::test(flavor = "local")]
    async fn where_much_comes_reads_become_large() {
        let (mut client, ours) = UnixStream::pair().unwrap();
        let (mut inbound, mut io) = (Inbound::default(), Stream::Plain(Socket::Unix(ours)));
        client.write_all(&[7; 100_000]).await.unwrap();
        let mut reads = Vec::new();
        while inbound.received < 100_000 {
            let before = inbound.received;
            assert!(std::future::poll_fn(|cx| inbound.poll_fill(&mut io, cx, 1024)).await.unwrap());
            reads.push(inbound.received - before);
        }
        assert_eq!(reads[0], SMALL_READ as u64);
        assert!(reads.len() < 8, "{reads:?}");
        assert!(inbound.buf.iter().all(|&byte| byte == 7));
    }
}
