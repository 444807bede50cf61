//! Looks at what has come on a socket, or whether its other side has left, and takes nothing of it.

use std::io;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;

use super::Socket;

impl Socket {
    /// Waits until something has come and copies it without taking it; 0 = the end of the stream. It uses the kernel's
    /// own call, because tokio has none for Unix sockets.
    ///
    /// # Errors
    ///
    /// When the connection is broken.
    pub async fn peek(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if let Self::Unwatched(unwatched) = self {
            match recv(unwatched.tcp()?, &mut *bytes, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
                Ok((seen, _)) => return Ok(seen),
                Err(Errno::WOULDBLOCK) => self.watch()?,
                Err(error) => return Err(error.into()),
            }
        }
        match self {
            Self::Tcp(tcp) => {
                tcp.async_io(Interest::READABLE, || Ok(recv(&*tcp, &mut *bytes, RecvFlags::PEEK)?.0)).await
            }
            Self::Unix(unix) => {
                unix.async_io(Interest::READABLE, || Ok(recv(&*unix, &mut *bytes, RecvFlags::PEEK)?.0)).await
            }
            // the socket has been registered above
            Self::Unwatched(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Ready when the other side has reset the connection, and with `or_ended` also when it has ended its side; whatever it has sent before, and nobody
    /// has read. Never for a socket that is not registered.
    pub async fn left(&self, or_ended: bool) {
        // that a side has ended is told to whoever waits for anything to read, and urgent data never come: nobody has asked the kernel for them
        let wanted = if or_ended { Interest::PRIORITY | Interest::ERROR } else { Interest::ERROR };
        let told = match self {
            Self::Tcp(tcp) => tcp.ready(wanted).await,
            Self::Unwatched(_) => Err(io::ErrorKind::Unsupported.into()),
            Self::Unix(unix) => unix.ready(wanted).await,
        };
        if told.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
