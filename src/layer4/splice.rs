//! Response bodies that go from the backend's socket to the client's inside the kernel, by splice(2), without being copied to
//! this process and back.

use std::task::{Context, Poll};

use crate::error::Error;
use crate::io::pipe::{BorrowedPipe, Pipe, Pipes};
use crate::io::{Socket, Stream};

/// A body with fewer bytes than this is copied, because that is cheaper (measured on loopback: splicing 64 KiB costs a seventh
/// more, splicing 1 MiB a third less).
const MIN_SPLICED_BODY: u64 = 128 * 1024;

/// When a body has to be waited for after fewer bytes than this were moved, the rest is copied: splicing takes three system calls
/// for them, a copy two.
const MIN_SPLICED: usize = 16 * 1024;

/// A body that can perhaps be spliced.
pub trait MaySplice {
    /// The number of bytes left, if all of them can be moved from a socket without being read; otherwise 0.
    fn spliceable(&self) -> u64;

    /// Moves bytes that have arrived into an empty pipe. Ready with their number.
    fn poll_splice(&mut self, pipe: &mut Pipe, cx: &mut Context<'_>) -> Poll<Result<usize, Error>>;

    /// Called while the client does not take more of the response: goes on sending the request to the backend. Without this, a
    /// client that reads the response only after it has sent its whole request would wait for ever.
    fn poll_upload(&mut self, cx: &mut Context<'_>);
}

/// The state of splicing one body.
#[derive(Debug)]
pub struct Splice<'a> {
    pipe: BorrowedPipe<'a>,
    bulky: bool,
    /// The number of bytes moved since the body was last waited for.
    moved: usize,
}

/// The outcome of moving bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpliceOutcome {
    /// Everything that was there was moved. If something is left of the body, it has to be read.
    Done,
    /// The client has to take what is in the pipe first.
    WaitsForClient,
    /// The backend has to send more first.
    WaitsForBackend,
    /// One of the connections is broken.
    Broken,
}

impl<'a> Splice<'a> {
    /// For a body of which nothing was read. It may be spliced until it turns out to arrive in small pieces.
    pub fn new(pipes: &'a Pipes) -> Self {
        Self { pipe: BorrowedPipe::none(pipes), bulky: true, moved: 0 }
    }

    /// Whether the rest of `body` should be spliced to this client. Also true while the pipe has bytes, which may be the last of
    /// the body.
    pub fn fits<B: MaySplice>(&self, body: &B, client: &Stream) -> bool {
        if self.pipe.held() > 0 {
            return true;
        }
        if !self.bulky || !matches!(client, Stream::Plain(_)) {
            return false;
        }
        match body.spliceable() {
            0 => false,
            left => self.moved > 0 || left >= MIN_SPLICED_BODY,
        }
    }

    /// Records that a piece of this size was read. A large one allows splicing again.
    pub fn read(&mut self, bytes: usize) {
        self.bulky |= bytes >= MIN_SPLICED;
    }

    /// Moves what the backend has sent into the pipe.
    pub fn poll_fill<B: MaySplice>(&mut self, body: &mut B, cx: &mut Context<'_>) -> SpliceOutcome {
        let Some(pipe) = self.pipe.get() else {
            // the kernel has no pipe left
            self.bulky = false;
            return SpliceOutcome::Done;
        };
        if pipe.held() > 0 || body.spliceable() == 0 {
            return SpliceOutcome::Done;
        }
        match body.poll_splice(pipe, cx) {
            Poll::Ready(Ok(moved)) => {
                self.moved += moved;
                SpliceOutcome::Done
            }
            Poll::Ready(Err(_)) => SpliceOutcome::Broken,
            Poll::Pending => {
                if self.moved < MIN_SPLICED {
                    self.bulky = false;
                }
                // a body that waits holds no pipe
                self.stop();
                SpliceOutcome::WaitsForBackend
            }
        }
    }

    /// Sends what is in the pipe. Returns how many bytes were sent, and whether that was all.
    pub fn poll_drain(&mut self, client: &Socket, cx: &mut Context<'_>) -> (usize, SpliceOutcome) {
        let Some(pipe) = self.pipe.get() else { return (0, SpliceOutcome::Done) };
        let before = pipe.held();
        let drained = pipe.poll_drain(client, cx);
        let sent = before - pipe.held();
        match drained {
            Poll::Ready(Ok(())) => (sent, SpliceOutcome::Done),
            Poll::Ready(Err(_)) => (sent, SpliceOutcome::Broken),
            Poll::Pending => (sent, SpliceOutcome::WaitsForClient),
        }
    }

    /// Gives the pipe back, because it is not needed for now.
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

        fn poll_upload(&mut self, _: &mut Context<'_>) {}
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
        let sent = vec![7; MIN_SPLICED_BODY as usize];
        backend.write_all(&sent).await.unwrap();
        ready(&ours, &client).await;
        let mut source = Source { socket: Socket::Unix(ours), left: MIN_SPLICED_BODY };
        let client = Stream::Plain(Socket::Unix(client));
        let pipes = Pipes::default();
        let mut splice = Splice::new(&pipes);
        while source.left > 0 {
            assert!(splice.fits(&source, &client));
            let moved = poll_fn(|cx| Poll::Ready(splice.poll_fill(&mut source, cx))).await;
            assert_eq!(moved, SpliceOutcome::Done);
            assert!(splice.fits(&source, &client), "the client has not got it yet");
            let (_, moved) = poll_fn(|cx| Poll::Ready(splice.poll_drain(socket(&client), cx))).await;
            assert_eq!(moved, SpliceOutcome::Done);
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
        assert_eq!(poll_fn(|cx| Poll::Ready(splice.poll_fill(&mut source, cx))).await, SpliceOutcome::Done);
        let drained = poll_fn(|cx| Poll::Ready(splice.poll_drain(socket(&client), cx))).await;
        assert_eq!(drained, (4, SpliceOutcome::Done));
        assert_eq!(poll_fn(|cx| Poll::Ready(splice.poll_fill(&mut source, cx))).await, SpliceOutcome::WaitsForBackend);
        assert!(!splice.fits(&source, &client));
        splice.read(MIN_SPLICED - 1);
        assert!(!splice.fits(&source, &client));
        splice.read(MIN_SPLICED);
        assert!(splice.fits(&source, &client));
    }
}
