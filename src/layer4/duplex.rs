//! Relays bytes between two connections in both directions: a session of Layer 4 while it lasts.
//!
//! A direction with little traffic is copied through a buffer that all sessions of a worker share, so that an idle session holds
//! no memory. A direction that fills this buffer several times in a row is spliced: its bytes go from socket to socket inside the
//! kernel.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use crate::bandwidth::{self, Pace, Paces};
use crate::io::pipe::{Pipe, Pipes};
use crate::io::{Socket, Stream};

/// The size of the shared buffer, small enough for the copy to stay in the processor's nearer caches.
const BUFFER: usize = 32 * 1024;

/// A direction that has filled the buffer this many times in a row is spliced from then on.
const SPLICE_AFTER: u8 = 2;

/// When a spliced direction has to wait after having moved fewer bytes than this, it is copied again: splicing takes three system
/// calls for them, a copy two.
const MIN_SPLICED: u64 = 16 * 1024;

/// What all sessions of a worker share: the copy buffer and the pipes.
#[derive(Debug)]
pub struct Shared {
    buffer: RefCell<Box<[u8]>>,
    pipes: Rc<Pipes>,
}

/// A client's connection and a backend's, between which bytes are relayed.
#[derive(Debug)]
pub struct Duplex {
    /// The client's connection.
    pub client: Stream,
    /// The backend's connection.
    pub backend: Stream,
    up: Direction,
    down: Direction,
}

/// How a session has ended, if nobody else ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Both sides have ended their directions.
    Closed,
    /// The client's connection was reset.
    ClientReset,
    /// The backend's connection was reset.
    BackendReset,
}

/// One direction of a session.
#[derive(Debug, Default)]
struct Direction {
    /// Bytes that were read and could not be written yet.
    unwritten: Bytes,
    pipe: Option<Pipe>,
    /// How many times in a row the buffer was filled.
    full_reads: u8,
    ended: bool,
    end_passed_on: bool,
    unflushed: bool,
    /// The number of bytes read so far.
    bytes: u64,
    /// The pace that it is held to; `None` = as fast as it goes.
    pace: Option<Box<Pace>>,
    /// The result of this direction, once it has ended.
    result: Option<Result<(), BrokenSide>>,
}

/// Which connection has broken, as seen from one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BrokenSide {
    /// The connection that is read from.
    From,
    /// The connection that is written to.
    To,
}

impl Shared {
    /// The shared buffer, and the worker's pipes.
    pub fn new(pipes: &Rc<Pipes>) -> Self {
        Self { buffer: RefCell::new(vec![0; BUFFER].into_boxed_slice()), pipes: Rc::clone(pipes) }
    }
}

impl Duplex {
    /// Begins a session. `early` are bytes that were already read from the client, and which the backend has to get first.
    pub fn new(client: Stream, backend: Stream, early: Bytes) -> Self {
        let up = Direction { bytes: early.len() as u64, unwritten: early, ..Direction::default() };
        Self { client, backend, up, down: Direction::default() }
    }

    /// Holds it to these paces.
    pub fn paced(mut self, paces: Paces) -> Self {
        (self.up.pace, self.down.pace) = (paces.up, paces.down);
        self
    }

    /// The number of bytes read from the client.
    pub fn from_client(&self) -> u64 {
        self.up.bytes
    }

    /// The number of bytes read from the backend.
    pub fn from_backend(&self) -> u64 {
        self.down.bytes
    }

    /// Moves bytes in both directions. Ready when the session has ended.
    pub fn poll(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Poll<End> {
        let Self { client, backend, up, down } = self;
        let (up, down) = (up.poll(client, backend, shared, cx), down.poll(backend, client, shared, cx));
        match (up, down) {
            // the kernel reports a reset only after all bytes before it were read, so these have been passed on
            (Poll::Ready(Err(BrokenSide::From)), _) => Poll::Ready(End::ClientReset),
            (_, Poll::Ready(Err(BrokenSide::From))) => Poll::Ready(End::BackendReset),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(End::Closed),
            // a side that can't be written to may have sent bytes before it broke, so the other direction is finished first
            (Poll::Ready(Err(BrokenSide::To)), Poll::Ready(_)) => Poll::Ready(End::BackendReset),
            (Poll::Ready(_), Poll::Ready(Err(BrokenSide::To))) => Poll::Ready(End::ClientReset),
            (Poll::Pending, _) | (_, Poll::Pending) => Poll::Pending,
        }
    }

    /// Whether the backend has ended its direction, and this was passed on to the client.
    pub fn backend_has_ended(&self) -> bool {
        self.down.result == Some(Ok(()))
    }

    /// Whether it is us who don't read from a side now, because the client has used up its bandwidth.
    pub fn is_held(&self) -> bool {
        [&self.up, &self.down].into_iter().any(|direction| bandwidth::is_held(direction.pace.as_deref()))
    }

    /// Whether exactly one direction has ended.
    pub fn is_half_closed(&self) -> bool {
        self.up.result.is_some() != self.down.result.is_some()
    }

    /// The end of the session, if the side that has already ended its direction is broken by now. Polling can't show this: a
    /// socket that has reached its end stays ready to be read and always reports the end.
    pub fn broke_after_its_end(&self) -> Option<End> {
        // `try_io` makes the call, because a socket that has reached its end is ready to be read
        let is_broken = |stream: &Stream| {
            let failed = stream.socket().try_io(Interest::READABLE, |socket| SockRef::from(&socket).take_error());
            matches!(failed, Ok(Some(_)))
        };
        match (self.up.result, self.down.result) {
            (Some(Ok(())), None) if is_broken(&self.client) => Some(End::ClientReset),
            (None, Some(Ok(()))) if is_broken(&self.backend) => Some(End::BackendReset),
            _ => None,
        }
    }

    /// Closes both sides in the way in which the session has ended: a reset of one side is passed on to the other as a reset,
    /// never as a clean end.
    pub fn close(self, end: End) {
        match end {
            End::Closed => {}
            End::ClientReset => self.backend.socket().reset_on_close(),
            End::BackendReset => self.client.socket().reset_on_close(),
        }
    }

    /// Has both connections reset when they are closed, because neither has ended.
    pub fn cut(&self) {
        self.client.socket().reset_on_close();
        self.backend.socket().reset_on_close();
    }

    /// Returns the client's connection and the paces. Only to be called before anything was moved.
    pub fn into_client(self) -> (Stream, Paces) {
        (self.client, Paces { up: self.up.pace, down: self.down.pace })
    }
}

impl Direction {
    fn poll(
        &mut self,
        from: &mut Stream,
        to: &mut Stream,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BrokenSide>> {
        if self.result.is_none() {
            self.result = Some(ready!(self.advance(from, to, shared, cx)));
            // bytes that were not written can't be any more
            (self.unwritten, self.pipe) = (Bytes::new(), None);
        }
        Poll::Ready(self.result.unwrap_or(Ok(())))
    }

    fn advance(
        &mut self,
        from: &mut Stream,
        to: &mut Stream,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BrokenSide>> {
        let before = self.bytes;
        loop {
            if let Err(broken) = ready!(self.write(to, cx)) {
                return Poll::Ready(Err(broken));
            }
            if self.ended {
                return self.pass_on_end(to, cx);
            }
            let read = match (&*from, &*to) {
                _ if bandwidth::poll(&mut self.pace, cx).is_pending() => Poll::Pending,
                (Stream::Plain(from), Stream::Plain(_)) if self.full_reads >= SPLICE_AFTER => {
                    self.fill(from, shared, cx)
                }
                _ => self.copy(from, to, shared, cx),
            };
            match read {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(broken)) => return Poll::Ready(Err(broken)),
                Poll::Pending => {
                    if let Some(pipe) = self.pipe.take() {
                        shared.pipes.give(pipe);
                        if self.bytes - before < MIN_SPLICED {
                            self.full_reads = 0;
                        }
                    }
                    return self.flush(to, cx);
                }
            }
        }
    }

    /// Writes the bytes that were read before.
    fn write(&mut self, to: &mut Stream, cx: &mut Context<'_>) -> Poll<Result<(), BrokenSide>> {
        while !self.unwritten.is_empty() {
            match ready!(Pin::new(&mut *to).poll_write(cx, &self.unwritten)) {
                Ok(0) | Err(_) => return Poll::Ready(Err(BrokenSide::To)),
                Ok(written) => self.unwritten.advance(written),
            }
            self.unflushed = to.is_buffered();
        }
        match (&mut self.pipe, &*to) {
            (Some(pipe), Stream::Plain(to)) if !pipe.is_empty() => pipe.poll_drain(to, cx).map_err(|_| BrokenSide::To),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Passes the end of the stream on by a half-close.
    fn pass_on_end(&mut self, to: &mut Stream, cx: &mut Context<'_>) -> Poll<Result<(), BrokenSide>> {
        if !self.end_passed_on {
            // an error means that the other side is gone already
            let _: io::Result<()> = ready!(Pin::new(to).poll_shutdown(cx));
            self.end_passed_on = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Flushes bytes that a TLS stream has buffered, before waiting for more.
    fn flush(&mut self, to: &mut Stream, cx: &mut Context<'_>) -> Poll<Result<(), BrokenSide>> {
        if self.unflushed {
            if ready!(Pin::new(to).poll_flush(cx)).is_err() {
                return Poll::Ready(Err(BrokenSide::To));
            }
            self.unflushed = false;
        }
        Poll::Pending
    }

    /// Reads into a pipe.
    fn fill(&mut self, from: &Socket, shared: &Shared, cx: &mut Context<'_>) -> Poll<Result<(), BrokenSide>> {
        let Some(pipe) = self.pipe.take().or_else(|| shared.pipes.take()) else {
            // the kernel has no pipe left: the bytes are copied, and a pipe is asked for again later
            self.full_reads = 0;
            return Poll::Ready(Ok(()));
        };
        let most = self.pace.as_ref().map_or(u64::MAX, |pace| pace.piece() as u64);
        match self.pipe.insert(pipe).poll_fill(from, most, cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(_)) => Poll::Ready(Err(BrokenSide::From)),
            Poll::Ready(Ok(moved)) => {
                self.ended = moved == 0;
                self.moved(moved);
                Poll::Ready(Ok(()))
            }
        }
    }

    /// So many bytes were read.
    fn moved(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        if let Some(pace) = &mut self.pace {
            pace.moved(bytes as u64);
        }
    }

    /// Reads into the shared buffer and writes it at once. What can't be written is kept.
    fn copy(
        &mut self,
        from: &mut Stream,
        to: &mut Stream,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BrokenSide>> {
        let buffer = &mut *shared.buffer.borrow_mut();
        let most = self.pace.as_ref().map_or(BUFFER, |pace| pace.piece().min(BUFFER));
        let mut room = ReadBuf::new(&mut buffer[..most]);
        if ready!(Pin::new(from).poll_read(cx, &mut room)).is_err() {
            return Poll::Ready(Err(BrokenSide::From));
        }
        let read = room.filled();
        if read.is_empty() {
            self.ended = true;
            return Poll::Ready(Ok(()));
        }
        self.moved(read.len());
        self.full_reads = if read.len() == BUFFER { self.full_reads.saturating_add(1) } else { 0 };
        self.unflushed = to.is_buffered();
        let written = match Pin::new(to).poll_write(cx, read) {
            Poll::Ready(Ok(written)) if written > 0 => written,
            Poll::Ready(_) => return Poll::Ready(Err(BrokenSide::To)),
            Poll::Pending => 0,
        };
        if written < read.len() {
            self.unwritten = Bytes::copy_from_slice(&read[written..]);
        }
        Poll::Ready(Ok(()))
    }
}
