//! Pipes of the kernel: bytes move through one from socket to socket by splice(2), without being copied to us and back.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;

use super::Socket;

/// The size that a pipe is asked to have. The kernel gives an unprivileged user 64 MiB of pipes in all
/// (`pipe-user-pages-soft`), and smaller pipes beyond that.
const ROOM: usize = 512 * 1024;

/// With less room than this a pipe needs more system calls than a copy would.
const LEAST: usize = 64 * 1024;

/// Empty pipes that are kept for the next stream; each is two file descriptors.
const KEPT: usize = 32;

/// Moves as large a part as there is, without waiting for the pipe.
const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);

/// A pipe, and how much is in it.
#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    held: usize,
    room: usize,
}

/// A worker's pipes that are not in use.
#[derive(Debug, Default)]
pub struct Pipes(RefCell<Vec<Pipe>>);

impl Pipes {
    /// An empty pipe; `None` when the kernel gives none that is worth it.
    pub fn take(&self) -> Option<Pipe> {
        self.0.borrow_mut().pop().or_else(Pipe::new)
    }

    /// Takes it back, unless there is something in it.
    pub fn give(&self, pipe: Pipe) {
        let mut kept = self.0.borrow_mut();
        if pipe.is_empty() && kept.len() < KEPT {
            kept.push(pipe);
        }
    }
}

/// A pipe that goes back to where it was taken from.
#[derive(Debug)]
pub struct BorrowedPipe<'a> {
    pipes: &'a Pipes,
    pipe: Option<Pipe>,
}

impl<'a> BorrowedPipe<'a> {
    /// No pipe yet.
    pub fn none(pipes: &'a Pipes) -> Self {
        Self { pipes, pipe: None }
    }

    /// The pipe, taken now if need be; `None` when the kernel gives none that is worth it.
    pub fn get(&mut self) -> Option<&mut Pipe> {
        if self.pipe.is_none() {
            self.pipe = self.pipes.take();
        }
        self.pipe.as_mut()
    }

    /// Bytes in it.
    pub fn held(&self) -> usize {
        self.pipe.as_ref().map_or(0, Pipe::held)
    }

    /// Gives it back.
    pub fn give_back(&mut self) {
        if let Some(pipe) = self.pipe.take() {
            self.pipes.give(pipe);
        }
    }
}

impl Drop for BorrowedPipe<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Pipe {
    fn new() -> Option<Self> {
        let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).ok()?;
        let room = fcntl_setpipe_size(&write, ROOM).or_else(|_| rustix::pipe::fcntl_getpipe_size(&write)).ok()?;
        (room >= LEAST).then_some(Self { read, write, held: 0, room })
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Bytes in it.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Fills an empty pipe with what the socket has received, at most `most` bytes of it; 0 = the stream has ended.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub fn poll_fill(&mut self, from: &Socket, most: u64, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let most = usize::try_from(most).map_or(self.room, |most| most.min(self.room));
        loop {
            ready!(from.poll_read_ready(cx))?;
            // an empty pipe has room, so "would block" is the socket's word
            let filled =
                from.try_io(Interest::READABLE, |socket| Ok(splice(socket, None, &self.write, None, most, FLAGS)?));
            match filled {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(moved) => {
                    self.held += moved;
                    return Poll::Ready(Ok(moved));
                }
            }
        }
    }

    /// Sends what is in it, as far as the socket takes it.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub fn poll_drain(&mut self, to: &Socket, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.held > 0 {
            ready!(to.poll_write_ready(cx))?;
            let sent =
                to.try_io(Interest::WRITABLE, |socket| Ok(splice(&self.read, None, socket, None, self.held, FLAGS)?));
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(moved) => self.held -= moved,
            }
        }
        Poll::Ready(Ok(()))
    }
}
