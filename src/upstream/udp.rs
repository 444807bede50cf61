//! Datagrams to a backend: a connected socket for each session.
//!
//! A session costs the kernel a socket, and a local port of its own, by which it tells the answers of one session from those of
//! another: `net.ipv4.ip_local_port_range` (28,232 ports where nobody changed it) bounds the sessions of the whole machine.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use rustix::io::Errno;

use super::dial;
use crate::endpoint::{Endpoint, Target};
use crate::error::{Error, Kind, Result, Retry};
use crate::io::{FailureTiming, NotConnected};
use crate::layer4::udp::options;

/// A socket connected to the backend: to the first of its addresses that there is a way to. Whether somebody is there only datagrams
/// find out; see [`Addresses::fails`](crate::endpoint::addresses::Addresses::fails).
pub fn connect(endpoint: &Endpoint) -> Result<(UdpSocket, SocketAddr)> {
    if let Target::Unix(_) = endpoint.target {
        return Err(Error::new(Kind::Connect, "datagrams don't go to Unix sockets").retry(Retry::Safe));
    }
    let mut failed = Vec::new();
    for to in endpoint.addresses.in_order() {
        match options::connect(to) {
            Ok(socket) => return Ok((socket, to)),
            Err(error) => failed.push(NotConnected { to, error, timing: FailureTiming::AtOnce }),
        }
    }
    Err(dial::none_connected(failed))
}

/// Whether this is an ICMP message's word that the backend can't be reached: refused (no one is listening), host or network
/// unreachable, protocol unknown there, forbidden on the way. Others are about one datagram: too large, no room in a buffer.
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
