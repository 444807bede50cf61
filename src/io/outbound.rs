//! What sockets are made with beside their address: where connections come from, the interface that they are tied to, and how their packets
//! are marked.
//!
//! A source address is bound with `IP_BIND_ADDRESS_NO_PORT` (ip(7)), so that the kernel chooses a port only when it knows where the
//! connection goes. A port may then be used once for each destination, not once for each source address.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::socket::{setsockopt, sockopt};
use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Options that a service's and a listener's sockets have in common. What is `None` stays as the kernel has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct SocketOptions {
    /// The interface that packets leave and come in by (`SO_BINDTODEVICE`).
    pub interface: Option<Box<str>>,
    /// The mark of packets, for routing rules and firewalls (`SO_MARK`).
    pub mark: Option<u32>,
    /// The differentiated services code point of packets, 0 to 63 (RFC 2474).
    pub dscp: Option<u8>,
}

/// How connections to the backends of a service are made.
#[derive(Debug, Default)]
pub struct Outbound {
    sources: Box<[IpAddr]>,
    options: SocketOptions,
    /// Counts the connections, which take turns at the sources.
    turn: AtomicUsize,
}

impl SocketOptions {
    /// Whether all is as the kernel has it.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Sets the options of a socket of this address's family. An interface has to be set before the socket is bound or connected.
    ///
    /// # Errors
    ///
    /// What the kernel says: `EPERM` without the privilege, `ENODEV` without the interface.
    pub fn apply(&self, socket: SockRef<'_>, is_ipv6: bool) -> io::Result<()> {
        if let Some(interface) = &self.interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        if let Some(mark) = self.mark {
            socket.set_mark(mark)?;
        }
        if let Some(dscp) = self.dscp {
            // the two bits below are those of congestion marks
            let class = u32::from(dscp) << 2;
            if is_ipv6 {
                socket.set_tclass_v6(class)?;
            }
            // IPv4 also goes through an IPv6 socket that serves both families; one that serves IPv6 alone may refuse the option
            match socket.set_tos_v4(class) {
                Err(error) if !is_ipv6 => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Sets the options of a socket that may have had others, each that is `None` to the kernel's default.
    ///
    /// # Errors
    ///
    /// As of [`apply`](Self::apply). To take an interface away from a socket needs a privilege as well.
    pub fn replace(&self, socket: SockRef<'_>, is_ipv6: bool) -> io::Result<()> {
        let (device, mark) = (socket.device()?, socket.mark()?);
        if self.interface.is_none() && device.is_some() {
            socket.bind_device(None)?;
        }
        if self.mark.is_none() && mark != 0 {
            socket.set_mark(0)?;
        }
        let is_same = |name: &&str| device.as_deref() == Some(name.as_bytes());
        let changed = Self {
            // the kernel wants a privilege even for what is no change
            interface: self.interface.clone().filter(|name| !is_same(&&**name)),
            mark: self.mark.filter(|value| *value != mark),
            dscp: Some(self.dscp.unwrap_or(0)),
        };
        changed.apply(socket, is_ipv6)
    }

    /// What this process can't do of it, tried on a socket that is thrown away; an error of the interface is none of these, because
    /// interfaces come and go.
    ///
    /// # Errors
    ///
    /// The option that can't be set, and why.
    pub fn try_out(&self) -> Result<(), (&'static str, io::Error)> {
        let Ok(socket) = Socket::new(Domain::IPV4, Type::DGRAM, None) else { return Ok(()) };
        if let Some(mark) = self.mark {
            socket.set_mark(mark).map_err(|error| ("mark", error))?;
        }
        if let Some(interface) = &self.interface {
            match socket.bind_device(Some(interface.as_bytes())) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(("interface", error)),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Outbound {
    /// Connections take turns at these sources; without any, the kernel chooses.
    pub fn new(sources: impl Into<Box<[IpAddr]>>, options: SocketOptions) -> Self {
        Self { sources: sources.into(), options, turn: AtomicUsize::new(0) }
    }

    /// Whether all is as the kernel has it.
    pub fn is_default(&self) -> bool {
        self.sources.is_empty() && self.options.is_default()
    }

    /// A socket that connects to this address, from the next source that has a free port. Where connecting takes time, it has begun.
    ///
    /// # Errors
    ///
    /// What the kernel says of the last source: `EADDRNOTAVAIL`, no source has a free port for this destination; `ENETUNREACH`, the source is no
    /// address of this machine; `EAFNOSUPPORT`, none is of this address's family.
    pub fn connect(&self, kind: Type, to: SocketAddr) -> io::Result<Socket> {
        if self.sources.is_empty() {
            let socket = self.socket(kind, to)?;
            return begin(&socket, to).map(|()| socket);
        }
        let fitting = || self.sources.iter().filter(|source| source.is_ipv4() == to.is_ipv4());
        let count = fitting().count();
        let mut last = io::Error::from(Errno::AFNOSUPPORT);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        // begins with the one whose turn it is
        let in_turn = fitting().chain(fitting()).skip(turn.checked_rem(count).unwrap_or(0)).take(count);
        for source in in_turn {
            let socket = self.socket(kind, to)?;
            match bind(&socket, *source).and_then(|()| begin(&socket, to)) {
                Ok(()) => return Ok(socket),
                Err(error) if is_used_up(&error) || is_no_address(&error) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    fn socket(&self, kind: Type, to: SocketAddr) -> io::Result<Socket> {
        let protocol = if kind == Type::STREAM { Protocol::TCP } else { Protocol::UDP };
        let socket = Socket::new(Domain::for_address(to), kind.nonblocking(), Some(protocol))?;
        self.options.apply(SockRef::from(&socket), to.is_ipv6())?;
        Ok(socket)
    }
}

impl PartialEq for Outbound {
    /// Whether connections are made in the same way; whose turn it is makes no difference.
    fn eq(&self, other: &Self) -> bool {
        self.sources == other.sources && self.options == other.options
    }
}

fn bind(socket: &Socket, source: IpAddr) -> io::Result<()> {
    setsockopt(socket, sockopt::IpBindAddressNoPort, &true)?;
    socket.bind(&SocketAddr::new(source, 0).into()).map_err(|error| match is_used_up(&error) {
        // no port was asked for, so that it is the address that is not here
        true if Errno::from_io_error(&error) == Some(Errno::ADDRNOTAVAIL) => Errno::NETUNREACH.into(),
        _ => error,
    })
}

/// Makes the kernel begin to connect.
pub(super) fn begin(socket: &Socket, to: SocketAddr) -> io::Result<()> {
    match socket.connect(&to.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => Err(error),
        _ => Ok(()),
    }
}

/// Whether a source has no free port; UDP has other words for that than TCP.
fn is_used_up(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::ADDRNOTAVAIL | Errno::ADDRINUSE | Errno::AGAIN))
}

/// Whether a source is no address of this machine, or has no way to the destination: another one may have.
fn is_no_address(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NETUNREACH | Errno::INVAL))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn outbound(sources: &[&str], options: SocketOptions) -> Outbound {
        Outbound::new(sources.iter().map(|source| source.parse().unwrap()).collect::<Vec<IpAddr>>(), options)
    }

    fn source_of(outbound: &Outbound, kind: Type, to: SocketAddr) -> io::Result<String> {
        let socket = outbound.connect(kind, to)?;
        Ok(socket.local_addr()?.as_socket().unwrap().ip().to_string())
    }

    #[test]
    fn connections_take_turns_at_the_sources_of_their_family() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap();
        let three = outbound(&["127.0.0.2", "::1", "127.0.0.3", "127.0.0.4"], SocketOptions::default());
        for kind in [Type::STREAM, Type::DGRAM] {
            let mut seen: Vec<_> = (0..6).map(|_| source_of(&three, kind, to).unwrap()).collect();
            seen.sort();
            assert_eq!(seen, ["127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.3", "127.0.0.4", "127.0.0.4"]);
        }
    }

    #[test]
    fn a_source_that_is_not_here_is_passed_over_and_alone_it_is_no_lack_of_ports() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap();
        // TEST-NET-1 (RFC 5737) is nobody's
        let mixed = outbound(&["192.0.2.1", "127.0.0.2"], SocketOptions::default());
        assert!((0..4).all(|_| source_of(&mixed, Type::STREAM, to).unwrap() == "127.0.0.2"));
        let number = |sources: &[&str]| {
            let refused = source_of(&outbound(sources, SocketOptions::default()), Type::STREAM, to).unwrap_err();
            Errno::from_io_error(&refused)
        };
        assert_eq!(number(&["192.0.2.1"]), Some(Errno::NETUNREACH));
        assert_eq!(number(&["::1"]), Some(Errno::AFNOSUPPORT));
    }

    #[test]
    fn packets_carry_the_code_point() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let options = SocketOptions { dscp: Some(46), ..SocketOptions::default() };
        let socket = outbound(&[], options.clone()).connect(Type::STREAM, server.local_addr().unwrap()).unwrap();
        assert_eq!(socket.tos_v4().unwrap(), 46 << 2);
        let socket = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
        options.apply(SockRef::from(&socket), true).unwrap();
        assert_eq!(socket.tclass_v6().unwrap(), 46 << 2);
    }

    #[test]
    fn an_interface_that_is_not_there_is_said() {
        let options = SocketOptions { interface: Some("no-such-if0".into()), ..SocketOptions::default() };
        let refused = outbound(&[], options.clone()).connect(Type::STREAM, ([127, 0, 0, 1], 1).into()).unwrap_err();
        assert!(matches!(Errno::from_io_error(&refused), Some(Errno::NODEV | Errno::PERM)), "{refused}");
        assert!(options.try_out().is_ok(), "it may come");
    }
}
