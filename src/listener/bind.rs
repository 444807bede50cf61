//! Listening sockets.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, Socket, Type};

use crate::endpoint::Target;

/// Connections that the kernel keeps for us while we are busy; it lowers this to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// The sockets of one listener, one for each worker, not yet in any runtime.
#[derive(Debug)]
pub enum Bound {
    /// TCP, each its own queue.
    Tcp(Vec<std::net::TcpListener>),
    /// A Unix socket: one queue, shared.
    Unix(Vec<UnixListener>, Socketfile),
}

/// A Unix socket's file, removed with the listener.
#[derive(Debug)]
pub struct Socketfile(PathBuf);

/// Binds an address for this many workers.
///
/// # Errors
///
/// What the kernel says: the address is taken, or not ours, or may not be bound.
pub fn bind(address: &Target, workers: usize) -> io::Result<Bound> {
    match address {
        Target::Tcp(address) => {
            let first = tcp(*address)?;
            // port 0 is chosen once
            let address = first.local_addr()?;
            let rest = (1..workers).map(|_| tcp(address));
            Ok(Bound::Tcp(std::iter::once(Ok(first)).chain(rest).collect::<io::Result<_>>()?))
        }
        Target::Unix(path) => {
            remove_stale(path)?;
            let listener = UnixListener::bind(path)?;
            listener.set_nonblocking(true)?;
            let clones = (1..workers).map(|_| listener.try_clone()).collect::<io::Result<Vec<_>>>()?;
            let listeners = std::iter::once(listener).chain(clones).collect();
            Ok(Bound::Unix(listeners, Socketfile(path.clone())))
        }
    }
}

fn tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    // inherited by what is accepted: one system call less for each connection
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A socket's file that nobody listens on is left over from a crash and stands in the way.
fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() && UnixStream::connect(path).is_err() => std::fs::remove_file(path),
        _ => Ok(()),
    }
}

impl Bound {
    /// The address that it listens on, for the log.
    pub fn describe(&self) -> String {
        match self {
            Self::Tcp(listeners) => match listeners.first().map(std::net::TcpListener::local_addr) {
                Some(Ok(address)) => address.to_string(),
                _ => "?".to_owned(),
            },
            Self::Unix(_, file) => format!("unix:{}", file.0.display()),
        }
    }
}

impl Drop for Socketfile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
