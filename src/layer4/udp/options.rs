//! The options of UDP sockets.
//!
//! Fragmentation is left at the kernel's default: the path's MTU is observed, and larger datagrams are fragmented. A proxy that
//! forbade this would lose the large responses of name servers.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use crate::io::allow_any_address;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockRef, Type};

use crate::io::outbound::{Outbound, SocketOptions};

/// The requested size of a listening socket's buffers, in bytes; the kernel lowers it to `net.core.rmem_max` and `wmem_max`. A
/// burst that arrives while the worker is busy waits there.
const BUFFER: usize = 4 * 1024 * 1024;

/// A socket that clients send to. Several of them, one for each worker, share an address. `free_bind`: this machine need not have
/// the address yet.
///
/// # Errors
///
/// The kernel's error.
pub fn listen(address: SocketAddr, free_bind: bool, options: &SocketOptions) -> io::Result<UdpSocket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if free_bind {
        allow_any_address(&socket, &address)?;
    }
    // SO_REUSEADDR would let the socket that was bound last get all datagrams
    socket.set_reuse_port(true)?;
    options.apply(SockRef::from(&socket), address.is_ipv6())?;
    socket.bind(&address.into())?;
    let socket = UdpSocket::from(socket);
    prepare(&socket)?;
    Ok(socket)
}

/// Sets the options of a bound socket that clients send to.
///
/// # Errors
///
/// The kernel's error.
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

/// A socket for the datagrams of one session to its backend. It is connected, so that the kernel delivers only the backend's
/// datagrams, and reports ICMP errors. It is made in the way of `outbound`, if there is one.
///
/// # Errors
///
/// The kernel's error.
pub fn connect(backend: SocketAddr, outbound: Option<&Outbound>) -> io::Result<UdpSocket> {
    let socket = match outbound {
        Some(outbound) => outbound.connect(Type::DGRAM, backend)?,
        None => {
            let kind = Type::DGRAM.nonblocking();
            let socket = socket2::Socket::new(Domain::for_address(backend), kind, Some(Protocol::UDP))?;
            socket.connect(&backend.into())?;
            socket
        }
    };
    let socket = UdpSocket::from(socket);
    // without this option the kernel reports that a port is closed, but not that a host can't be reached
    match backend {
        SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?,
        SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?,
    }
    Ok(socket)
}

/// Lets the kernel join runs of datagrams (GRO), and report congestion marks (ECN). If it can't, datagrams arrive one by one and
/// without marks.
pub fn join_runs(socket: &UdpSocket, address: &SocketAddr) {
    let _ = setsockopt(socket, sockopt::UdpGroSegment, &true);
    let options = SockRef::from(socket);
    // IPv4 also reaches an IPv6 socket that serves both families
    let _ = options.set_recv_tos_v4(true);
    if address.is_ipv6() {
        let _ = options.set_recv_tclass_v6(true);
    }
}

/// Whether this means all addresses of the machine, so that each datagram has to report which of them it was sent to.
pub fn is_wildcard(address: &SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V4(ip) => ip.is_unspecified(),
        IpAddr::V6(ip) => ip.is_unspecified(),
    }
}
