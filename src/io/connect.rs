//! Connects over TCP, and says what tokio does not: whether the kernel refused at once, by what it knows of this
//! machine, or reported later what came back from the network.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Type};
use tokio::net::TcpStream;

use super::outbound::{self, Outbound};

/// When the kernel reported that something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureTiming {
    /// In the call itself: nothing was heard of the other side.
    AtOnce,
    /// Afterwards: the other side, or something on the way, has answered, or there was no answer.
    Later,
}

/// A connection that was not made.
#[derive(Debug)]
pub struct NotConnected {
    /// The address.
    pub to: SocketAddr,
    /// The kernel's error.
    pub error: io::Error,
    /// When the kernel reported it.
    pub timing: FailureTiming,
}

/// Connects to an address, in the way of `outbound`; `None` = as the kernel does by itself.
///
/// # Errors
///
/// The kernel's error, and when it was reported.
pub async fn connect(address: SocketAddr, outbound: Option<&Outbound>) -> Result<TcpStream, NotConnected> {
    let failed = |error, timing| NotConnected { to: address, error, timing };
    let socket = begin(address, outbound).map_err(|error| failed(at_once(error, address), FailureTiming::AtOnce))?;
    let later = async {
        let tcp = TcpStream::from_std(socket)?;
        // a connection becomes writable both when it is made and when it has failed
        tcp.writable().await?;
        match tcp.take_error()? {
            Some(error) => Err(error),
            None => Ok(tcp),
        }
    };
    later.await.map_err(|error| failed(error, FailureTiming::Later))
}

/// Makes the kernel begin to connect.
fn begin(address: SocketAddr, outbound: Option<&Outbound>) -> io::Result<std::net::TcpStream> {
    if let Some(outbound) = outbound {
        return outbound.connect(Type::STREAM, address).map(Into::into);
    }
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    outbound::begin(&socket, address).map(|()| socket.into())
}

/// `EADDRNOTAVAIL` means that there is no free port, but also that this machine has no address of the family, as where
/// IPv6 is switched off. The second is what other systems call an unreachable network. Datagrams have ports of their
/// own, so a datagram socket that finds an address tells the two apart.
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
