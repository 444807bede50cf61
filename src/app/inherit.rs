//! Sockets that this process was started with: by systemd (socket activation), or by the process that it replaces.
//!
//! Both say so in the same way, that of sd_listen_fds(3): `LISTEN_FDS` sockets from file descriptor 3 on, their names in
//! `LISTEN_FDNAMES`. A socket is found by the address that it is bound to; by its name only where the configuration leaves the port
//! to the kernel.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;

use listenfd::ListenFd;
use socket2::{Domain, Type};

use crate::endpoint::Target;
use crate::io::HostPort;
use crate::listener::BoundSocket;
use crate::policy::ListenerProtocol;

/// The name of the socket through which the process before learns that this one is ready.
pub(super) const READY: &str = "evenkeel-ready";

/// The name of the admin address's socket.
pub(super) const ADMIN: &str = "evenkeel-admin";

/// The name of a Unix socket whose file goes with it. Without it the file stays: it is systemd's, which goes on listening there
/// when we stop.
pub(super) const WITH_FILE: &str = "evenkeel-file";

/// The variable with the addresses of backends' names.
pub(super) const NAMES: &str = "EVENKEEL_NAMES";

/// The most bytes of addresses that are handed over: the kernel takes 128 KiB for one variable (MAX_ARG_STRLEN, execve(2)). A name that
/// has no room is one that the new process has to look up.
const MAX_BYTES: usize = 100 << 10;

/// What was handed over and is not claimed yet.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    sockets: Vec<(String, BoundSocket)>,
    /// The process before waits for a byte on it.
    pub ready: Option<UnixStream>,
    /// The addresses that backends' names had for the process before.
    pub names: Vec<(HostPort, Vec<SocketAddr>)>,
}

impl Inherited {
    /// Takes what the environment tells of out of it. To be called once, before there are threads.
    pub fn take() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':').map(str::to_owned);
        let mut fds = ListenFd::from_env();
        let mut inherited = Self::default();
        for at in 0..fds.len() {
            let name = names.next().unwrap_or_default();
            if name == READY {
                let (family, kind) = (i32::from(Domain::UNIX), i32::from(Type::STREAM));
                inherited.ready = fds.take_custom(at, family, kind, "Unix stream socket").ok().flatten();
            } else if let Ok(Some(socket)) = fds.take_tcp_listener(at) {
                inherited.sockets.push((name, BoundSocket::Tcp(socket)));
            } else if let Ok(Some(socket)) = fds.take_unix_listener(at) {
                inherited.sockets.push((name, BoundSocket::Unix(socket)));
            } else if let Ok(Some(socket)) = fds.take_udp_socket(at) {
                inherited.sockets.push((name, BoundSocket::Udp(socket)));
            }
        }
        // without an old process that waits, the variable is left over from one that is gone
        if inherited.ready.is_some() {
            inherited.names = std::env::var(NAMES).map(|names| parse_names(&names)).unwrap_or_default();
        }
        inherited
    }

    /// The sockets of a listener, and whether their file goes with them.
    pub fn listener(&mut self, target: &Target, protocol: ListenerProtocol, name: &str) -> (Vec<BoundSocket>, bool) {
        let datagrams = protocol == ListenerProtocol::Udp;
        let fits = |(given, socket): &mut (String, BoundSocket)| {
            socket.is_datagrams() == datagrams && fits(socket, target, given == name)
        };
        let (names, sockets): (Vec<String>, Vec<BoundSocket>) = self.sockets.extract_if(.., fits).unzip();
        (sockets, names.iter().any(|name| name == WITH_FILE))
    }

    /// The admin address's socket.
    pub fn admin(&mut self, target: &Target) -> Option<TcpListener> {
        self.listener(target, ListenerProtocol::Http, ADMIN).0.into_iter().find_map(|socket| match socket {
            BoundSocket::Tcp(socket) => Some(socket),
            BoundSocket::Unix(_) | BoundSocket::Udp(_) => None,
        })
    }

    /// Closes what nobody claims, and says so.
    pub fn close_the_rest(&mut self) {
        for (name, socket) in self.sockets.drain(..) {
            tracing::warn!(name, address = ?socket.target(), "a socket that was handed over is no listener's and is closed");
        }
    }
}

/// The addresses of names in one line: `host:port=address,address;...`.
pub(super) fn format_names(names: Vec<(HostPort, Vec<SocketAddr>)>) -> String {
    let mut all = String::new();
    for ((host, port), addresses) in names {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let one = format!("{host}:{port}={};", addresses.join(","));
        if all.len() + one.len() <= MAX_BYTES {
            all.push_str(&one);
        }
    }
    all
}

/// Reads what [`format_names`] has written; what is none of it is left out.
fn parse_names(all: &str) -> Vec<(HostPort, Vec<SocketAddr>)> {
    let one = |one: &str| {
        let (name, addresses) = one.split_once('=')?;
        let (host, port) = name.rsplit_once(':')?;
        let addresses: Result<Vec<SocketAddr>, _> = addresses.split(',').map(str::parse).collect();
        Some(((host.to_owned(), port.parse().ok()?), addresses.ok()?))
    };
    all.split(';').filter_map(one).collect()
}

fn fits(socket: &BoundSocket, wanted: &Target, same_name: bool) -> bool {
    match (socket.target(), wanted) {
        (Some(Target::Tcp(is)), Target::Tcp(wanted)) if wanted.port() == 0 => same_name && is.ip() == wanted.ip(),
        (Some(is), wanted) => is == *wanted,
        (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTP: ListenerProtocol = ListenerProtocol::Http;

    #[test]
    fn addresses_of_names_are_read_as_they_were_written() {
        let name = |host: &str, found: &[&str]| {
            ((host.to_owned(), 80), found.iter().map(|address| address.parse().unwrap()).collect::<Vec<SocketAddr>>())
        };
        let names = vec![name("a.example", &["10.0.0.1:80", "[::1]:80"]), name("b", &["10.0.0.2:80"])];
        assert_eq!(parse_names(&format_names(names.clone())), names);
        assert_eq!(parse_names(""), []);
        assert_eq!(parse_names("a:80=;b;c:1=x;d:80=10.0.0.2:80"), [name("d", &["10.0.0.2:80"])]);
        let many = (0..10_000).map(|number| name(&format!("host{number}"), &["10.0.0.1:80"])).collect();
        assert!((90 << 10..=MAX_BYTES).contains(&format_names(many).len()));
    }

    #[test]
    fn a_tcp_and_a_udp_socket_at_one_address_are_told_apart() {
        let tcp = BoundSocket::Tcp(TcpListener::bind("127.0.0.1:0").unwrap());
        let at = tcp.target().unwrap();
        let Target::Tcp(address) = &at else { panic!("{at:?}") };
        let udp = BoundSocket::Udp(std::net::UdpSocket::bind(address).unwrap());
        let sockets = [tcp, udp].map(|socket| ("dns".to_owned(), socket));
        let mut inherited = Inherited { sockets: sockets.into(), ..Inherited::default() };
        let found = inherited.listener(&at, ListenerProtocol::Udp, "dns").0;
        assert!(matches!(found[..], [BoundSocket::Udp(_)]), "{found:?}");
        let found = inherited.listener(&at, ListenerProtocol::Tcp, "dns").0;
        assert!(matches!(found[..], [BoundSocket::Tcp(_)]), "{found:?}");
    }

    fn socket() -> (Target, BoundSocket) {
        let socket = BoundSocket::Tcp(TcpListener::bind("127.0.0.1:0").unwrap());
        (socket.target().unwrap(), socket)
    }

    #[test]
    fn a_socket_is_found_by_its_address_or_by_its_name_where_the_port_is_left_open() {
        let ((at, first), (_, second), (_, third)) = (socket(), socket(), socket());
        let sockets = [("x", first), ("web", second), ("web", third)].map(|(name, socket)| (name.to_owned(), socket));
        let mut inherited = Inherited { sockets: sockets.into(), ..Inherited::default() };
        assert_eq!(inherited.listener(&at, HTTP, "another").0.len(), 1);
        assert_eq!(inherited.listener(&at, HTTP, "another").0.len(), 0, "a socket has one listener");
        let any = Target::Tcp("127.0.0.1:0".parse().unwrap());
        assert_eq!(inherited.listener(&any, HTTP, "another").0.len(), 0);
        assert_eq!(inherited.listener(&any, HTTP, "web").0.len(), 2);
        assert_eq!(inherited.sockets.len(), 0);
    }
}
