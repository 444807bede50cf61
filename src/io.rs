//! Byte streams: a TCP or Unix socket, in clear or under TLS, as one type.
//!
//! One enum instead of a generic parameter or a boxed trait object: everything above is compiled once, and a call costs a
//! predictable branch.

pub mod pipe;

use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A connected socket.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
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

impl Socket {
    /// Ready when there may be something to read.
    ///
    /// # Errors
    ///
    /// When the runtime ends.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(tcp) => tcp.poll_read_ready(cx),
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
            Self::Unix(unix) => unix.try_io(interest, || call(unix.as_fd())),
        }
    }

    /// What is closed with a TCP connection after this is a reset, which nobody takes for the end of a stream. A Unix socket
    /// knows no resets.
    pub fn reset_on_close(&self) {
        if let Self::Tcp(tcp) = self {
            let _ = SockRef::from(tcp).set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, Self::Tcp, Self::Unix => s => Pin::new(s).poll_read(cx, buf))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, Self::Tcp, Self::Unix => s => Pin::new(s).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, Self::Tcp, Self::Unix => s => Pin::new(s).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, Self::Tcp, Self::Unix => s => Pin::new(s).poll_shutdown(cx))
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

    /// Writes the last bytes: under TLS the end of the stream (`close_notify`) goes with them, in one system call and, when there
    /// is room, in one packet.
    pub fn poll_write_last(&mut self, cx: &mut Context<'_>, last: &[u8]) -> Poll<io::Result<usize>> {
        if let Self::TlsServer(tls) = self {
            let session = tls.get_mut().1;
            // with something held back already there may be no room
            if !session.wants_write() {
                let taken = session.writer().write(last)?;
                if taken == last.len() {
                    session.send_close_notify();
                }
                return Poll::Ready(Ok(taken));
            }
        }
        Pin::new(self).poll_write(cx, last)
    }

    /// Whether bytes are held back in the stream (TLS records) and want a flush.
    pub fn is_buffered(&self) -> bool {
        !matches!(self, Self::Plain(_))
    }
}
