//! Kernel pipes. By splice(2), bytes move through a pipe from socket to socket without being copied to this process and back.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;

use super::Socket;

/// The capacity that a pipe is asked to have, in bytes. The kernel gives an unprivileged user pipes of 64 MiB in all
/// (`pipe-user-pages-soft`) before it makes new ones smaller.
const ROOM: usize = 512 * 1024;

/// A pipe with less capacity than this is not used: splicing would take more system calls than copying.
const LEAST: usize = 64 * 1024;

/// The most empty pipes that are kept for reuse. Each takes two file descriptors.
const KEPT: usize = 32;

/// Moves pages if possible, and does not wait for the pipe.
const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);

/// A pipe, and the number of bytes in it.
#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    held: usize,
    room: usize,
}

/// A worker's unused pipes.
#[derive(Debug, Default)]
pub struct Pipes(RefCell<Vec<Pipe>>);

impl Pipes {
    /// An empty pipe; `None` when the kernel gives none that is large enough.
    pub fn take(&self) -> Option<Pipe> {
        self.0.borrow_mut().pop().or_else(Pipe::new)
    }

    /// Returns a pipe for reuse. One that is not empty is closed.
    pub fn give(&self, pipe: Pipe) {
        let mut kept = self.0.borrow_mut();
        if pipe.is_empty() && kept.len() < KEPT {
            kept.push(pipe);
        }
    }
}

/// A pipe that returns to its pool when this is dropped.
#[derive(Debug)]
pub struct Lent<'a> {
    pipes: &'a Pipes,
    pipe: Option<Pipe>,
}

impl<'a> Lent<'a> {
    /// No pipe is taken yet.
    pub fn none(pipes: &'a Pipes) -> Self {
        Self { pipes, pipe: None }
    }

    /// The pipe, which is taken now if need be; `None` when the kernel gives none that is large enough.
    pub fn get(&mut self) -> Option<&mut Pipe> {
        if self.pipe.is_none() {
            self.pipe = self.pipes.take();
        }
        self.pipe.as_mut()
    }

    /// The number of bytes in the pipe.
    pub fn held(&self) -> usize {
        self.pipe.as_ref().map_or(0, Pipe::held)
    }

    /// Returns the pipe to its pool.
    pub fn give_back(&mut self) {
        if let Some(pipe) = self.pipe.take() {
            self.pipes.give(pipe);
        }
    }
}

impl Drop for Lent<'_> {
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

    /// Whether the pipe is empty.
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// The number of bytes in the pipe.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Fills an empty pipe with up to `most` bytes from the socket, and returns their number; 0 at the end of the stream.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub fn poll_fill(&mut self, from: &Socket, most: u64, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let most = usize::try_from(most).map_or(self.room, |most| most.min(self.room));
        loop {
            ready!(from.poll_read_ready(cx))?;
            // the empty pipe has room, so "would block" is about the socket
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

    /// Sends the pipe's content, as far as the socket takes it. Ready when the pipe is empty.
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
