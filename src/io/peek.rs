//! What has come on a socket, looked at and left where it is.

use std::io;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;

use super::Socket;

impl Socket {
    /// What has come, as soon as anything has; 0 = the end. Through the kernel's own call, because tokio has none for Unix sockets.
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
            // it is watched from here on
            Self::Unwatched(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}
