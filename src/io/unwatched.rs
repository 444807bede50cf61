//! A connection that was accepted a moment ago and is not registered with the event loop yet.
//!
//! Registering a socket and removing it again takes two system calls, memory in the kernel and in the runtime, and handling each
//! of its events. A client that sends one request along with its connection and takes its response never has to be waited for, so
//! all of that would be wasted. Therefore reads and writes are first tried directly, and the socket is registered when one of
//! them would block.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::net::TcpStream;

use bytes::BytesMut;
use tokio::io::ReadBuf;

use super::calls;

/// How many calls are tried directly. The runtime makes tasks yield to others, but counts only what happens on registered
/// sockets.
const TRIES: u8 = 16;

/// A TCP connection that is not registered with the event loop.
#[derive(Debug)]
pub struct Unwatched {
    /// The socket; `None` after it was registered or taken away.
    tcp: Option<TcpStream>,
    tries: Cell<u8>,
}

impl Unwatched {
    /// For a non-blocking socket.
    pub fn new(tcp: TcpStream) -> Self {
        Self { tcp: Some(tcp), tries: Cell::new(0) }
    }

    /// Without a socket.
    pub fn gone() -> Self {
        Self { tcp: None, tries: Cell::new(0) }
    }

    /// Reads what has arrived; `None` when the socket has to be registered first.
    pub fn read(&self, buf: &mut ReadBuf<'_>) -> Option<io::Result<()>> {
        Some(self.attempt(|tcp| calls::receive(tcp, buf))?.map(|_| ()))
    }

    /// Reads what has arrived into newly allocated memory; `None` when the socket has to be registered first.
    pub fn append(&self, buf: &mut BytesMut) -> Option<io::Result<usize>> {
        self.attempt(|tcp| calls::append(tcp, buf))
    }

    /// Writes as much as there is room for; `None` when the socket has to be registered first.
    pub fn write(&self, bytes: &[u8]) -> Option<io::Result<usize>> {
        self.attempt(|tcp| calls::send(tcp, bytes))
    }

    /// The same as [`write`](Self::write), before the stream is ended.
    pub fn write_last(&self, bytes: &[u8]) -> Option<io::Result<usize>> {
        self.attempt(|tcp| calls::send_last(tcp, bytes))
    }

    /// The same as [`write`](Self::write), for several buffers.
    pub fn write_vectored(&self, bytes: &[IoSlice<'_>]) -> Option<io::Result<usize>> {
        self.attempt(|tcp| calls::send_vectored(tcp, bytes))
    }

    /// Registers the socket with the event loop.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn watch(&mut self) -> io::Result<tokio::net::TcpStream> {
        let tcp = self.tcp.take().ok_or(io::ErrorKind::NotConnected)?;
        tokio::net::TcpStream::from_std(tcp)
    }

    /// The socket.
    ///
    /// # Errors
    ///
    /// It could not be registered, and was closed.
    pub fn tcp(&self) -> io::Result<&TcpStream> {
        self.tcp.as_ref().ok_or(io::ErrorKind::NotConnected.into())
    }

    fn attempt<R>(&self, call: impl FnOnce(&TcpStream) -> io::Result<R>) -> Option<io::Result<R>> {
        let tries = self.tries.get();
        if tries == TRIES {
            return None;
        }
        self.tries.set(tries + 1);
        match self.tcp().and_then(call) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            done => Some(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::pin::Pin;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::super::{Socket, Stream};
    use super::*;

    /// The client's end, and ours.
    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    /// What the client sends is there when this returns.
    fn send(client: &mut TcpStream, ours: &TcpStream, bytes: &[u8]) {
        client.write_all(bytes).unwrap();
        ours.set_nonblocking(false).unwrap();
        ours.peek(&mut [0]).unwrap();
        ours.set_nonblocking(true).unwrap();
    }

    #[tokio::test(flavor = "local")]
    async fn what_is_there_is_read_and_an_answer_written_while_nobody_watches() {
        let (mut client, ours) = pair();
        send(&mut client, &ours, b"request");
        let mut socket = Socket::accepted(ours);
        let mut read = [0; 20];
        assert_eq!(socket.read(&mut read).await.unwrap(), 7);
        assert_eq!(&read[..7], b"request");
        socket.write_all(b"answer").await.unwrap();
        socket.shutdown().await.unwrap();
        assert!(matches!(socket, Socket::Unwatched(_)));
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "answer");
    }

    #[tokio::test(flavor = "local")]
    async fn the_last_bytes_leave_when_our_side_is_ended_watched_or_not() {
        for watched in [false, true] {
            let (mut client, ours) = pair();
            ours.set_nonblocking(true).unwrap();
            let mut socket = Socket::accepted(ours);
            if watched {
                socket.watch().unwrap();
            }
            let written = std::future::poll_fn(|cx| socket.poll_write_last(cx, b"bye")).await;
            assert_eq!(written.unwrap(), 3);
            socket.end().unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, "bye");
            assert_eq!(matches!(socket, Socket::Tcp(_)), watched);
        }
    }

    #[tokio::test(flavor = "local")]
    async fn what_is_not_there_yet_is_watched_for() {
        let (mut client, ours) = pair();
        ours.set_nonblocking(true).unwrap();
        let mut socket = Socket::accepted(ours);
        let mut read = [0; 20];
        {
            let mut reading = Box::pin(socket.read(&mut read));
            let first = std::future::poll_fn(|cx| std::task::Poll::Ready(Pin::as_mut(&mut reading).poll(cx))).await;
            assert!(first.is_pending());
            client.write_all(b"late").unwrap();
            assert_eq!(reading.await.unwrap(), 4);
        }
        assert!(matches!(socket, Socket::Tcp(_)));
    }

    #[tokio::test(flavor = "local")]
    async fn one_that_always_has_something_is_watched_after_a_while() {
        let (mut client, ours) = pair();
        send(&mut client, &ours, &[b'x'; 100]);
        let mut socket = Socket::accepted(ours);
        for _ in 0..TRIES {
            assert_eq!(socket.read(&mut [0]).await.unwrap(), 1);
        }
        assert!(matches!(socket, Socket::Unwatched(_)));
        assert_eq!(socket.read(&mut [0]).await.unwrap(), 1);
        assert!(matches!(socket, Socket::Tcp(_)));
    }

    #[tokio::test(flavor = "local")]
    async fn what_nobody_has_read_is_known_without_being_watched() {
        let (mut client, ours) = pair();
        ours.set_nonblocking(true).unwrap();
        let twin = ours.try_clone().unwrap();
        let stream = Stream::Plain(Socket::accepted(ours));
        assert!(stream.is_unwatched() && !stream.has_more());
        send(&mut client, &twin, b"more");
        assert!(stream.is_unwatched() && stream.has_more());
    }
}
