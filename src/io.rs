//! Byte streams: a TCP or Unix socket, in clear or under TLS, as one type.
//!
//! One enum instead of a generic parameter or a boxed trait object: everything above is compiled once, and a call costs a
//! predictable branch.

mod calls;
mod connect;
pub mod inbound;
mod keepalive;
mod new_connections;
mod nice;
mod own_address;
pub mod outbound;
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
pub use connect::{FailureTiming, NotConnected};
pub use keepalive::keep_alive;
pub use new_connections::{hold_back, let_in};
pub use nice::be_nice;
pub use own_address::{OwnAddress, allow_any_address, can_be_bound, own_addresses};
pub use race::connect_any;
pub use resolve::{AT_ONCE, HostPort, Resolved, resolve, resolve_all};
use rustix::net::{RecvFlags, Shutdown, recv};
use socket2::SockRef;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use unwatched::Unwatched;

pub use calls::SMALL_READ;

/// A connected socket.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// TCP, not registered with the event loop until it has to be waited for.
    Unwatched(Unwatched),
    /// A Unix stream socket.
    Unix(UnixStream),
}

/// A socket, in clear or under TLS, of either role.
#[derive(Debug)]
pub enum Stream {
    /// In clear.
    Plain(Socket),
    /// A client's connection under TLS.
    TlsServer(Box<tokio_rustls::server::TlsStream<Socket>>),
    /// Our connection to a backend under TLS.
    TlsClient(Box<tokio_rustls::client::TlsStream<Socket>>),
}

macro_rules! each {
    ($self:expr, $($variant:path),+ => $inner:ident => $call:expr) => {
        match $self.get_mut() { $($variant($inner) => $call,)+ }
    };
}

/// Tries a call on an unregistered socket at once; where that would block, the socket is registered, and waited for as
/// others are.
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
    /// A connection that was accepted just now, and does not block.
    pub fn accepted(tcp: std::net::TcpStream) -> Self {
        Self::Unwatched(Unwatched::new(tcp))
    }

    /// A socket without a connection, in the place of one that was taken away: reading and writing fail.
    pub fn gone() -> Self {
        Self::Unwatched(Unwatched::gone())
    }

    /// Registers the socket with the event loop. To be called before it is asked whether it is ready.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn watch(&mut self) -> io::Result<()> {
        if let Self::Unwatched(unwatched) = self {
            *self = Self::Tcp(unwatched.watch()?);
        }
        Ok(())
    }

    /// The address that the client connected to, over TCP.
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
    /// When the runtime ends.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(tcp) => tcp.poll_read_ready(cx),
            Self::Unwatched(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
            Self::Unix(unix) => unix.poll_read_ready(cx),
        }
    }

    /// Ready when something may be written.
    ///
    /// # Errors
    ///
    /// When the runtime ends.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(tcp) => tcp.poll_write_ready(cx),
            Self::Unwatched(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
            Self::Unix(unix) => unix.poll_write_ready(cx),
        }
    }

    /// Runs a system call on the socket; where it would block, the socket is not ready any more.
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
        self.poll_move(Interest::READABLE, SMALL_READ, cx, |fd| calls::append(fd, buf))
    }

    fn poll_write_last(&mut self, cx: &mut Context<'_>, last: &[u8]) -> Poll<io::Result<usize>> {
        at_once!(self, unwatched => unwatched.write_last(last));
        self.poll_move(Interest::WRITABLE, last.len(), cx, |fd| calls::send_last(fd, last))
    }

    /// Runs a call that moves bytes once the socket is ready for it. A call that moves fewer bytes than it might has
    /// met the end of what the kernel has, or has room for: the socket is not ready any more, and no further call is
    /// needed to find that out (epoll(7), the ninth question).
    ///
    /// Before a read the runtime is asked, because it counts reads and makes a task that always has something to read
    /// give way to others; before a write only when the last one did not find room for all bytes.
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

    /// Ends our side of the connection, at once.
    ///
    /// # Errors
    ///
    /// Where the other side has ended the connection.
    pub fn end(&self) -> io::Result<()> {
        Ok(rustix::net::shutdown(self.fd()?, Shutdown::Write)?)
    }

    /// Makes closing a TCP connection a reset, which nobody takes for the end of a stream. A Unix socket knows no
    /// resets.
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
    /// The socket below.
    pub fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::TlsServer(tls) => tls.get_ref().0,
            Self::TlsClient(tls) => tls.get_ref().0,
        }
    }

    /// The socket below, in clear, registered with the event loop if it was not: for a caller that waits for it by
    /// hand.
    pub fn plain(&mut self) -> Option<&Socket> {
        match self {
            Self::Plain(socket) => socket.watch().ok().map(|()| &*socket),
            Self::TlsServer(_) | Self::TlsClient(_) => None,
        }
    }

    /// Whether it is not registered with the event loop, so that its end would not be seen.
    pub fn is_unwatched(&self) -> bool {
        matches!(self, Self::Plain(Socket::Unwatched(_)))
    }

    /// Whether the event loop has reported nothing that could be read: this takes no system call. Under TLS there may
    /// be something all the same.
    pub fn has_no_news(&self) -> bool {
        matches!(self, Self::Plain(socket) if socket.try_io(Interest::READABLE, |_| Ok(())).is_err())
    }

    /// Whether there are bytes in clear that have not been read. A system call is made only where the event loop has
    /// reported something, or the socket is not registered.
    pub fn has_more(&self) -> bool {
        match self {
            Self::Plain(socket) => {
                let peeked = socket.try_io(Interest::READABLE, |fd| Ok(recv(fd, &mut [0], RecvFlags::PEEK)?.0));
                peeked.is_ok_and(|more| more > 0)
            }
            Self::TlsServer(_) | Self::TlsClient(_) => false,
        }
    }

    /// Reads once, to the end of what is there; 0 = the end of the stream. Memory is allocated only when something has
    /// come, so a stream that waits for a message holds no buffer. At most [`SMALL_READ`] bytes come from a socket in
    /// clear, and the content of one record under TLS.
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

    /// Writes the last bytes; [an end](Socket::end) or a shutdown has to follow at once, because the end of the stream
    /// leaves together with them: under TLS `close_notify` in the same system call, in clear FIN in the same packet.
    pub fn poll_write_last(&mut self, cx: &mut Context<'_>, last: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_write_last(cx, last),
            Self::TlsServer(tls) => {
                let session = tls.get_mut().1;
                // while the session holds something back there may be no room
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

    /// Whether the stream holds written bytes back (TLS records), so that a flush is needed.
    pub fn is_buffered(&self) -> bool {
        !matches!(self, Self::Plain(_))
    }
}

/// Takes what TLS has deciphered out of the session's own buffer, without another buffer in between.
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
