//! Makes listening sockets, and takes over those of another process.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, SockRef, Type};

use crate::endpoint::Target;
use crate::io::allow_any_address;
use crate::io::outbound::SocketOptions;
use crate::layer4::udp::options as udp;

/// How many connections the kernel queues while we are busy; it lowers this to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// A listening socket, not yet in any runtime.
#[derive(Debug)]
pub enum BoundSocket {
    /// TCP.
    Tcp(std::net::TcpListener),
    /// Unix.
    Unix(UnixListener),
    /// UDP.
    Udp(UdpSocket),
}

/// The sockets of one listener. Those that workers accept on are duplicates of these: a socket is closed when both are.
#[derive(Debug)]
pub struct BoundListener {
    sockets: Vec<BoundSocket>,
    /// What is set of the sockets, over TCP and UDP.
    options: SocketOptions,
    file: Option<SocketFile>,
}

/// A Unix socket's file, removed with the listener.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// False while another process still listens there, and may go on to.
    is_ours: bool,
}

/// Binds an address for this many workers. `free_bind`: this machine need not have the address yet.
///
/// # Errors
///
/// What the kernel says: the address is taken, or not ours, or may not be bound; or one of the options can't be set.
pub fn bind(address: &Target, free_bind: bool, workers: usize, options: &SocketOptions) -> io::Result<BoundListener> {
    match address {
        Target::Tcp(address) => {
            let sockets = vec![BoundSocket::Tcp(tcp(*address, free_bind, options)?)];
            let mut bound = BoundListener { sockets, options: options.clone(), file: None };
            bound.add_sockets(workers)?;
            Ok(bound)
        }
        Target::Unix(path) => {
            remove_stale(path)?;
            let listener = UnixListener::bind(path)?;
            listener.set_nonblocking(true)?;
            Ok(BoundListener {
                sockets: vec![BoundSocket::Unix(listener)],
                options: SocketOptions::default(),
                file: Some(SocketFile { path: path.clone(), is_ours: true }),
            })
        }
    }
}

/// Binds an address for datagrams, for this many workers. `free_bind`: this machine need not have the address yet.
///
/// # Errors
///
/// What the kernel says.
pub fn bind_datagrams(
    address: SocketAddr,
    free_bind: bool,
    workers: usize,
    options: &SocketOptions,
) -> io::Result<BoundListener> {
    let sockets = vec![BoundSocket::Udp(udp::listen(address, free_bind, options)?)];
    let mut bound = BoundListener { sockets, options: options.clone(), file: None };
    bound.add_sockets(workers)?;
    Ok(bound)
}

fn tcp(address: SocketAddr, free_bind: bool, options: &SocketOptions) -> io::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if free_bind {
        allow_any_address(&socket, &address)?;
    }
    // accepted connections inherit it: that saves a system call for each
    socket.set_tcp_nodelay(true)?;
    options.apply(SockRef::from(&socket), address.is_ipv6())?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Removes a socket's file on which nobody listens: it is left over from a crash and would make the bind fail.
fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() && UnixStream::connect(path).is_err() => std::fs::remove_file(path),
        _ => Ok(()),
    }
}

impl BoundSocket {
    /// Where it listens.
    pub fn target(&self) -> Option<Target> {
        match self {
            Self::Tcp(socket) => socket.local_addr().ok().map(Target::Tcp),
            Self::Unix(socket) => Some(Target::Unix(socket.local_addr().ok()?.as_pathname()?.to_path_buf())),
            Self::Udp(socket) => socket.local_addr().ok().map(Target::Tcp),
        }
    }

    fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(socket) => socket.try_clone().map(Self::Tcp),
            Self::Unix(socket) => socket.try_clone().map(Self::Unix),
            Self::Udp(socket) => socket.try_clone().map(Self::Udp),
        }
    }

    /// Whether it is for datagrams.
    pub fn is_datagrams(&self) -> bool {
        matches!(self, Self::Udp(_))
    }

    /// Whether it may be bound to an address that this machine does not have. Systemd sets that as well (`FreeBind=`).
    fn is_free(&self, address: &SocketAddr) -> bool {
        let socket = match self {
            Self::Tcp(socket) => SockRef::from(socket),
            Self::Udp(socket) => SockRef::from(socket),
            Self::Unix(_) => return false,
        };
        let is_free = if address.is_ipv6() { socket.freebind_v6() } else { socket.freebind_v4() };
        is_free.unwrap_or(false)
    }

    /// Whether there may be several sockets on one address, each with its own queue.
    fn is_one_of_many(&self) -> bool {
        let socket = match self {
            Self::Tcp(socket) => SockRef::from(socket),
            Self::Udp(socket) => SockRef::from(socket),
            Self::Unix(_) => return false,
        };
        socket.reuse_port().unwrap_or(false)
    }
}

impl From<BoundSocket> for OwnedFd {
    fn from(socket: BoundSocket) -> Self {
        match socket {
            BoundSocket::Tcp(socket) => socket.into(),
            BoundSocket::Unix(socket) => socket.into(),
            BoundSocket::Udp(socket) => socket.into(),
        }
    }
}

impl BoundListener {
    /// Takes over sockets that another process has bound to one address, for this many workers. There is at least one.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn inherit(sockets: Vec<BoundSocket>, workers: usize) -> io::Result<Self> {
        for socket in &sockets {
            match socket {
                BoundSocket::Tcp(socket) => {
                    socket.set_nonblocking(true)?;
                    SockRef::from(socket).set_tcp_nodelay(true)?;
                }
                BoundSocket::Unix(socket) => socket.set_nonblocking(true)?,
                BoundSocket::Udp(socket) => udp::prepare(socket)?,
            }
        }
        let mut bound = Self { sockets, options: SocketOptions::default(), file: None };
        bound.add_sockets(workers)?;
        Ok(bound)
    }

    /// Takes over the socket's file as well; it is removed with the listener only after [`own_file`](Self::own_file).
    pub fn with_file(mut self) -> Self {
        if let Some(Target::Unix(path)) = self.target() {
            self.file = Some(SocketFile { path, is_ours: false });
        }
        self
    }

    /// Whether the socket has a file.
    pub fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// The other process does not listen there any more, so the file is ours from now on.
    pub fn own_file(&mut self) {
        if let Some(file) = &mut self.file {
            file.is_ours = true;
        }
    }

    /// Adds sockets until each worker has one, where an address may have several.
    fn add_sockets(&mut self, workers: usize) -> io::Result<()> {
        let Some(first) = self.sockets.first().filter(|first| first.is_one_of_many()) else { return Ok(()) };
        // with port 0, all sockets get the port that the kernel chose for the first
        let Some(Target::Tcp(address)) = first.target() else { return Ok(()) };
        let (datagrams, free_bind) = (first.is_datagrams(), first.is_free(&address));
        while self.sockets.len() < workers {
            self.sockets.push(match datagrams {
                true => BoundSocket::Udp(udp::listen(address, free_bind, &self.options)?),
                false => BoundSocket::Tcp(tcp(address, free_bind, &self.options)?),
            });
        }
        Ok(())
    }

    /// Changes the options of the sockets, from which connections that are accepted from now on inherit them. Of sockets that were taken
    /// over from another process nobody knows what is set, so all is set anew. A Unix socket has none of them.
    ///
    /// # Errors
    ///
    /// The option that can't be set.
    pub fn set_options(&mut self, options: &SocketOptions) -> io::Result<()> {
        for socket in &self.sockets {
            let (socket, is_ipv6) = match socket {
                BoundSocket::Tcp(socket) => (SockRef::from(socket), socket.local_addr()?.is_ipv6()),
                BoundSocket::Udp(socket) => (SockRef::from(socket), socket.local_addr()?.is_ipv6()),
                BoundSocket::Unix(_) => continue,
            };
            options.replace(socket, is_ipv6)?;
        }
        self.options = options.clone();
        Ok(())
    }

    /// What is set of the sockets.
    pub fn options(&self) -> &SocketOptions {
        &self.options
    }

    /// Where it listens.
    pub fn target(&self) -> Option<Target> {
        self.sockets.first().and_then(BoundSocket::target)
    }

    /// The address that it listens on, for people.
    pub fn describe(&self) -> String {
        match self.target() {
            Some(Target::Tcp(address)) => address.to_string(),
            Some(Target::Unix(path)) => format!("unix:{}", path.display()),
            None => "?".to_owned(),
        }
    }

    /// Duplicates of all sockets.
    ///
    /// # Errors
    ///
    /// When there are no file descriptors left.
    pub fn duplicates(&self) -> io::Result<Vec<BoundSocket>> {
        self.sockets.iter().map(BoundSocket::try_clone).collect()
    }

    /// Distributes the sockets over the workers. Sockets with a queue each are dealt out, so that every queue has
    /// exactly one worker; a socket with one queue for all is duplicated for each. A datagram socket goes to one worker
    /// in any case: all datagrams of a client must come to the worker that has its session.
    ///
    /// # Errors
    ///
    /// When there are no file descriptors left.
    pub fn sockets_by_worker(&self, workers: usize) -> io::Result<Vec<Vec<BoundSocket>>> {
        let own = self.sockets.first().is_some_and(|first| first.is_one_of_many() || first.is_datagrams());
        let part = |worker: usize| {
            let sockets = self.sockets.iter().enumerate();
            sockets.filter(|(at, _)| !own || at % workers == worker).map(|(_, socket)| socket.try_clone()).collect()
        };
        (0..workers).map(part).collect()
    }

    /// Lets no new TCP connection begin until [`let_in`](Self::let_in): its client tries again after a second.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn hold_back(&self) -> io::Result<()> {
        self.tcp().try_for_each(crate::io::hold_back)
    }

    /// Lets new connections begin again.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn let_in(&self) -> io::Result<()> {
        self.tcp().try_for_each(crate::io::let_in)
    }

    /// Turns on TCP keep-alive, so that the kernel finds out when silent clients are gone.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn keep_alive(&self) -> io::Result<()> {
        self.tcp().try_for_each(crate::io::keep_alive)
    }

    fn tcp(&self) -> impl Iterator<Item = &std::net::TcpListener> {
        self.sockets.iter().filter_map(|socket| match socket {
            BoundSocket::Tcp(socket) => Some(socket),
            BoundSocket::Unix(_) | BoundSocket::Udp(_) => None,
        })
    }

    /// Closes the sockets without removing the file: another process listens there now.
    pub fn close_keeping_file(mut self) {
        if let Some(file) = &mut self.file {
            file.is_ours = false;
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_ours {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any() -> Target {
        Target::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    fn ports(sockets: &[Vec<BoundSocket>]) -> Vec<usize> {
        sockets.iter().map(Vec::len).collect()
    }

    #[test]
    fn every_queue_has_exactly_one_worker() {
        let bound = bind(&any(), false, 4, &SocketOptions::default()).unwrap();
        assert_eq!(ports(&bound.sockets_by_worker(4).unwrap()), [1, 1, 1, 1]);
        let fewer = BoundListener::inherit(bound.duplicates().unwrap(), 3).unwrap();
        assert_eq!(ports(&fewer.sockets_by_worker(3).unwrap()), [2, 1, 1]);
        let more = BoundListener::inherit(bound.duplicates().unwrap(), 6).unwrap();
        assert_eq!(ports(&more.sockets_by_worker(6).unwrap()), [1; 6]);
        assert_eq!(more.describe(), bound.describe());
    }

    #[test]
    fn every_queue_of_datagrams_has_exactly_one_worker_even_where_there_is_one_queue() {
        let bound = bind_datagrams(SocketAddr::from(([127, 0, 0, 1], 0)), false, 3, &SocketOptions::default()).unwrap();
        assert_eq!(ports(&bound.sockets_by_worker(3).unwrap()), [1, 1, 1]);
        assert_eq!(
            ports(&BoundListener::inherit(bound.duplicates().unwrap(), 2).unwrap().sockets_by_worker(2).unwrap()),
            [2, 1]
        );
        let one = UdpSocket::bind("127.0.0.1:0").unwrap();
        let one = BoundListener::inherit(vec![BoundSocket::Udp(one)], 3).unwrap();
        assert_eq!(ports(&one.sockets_by_worker(3).unwrap()), [1, 0, 0]);
    }

    #[test]
    fn connections_inherit_the_code_point_also_one_that_was_changed() {
        let with = |dscp| SocketOptions { dscp, ..SocketOptions::default() };
        let mut bound = bind(&any(), false, 1, &with(Some(46))).unwrap();
        let class = |bound: &BoundListener| {
            let BoundSocket::Tcp(socket) = &bound.sockets[0] else { panic!("it is TCP") };
            socket.set_nonblocking(false).unwrap();
            let _client = std::net::TcpStream::connect(socket.local_addr().unwrap()).unwrap();
            SockRef::from(&socket.accept().unwrap().0).tos_v4().unwrap() >> 2
        };
        assert_eq!(class(&bound), 46);
        bound.set_options(&with(Some(10))).unwrap();
        assert_eq!(class(&bound), 10);
        bound.set_options(&with(None)).unwrap();
        assert_eq!(class(&bound), 0);
    }

    #[test]
    fn a_socket_with_one_queue_is_shared_by_all_workers() {
        let one = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let bound = BoundListener::inherit(vec![BoundSocket::Tcp(one)], 3).unwrap();
        assert_eq!(ports(&bound.sockets_by_worker(3).unwrap()), [1, 1, 1]);
    }
}
