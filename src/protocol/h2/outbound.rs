//! The bytes that wait to be written to an HTTP/2 connection.
//!
//! Small pieces are copied together; large pieces of bodies keep their place between them without a copy. One vectored write
//! takes what is there.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;

use crate::io::{Stream, spare};

/// A piece of a body up to this size is copied behind the head of its frame.
const COPY: usize = 4 * 1024;
/// The most pieces in one write.
const SLICES: usize = 16;
/// More of a body is added while fewer bytes than this wait.
const ROOM: usize = 64 * 1024;
/// A buffer whose capacity has grown beyond this is freed after use.
const KEEP: usize = 32 * 1024;

/// The write side of a connection.
#[derive(Debug, Default)]
pub struct Outbound {
    /// The pieces that come before what is in `buf`.
    chunks: VecDeque<Bytes>,
    buf: BytesMut,
    /// The number of bytes in `chunks`.
    chunked: usize,
    /// The number of bytes written so far.
    pub sent: u64,
    /// Whether the stream has bytes in a buffer of its own that have to be flushed.
    unflushed: bool,
}

impl Outbound {
    /// The buffer to append anything small to. It comes after everything that was added before.
    pub fn buffer(&mut self) -> &mut BytesMut {
        if self.buf.capacity() == 0 {
            self.buf = spare::take();
        }
        &mut self.buf
    }

    /// The number of bytes that wait to be written.
    pub fn waiting(&self) -> usize {
        self.chunked + self.buf.len()
    }

    /// Whether nothing is left to write.
    pub fn is_empty(&self) -> bool {
        self.waiting() == 0 && !self.unflushed
    }

    /// Whether more of a body may be added before some of this is written.
    pub fn has_room(&self) -> bool {
        self.waiting() < ROOM
    }

    /// Adds a piece of a body.
    pub fn data(&mut self, data: Bytes) {
        if data.len() <= COPY {
            self.buffer().extend_from_slice(&data);
            return;
        }
        let before = self.buf.split().freeze();
        self.chunked += before.len() + data.len();
        if !before.is_empty() {
            self.chunks.push_back(before);
        }
        self.chunks.push_back(data);
    }

    /// Frees the buffers when nothing is to be written, because an idle connection must not hold any.
    pub fn rest(&mut self) {
        if self.waiting() == 0 {
            self.chunks = VecDeque::new();
            spare::give(std::mem::take(&mut self.buf));
        }
    }

    /// Drops what waits, because the peer reads nothing any more.
    pub fn discard(&mut self) {
        *self = Self { sent: self.sent, ..Self::default() };
    }

    /// Ready when everything is written.
    pub fn poll_flush(&mut self, io: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.waiting() > 0 {
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
        if self.chunks.is_empty() {
            return Pin::new(io).poll_write(cx, &self.buf);
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut used = 0;
        let all = self.chunks.iter().map(|chunk| &chunk[..]).chain(std::iter::once(&self.buf[..]));
        for (slice, bytes) in slices.iter_mut().zip(all) {
            *slice = IoSlice::new(bytes);
            used += 1;
        }
        Pin::new(io).poll_write_vectored(cx, &slices[..used])
    }

    /// Removes everything, as if it were written.
    #[cfg(test)]
    pub fn take(&mut self) -> Bytes {
        let mut all: Vec<u8> = self.chunks.drain(..).flatten().collect();
        all.extend_from_slice(&self.buf.split());
        self.chunked = 0;
        Bytes::from(all)
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(first) = self.chunks.front_mut() {
            let of_it = written.min(first.len());
            self.chunked -= of_it;
            written -= of_it;
            if of_it < first.len() {
                first.advance(of_it);
                return;
            }
            self.chunks.pop_front();
        }
        if written < self.buf.len() {
            self.buf.advance(written);
        } else if self.buf.capacity() > KEEP {
            self.buf = BytesMut::new();
        } else {
            self.buf.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_pieces_keep_their_order() {
        let mut out = Outbound::default();
        out.buffer().extend_from_slice(b"head ");
        out.data(Bytes::from_static(b"small "));
        out.data(Bytes::from(vec![b'x'; COPY + 1]));
        out.buffer().extend_from_slice(b"end");
        assert_eq!(out.waiting(), 11 + COPY + 1 + 3);
        let mut written = Vec::new();
        while out.waiting() > 0 {
            let first = out.chunks.front().map_or(&out.buf[..], |chunk| &chunk[..]);
            let piece = first[..first.len().min(7)].to_vec();
            out.advance(piece.len());
            written.extend(piece);
        }
        assert_eq!(written, [b"head small ", &[b'x'; COPY + 1][..], b"end"].concat());
        assert_eq!(out.chunked, 0);
    }

    #[test]
    fn there_is_room_until_much_waits() {
        let mut out = Outbound::default();
        while out.has_room() {
            out.data(Bytes::from(vec![0; 16 * 1024]));
        }
        assert_eq!(out.waiting(), ROOM);
    }
}
