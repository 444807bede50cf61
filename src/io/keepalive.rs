//! TCP keep-alive (RFC 9293, section 3.8.4): the kernel probes a silent peer.
//!
//! A machine that has lost its power, and a firewall that has forgotten a connection, send no FIN. As long as nothing is sent to
//! them, only a probe finds that out; the connection then ends as if it were reset. `TCP_USER_TIMEOUT`, which limits how long
//! sent data may be unacknowledged, is not set: on Linux it also ends a connection whose peer is alive but does not read for a
//! while.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// The silence after which the peer is probed. It is shorter than the time after which common firewalls and address translators
/// forget a connection (RFC 5382, section 5, has two hours; those of clouds take one to six minutes).
const SILENCE: Duration = Duration::from_secs(20);
/// The time between two probes.
const INTERVAL: Duration = Duration::from_secs(5);
/// The number of unanswered probes after which the peer is considered gone.
const QUESTIONS: u32 = 3;

/// Turns on keep-alive for a TCP socket. The connections that a listening socket accepts inherit it.
///
/// # Errors
///
/// The kernel's error.
pub fn keep_alive(socket: &impl AsFd) -> io::Result<()> {
    let policy = TcpKeepalive::new().with_time(SILENCE).with_interval(INTERVAL).with_retries(QUESTIONS);
    SockRef::from(socket).set_tcp_keepalive(&policy)
}
