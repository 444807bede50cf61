//! Connecting over TCP, with the difference that tokio's does not tell: whether the kernel refused at once, out of what it knows of
//! this machine, or told later what came back from the network.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Type};
use tokio::net::TcpStream;

/// When the kernel told that something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureTiming {
    /// In the call that asked for it: nothing was heard of the other side.
    AtOnce,
    /// Afterwards: the other side, or something on the way, has answered, or nothing has.
    Later,
}

/// A connection that was not made.
#[derive(Debug)]
pub struct NotConnected {
    /// Where to.
    pub to: SocketAddr,
    /// What the kernel says.
    pub error: io::Error,
    /// When it said so.
    pub timing: FailureTiming,
}

/// Connects to an address.
///
/// # Errors
///
/// What the kernel says, and when.
pub async fn connect(address: SocketAddr) -> Result<TcpStream, NotConnected> {
    let failed = |error, timing| NotConnected { to: address, error, timing };
    let socket = begin(address).map_err(|error| failed(at_once(error, address), FailureTiming::AtOnce))?;
    let later = async {
        let tcp = TcpStream::from_std(socket)?;
        // ready for writing is what a connection is when it is made, and when it can't be
        tcp.writable().await?;
        match tcp.take_error()? {
            Some(error) => Err(error),
            None => Ok(tcp),
        }
    };
    later.await.map_err(|error| failed(error, FailureTiming::Later))
}

/// Has the kernel begin.
fn begin(address: SocketAddr) -> io::Result<std::net::TcpStream> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => Err(error),
        _ => Ok(socket.into()),
    }
}

/// `EADDRNOTAVAIL` says that there is no free port, and also that there is no address of this family to come from, as where IPv6 is
/// switched off. The second is what others call an unreachable network. Datagrams have ports of their own, so one that finds an address
/// tells the two apart.
fn at_once(error: io::Error, address: SocketAddr) -> io::Error {
    let has_source = || {
        let socket = UdpSocket::bind(("::", 0));
        !socket.is_ok_and(|socket| socket.connect(address).is_err())
    };
    if error.raw_os_error() == Some(Errno::ADDRNOTAVAIL.raw_os_error()) && address.is_ipv6() && !has_source() {
        return Errno::NETUNREACH.into();
    }
    error
}
