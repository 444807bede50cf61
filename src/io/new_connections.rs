//! Keeps new TCP connections from a listening socket for a while, without refusing any.
//!
//! A packet filter on the socket (socket(7), `SO_ATTACH_FILTER`) drops the first packet of each new connection (SYN). A client's kernel
//! sends it again after a second (RFC 6298, section 2), so whoever comes meanwhile is late, and not lost. Connections that exist,
//! and those whose handshake has begun, are not touched, and what waits in the socket's queue stays there. It takes no privilege.

use std::io;

use socket2::{SockFilter, SockRef};

/// Opcodes of classic BPF (linux/filter.h).
mod code {
    /// Loads a byte.
    pub const LOAD_BYTE: u16 = 0x30;
    /// Jumps by whether bits are set.
    pub const JUMP_IF_SET: u16 = 0x45;
    /// Ends with how many bytes of the packet are kept.
    pub const RETURN: u16 = 0x06;
}

/// Where a TCP header has its flags (RFC 9293, section 3.1). What the filter sees begins with that header.
const FLAGS: u32 = 13;

/// The flag of a connection's first packet. With ACK it would be an answer, which no listening socket gets.
const SYN: u32 = 0x02;

const DROP: u32 = 0;
const KEEP: u32 = u32::MAX;

/// Drops the first packet of each new connection from now on.
///
/// # Errors
///
/// The kernel's error.
pub fn hold_back(listening: &std::net::TcpListener) -> io::Result<()> {
    SockRef::from(listening).attach_filter(&[
        SockFilter::new(code::LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(code::JUMP_IF_SET, 0, 1, SYN),
        SockFilter::new(code::RETURN, 0, 0, DROP),
        SockFilter::new(code::RETURN, 0, 0, KEEP),
    ])
}

/// Ends what [`hold_back`] began.
///
/// # Errors
///
/// The kernel's error, also where nothing was held back.
pub fn let_in(listening: &std::net::TcpListener) -> io::Result<()> {
    SockRef::from(listening).detach_filter()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_comes_meanwhile_is_late_and_who_was_there_goes_on() {
        let listening = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listening.local_addr().unwrap();
        let mut before = TcpStream::connect(address).unwrap();
        hold_back(&listening).unwrap();
        before.write_all(b"x").unwrap();
        let (mut accepted, _) = listening.accept().unwrap();
        accepted.read_exact(&mut [0]).unwrap();
        let early = TcpStream::connect_timeout(&address, Duration::from_millis(100)).unwrap_err();
        assert_eq!(early.kind(), io::ErrorKind::TimedOut);
        let later = std::thread::spawn(move || TcpStream::connect(address));
        let_in(&listening).unwrap();
        later.join().unwrap().unwrap();
    }
}
