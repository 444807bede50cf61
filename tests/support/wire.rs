//! A byte stream of any of the kinds that tests need, read strictly and never without a time limit.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ClientConnection, ServerConnection, StreamOwned};
use socket2::SockRef;

use super::message::Broken;

/// A connection of either side.
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    TlsClient(Box<StreamOwned<ClientConnection, TcpStream>>),
    TlsServer(Box<StreamOwned<ServerConnection, TcpStream>>),
    /// One that its peer reset before connect(2) had returned: it never was there to be used.
    Reset,
}

impl Stream {
    /// Over TCP. A peer that resets at once can be faster than our way out of connect(2).
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        match TcpStream::connect(address) {
            Ok(tcp) => {
                tcp.set_nodelay(true)?;
                Ok(Self::Tcp(tcp))
            }
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => Ok(Self::Reset),
            Err(e) => Err(e),
        }
    }

    fn socket(&self) -> Option<SockRef<'_>> {
        match self {
            Self::Tcp(s) => Some(SockRef::from(s)),
            Self::Unix(s) => Some(SockRef::from(s)),
            Self::TlsClient(s) => Some(SockRef::from(&s.sock)),
            Self::TlsServer(s) => Some(SockRef::from(&s.sock)),
            Self::Reset => None,
        }
    }

    /// Reads and writes fail after `limit`.
    pub fn set_limit(&self, limit: Duration) {
        let Some(socket) = self.socket() else { return };
        // The peer may have reset the connection already; the next read will say so.
        let _ = socket.set_read_timeout(Some(limit));
        let _ = socket.set_write_timeout(Some(limit));
    }

    /// Another handle of the same socket.
    pub fn again(&self) -> Self {
        match self {
            Self::Tcp(s) => Self::Tcp(s.try_clone().unwrap()),
            Self::Unix(s) => Self::Unix(s.try_clone().unwrap()),
            Self::TlsClient(_) | Self::TlsServer(_) => panic!("TLS has one state for both directions"),
            Self::Reset => Self::Reset,
        }
    }

    /// Closes with RST instead of FIN.
    pub fn reset(self) {
        self.reset_on_close();
    }

    /// Makes the close to come one with RST instead of FIN.
    pub fn reset_on_close(&self) {
        let _ = self.socket().map(|socket| socket.set_linger(Some(Duration::ZERO)));
    }

    /// Says within TLS that our direction ends, and keeps the connection.
    pub fn close_notify(&mut self) {
        match self {
            Self::TlsClient(s) => {
                s.conn.send_close_notify();
                let _ = s.flush();
            }
            Self::TlsServer(s) => {
                s.conn.send_close_notify();
                let _ = s.flush();
            }
            Self::Tcp(_) | Self::Unix(_) | Self::Reset => {}
        }
    }

    /// Ends our direction, with a TLS close_notify before it.
    pub fn finish(&mut self) {
        self.close_notify();
        let _ = self.socket().map(|socket| socket.shutdown(Shutdown::Write));
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(s) => s.read(buffer),
            Self::Unix(s) => s.read(buffer),
            Self::TlsClient(s) => s.read(buffer),
            Self::TlsServer(s) => s.read(buffer),
            Self::Reset => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(s) => s.write(bytes),
            Self::Unix(s) => s.write(bytes),
            Self::TlsClient(s) => s.write(bytes),
            Self::TlsServer(s) => s.write(bytes),
            Self::Reset => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(s) => s.flush(),
            Self::Unix(s) => s.flush(),
            Self::TlsClient(s) => s.flush(),
            Self::TlsServer(s) => s.flush(),
            Self::Reset => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }
}

/// A stream with what was read ahead of need.
pub struct Wire {
    pub stream: Stream,
    ahead: Vec<u8>,
    /// Everything ever read, for those who want to know what was really sent.
    tape: Option<Arc<Mutex<Vec<u8>>>>,
}

impl Wire {
    pub fn new(stream: Stream) -> Self {
        Self { stream, ahead: Vec::new(), tape: None }
    }

    pub fn with_tape(stream: Stream, tape: Arc<Mutex<Vec<u8>>>) -> Self {
        Self { stream, ahead: Vec::new(), tape: Some(tape) }
    }

    /// Reads more; `false` at the end of the stream.
    fn fill(&mut self) -> Result<bool, Broken> {
        let mut buffer = [0; 64 * 1024];
        let n = loop {
            match self.stream.read(&mut buffer) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Broken::from_io(&e)),
                Ok(n) => break n,
            }
        };
        if let Some(tape) = &self.tape {
            tape.lock().unwrap().extend_from_slice(&buffer[..n]);
        }
        self.ahead.extend_from_slice(&buffer[..n]);
        Ok(n > 0)
    }

    /// Whether the other side ended the stream in order, with nothing left to read. Waits for it.
    pub fn at_end(&mut self) -> Result<bool, Broken> {
        Ok(self.ahead.is_empty() && !self.fill()?)
    }

    /// Waits until there is something to read, or the end.
    pub fn peek(&mut self) -> Result<(), Broken> {
        if self.ahead.is_empty() {
            self.fill()?;
        }
        Ok(())
    }

    /// A line without its CRLF. A bare LF or CR in it is an error.
    pub fn line(&mut self) -> Result<Vec<u8>, Broken> {
        let mut from = 0;
        loop {
            if let Some(at) = self.ahead[from..].iter().position(|b| *b == b'\n') {
                let mut line: Vec<u8> = self.ahead.drain(..=from + at).collect();
                line.pop();
                if line.pop() != Some(b'\r') || line.contains(&b'\r') {
                    return Err(Broken::Malformed(format!("a bare CR or LF in {:?}", String::from_utf8_lossy(&line))));
                }
                return Ok(line);
            }
            from = self.ahead.len();
            if !self.fill()? {
                return Err(Broken::Closed);
            }
        }
    }

    /// Appends exactly `n` bytes to `into`; what was there before the stream broke is in it too.
    pub fn exactly(&mut self, n: usize, into: &mut Vec<u8>) -> Result<(), Broken> {
        let mut missing = n;
        while missing > 0 {
            if self.ahead.is_empty() && !self.fill()? {
                return Err(Broken::Closed);
            }
            let take = missing.min(self.ahead.len());
            into.extend_from_slice(&self.ahead[..take]);
            self.ahead.drain(..take);
            missing -= take;
        }
        Ok(())
    }

    /// Appends everything up to the end of the stream.
    pub fn read_to_end(&mut self, into: &mut Vec<u8>) -> Result<(), Broken> {
        loop {
            into.append(&mut self.ahead);
            if !self.fill()? {
                return Ok(());
            }
        }
    }

    /// Some bytes, at least one; empty at the end.
    pub fn some(&mut self) -> Result<Vec<u8>, Broken> {
        if self.ahead.is_empty() {
            self.fill()?;
        }
        Ok(std::mem::take(&mut self.ahead))
    }

    /// Sends; an error is the caller's to judge.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }
}
