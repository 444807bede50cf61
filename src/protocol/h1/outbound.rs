//! The bytes that wait to be written to an HTTP/1 connection. They are written with as few system calls as possible.
//!
//! They are in three parts: small pieces (a head, small bodies, chunk framing) that are copied together; one large piece of a
//! body that is not copied; and small pieces after that. One vectored write takes all three.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use tokio::io::AsyncWrite;

use super::encode::{self, Coding};
use crate::io::{Stream, spare};

/// A piece of a body up to this size is copied behind the bytes before it. That is cheaper than giving the kernel another buffer,
/// and under TLS it makes one record instead of two.
const COPY: usize = 8 * 1024;

/// The write side of a connection.
#[derive(Debug, Default)]
pub struct Outbound {
    head: BytesMut,
    piece: Bytes,
    tail: BytesMut,
    /// The number of bytes written so far.
    pub sent: u64,
    /// Whether nothing will follow what is here.
    last: bool,
    /// Whether the stream has bytes in a buffer of its own that have to be flushed.
    unflushed: bool,
}

impl Outbound {
    /// The buffer to append a head, or anything small, to. It comes after everything that was added before.
    pub fn buffer(&mut self) -> &mut BytesMut {
        let buf = if self.piece.is_empty() { &mut self.head } else { &mut self.tail };
        if buf.capacity() == 0 {
            *buf = spare::take();
        }
        buf
    }

    /// Whether another piece of a body may be added before a flush.
    pub fn has_room(&self) -> bool {
        self.piece.is_empty() && self.head.len() < 4 * COPY
    }

    /// Whether there is nothing left to write.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty() && self.piece.is_empty() && self.tail.is_empty() && !self.unflushed
    }

    /// Adds a piece of a body. Only to be called when there [is room](Self::has_room).
    pub fn data(&mut self, data: Bytes, coding: Coding) {
        if data.is_empty() {
            return;
        }
        if coding == Coding::Chunked {
            chunk_size(self.buffer(), data.len());
        }
        if data.len() <= COPY {
            self.buffer().extend_from_slice(&data);
        } else {
            self.piece = data;
        }
        if coding == Coding::Chunked {
            self.buffer().extend_from_slice(b"\r\n");
        }
    }

    /// Ends a body: in the chunked coding with the last chunk and the trailer section.
    pub fn end(&mut self, coding: Coding, trailers: Option<&HeaderMap>) {
        if coding == Coding::Plain {
            return;
        }
        let out = self.buffer();
        out.extend_from_slice(b"0\r\n");
        if let Some(trailers) = trailers {
            encode::fields(out, trailers);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Declares that nothing will follow what is here, so that the connection may be closed together with the last bytes.
    pub fn finish(&mut self) {
        self.last = true;
    }

    /// Ready when everything is written.
    pub fn poll_flush(&mut self, io: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !(self.head.is_empty() && self.piece.is_empty() && self.tail.is_empty()) {
            let written = ready!(self.poll_write(io, cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += written as u64;
            self.advance(written);
            self.unflushed = io.is_buffered();
        }
        if self.unflushed {
            ready!(Pin::new(io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(&self, io: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.piece.is_empty() && self.tail.is_empty() {
            if self.last {
                return io.poll_write_last(cx, &self.head);
            }
            return Pin::new(io).poll_write(cx, &self.head);
        }
        let all = [IoSlice::new(&self.head), IoSlice::new(&self.piece), IoSlice::new(&self.tail)];
        let first = all.iter().position(|s| !s.is_empty()).unwrap_or(0);
        Pin::new(io).poll_write_vectored(cx, &all[first..])
    }

    fn advance(&mut self, mut written: usize) {
        let of_head = written.min(self.head.len());
        advance(&mut self.head, of_head);
        written -= of_head;
        let of_piece = written.min(self.piece.len());
        self.piece.advance(of_piece);
        if self.piece.is_empty() {
            // drops the reference to the piece's memory
            self.piece = Bytes::new();
        }
        advance(&mut self.tail, written - of_piece);
    }
}

/// Removes the written bytes. A buffer that is empty after that is returned to the spare ones.
fn advance(buf: &mut BytesMut, written: usize) {
    if written < buf.len() {
        buf.advance(written);
    } else if buf.capacity() > 0 {
        spare::give(std::mem::take(buf));
    }
}

fn chunk_size(out: &mut BytesMut, size: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 18];
    let mut at = 16;
    text[16..].copy_from_slice(b"\r\n");
    let mut left = size;
    loop {
        at -= 1;
        text[at] = DIGITS[left % 16];
        left /= 16;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&text[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_chunks_are_hexadecimal() {
        for size in [1, 9, 10, 255, 256, 65_536, usize::MAX] {
            let mut out = BytesMut::new();
            chunk_size(&mut out, size);
            assert_eq!(out, format!("{size:x}\r\n").as_bytes());
        }
    }

    #[test]
    fn small_and_large_pieces_keep_their_order() {
        let mut out = Outbound::default();
        out.buffer().extend_from_slice(b"head ");
        out.data(Bytes::from_static(b"small "), Coding::Plain);
        out.data(Bytes::from(vec![b'x'; COPY + 1]), Coding::Chunked);
        assert!(!out.has_room());
        out.end(Coding::Chunked, None);
        assert_eq!(out.head, b"head small 2001\r\n"[..]);
        assert_eq!(out.piece.len(), COPY + 1);
        assert_eq!(out.tail, b"\r\n0\r\n\r\n"[..]);
        out.advance(10);
        assert_eq!(out.head, b" 2001\r\n"[..]);
        out.advance(7 + COPY);
        assert_eq!((out.head.len(), out.piece.len()), (0, 1));
        out.advance(3);
        assert_eq!(out.tail, b"0\r\n\r\n"[..]);
    }
}
