//! Connecting over TCP. Unlike tokio's function it tells whether the kernel has refused at once, because of the state of this
//! machine, or later, because of what came from the network.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Type};
use tokio::net::TcpStream;

/// When the kernel has reported a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// In the call to connect(2), before anything was heard from the network.
    AtOnce,
    /// Later: the other side or a router has answered, or there was no answer in time.
    Later,
}

/// A failed attempt to connect.
#[derive(Debug)]
pub struct NotConnected {
    /// The address.
    pub to: SocketAddr,
    /// The kernel's error.
    pub error: io::Error,
    /// When it was reported.
    pub told: Told,
}

/// Connects to an address.
///
/// # Errors
///
/// The kernel's error, and when it was reported.
pub async fn connect(address: SocketAddr) -> Result<TcpStream, NotConnected> {
    let failed = |error, told| NotConnected { to: address, error, told };
    let socket = begin(address).map_err(|error| failed(at_once(error, address), Told::AtOnce))?;
    let later = async {
        let tcp = TcpStream::from_std(socket)?;
        // a socket becomes writable when it is connected, and also when it can't be
        tcp.writable().await?;
        match tcp.take_error()? {
            Some(error) => Err(error),
            None => Ok(tcp),
        }
    };
    later.await.map_err(|error| failed(error, Told::Later))
}

/// Starts connecting, without waiting.
fn begin(address: SocketAddr) -> io::Result<std::net::TcpStream> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => Err(error),
        _ => Ok(socket.into()),
    }
}

/// `EADDRNOTAVAIL` means that there is no free port, but also that this machine has no address of the family, as when IPv6 is
/// switched off. The second case is turned into an unreachable network, which is how other systems report it. Connecting a UDP
/// socket, whose ports are separate, tells the two apart.
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
