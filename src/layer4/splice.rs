//! Bodies of answers that go from the backend's socket to the client's inside the kernel, without being copied to us and back.

use std::task::{Context, Poll};

use crate::error::Error;
use crate::io::pipe::{BorrowedPipe, Pipe, Pipes};
use crate::io::{Socket, Stream};

/// With less than this to come, copies are cheaper than a pipe (measured on loopback: 64 KiB cost a seventh more through one, 1 MiB
/// a third less).
const LEAST: u64 = 128 * 1024;

/// A body that has moved less than this when it has to be waited for goes on as copies: three small system calls are more than two.
const WORTH_A_PIPE: usize = 16 * 1024;

/// A body that may be moved so.
pub trait MaySplice {
    /// How much is left of it, when all of that comes from a socket as it is; else 0.
    fn spliceable(&self) -> u64;

    /// Moves what has come of it into an empty pipe; how much that was.
    fn poll_splice(&mut self, pipe: &mut Pipe, cx: &mut Context<'_>) -> Poll<Result<usize, Error>>;

    /// Nothing of it can be taken now, for its reader is slow: what of the request is still to go to where it comes from goes on. A reader
    /// that takes the answer only when it has sent all of its request would else wait for ever.
    fn poll_upload(&mut self, _: &mut Context<'_>) {}
}

/// How one body is moved.
#[derive(Debug)]
pub struct Splice<'a> {
    pipe: BorrowedPipe<'a>,
    bulky: bool,
    /// Since it was last waited for.
    moved: usize,
}

/// What moving came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// What is left, if anything, is to be read.
    Done,
    /// The client has to take what is in the pipe.
    WaitsForClient,
    /// The backend has to send more.
    WaitsForBackend,
    /// Either side broke.
    Broken,
}

impl<'a> Splice<'a> {
    /// A body that is about to begin: a large one is taken for bulky until it shows that it is not.
    pub fn new(pipes: &'a Pipes) -> Self {
        Self { pipe: BorrowedPipe::none(pipes), bulky: true, moved: 0 }
    }

    /// Whether what is left of `body` should be moved so to this client, or what the pipe holds, which may be the last of it.
    pub fn fits<B: MaySplice>(&self, body: &B, client: &Stream) -> bool {
        if self.pipe.held() > 0 {
            return true;
        }
        if !self.bulky || !matches!(client, Stream::Plain(_)) {
            return false;
        }
        match body.spliceable() {
            0 => false,
            left => self.moved > 0 || left >= LEAST,
        }
    }

    /// A piece of this size was read: many in a row that are large make the body bulky.
    pub fn read(&mut self, bytes: usize) {
        self.bulky |= bytes >= WORTH_A_PIPE;
    }

    /// Takes what the backend has sent.
    pub fn poll_fill<B: MaySplice>(&mut self, body: &mut B, cx: &mut Context<'_>) -> Moved {
        let Some(pipe) = self.pipe.get() else {
            // the kernel has none to give
            self.bulky = false;
            return Moved::Done;
        };
        if pipe.held() > 0 || body.spliceable() == 0 {
            return Moved::Done;
        }
        match body.poll_splice(pipe, cx) {
            Poll::Ready(Ok(moved)) => {
                self.moved += moved;
                Moved::Done
            }
            Poll::Ready(Err(_)) => Moved::Broken,
            Poll::Pending => {
                if self.moved < WORTH_A_PIPE {
                    self.bulky = false;
                }
                // a body that is waited for holds no pipe
                self.stop();
                Moved::WaitsForBackend
            }
        }
    }

    /// Sends what was taken; how much, and whether all of it.
    pub fn poll_drain(&mut self, client: &Socket, cx: &mut Context<'_>) -> (usize, Moved) {
        let Some(pipe) = self.pipe.get() else { return (0, Moved::Done) };
        let before = pipe.held();
        let drained = pipe.poll_drain(client, cx);
        let sent = before - pipe.held();
        match drained {
            Poll::Ready(Ok(())) => (sent, Moved::Done),
            Poll::Ready(Err(_)) => (sent, Moved::Broken),
            Poll::Pending => (sent, Moved::WaitsForClient),
        }
    }

    /// The pipe is not needed for now.
    pub fn stop(&mut self) {
        self.moved = 0;
        self.pipe.give_back();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::*;

    /// A body of known length behind a socket.
    struct Source {
        socket: Socket,
        left: u64,
    }

    impl MaySplice for Source {
        fn spliceable(&self) -> u64 {
            self.left
        }

        fn poll_splice(&mut self, pipe: &mut Pipe, cx: &mut Context<'_>) -> Poll<Result<usize, Error>> {
            pipe.poll_fill(&self.socket, self.left, cx).map(|moved| {
                let moved = moved.unwrap();
                self.left -= moved as u64;
                Ok(moved)
            })
        }
    }

    /// Until the runtime has heard of what may be read here and written there.
    async fn ready(from: &UnixStream, to: &UnixStream) {
        from.readable().await.unwrap();
        to.writable().await.unwrap();
    }

    fn socket(stream: &Stream) -> &Socket {
        match stream {
            Stream::Plain(socket) => socket,
            _ => panic!("not in clear"),
        }
    }

    #[tokio::test]
    async fn what_the_pipe_holds_is_not_forgotten_when_the_body_has_ended() {
        let (mut backend, ours) = UnixStream::pair().unwrap();
        let (client, mut theirs) = UnixStream::pair().unwrap();
        let sent = vec![7; LEAST as usize];
        backend.write_all(&sent).await.unwrap();
        ready(&ours, &client).await;
        let mut source = Source { socket: Socket::Unix(ours), left: LEAST };
        let client = Stream::Plain(Socket::Unix(client));
        let pipes = Pipes::default();
        let mut splice = Splice::new(&pipes);
        while source.left > 0 {
            assert!(splice.fits(&source, &client));
            let moved = poll_fn(|cx| Poll::Ready(splice.poll_fill(&mut source, cx))).await;
            assert_eq!(moved, Moved::Done);
            assert!(splice.fits(&source, &client), "the client has not got it yet");
            let (_, moved) = poll_fn(|cx| Poll::Ready(splice.poll_drain(socket(&client), cx))).await;
            assert_eq!(moved, Moved::Done);
        }
        assert!(!splice.fits(&source, &client));
        drop((splice, client));
        let mut got = Vec::new();
        theirs.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, sent);
    }

    #[tokio::test]
    async fn a_body_that_comes_in_drops_is_copied_until_it_shows_that_it_is_large() {
        let (mut backend, ours) = UnixStream::pair().unwrap();
        let (client, _theirs) = UnixStream::pair().unwrap();
        backend.write_all(b"drop").await.unwrap();
        ready(&ours, &client).await;
        let client = Stream::Plain(Socket::Unix(client));
        let pipes = Pipes::default();
        let mut splice = Splice::new(&pipes);
        let mut source = Source { socket: Socket::Unix(ours), left: 1 << 20 };
        assert_eq!(poll_fn(|cx| Poll::Ready(splice.poll_fill(&mut source, cx))).await, Moved::Done);
        let drained = poll_fn(|cx| Poll::Ready(splice.poll_drain(socket(&client), cx))).await;
        assert_eq!(drained, (4, Moved::Done));
        assert_eq!(poll_fn(|cx| Poll::Ready(splice.poll_fill(&mut source, cx))).await, Moved::WaitsForBackend);
        assert!(!splice.fits(&source, &client));
        splice.read(WORTH_A_PIPE - 1);
        assert!(!splice.fits(&source, &client));
        splice.read(WORTH_A_PIPE);
        assert!(splice.fits(&source, &client));
    }
}
