//! A UDP socket in a worker's runtime.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn_udp::{Transmit, UdpSockRef, UdpSocketState};
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

use super::batch::{Batch, Payload};

/// The size of the largest datagrams that are sent as a run: an Ethernet frame's 1500 bytes less the IPv6 and UDP headers. The
/// kernel refuses to split a run into datagrams that would have to be fragmented.
const LONGEST_OF_RUN: usize = 1452;

/// The access to the kernel's UDP features, and what was found not to be supported. There is one for each worker.
#[derive(Debug)]
pub struct Driver(UdpSocketState);

/// A UDP socket. Reading waits for datagrams. Sending does not wait: a datagram for which there is no room is lost, as in any
/// router with a full queue.
#[derive(Debug)]
pub struct Socket {
    // registered for reading only: with interest in writing, the task would be woken by every datagram that was sent
    io: AsyncFd<Arc<UdpSocket>>,
}

/// The socket may have something to read.
#[derive(Debug)]
pub struct Ready<'a>(AsyncFdReadyGuard<'a, Arc<UdpSocket>>);

impl Driver {
    /// Finds out what the kernel supports.
    ///
    /// # Errors
    ///
    /// There is no file descriptor left.
    pub fn new() -> io::Result<Self> {
        // what it sets on a socket concerns only this one
        let socket = UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
        UdpSocketState::new(UdpSockRef::from(&socket)).map(Self)
    }

    /// Sends to the address `to`. `from` is the local address to send from, needed when the socket is bound to all addresses.
    ///
    /// # Errors
    ///
    /// The kernel's error. Some datagrams of a run may have been sent nevertheless.
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
                // send_to is cheaper than sendmsg when there are no options for the kernel to parse
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
    /// The kernel's error, which may also be about datagrams that were sent before.
    pub fn send_to_peer(&self, socket: &UdpSocket, peer: SocketAddr, payload: &Payload<'_>) -> io::Result<()> {
        match payload.is_run() || payload.ecn.is_some() {
            // without an address the kernel does not have to look up the route
            false => socket.send(payload.bytes).map(|_| ()),
            true => self.send(socket, peer, None, payload),
        }
    }
}

impl Socket {
    /// Registers the socket with the runtime.
    ///
    /// # Errors
    ///
    /// There is no file descriptor left.
    pub fn new(socket: Arc<UdpSocket>) -> io::Result<Self> {
        #[allow(
            deprecated,
            reason = "its contract, that the descriptor stays open as long as this, is what an Arc does"
        )]
        let io = AsyncFd::with_interest(socket, Interest::READABLE | Interest::ERROR)?;
        Ok(Self { io })
    }

    /// The socket itself, which other workers may send on.
    pub fn get(&self) -> &Arc<UdpSocket> {
        self.io.get_ref()
    }

    /// Waits until there is something to read, or an error to report.
    ///
    /// # Errors
    ///
    /// The runtime is ending.
    pub async fn ready(&self) -> io::Result<Ready<'_>> {
        self.io.ready(Interest::READABLE | Interest::ERROR).await.map(Ready)
    }

    /// Drops the errors in the socket's error queue (`IP_RECVERR`), which the kernel keeps in addition to the last one.
    pub fn forget_errors(&self, driver: &Driver) {
        while let Ok(Some(_)) = driver.0.recv_transport_error((&**self.get()).into()) {}
    }
}

impl Ready<'_> {
    /// Reads into up to `N` slots of `batch`. Returns whether there may be more to read.
    ///
    /// # Errors
    ///
    /// The kernel's error, which may also be about datagrams that were sent before. It is no error when there is nothing to read.
    pub fn receive<const N: usize>(&mut self, driver: &Driver, batch: &mut Batch) -> io::Result<bool> {
        batch.clear();
        let read = self.0.try_io(|io| {
            let socket = &**io.get_ref();
            // a read that filled fewer slots has emptied the socket, and the next datagram will wake us: so no further call is
            // needed to find out that there is nothing
            match batch.fill::<N>(|slices, metas| driver.0.recv(socket.into(), slices, metas)) {
                Ok(false) => Err(io::ErrorKind::WouldBlock.into()),
                read => read,
            }
        });
        read.unwrap_or(Ok(false))
    }
}
