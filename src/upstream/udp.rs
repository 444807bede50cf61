//! UDP sockets to a backend: one connected socket for each session.
//!
//! A session costs the kernel a socket and a local port, which distinguishes the replies to one session from those to another.
//! `net.ipv4.ip_local_port_range` (28,232 ports by default) therefore limits the sessions of the whole machine.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use rustix::io::Errno;

use super::dial;
use crate::endpoint::{Endpoint, Target};
use crate::error::{Error, Kind, Result, Retry};
use crate::io::{FailureTiming, NotConnected};
use crate::layer4::udp::options;

/// Makes a socket that is connected to the first of the backend's addresses to which there is a route. Whether the backend is
/// listening shows only when a datagram is sent; see [`Addresses::fails`](crate::endpoint::addresses::Addresses::fails).
///
/// # Errors
///
/// The endpoint is a Unix socket, or there is no route to any of its addresses, or this machine lacks ports or descriptors.
pub fn connect(endpoint: &Endpoint) -> Result<(UdpSocket, SocketAddr)> {
    if let Target::Unix(_) = endpoint.target {
        return Err(Error::new(Kind::Connect, "datagrams don't go to Unix sockets").retry(Retry::Safe));
    }
    let mut failed = Vec::new();
    for to in endpoint.addresses.in_order() {
        match options::connect(to, endpoint.outbound.as_deref()) {
            Ok(socket) => return Ok((socket, to)),
            Err(error) => failed.push(NotConnected { to, error, timing: FailureTiming::AtOnce }),
        }
    }
    Err(dial::all_addresses_failed(failed))
}

/// Whether this error reports an ICMP message which says that the backend can't be reached: connection refused (nobody listens),
/// host or network unreachable, protocol unreachable, or administratively prohibited. Other errors concern a single datagram: it
/// is too large, or a buffer is full.
pub fn is_unreachable(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::CONNREFUSED
                | Errno::HOSTUNREACH
                | Errno::NETUNREACH
                | Errno::NOPROTOOPT
                | Errno::HOSTDOWN
                | Errno::NONET
                | Errno::ACCESS
        )
    )
}
