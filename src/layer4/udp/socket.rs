//! A datagram socket in a worker's runtime.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn_udp::{Transmit, UdpSockRef, UdpSocketState};
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

use super::batch::{Batch, Payload};

/// The largest datagrams that are sent as a run: they fit into what Ethernet carries, less an IPv6 header. The kernel refuses
/// to cut a run into datagrams that would have to be fragmented.
const LONGEST_OF_RUN: usize = 1452;

/// How we speak to the kernel, and what it was found not to understand. One for each worker.
#[derive(Debug)]
pub struct Driver(UdpSocketState);

/// A socket. It waits for what comes; what is sent goes at once or is lost, as with any router whose queue is full.
#[derive(Debug)]
pub struct Socket {
    // for reading alone: one that waits for room to write, too, would be woken by each datagram that has left
    io: AsyncFd<Arc<UdpSocket>>,
}

/// There is something to read, as far as is known.
#[derive(Debug)]
pub struct Ready<'a>(AsyncFdReadyGuard<'a, Arc<UdpSocket>>);

impl Driver {
    /// # Errors
    ///
    /// When there are no file descriptors left.
    pub fn new() -> io::Result<Self> {
        // what it sets stays with this socket
        let socket = UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
        UdpSocketState::new(UdpSockRef::from(&socket)).map(Self)
    }

    /// Sends to a socket's peer, or from one without a peer to an address. `from`: the local address that it is sent from, where
    /// that is not the only one.
    ///
    /// # Errors
    ///
    /// What the kernel says; of a run, some datagrams may have been sent.
    pub fn send(
        &self,
        socket: &UdpSocket,
        to: SocketAddr,
        from: Option<IpAddr>,
        payload: &Payload<'_>,
    ) -> io::Result<()> {
        let transmit = Transmit {
            destination: to,
            ecn: payload.ecn,
            contents: payload.bytes,
            segment_size: payload.is_run().then_some(payload.stride),
            src_ip: from,
        };
        if !payload.is_run() {
            return match (payload.ecn, from) {
                // with nothing more to say, the kernel has nothing more to read
                (None, None) => socket.send_to(payload.bytes, to).map(|_| ()),
                _ => self.0.try_send(socket.into(), &transmit),
            };
        }
        let as_run = payload.stride <= LONGEST_OF_RUN && self.0.max_gso_segments() as u64 >= payload.count();
        if as_run && self.0.try_send(socket.into(), &transmit).is_ok() {
            return Ok(());
        }
        payload.datagrams().try_for_each(|contents| {
            self.0.try_send(socket.into(), &Transmit { contents, segment_size: None, ..transmit.clone() })
        })
    }

    /// Sends to the peer of a connected socket.
    ///
    /// # Errors
    ///
    /// What the kernel says, also of what was sent before.
    pub fn send_to_peer(&self, socket: &UdpSocket, peer: SocketAddr, payload: &Payload<'_>) -> io::Result<()> {
        match payload.is_run() || payload.ecn.is_some() {
            // without an address the kernel need not look for the way
            false => socket.send(payload.bytes).map(|_| ()),
            true => self.send(socket, peer, None, payload),
        }
    }
}

impl Socket {
    /// # Errors
    ///
    /// When there are no file descriptors left.
    pub fn new(socket: Arc<UdpSocket>) -> io::Result<Self> {
        #[allow(
            deprecated,
            reason = "its contract, that the descriptor stays open as long as this, is what an Arc does"
        )]
        let io = AsyncFd::with_interest(socket, Interest::READABLE | Interest::ERROR)?;
        Ok(Self { io })
    }

    /// The socket itself, which another worker may send on.
    pub fn get(&self) -> &Arc<UdpSocket> {
        self.io.get_ref()
    }

    /// Waits until there is something to read, or an error to be told.
    ///
    /// # Errors
    ///
    /// When the runtime ends.
    pub async fn ready(&self) -> io::Result<Ready<'_>> {
        self.io.ready(Interest::READABLE | Interest::ERROR).await.map(Ready)
    }

    /// Takes in the errors that the kernel keeps beside the last one.
    pub fn forget_errors(&self, driver: &Driver) {
        while let Ok(Some(_)) = driver.0.recv_transport_error((&**self.get()).into()) {}
    }
}

impl Ready<'_> {
    /// Reads into up to `N` slots of `batch`; gives back whether there may be more.
    ///
    /// # Errors
    ///
    /// What the kernel says, also of what was sent before. Nothing to read is no error.
    pub fn receive<const N: usize>(&mut self, driver: &Driver, batch: &mut Batch) -> io::Result<bool> {
        batch.clear();
        let read = self.0.try_io(|io| {
            let socket = &**io.get_ref();
            // less than there was room for is all that there was: what comes from now on wakes us, so no call is needed to hear
            // that there is nothing
            match batch.fill::<N>(|slices, metas| driver.0.recv(socket.into(), slices, metas)) {
                Ok(false) => Err(io::ErrorKind::WouldBlock.into()),
                read => read,
            }
        });
        read.unwrap_or(Ok(false))
    }
}
