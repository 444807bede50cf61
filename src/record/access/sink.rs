//! What lines are written to: a stream of bytes, or datagrams.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use rustix::net::RecvFlags;

use super::Line;
use super::syslog::{Messages, truncated};
use crate::io::resolve;
use crate::policy::access_log::{AccessDestination, SyslogTransport};

/// What is gathered before it is written to a stream.
const BUFFER: usize = 64 * 1024;
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a receiver may take nothing, until it counts as gone.
const STALL: Duration = Duration::from_secs(5);
/// How long a Unix socket may be full.
const FULL: Duration = Duration::from_secs(1);
/// The most bytes of a datagram over UDP: 65,535 without the headers of IPv4 and UDP.
const DATAGRAM_MAX: usize = 65_507;
/// A receiver of syslog takes so many bytes at least (RFC 5424, section 6.1). A datagram that is still too long then is given up.
const DATAGRAM_LEAST: usize = 480;

/// What lines are written to.
pub(super) struct Sink {
    destination: AccessDestination,
    /// `None` = there is no connection.
    out: Option<Out>,
    /// What is yet to be written to a stream.
    buffer: Vec<u8>,
    messages: Option<Messages>,
}

enum Out {
    /// Standard output, or a file.
    Stream(Box<dyn Write + Send>),
    Tcp(TcpStream),
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

/// Why a line was not written.
pub(super) enum Trouble {
    /// One line is lost.
    Lost(io::Error),
    /// The connection is gone; the line was not taken.
    Gone(io::Error),
}

impl Sink {
    /// Writes to there, once it is [opened](Self::open).
    pub(super) fn new(destination: AccessDestination) -> Self {
        let messages = match &destination {
            AccessDestination::Syslog { facility, .. } => Some(Messages::new(*facility)),
            _ => None,
        };
        Self { destination, out: None, buffer: Vec::new(), messages }
    }

    pub(super) fn destination(&self) -> &AccessDestination {
        &self.destination
    }

    /// Whether it is reached over a socket, behind which nobody may be for a while.
    pub(super) fn is_remote(&self) -> bool {
        !matches!(self.destination, AccessDestination::Stdout | AccessDestination::File(_))
    }

    /// Whether lines can be written.
    pub(super) fn is_open(&self) -> bool {
        self.out.is_some()
    }

    /// Whether a line that was sent without an error may still have found nobody, which shows only later.
    pub(super) fn is_blind(&self) -> bool {
        matches!(self.out, Some(Out::Udp(_)))
    }

    /// Opens the file, or makes the connection.
    pub(super) fn open(&mut self) -> io::Result<()> {
        self.out = Some(match &self.destination {
            AccessDestination::Stdout => Out::Stream(Box::new(io::stdout())),
            AccessDestination::File(path) => {
                Out::Stream(Box::new(OpenOptions::new().create(true).append(true).open(path)?))
            }
            AccessDestination::Unixgram(path) => Out::Unix(unix(path)?),
            AccessDestination::Syslog { to, .. } => match to {
                SyslogTransport::Unix(path) => Out::Unix(unix(path)?),
                SyslogTransport::Tcp(host, port) => Out::Tcp(any(host, *port, tcp)?),
                SyslogTransport::Udp(host, port) => Out::Udp(any(host, *port, udp)?),
            },
        });
        Ok(())
    }

    /// Takes a line: at once, or for the next [flush](Self::flush).
    pub(super) fn put(&mut self, line: &Line) -> Result<(), Trouble> {
        let text = line.text.strip_suffix(b"\n").unwrap_or(&line.text);
        match &self.out {
            Some(Out::Udp(socket)) => {
                let message = self.messages.as_mut().map_or(text, |messages| messages.datagram(text, line.at));
                send_udp(socket, message).map_err(Trouble::Lost)
            }
            Some(Out::Unix(socket)) => {
                let message = self.messages.as_mut().map_or(text, |messages| messages.datagram(text, line.at));
                shortened(message, |message| socket.send(message)).map_err(|error| match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => Trouble::Lost(error),
                    _ if is_too_long(&error) => Trouble::Lost(error),
                    _ => {
                        self.out = None;
                        Trouble::Gone(error)
                    }
                })
            }
            Some(Out::Stream(_) | Out::Tcp(_)) | None => {
                if self.buffer.len() >= BUFFER {
                    self.flush().map_err(|error| match self.out {
                        Some(_) => Trouble::Lost(error),
                        None => Trouble::Gone(error),
                    })?;
                }
                match &mut self.messages {
                    Some(messages) => messages.append(&mut self.buffer, text, line.at),
                    None => self.buffer.extend_from_slice(&line.text),
                }
                Ok(())
            }
        }
    }

    /// Writes what is gathered. What a file does not take is kept, and is written when there is room again. What a connection does not take
    /// is kept for the next one, from the first message on that it has not taken whole.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let mut written = 0;
        let done = match &mut self.out {
            Some(Out::Stream(out)) => {
                let done = write(out, &self.buffer, &mut written).and_then(|()| out.flush());
                self.buffer.drain(..written);
                return done;
            }
            Some(Out::Tcp(stream)) => closed(stream).and_then(|()| write(stream, &self.buffer, &mut written)),
            _ => return Ok(()),
        };
        if done.is_err() {
            self.out = None;
            written = whole(&self.buffer, written);
        }
        self.buffer.drain(..written);
        done
    }
}

/// Writes all of it, and counts what was taken.
fn write(out: &mut impl Write, bytes: &[u8], written: &mut usize) -> io::Result<()> {
    while *written < bytes.len() {
        match out.write(&bytes[*written..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(taken) => *written += taken,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// An error where the receiver has closed its side: the kernel would take what is written, and throw it away. A receiver of syslog says nothing,
/// so there is nothing else to read.
fn closed(stream: &TcpStream) -> io::Result<()> {
    let mut byte = [0];
    match rustix::net::recv(stream, &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((0, _)) => Err(io::Error::other("the receiver has closed the connection")),
        Ok(_) | Err(rustix::io::Errno::AGAIN) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The bytes of the messages, each with its length before it, that were written whole.
fn whole(messages: &[u8], written: usize) -> usize {
    let mut end = 0;
    loop {
        let digits = messages[end..].iter().take_while(|byte| byte.is_ascii_digit());
        let (mut length, mut count) = (0, 0);
        for digit in digits {
            (length, count) = (length * 10 + usize::from(digit - b'0'), count + 1);
        }
        let next = end + count + 1 + length;
        if count == 0 || next > written {
            return end;
        }
        end = next;
    }
}

/// The first address of a host that can be connected to.
fn any<T>(host: &str, port: u16, connect: fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    let mut why = io::Error::from(ErrorKind::AddrNotAvailable);
    for address in resolve(host, port).map_err(io::Error::other)? {
        match connect(address) {
            Ok(made) => return Ok(made),
            Err(error) => why = error,
        }
    }
    Err(why)
}

fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, CONNECT)?;
    stream.set_write_timeout(Some(STALL))?;
    Ok(stream)
}

fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(address)?;
    Ok(socket)
}

fn unix(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_write_timeout(Some(FULL))?;
    Ok(socket)
}

/// Sends a datagram. An error may be of the one before, which found nobody: then that one is lost, and this one is sent.
fn send_udp(socket: &UdpSocket, message: &[u8]) -> io::Result<()> {
    let sent = shortened(message, |message| socket.send(message));
    if sent.as_ref().is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
        let _ = shortened(message, |message| socket.send(message));
    }
    sent
}

/// Sends a datagram, shortened where it is too long.
fn shortened(message: &[u8], send: impl Fn(&[u8]) -> io::Result<usize>) -> io::Result<()> {
    let mut length = message.len();
    loop {
        match send(truncated(message, length)) {
            Err(error) if is_too_long(&error) && length > DATAGRAM_LEAST => {
                length = if length > DATAGRAM_MAX { DATAGRAM_MAX } else { (length / 2).max(DATAGRAM_LEAST) };
            }
            sent => return sent.map(drop),
        }
    }
}

fn is_too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_whole_ends_at_the_end_of_a_message() {
        let messages = b"3 abc10 0123456789";
        let ends = [0, 4, 5, 6, 17, 18].map(|written| whole(messages, written));
        assert_eq!(ends, [0, 0, 5, 5, 5, 18]);
    }

    #[test]
    fn a_datagram_that_is_too_long_is_shortened_until_it_is_taken() {
        let too_long = || io::Error::from(rustix::io::Errno::MSGSIZE);
        let message = "\u{e9}".repeat(100_000);
        for (limit, want) in [(300_000, Some(200_000)), (65_507, Some(65_506)), (1_000, Some(510)), (400, None)] {
            let sent = std::cell::Cell::new(0);
            let done = shortened(message.as_bytes(), |bytes| {
                sent.set(bytes.len());
                if bytes.len() > limit { Err(too_long()) } else { Ok(bytes.len()) }
            });
            assert_eq!(done.is_ok().then(|| sent.get()), want, "{limit}");
        }
    }
}
