//! Byte streams: a TCP or Unix socket, in clear or with TLS, as one type.
//!
//! This is an enum instead of a generic parameter or a trait object, so everything above is compiled once, and a call costs one
//! predictable branch.

mod calls;
mod connect;
pub mod inbound;
mod keepalive;
mod peek;
pub mod pipe;
mod race;
mod resolve;
pub mod spare;
mod unwatched;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
pub use connect::{NotConnected, Told};
pub use keepalive::keep_alive;
pub use race::connect_any;
pub use resolve::{AT_ONCE, Found, Name, resolve, resolve_all};
use rustix::net::{RecvFlags, Shutdown, recv};
use socket2::SockRef;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use unwatched::Unwatched;

pub use calls::LITTLE;

/// A connected socket.
#[derive(Debug)]
pub enum Socket {
    /// A TCP socket.
    Tcp(TcpStream),
    /// A TCP socket that is not registered with the event loop until it has to be waited for.
    Unwatched(Unwatched),
    /// A Unix stream socket.
    Unix(UnixStream),
}

/// A connection, in clear or with TLS, in either role.
#[derive(Debug)]
pub enum Stream {
    /// A connection in clear.
    Plain(Socket),
    /// A client's connection with TLS.
    TlsServer(Box<tokio_rustls::server::TlsStream<Socket>>),
    /// A connection to a backend with TLS.
    TlsClient(Box<tokio_rustls::client::TlsStream<Socket>>),
}

macro_rules! each {
    ($self:expr, $($variant:path),+ => $inner:ident => $call:expr) => {
        match $self.get_mut() { $($variant($inner) => $call,)+ }
    };
}

/// Tries a call on an unregistered socket directly. If it would block, registers the socket, so that it is waited for like any
/// other.
macro_rules! at_once {
    ($socket:ident, $unwatched:ident => $try:expr) => {
        if let Self::Unwatched($unwatched) = $socket {
            if let Some(done) = $try {
                return Poll::Ready(done);
            }
            $socket.watch()?;
        }
    };
}

impl Socket {
    /// A non-blocking connection that was accepted just now.
    pub fn accepted(tcp: std::net::TcpStream) -> Self {
        Self::Unwatched(Unwatched::new(tcp))
    }

    /// A placeholder for a connection that was taken away. Reading and writing fail.
    pub fn gone() -> Self {
        Self::Unwatched(Unwatched::gone())
    }

    /// Registers the socket with the event loop if it is not. To be called before asking whether it is ready.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn watch(&mut self) -> io::Result<()> {
        if let Self::Unwatched(unwatched) = self {
            *self = Self::Tcp(unwatched.watch()?);
        }
        Ok(())
    }

    /// The local address that the client connected to; `None` for a Unix socket.
    pub fn local(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(tcp) => tcp.local_addr().ok(),
            Self::Unwatched(unwatched) => unwatched.tcp().and_then(|tcp| tcp.local_addr()).ok(),
            Self::Unix(_) => None,
        }
    }

    /// Ready when there may be something to read.
    ///
    /// # Errors
    ///
    /// The runtime is ending, or the socket is not registered.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(tcp) => tcp.poll_read_ready(cx),
            Self::Unwatched(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
            Self::Unix(unix) => unix.poll_read_ready(cx),
        }
    }

    /// Ready when there may be room to write.
    ///
    /// # Errors
    ///
    /// The runtime is ending, or the socket is not registered.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(tcp) => tcp.poll_write_ready(cx),
            Self::Unwatched(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
            Self::Unix(unix) => unix.poll_write_ready(cx),
        }
    }

    /// Runs a system call on the socket. If it would block, the socket is not ready any more.
    ///
    /// # Errors
    ///
    /// Those of the call.
    pub fn try_io<R>(&self, interest: Interest, call: impl FnOnce(BorrowedFd<'_>) -> io::Result<R>) -> io::Result<R> {
        match self {
            Self::Tcp(tcp) => tcp.try_io(interest, || call(tcp.as_fd())),
            Self::Unwatched(unwatched) => call(unwatched.tcp()?.as_fd()),
            Self::Unix(unix) => unix.try_io(interest, || call(unix.as_fd())),
        }
    }

    fn poll_append(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        at_once!(self, unwatched => unwatched.append(buf));
        self.poll_move(Interest::READABLE, LITTLE, cx, |fd| calls::append(fd, buf))
    }

    fn poll_write_last(&mut self, cx: &mut Context<'_>, last: &[u8]) -> Poll<io::Result<usize>> {
        at_once!(self, unwatched => unwatched.write_last(last));
        self.poll_move(Interest::WRITABLE, last.len(), cx, |fd| calls::send_last(fd, last))
    }

    /// Runs a call that reads or writes, once the socket is ready. A call that moves fewer bytes than it could has emptied, or
    /// filled, the kernel's buffer. The socket is then marked as not ready, without another call to find that out (epoll(7), the
    /// ninth question).
    ///
    /// Before a read the runtime is asked, because it counts reads and makes a task that always has something to read yield to
    /// others. Before a write it is asked only if the last write did not find room for everything.
    fn poll_move(
        &self,
        interest: Interest,
        most: usize,
        cx: &mut Context<'_>,
        mut call: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if interest.is_readable() {
            ready!(self.poll_read_ready(cx))?;
        }
        loop {
            let mut moved = None;
            let tried = self.try_io(interest, |fd| match call(fd)? {
                some if 0 < some && some < most => {
                    moved = Some(some);
                    Err(io::ErrorKind::WouldBlock.into())
                }
                all => Ok(all),
            });
            match (moved, tried) {
                (Some(moved), _) => return Poll::Ready(Ok(moved)),
                (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(if interest.is_readable() { self.poll_read_ready(cx) } else { self.poll_write_ready(cx) })?;
                }
                (None, tried) => return Poll::Ready(tried),
            }
        }
    }

    /// Ends our side at once.
    ///
    /// # Errors
    ///
    /// The other side has ended the connection.
    pub fn end(&self) -> io::Result<()> {
        Ok(rustix::net::shutdown(self.fd()?, Shutdown::Write)?)
    }

    /// Has the connection reset when it is closed, so that nobody takes it for a clean end. There are no resets on Unix sockets.
    pub fn reset_on_close(&self) {
        if let (Self::Tcp(_) | Self::Unwatched(_), Ok(fd)) = (self, self.fd()) {
            let _ = SockRef::from(&fd).set_linger(Some(Duration::ZERO));
        }
    }

    fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        match self {
            Self::Tcp(tcp) => Ok(tcp.as_fd()),
            Self::Unwatched(unwatched) => Ok(unwatched.tcp()?.as_fd()),
            Self::Unix(unix) => Ok(unix.as_fd()),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let socket = self.get_mut();
        at_once!(socket, unwatched => unwatched.read(buf));
        match socket {
            Self::Tcp(tcp) if !calls::has_room_for(buf) => Pin::new(tcp).poll_read(cx, buf),
            Self::Unix(unix) if !calls::has_room_for(buf) => Pin::new(unix).poll_read(cx, buf),
            _ => {
                let room = buf.remaining();
                socket.poll_move(Interest::READABLE, room, cx, |fd| calls::receive(fd, buf)).map_ok(|_| ())
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let socket = self.get_mut();
        at_once!(socket, unwatched => unwatched.write(bytes));
        socket.poll_move(Interest::WRITABLE, bytes.len(), cx, |fd| calls::send(fd, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let socket = self.get_mut();
        at_once!(socket, unwatched => unwatched.write_vectored(bufs));
        let all = bufs.iter().map(|buf| buf.len()).sum();
        socket.poll_move(Interest::WRITABLE, all, cx, |fd| calls::send_vectored(fd, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.end())
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, Self::Plain, Self::TlsServer, Self::TlsClient => s => Pin::new(s).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, Self::Plain, Self::TlsServer, Self::TlsClient => s => Pin::new(s).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, Self::Plain, Self::TlsServer, Self::TlsClient => s => Pin::new(s).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, Self::Plain, Self::TlsServer, Self::TlsClient => s => Pin::new(s).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, Self::Plain, Self::TlsServer, Self::TlsClient => s => Pin::new(s).poll_shutdown(cx))
    }
}

impl Stream {
    /// The underlying socket.
    pub fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::TlsServer(tls) => tls.get_ref().0,
            Self::TlsClient(tls) => tls.get_ref().0,
        }
    }

    /// The underlying socket of a connection in clear, which is registered with the event loop if it was not, so that it can be
    /// waited for; `None` with TLS.
    pub fn plain(&mut self) -> Option<&Socket> {
        match self {
            Self::Plain(socket) => socket.watch().ok().map(|()| &*socket),
            Self::TlsServer(_) | Self::TlsClient(_) => None,
        }
    }

    /// Whether the socket is not registered with the event loop, so that its end would not be noticed.
    pub fn is_unwatched(&self) -> bool {
        matches!(self, Self::Plain(Socket::Unwatched(_)))
    }

    /// Whether the event loop has reported nothing to read. This takes no system call. `false` with TLS, where there may be
    /// decrypted bytes.
    pub fn has_no_news(&self) -> bool {
        matches!(self, Self::Plain(socket) if socket.try_io(Interest::READABLE, |_| Ok(())).is_err())
    }

    /// Whether there are unread bytes on a connection in clear. This takes a system call only if the event loop has reported
    /// something, or the socket is not registered.
    pub fn has_more(&self) -> bool {
        match self {
            Self::Plain(socket) => {
                let peeked = socket.try_io(Interest::READABLE, |fd| Ok(recv(fd, &mut [0], RecvFlags::PEEK)?.0));
                peeked.is_ok_and(|more| more > 0)
            }
            Self::TlsServer(_) | Self::TlsClient(_) => false,
        }
    }

    /// Reads once, up to what has arrived, and returns the number of bytes; 0 at the end of the stream. Memory is allocated only
    /// after bytes have arrived, so a connection that waits for a message holds no buffer. Reads at most [`LITTLE`] bytes in
    /// clear, and the content of one record with TLS.
    ///
    /// # Errors
    ///
    /// Those of the socket, or of TLS.
    pub fn poll_append(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_append(cx, buf),
            Self::TlsServer(tls) => append_plaintext(Pin::new(tls), cx, buf),
            Self::TlsClient(tls) => append_plaintext(Pin::new(tls), cx, buf),
        }
    }

    /// Writes the last bytes. [`end`](Socket::end) or a shutdown has to follow at once, because the end of the stream is sent
    /// along: with TLS as `close_notify` in the same system call, in clear as FIN in the same packet.
    pub fn poll_write_last(&mut self, cx: &mut Context<'_>, last: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_write_last(cx, last),
            Self::TlsServer(tls) => {
                let session = tls.get_mut().1;
                // the session may have no room if something is still buffered
                if session.wants_write() {
                    return Pin::new(tls).poll_write(cx, last);
                }
                let taken = session.writer().write(last)?;
                if taken == last.len() {
                    session.send_close_notify();
                }
                Poll::Ready(Ok(taken))
            }
            Self::TlsClient(tls) => Pin::new(tls).poll_write(cx, last),
        }
    }

    /// Whether writes are buffered in the stream (as TLS records), so that it has to be flushed.
    pub fn is_buffered(&self) -> bool {
        !matches!(self, Self::Plain(_))
    }
}

/// Copies decrypted bytes out of the TLS session's own buffer, without another buffer in between.
fn append_plaintext<T: AsyncBufRead>(
    mut tls: Pin<&mut T>,
    cx: &mut Context<'_>,
    buf: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    let plaintext = ready!(tls.as_mut().poll_fill_buf(cx))?;
    buf.extend_from_slice(plaintext);
    let read = plaintext.len();
    tls.consume(read);
    Poll::Ready(Ok(read))
}
