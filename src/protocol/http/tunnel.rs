//! A tunnel between a client and a backend, which an upgraded connection (or stream) is until either side ends it.

use std::fmt::Debug;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::bandwidth::{self, Pace, Paces};
use crate::io::Stream;
use crate::outcome::{Peer, TunnelEnd};
use crate::timer::{Alarm, Timers};

/// The size of a read buffer in bytes.
const ROOM: usize = 16 * 1024;

/// A response body that may turn the connection into a tunnel.
pub trait MayTunnel {
    /// The relay to the backend, when this response is a 101 (or the 200 to an extended CONNECT).
    fn take_tunnel(&mut self) -> Option<Relay>;

    /// The tunnel has ended in this way, after so many bytes were sent to the client.
    fn tunnelled(&mut self, bytes: u64, end: TunnelEnd);
}

/// A tunnel under way, with the response that it began with. It may be dropped at any time, because a task is cut off: what came of the tunnel is told
/// when it is dropped, whatever the reason.
#[derive(Debug)]
pub struct Tunnel<B: MayTunnel> {
    body: B,
    relay: Relay,
    end: TunnelEnd,
}

impl<B: MayTunnel> Tunnel<B> {
    /// Begins, with the body of the response that says so.
    pub fn new(body: B, relay: Relay) -> Self {
        Self { body, relay, end: TunnelEnd::Cut }
    }

    /// The bytes in transit.
    pub fn relay(&self) -> &Relay {
        &self.relay
    }

    /// Moves bytes in both directions. Ready when the tunnel has ended.
    pub fn poll<C: AsyncRead + AsyncWrite + Unpin>(&mut self, client: &mut C, cx: &mut Context<'_>) -> Poll<()> {
        self.relay.poll(client, cx).map(|end| self.end = end)
    }

    /// The client can't be written to.
    pub fn client_broke(&mut self) {
        self.end = self.relay.broken_by(Peer::Client);
    }

    /// How it ended.
    pub fn end(&self) -> TunnelEnd {
        self.end
    }
}

impl<B: MayTunnel> Drop for Tunnel<B> {
    fn drop(&mut self) {
        self.body.tunnelled(self.relay.to_client(), self.end);
    }
}

/// The backend's side of a tunnel, and the bytes in transit in both directions. A half-close is passed on. The tunnel ends when
/// both directions have ended, when one breaks, or when no byte has moved for the idle time-out.
#[derive(Debug)]
pub struct Relay {
    backend: Backend,
    up: Direction,
    down: Direction,
    /// Who has ended its direction first.
    ended_first: Option<Peer>,
    idle: Duration,
    alarm: Alarm,
}

/// A byte stream whose two directions end independently of each other.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Debug> Duplex for T {}

/// The connection to a backend that a tunnel uses.
#[derive(Debug)]
pub enum Backend {
    /// A connection that carries nothing else.
    Connection(Stream),
    /// A stream of an HTTP/2 connection that is shared with others (RFC 8441).
    Stream(Box<dyn Duplex>),
}

/// Which connection has broken, as seen from one direction.
#[derive(Debug, Clone, Copy)]
enum BrokenSide {
    /// The connection that is read from.
    From,
    /// The connection that is written to.
    To,
}

/// One direction of a tunnel.
#[derive(Debug, Default)]
struct Direction {
    buf: BytesMut,
    /// Whether the source has ended.
    ended: bool,
    /// Whether the end was passed on to the destination.
    end_passed_on: bool,
    unflushed: bool,
    /// Bytes written to the destination so far.
    bytes: u64,
    /// The pace that it is held to; `None` = as fast as it goes.
    pace: Option<Box<Pace>>,
}

impl Relay {
    /// A relay to `backend`. `early` are bytes that were already read from it. The tunnel ends when no byte has moved for `idle`.
    pub fn new(backend: Backend, early: BytesMut, idle: Duration, timers: &Timers) -> Self {
        let down = Direction { buf: early, ..Direction::default() };
        let (up, alarm) = (Direction::default(), Alarm::new(timers, idle));
        Self { backend, up, down, ended_first: None, idle, alarm }
    }

    /// Holds it to these paces.
    pub fn paced(mut self, paces: Paces) -> Self {
        (self.up.pace, self.down.pace) = (paces.up, paces.down);
        self
    }

    /// Adds bytes that were read from the client before the tunnel began.
    pub fn add_early_bytes(&mut self, early: BytesMut) {
        self.up.buf.unsplit(early);
    }

    /// The number of bytes sent from the client to the backend.
    pub fn from_client(&self) -> u64 {
        self.up.bytes
    }

    /// The number of bytes sent from the backend to the client.
    pub fn to_client(&self) -> u64 {
        self.down.bytes
    }

    /// Whether both directions have ended, and both ends were passed on.
    pub fn is_whole(&self) -> bool {
        self.up.end_passed_on && self.down.end_passed_on
    }

    /// The end of a tunnel whose connection with this side broke. One that has ended its direction first, and is then gone altogether, has closed it.
    fn broken_by(&self, side: Peer) -> TunnelEnd {
        if self.ended_first == Some(side) { TunnelEnd::ClosedBy(side) } else { TunnelEnd::BrokenBy(side) }
    }

    /// Moves bytes in both directions. Ready when the tunnel has ended.
    fn poll<C: AsyncRead + AsyncWrite + Unpin>(&mut self, client: &mut C, cx: &mut Context<'_>) -> Poll<TunnelEnd> {
        let before = self.up.bytes + self.down.bytes;
        let up = self.up.poll(client, &mut self.backend, cx);
        self.note_end(self.up.ended, Peer::Client);
        let down = self.down.poll(&mut self.backend, client, cx);
        self.note_end(self.down.ended, Peer::Backend);
        match (up, down) {
            (Poll::Ready(Err(BrokenSide::From)), _) | (_, Poll::Ready(Err(BrokenSide::To))) => {
                return Poll::Ready(self.broken_by(Peer::Client));
            }
            (Poll::Ready(Err(BrokenSide::To)), _) | (_, Poll::Ready(Err(BrokenSide::From))) => {
                return Poll::Ready(self.broken_by(Peer::Backend));
            }
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => {
                return Poll::Ready(TunnelEnd::ClosedBy(self.ended_first.unwrap_or(Peer::Client)));
            }
            (Poll::Pending, _) | (_, Poll::Pending) => {}
        }
        let is_held = [&self.up, &self.down].into_iter().any(|to| bandwidth::is_held(to.pace.as_deref()));
        if self.up.bytes + self.down.bytes > before || is_held {
            self.alarm.set(self.idle);
        }
        self.alarm.poll(cx).map(|()| TunnelEnd::Idle)
    }

    fn note_end(&mut self, has_ended: bool, side: Peer) {
        if has_ended {
            self.ended_first.get_or_insert(side);
        }
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
    fn poll<F, T>(&mut self, from: &mut F, to: &mut T, cx: &mut Context<'_>) -> Poll<Result<(), BrokenSide>>
    where
        F: AsyncRead + Unpin,
        T: AsyncWrite + Unpin,
    {
        loop {
            while !self.buf.is_empty() {
                let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.buf)).unwrap_or(0);
                if written == 0 {
                    return Poll::Ready(Err(BrokenSide::To));
                }
                self.buf.advance(written);
                self.bytes += written as u64;
                self.unflushed = true;
            }
            if self.ended {
                if !self.end_passed_on {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx)).map_err(|_| BrokenSide::To)?;
                    self.end_passed_on = true;
                }
                return Poll::Ready(Ok(()));
            }
            if self.buf.capacity() == 0 {
                self.buf.reserve(ROOM);
            }
            let polled = match bandwidth::poll(&mut self.pace, cx) {
                Poll::Ready(()) => pin!(from.read_buf(&mut self.buf)).poll(cx),
                Poll::Pending => Poll::Pending,
            };
            match polled {
                Poll::Ready(read) => {
                    let read = read.map_err(|_| BrokenSide::From)?;
                    self.ended = read == 0;
                    if let Some(pace) = &mut self.pace {
                        pace.moved(read as u64);
                    }
                }
                Poll::Pending => {
                    if self.unflushed {
                        ready!(Pin::new(&mut *to).poll_flush(cx)).map_err(|_| BrokenSide::To)?;
                        self.unflushed = false;
                    }
                    // an idle tunnel keeps no buffer
                    self.buf = BytesMut::new();
                    return Poll::Pending;
                }
            }
        }
    }
}
