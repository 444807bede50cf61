//! Peeking at what has arrived on a socket, without consuming it.

use std::io;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;

use super::Socket;

impl Socket {
    /// Waits until something has arrived, and copies it to `bytes` without consuming it. Returns the number of bytes; 0 at the
    /// end of the stream. It uses recv(2), because tokio can't peek at Unix sockets.
    ///
    /// # Errors
    ///
    /// The connection is broken.
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
            // `watch` above has turned this variant into `Tcp`
            Self::Unwatched(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}
