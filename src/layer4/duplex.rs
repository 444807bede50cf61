//! Two connections joined, byte for byte: a session of Layer 4 while it lasts.
//!
//! A direction with little traffic is copied through a buffer that all sessions of a worker share, so that a session that waits
//! holds no memory. One that fills the buffer again and again is spliced: its bytes go from socket to socket inside the kernel.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use crate::io::pipe::{Pipe, Pipes};
use crate::io::{Socket, Stream};

/// The shared buffer: the copy stays within the processor's nearer caches.
const BUFFER: usize = 32 * 1024;

/// A direction that has filled the buffer so often in a row is spliced from then on.
const BULKY: u8 = 2;

/// A spliced direction that has moved less than this since it was last waited for is copied again: three small system calls are
/// more than two.
const WORTH_A_PIPE: u64 = 16 * 1024;

/// What the sessions of a worker share.
#[derive(Debug)]
pub struct Shared {
    buffer: RefCell<Box<[u8]>>,
    pipes: Rc<Pipes>,
}

/// A client's connection joined with a backend's.
#[derive(Debug)]
pub struct Duplex {
    /// The client's side.
    pub client: Stream,
    /// The backend's.
    pub backend: Stream,
    up: Way,
    down: Way,
}

/// How a session ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Both sides have said all they had to say.
    Closed,
    /// The client broke its connection.
    ClientReset,
    /// The backend broke its connection.
    BackendReset,
}

/// One direction.
#[derive(Debug, Default)]
struct Way {
    /// Was read and could not be written yet.
    left: Bytes,
    pipe: Option<Pipe>,
    /// How often in a row the buffer was filled.
    full: u8,
    ended: bool,
    shut: bool,
    unflushed: bool,
    /// Read so far.
    bytes: u64,
    /// Its end.
    done: Option<Result<(), Broken>>,
}

/// A connection that broke, seen from one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    /// The one that is read from.
    From,
    /// The one that is written to.
    To,
}

impl Shared {
    /// With the worker's pipes.
    pub fn new(pipes: &Rc<Pipes>) -> Self {
        Self { buffer: RefCell::new(vec![0; BUFFER].into_boxed_slice()), pipes: Rc::clone(pipes) }
    }
}

impl Duplex {
    /// Joins them; the backend has yet to get `early`, which the client has sent already.
    pub fn new(client: Stream, backend: Stream, early: Bytes) -> Self {
        let up = Way { bytes: early.len() as u64, left: early, ..Way::default() };
        Self { client, backend, up, down: Way::default() }
    }

    /// Bytes that came from the client.
    pub fn from_client(&self) -> u64 {
        self.up.bytes
    }

    /// Bytes that came from the backend.
    pub fn from_backend(&self) -> u64 {
        self.down.bytes
    }

    /// Moves what can be moved; ready when the session has ended.
    pub fn poll(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Poll<End> {
        let Self { client, backend, up, down } = self;
        let (up, down) = (up.poll(client, backend, shared, cx), down.poll(backend, client, shared, cx));
        match (up, down) {
            // what a connection had to say was read before the kernel told that it is broken
            (Poll::Ready(Err(Broken::From)), _) => Poll::Ready(End::ClientReset),
            (_, Poll::Ready(Err(Broken::From))) => Poll::Ready(End::BackendReset),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(End::Closed),
            // a side that takes nothing any more may have said something before, which the other one is to get
            (Poll::Ready(Err(Broken::To)), Poll::Ready(_)) => Poll::Ready(End::BackendReset),
            (Poll::Ready(_), Poll::Ready(Err(Broken::To))) => Poll::Ready(End::ClientReset),
            (Poll::Pending, _) | (_, Poll::Pending) => Poll::Pending,
        }
    }

    /// Whether the backend has said all that it had to say, and the client has been told.
    pub fn backend_has_ended(&self) -> bool {
        self.down.done == Some(Ok(()))
    }

    /// Whether one side has ended while the other one goes on.
    pub fn is_half_closed(&self) -> bool {
        self.up.done.is_some() != self.down.done.is_some()
    }

    /// How the session has ended, if a side that has ended before is broken now. That is not seen by waiting for it: such a side may
    /// be read from at any time, and always says that it has ended.
    pub fn broke_after_its_end(&self) -> Option<End> {
        // what has ended is ready to be read, and the call is made
        let is_broken = |stream: &Stream| {
            let failed = stream.socket().try_io(Interest::READABLE, |socket| SockRef::from(&socket).take_error());
            matches!(failed, Ok(Some(_)))
        };
        match (self.up.done, self.down.done) {
            (Some(Ok(())), None) if is_broken(&self.client) => Some(End::ClientReset),
            (None, Some(Ok(()))) if is_broken(&self.backend) => Some(End::BackendReset),
            _ => None,
        }
    }

    /// Closes both sides as the session has ended: what one side broke is broken to the other one too, never ended cleanly.
    pub fn close(self, end: End) {
        match end {
            End::Closed => {}
            End::ClientReset => self.backend.socket().reset_on_close(),
            End::BackendReset => self.client.socket().reset_on_close(),
        }
    }

    /// What is closed with either side from now on is a reset: neither has ended.
    pub fn cut(&self) {
        self.client.socket().reset_on_close();
        self.backend.socket().reset_on_close();
    }

    /// Gives the client's side back: nothing has been moved yet.
    pub fn into_client(self) -> Stream {
        self.client
    }
}

impl Way {
    fn poll(
        &mut self,
        from: &mut Stream,
        to: &mut Stream,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        if self.done.is_none() {
            self.done = Some(ready!(self.advance(from, to, shared, cx)));
            // what is left of it goes nowhere
            (self.left, self.pipe) = (Bytes::new(), None);
        }
        Poll::Ready(self.done.unwrap_or(Ok(())))
    }

    fn advance(
        &mut self,
        from: &mut Stream,
        to: &mut Stream,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        let before = self.bytes;
        loop {
            if let Err(broken) = ready!(self.write(to, cx)) {
                return Poll::Ready(Err(broken));
            }
            if self.ended {
                return self.shut(to, cx);
            }
            let read = match (&*from, &*to) {
                (Stream::Plain(from), Stream::Plain(_)) if self.full >= BULKY => self.fill(from, shared, cx),
                _ => self.copy(from, to, shared, cx),
            };
            match read {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(broken)) => return Poll::Ready(Err(broken)),
                Poll::Pending => {
                    if let Some(pipe) = self.pipe.take() {
                        shared.pipes.give(pipe);
                        if self.bytes - before < WORTH_A_PIPE {
                            self.full = 0;
                        }
                    }
                    return self.flush(to, cx);
                }
            }
        }
    }

    /// Writes what is left of what was read.
    fn write(&mut self, to: &mut Stream, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        while !self.left.is_empty() {
            match ready!(Pin::new(&mut *to).poll_write(cx, &self.left)) {
                Ok(0) | Err(_) => return Poll::Ready(Err(Broken::To)),
                Ok(written) => self.left.advance(written),
            }
            self.unflushed = to.is_buffered();
        }
        match (&mut self.pipe, &*to) {
            (Some(pipe), Stream::Plain(to)) if !pipe.is_empty() => pipe.poll_drain(to, cx).map_err(|_| Broken::To),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Passes the end of the stream on.
    fn shut(&mut self, to: &mut Stream, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        if !self.shut {
            // one that has closed its side already is not there to be told
            let _: io::Result<()> = ready!(Pin::new(to).poll_shutdown(cx));
            self.shut = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Bytes that a TLS stream holds back must not wait for more.
    fn flush(&mut self, to: &mut Stream, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        if self.unflushed {
            if ready!(Pin::new(to).poll_flush(cx)).is_err() {
                return Poll::Ready(Err(Broken::To));
            }
            self.unflushed = false;
        }
        Poll::Pending
    }

    /// Reads into a pipe.
    fn fill(&mut self, from: &Socket, shared: &Shared, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let Some(pipe) = self.pipe.take().or_else(|| shared.pipes.take()) else {
            // the kernel has none to give: copied, then, and asked for again later
            self.full = 0;
            return Poll::Ready(Ok(()));
        };
        match self.pipe.insert(pipe).poll_fill(from, u64::MAX, cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(_)) => Poll::Ready(Err(Broken::From)),
            Poll::Ready(Ok(moved)) => {
                self.ended = moved == 0;
                self.bytes += moved as u64;
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Reads into the shared buffer and writes it at once; what can't be written is kept.
    fn copy(
        &mut self,
        from: &mut Stream,
        to: &mut Stream,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        let buffer = &mut *shared.buffer.borrow_mut();
        let mut room = ReadBuf::new(buffer);
        if ready!(Pin::new(from).poll_read(cx, &mut room)).is_err() {
            return Poll::Ready(Err(Broken::From));
        }
        let read = room.filled();
        if read.is_empty() {
            self.ended = true;
            return Poll::Ready(Ok(()));
        }
        self.bytes += read.len() as u64;
        self.full = if read.len() == BUFFER { self.full.saturating_add(1) } else { 0 };
        self.unflushed = to.is_buffered();
        let written = match Pin::new(to).poll_write(cx, read) {
            Poll::Ready(Ok(written)) if written > 0 => written,
            Poll::Ready(_) => return Poll::Ready(Err(Broken::To)),
            Poll::Pending => 0,
        };
        if written < read.len() {
            self.left = Bytes::copy_from_slice(&read[written..]);
        }
        Poll::Ready(Ok(()))
    }
}
