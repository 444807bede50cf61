//! Options of datagram sockets.
//!
//! Fragmentation stays as the kernel has it: the path's MTU is obeyed, and what is larger is fragmented. A proxy that forbade
//! it would lose the large answers of name servers.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockRef, Type};

/// What a listening socket's buffers should hold; the kernel lowers it to `net.core.rmem_max` and `wmem_max`. A burst that comes
/// while the worker is busy waits there.
const BUFFER: usize = 4 * 1024 * 1024;

/// A socket that clients send to, one of several on one address.
///
/// # Errors
///
/// What the kernel says.
pub fn listen(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // and not SO_REUSEADDR, with which the last one to bind would get everything
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    let socket = UdpSocket::from(socket);
    prepare(&socket)?;
    Ok(socket)
}

/// Makes a bound socket one that clients send to, however it came to be bound.
///
/// # Errors
///
/// What the kernel says.
pub fn prepare(socket: &UdpSocket) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    let options = SockRef::from(socket);
    let _ = options.set_recv_buffer_size(BUFFER).and_then(|()| options.set_send_buffer_size(BUFFER));
    if is_wildcard(&address) {
        match address {
            SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?,
            SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?,
        }
    }
    join_runs(socket, &address);
    Ok(())
}

/// A socket that datagrams of one session go to its backend by. Connected: the kernel takes datagrams from the backend alone,
/// and tells ICMP errors.
///
/// # Errors
///
/// What the kernel says.
pub fn connect(backend: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket2::Socket::new(Domain::for_address(backend), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    socket.connect(&backend.into())?;
    let socket = UdpSocket::from(socket);
    // without it the kernel tells a refusal, but not that a host can't be reached
    match backend {
        SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?,
        SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?,
    }
    Ok(socket)
}

/// Has runs of datagrams joined, and congestion marks told. Where the kernel can't, datagrams come one by one.
pub fn join_runs(socket: &UdpSocket, address: &SocketAddr) {
    let _ = setsockopt(socket, sockopt::UdpGroSegment, &true);
    let options = SockRef::from(socket);
    // for IPv4 over a socket of both families, too
    let _ = options.set_recv_tos_v4(true);
    if address.is_ipv6() {
        let _ = options.set_recv_tclass_v6(true);
    }
}

/// Whether it stands for every address of the machine, so that each datagram has to say which of them it came to.
pub fn is_wildcard(address: &SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V4(ip) => ip.is_unspecified(),
        IpAddr::V6(ip) => ip.is_unspecified(),
    }
}
