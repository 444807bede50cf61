//! Ports that no other test can have at the same time.

use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

/// A port of 127.0.0.1, chosen by the kernel and held as long as this lives.
///
/// The socket behind it is bound and never listens. So the kernel gives the port to nobody who asks for any port, a
/// connection to it is refused, and a server that asks for this very port gets it, because both sides allow reuse.
#[derive(Debug)]
pub struct Port {
    address: SocketAddr,
    _held: Socket,
}

impl Port {
    /// A free port.
    pub fn reserve() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        Self { address, _held: socket }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
