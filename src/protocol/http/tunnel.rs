//! Two streams joined: what an upgraded connection is until either side ends it.

use std::fmt::Debug;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::io::Stream;
use crate::timer::{Alarm, Timers};

/// Room for one read.
const ROOM: usize = 16 * 1024;

/// An answer that may turn the connection over to another protocol.
pub trait MayTunnel {
    /// The relay to the backend, when this answer is a 101 (or the 200 to an extended CONNECT).
    fn take_tunnel(&mut self) -> Option<Relay>;

    /// The tunnel is over: this many bytes went to the client.
    fn tunnelled(&mut self, bytes: u64);
}

/// The backend's side of a tunnel, and what is on the way in both directions. Half-closes are passed on; it ends when both
/// directions have ended, one of them broke, or nothing moved for a while.
#[derive(Debug)]
pub struct Relay {
    backend: Backend,
    up: Direction,
    down: Direction,
    idle: Duration,
    alarm: Alarm,
}

/// A stream of a connection, whose two directions end apart.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Debug> Duplex for T {}

/// Where a tunnel leads.
#[derive(Debug)]
pub enum Backend {
    /// A connection of its own.
    Connection(Stream),
    /// A stream of a connection that others share (RFC 8441).
    Stream(Box<dyn Duplex>),
}

#[derive(Debug, Default)]
struct Direction {
    buf: BytesMut,
    ended: bool,
    shut: bool,
    unflushed: bool,
    bytes: u64,
}

impl Relay {
    /// Joins a client to `backend`, from which `early` was read already. It ends after `idle` without a byte.
    pub fn new(backend: Backend, early: BytesMut, idle: Duration, timers: &Timers) -> Self {
        let down = Direction { buf: early, ..Direction::default() };
        Self { backend, up: Direction::default(), down, idle, alarm: Alarm::new(timers, idle) }
    }

    /// What the client had sent before the tunnel began.
    pub fn sent_early(&mut self, early: BytesMut) {
        self.up.buf.unsplit(early);
    }

    /// Bytes that went from the client to the backend.
    pub fn from_client(&self) -> u64 {
        self.up.bytes
    }

    /// Bytes that went from the backend to the client.
    pub fn to_client(&self) -> u64 {
        self.down.bytes
    }

    /// Moves what can be moved; ready when the tunnel has ended.
    pub fn poll<C: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        client: &mut C,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let before = self.up.bytes + self.down.bytes;
        let up = self.up.poll(client, &mut self.backend, cx)?;
        let down = self.down.poll(&mut self.backend, client, cx)?;
        if up.is_ready() && down.is_ready() {
            return Poll::Ready(Ok(()));
        }
        if self.up.bytes + self.down.bytes > before {
            self.alarm.set(self.idle);
        }
        self.alarm.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Backend {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Connection(connection) => Pin::new(connection).poll_read(cx, buf),
            Self::Stream(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Backend {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Connection(connection) => Pin::new(connection).poll_write(cx, bytes),
            Self::Stream(stream) => Pin::new(&mut **stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Connection(connection) => Pin::new(connection).poll_flush(cx),
            Self::Stream(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Connection(connection) => Pin::new(connection).poll_shutdown(cx),
            Self::Stream(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }
}

impl Direction {
    fn poll<F, T>(&mut self, from: &mut F, to: &mut T, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        F: AsyncRead + Unpin,
        T: AsyncWrite + Unpin,
    {
        loop {
            while !self.buf.is_empty() {
                let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.buf))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.buf.advance(written);
                self.bytes += written as u64;
                self.unflushed = true;
            }
            if self.ended {
                if !self.shut {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.shut = true;
                }
                return Poll::Ready(Ok(()));
            }
            if self.buf.capacity() == 0 {
                self.buf.reserve(ROOM);
            }
            match pin!(from.read_buf(&mut self.buf)).poll(cx) {
                Poll::Ready(read) => self.ended = read? == 0,
                Poll::Pending => {
                    if self.unflushed {
                        ready!(Pin::new(&mut *to).poll_flush(cx))?;
                        self.unflushed = false;
                    }
                    // a tunnel that waits keeps no buffer
                    self.buf = BytesMut::new();
                    return Poll::Pending;
                }
            }
        }
    }
}
