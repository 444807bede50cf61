//! TCP keep-alive (RFC 9293, section 3.8.4): the kernel asks a silent peer for a sign of life.
//!
//! A machine that lost its power, or a firewall that forgot a connection, sends no FIN. As long as nothing is sent to
//! it, only such a probe finds that out: the connection then ends with a reset. `TCP_USER_TIMEOUT`, which limits the
//! wait for the acknowledgement of sent bytes, is not set: on Linux it also ends a connection whose peer is well and
//! does not read for a while.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// How long a connection may be silent before the first probe. It is below the shortest time after which common
/// firewalls and address translators forget a connection (RFC 5382, section 5, has two hours; those of clouds take one
/// to six minutes).
const SILENCE: Duration = Duration::from_secs(20);
/// The time between two probes.
const INTERVAL: Duration = Duration::from_secs(5);
/// How many probes without an answer mean that the peer is gone.
const PROBES: u32 = 3;

/// Turns on keep-alive for a TCP socket. Sockets that a listening socket accepts inherit it.
///
/// # Errors
///
/// What the kernel says.
pub fn keep_alive(socket: &impl AsFd) -> io::Result<()> {
    let policy = TcpKeepalive::new().with_time(SILENCE).with_interval(INTERVAL).with_retries(PROBES);
    SockRef::from(socket).set_tcp_keepalive(&policy)
}
