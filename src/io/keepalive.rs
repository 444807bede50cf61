//! TCP keep-alive (RFC 9293, section 3.8.4): the kernel asks a silent peer for a sign of life.
//!
//! A machine that lost its power, or a firewall that forgot a connection, sends no FIN. As long as nothing is sent to it, only such a probe
//! finds that out: the connection then ends as one that was reset. `TCP_USER_TIMEOUT`, which bounds the wait for what was sent
//! and not acknowledged, is not set: on Linux it also ends a connection whose peer is well and does not read for a while.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// Silence after which the peer is asked. Below the shortest time after which the firewalls and address translators that are
/// common forget a connection (RFC 5382, section 5, has two hours; those of clouds take one to six minutes).
const SILENCE: Duration = Duration::from_secs(20);
/// Between two questions.
const INTERVAL: Duration = Duration::from_secs(5);
/// Questions without an answer after which the peer is taken for gone.
const QUESTIONS: u32 = 3;

/// Has the kernel ask for signs of life on a TCP socket. Those that a listening socket accepts inherit it.
///
/// # Errors
///
/// What the kernel says.
pub fn keep_alive(socket: &impl AsFd) -> io::Result<()> {
    let policy = TcpKeepalive::new().with_time(SILENCE).with_interval(INTERVAL).with_retries(QUESTIONS);
    SockRef::from(socket).set_tcp_keepalive(&policy)
}
