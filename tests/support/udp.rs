//! Datagrams: a backend that gets them, and a client that sends them.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::PATIENCE;

/// A backend that answers each datagram with what the test says, and remembers what it was sent and by whom.
pub struct UdpOrigin {
    socket: UdpSocket,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    datagrams: Mutex<Vec<(SocketAddr, Vec<u8>)>>,
    closing: AtomicBool,
}

/// A client with a port of its own.
pub struct UdpClient(UdpSocket);

impl UdpOrigin {
    /// Answers each datagram with those that `answer` gives.
    pub fn script(answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        Self::bound("127.0.0.1:0", answer)
    }

    /// As [`script`](Self::script), at this address.
    pub fn bound(address: &str, answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        let socket = UdpSocket::bind(address).unwrap();
        let (log, reading) = (Arc::new(Log::default()), socket.try_clone().unwrap());
        let shared = Arc::clone(&log);
        thread::spawn(move || {
            let mut room = vec![0; 65_536];
            while let Ok((length, from)) = reading.recv_from(&mut room) {
                if shared.closing.load(Ordering::SeqCst) {
                    return;
                }
                shared.datagrams.lock().unwrap().push((from, room[..length].to_vec()));
                for datagram in answer(&room[..length]) {
                    let _ = reading.send_to(&datagram, from);
                }
            }
        });
        Self { socket, log }
    }

    /// Answers each datagram with itself.
    pub fn echo() -> Self {
        Self::script(|datagram| vec![datagram.to_vec()])
    }

    /// Answers each datagram with this.
    pub fn saying(word: &str) -> Self {
        let word = word.as_bytes().to_vec();
        Self::script(move |_| vec![word.clone()])
    }

    /// As written in a configuration.
    pub fn address(&self) -> String {
        self.socket.local_addr().unwrap().to_string()
    }

    /// What it was sent, with by whom.
    pub fn datagrams(&self) -> Vec<(SocketAddr, Vec<u8>)> {
        self.log.datagrams.lock().unwrap().clone()
    }

    /// By whom it was sent something, each once, in order.
    pub fn peers(&self) -> Vec<SocketAddr> {
        let mut peers: Vec<SocketAddr> = Vec::new();
        for (peer, _) in self.datagrams() {
            if !peers.contains(&peer) {
                peers.push(peer);
            }
        }
        peers
    }
}

impl Drop for UdpOrigin {
    fn drop(&mut self) {
        self.log.closing.store(true, Ordering::SeqCst);
        let _ = self.socket.send_to(&[], self.socket.local_addr().unwrap());
    }
}

impl UdpClient {
    /// A new one, that hears nobody but `server`.
    pub fn new(server: SocketAddr) -> Self {
        let any = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        let socket = UdpSocket::bind(any).unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// Its socket.
    pub fn socket(&self) -> &UdpSocket {
        &self.0
    }

    /// Sends a datagram.
    pub fn send(&self, datagram: &[u8]) {
        self.0.send(datagram).unwrap();
    }

    /// The next datagram.
    pub fn receive(&self) -> Vec<u8> {
        let mut room = vec![0; 65_536];
        let length = self.0.recv(&mut room).unwrap();
        room.truncate(length);
        room
    }

    /// Sends a datagram and waits for another.
    pub fn ask(&self, datagram: &[u8]) -> Vec<u8> {
        self.send(datagram);
        self.receive()
    }

    /// Whether a datagram has come that was not received yet.
    pub fn has_heard(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let heard = self.0.peek(&mut [0]).is_ok();
        self.0.set_nonblocking(false).unwrap();
        heard
    }
}
