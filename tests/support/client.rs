//! A client that writes raw bytes and reads answers strictly.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

use super::PATIENCE;
use super::message::{Broken, Response};
use super::wire::{Stream, Wire};

/// A connection whose kernel takes little more than this of what nobody reads.
pub fn tcp_with_room_for(bytes: usize, address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(bytes).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.into()
}

/// One connection of a client.
pub struct Client {
    wire: Wire,
}

impl Client {
    /// Over TCP.
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(Stream::connect(address).unwrap())
    }

    /// Connects from this address of the loopback network.
    pub fn connect_from(source: &str, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(source.parse().unwrap(), 0).into()).unwrap();
        socket.connect(&address.into()).unwrap();
        Self::from_tcp(socket.into())
    }

    /// Over this connection.
    pub fn from_tcp(tcp: TcpStream) -> Self {
        tcp.set_nodelay(true).unwrap();
        Self::over(Stream::Tcp(tcp))
    }

    /// Over a Unix socket.
    pub fn connect_unix(path: &Path) -> Self {
        Self::over(Stream::Unix(UnixStream::connect(path).unwrap()))
    }

    /// Over TLS, asking for `name`; the error is that of the handshake.
    pub fn connect_tls(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> io::Result<Self> {
        Self::connect_tls_behind(&[], address, config, name)
    }

    /// As [`connect_tls`](Self::connect_tls), with these bytes before the hello and in one segment with it.
    pub fn connect_tls_behind(
        first: &[u8],
        address: SocketAddr,
        config: &Arc<ClientConfig>,
        name: &str,
    ) -> io::Result<Self> {
        let mut tcp = TcpStream::connect(address)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut tls = ClientConnection::new(Arc::clone(config), name).unwrap();
        let mut hello = first.to_vec();
        tls.write_tls(&mut hello)?;
        tcp.write_all(&hello)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        Ok(Self::over(Stream::TlsClient(Box::new(StreamOwned::new(tls, tcp)))))
    }

    fn over(stream: Stream) -> Self {
        stream.set_limit(PATIENCE);
        Self { wire: Wire::new(stream) }
    }

    /// Its own end, for a connection over TCP.
    pub fn own_address(&self) -> SocketAddr {
        match &self.wire.stream {
            Stream::Tcp(tcp) => tcp.local_addr().unwrap(),
            _ => panic!("not a connection over TCP"),
        }
    }

    /// The server's certificate, for a TLS connection.
    pub fn certificate(&self) -> Vec<u8> {
        match &self.wire.stream {
            Stream::TlsClient(tls) => tls.conn.peer_certificates().unwrap()[0].to_vec(),
            _ => panic!("not a TLS connection"),
        }
    }

    /// Whether the TLS session was one that this client had before.
    pub fn is_resumed(&self) -> bool {
        match &self.wire.stream {
            Stream::TlsClient(tls) => tls.conn.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
            _ => panic!("not a TLS connection"),
        }
    }

    /// The protocol that the server chose by ALPN.
    pub fn alpn(&self) -> Option<Vec<u8>> {
        match &self.wire.stream {
            Stream::TlsClient(tls) => tls.conn.alpn_protocol().map(<[u8]>::to_vec),
            _ => panic!("not a TLS connection"),
        }
    }

    /// The same connection once more, for another thread to write on while this one reads. Not over TLS.
    pub fn split(&self) -> Self {
        Self { wire: Wire::new(self.wire.stream.again()) }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.send(bytes.as_ref()).unwrap();
    }

    /// Sends bytes to a server that may have had enough of them.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.wire.send(bytes.as_ref())
    }

    /// Reads the answer to anything but a HEAD.
    pub fn response(&mut self) -> Response {
        self.response_to("GET")
    }

    /// Sends bytes one by one, with this pause before each.
    pub fn trickle(&mut self, bytes: &[u8], pause: Duration) {
        for byte in bytes {
            std::thread::sleep(pause);
            self.send([*byte]);
        }
    }

    /// Reads the answer to a request of this method.
    pub fn response_to(&mut self, method: &str) -> Response {
        let mut response = Response::default();
        match response.read(&mut self.wire, method) {
            Ok(()) => response,
            Err(broken) => panic!("the answer is broken: {broken:?}, after {response:?}"),
        }
    }

    /// Reads an answer that need not be whole: what there was of it, and how it broke.
    pub fn broken_response(&mut self) -> (Response, Option<Broken>) {
        self.broken_response_to("GET")
    }

    /// As [`broken_response`](Self::broken_response), to a request of this method.
    pub fn broken_response_to(&mut self, method: &str) -> (Response, Option<Broken>) {
        let mut response = Response::default();
        let broken = response.read(&mut self.wire, method).err();
        (response, broken)
    }

    /// Reads the head of an answer, and not its body.
    pub fn response_head(&mut self) -> Response {
        let mut response = Response::default();
        response.read_head(&mut self.wire).unwrap();
        response
    }

    /// Reads exactly this many bytes.
    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.wire.exactly(n, &mut bytes).unwrap();
        bytes
    }

    /// As [`bytes`](Self::bytes), for a server that may close instead.
    pub fn try_bytes(&mut self, n: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.wire.exactly(n, &mut bytes).ok().map(|()| bytes)
    }

    /// Reads some bytes, at least one; none at the end.
    pub fn some(&mut self) -> Vec<u8> {
        self.wire.some().unwrap()
    }

    /// Reads to the end of the connection, be it in order or by a reset; it has to come.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let end = self.wire.read_to_end(&mut rest);
        assert_ne!(end, Err(Broken::TimedOut), "the connection does not end");
        rest
    }

    /// Waits for the end of the connection, whatever comes before it; `false` when it does not come.
    pub fn ends(&mut self) -> bool {
        self.wire.read_to_end(&mut Vec::new()) != Err(Broken::TimedOut)
    }

    /// GET on a connection that stays open.
    pub fn get(&mut self, target: &str) -> Response {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        self.response()
    }

    /// Whether something comes within this time: bytes, or the end.
    pub fn has_news(&mut self, limit: Duration) -> bool {
        self.wire.stream.set_limit(limit);
        let news = self.wire.peek() != Err(Broken::TimedOut);
        self.wire.stream.set_limit(PATIENCE);
        news
    }

    /// Waits until the server closes; `false` when it sends something, or does nothing for [`PATIENCE`].
    pub fn is_closed(&mut self) -> bool {
        matches!(self.wire.at_end(), Ok(true) | Err(Broken::Reset))
    }

    /// Waits until the connection ends; whether it ends by a reset.
    pub fn is_reset(&mut self) -> bool {
        self.wire.at_end() == Err(Broken::Reset)
    }

    /// Ends our direction.
    pub fn finish(&mut self) {
        self.wire.stream.finish();
    }

    /// Ends our direction within TLS, and keeps the connection below.
    pub fn close_notify(&mut self) {
        self.wire.stream.close_notify();
    }

    /// Closes with a reset.
    pub fn reset(self) {
        self.wire.stream.reset();
    }
}
