//! What lines are written to: a stream of bytes, or datagrams.

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::net::RecvFlags;

use super::batch::Line;
use super::syslog::{Messages, truncated};
use crate::io::resolve;
use crate::policy::access_log::{AccessDestination, SyslogTransport};

/// What is gathered before it is written to a stream.
const BUFFER: usize = 64 * 1024;
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a receiver may take nothing, until it counts as gone.
const STALL: Duration = Duration::from_secs(5);
/// How long a Unix socket may be full, before lines are dropped without a wait until it takes one again.
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
    /// The lines in the buffer.
    gathered: VecDeque<Gathered>,
    /// Whether a Unix socket was full when it was written to last. Then it does not block.
    is_full: bool,
    /// When the process ends, whatever is not written by then.
    deadline: Option<Instant>,
    messages: Option<Messages>,
}

/// A line in the buffer, or what is left to be written of it.
struct Gathered {
    /// In bytes.
    length: usize,
    /// How many dropped lines it tells of; 0 = it is a line of the log itself.
    tells: u64,
}

/// What is given up together with the buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Discarded {
    /// Lines of the log.
    pub(super) lines: u64,
    /// Lines that were dropped before, and that the discarded lines were to tell of.
    pub(super) untold: u64,
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
        let (buffer, gathered) = (Vec::new(), VecDeque::new());
        Self { destination, out: None, buffer, gathered, is_full: false, deadline: None, messages }
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

    /// Whether the receiver reads too slowly: lines are dropped.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Nothing waits for a receiver longer than until then.
    pub(super) fn limit(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Opens the file, or makes the connection.
    pub(super) fn open(&mut self) -> io::Result<()> {
        let deadline = self.deadline;
        self.is_full = false;
        self.out = Some(match &self.destination {
            AccessDestination::Stdout => Out::Stream(Box::new(io::stdout())),
            AccessDestination::File(path) => {
                Out::Stream(Box::new(OpenOptions::new().create(true).append(true).open(path)?))
            }
            AccessDestination::Unixgram(path) => Out::Unix(unix(path)?),
            AccessDestination::Syslog { to, .. } => match to {
                SyslogTransport::Unix(path) => Out::Unix(unix(path)?),
                SyslogTransport::Tcp(host, port) => Out::Tcp(any(host, *port, |address| {
                    TcpStream::connect_timeout(&address, within(CONNECT, deadline))
                })?),
                SyslogTransport::Udp(host, port) => Out::Udp(any(host, *port, udp)?),
            },
        });
        Ok(())
    }

    /// Takes a line: at once, or for the next [flush](Self::flush). `tells` is how many dropped lines it tells of; 0 = it is a line of the log.
    pub(super) fn put(&mut self, line: Line<'_>, tells: u64) -> Result<(), Trouble> {
        let text = line.text.strip_suffix(b"\n").unwrap_or(line.text);
        match &self.out {
            Some(Out::Udp(socket)) => {
                let message = self.messages.as_mut().map_or(text, |messages| messages.datagram(text, line.at));
                send_udp(socket, message).map_err(Trouble::Lost)
            }
            Some(Out::Unix(socket)) => {
                let message = self.messages.as_mut().map_or(text, |messages| messages.datagram(text, line.at));
                if self.deadline.is_some() {
                    // where that fails, the wait is the usual one
                    let _ = socket.set_write_timeout(Some(within(FULL, self.deadline)));
                }
                let sent = shortened(message, |message| socket.send(message));
                self.sent(sent)
            }
            Some(Out::Stream(_) | Out::Tcp(_)) | None => {
                if self.buffer.len() >= BUFFER {
                    self.flush().map_err(|error| match self.out {
                        Some(_) => Trouble::Lost(error),
                        None => Trouble::Gone(error),
                    })?;
                }
                let before = self.buffer.len();
                match &mut self.messages {
                    Some(messages) => messages.append(&mut self.buffer, text, line.at),
                    None => self.buffer.extend_from_slice(line.text),
                }
                self.gathered.push_back(Gathered { length: self.buffer.len() - before, tells });
                Ok(())
            }
        }
    }

    /// What came of a datagram to a Unix socket. Once that was full for the whole time that it may be, it is not waited for again until it
    /// has taken one: a receiver that does not read at all would hold up each line anew.
    fn sent(&mut self, sent: io::Result<()>) -> Result<(), Trouble> {
        let is_full = match &sent {
            Ok(()) => false,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => true,
            Err(error) if is_too_long(error) => self.is_full,
            Err(_) => {
                (self.out, self.is_full) = (None, false);
                return sent.map_err(Trouble::Gone);
            }
        };
        if is_full != self.is_full
            && let Some(Out::Unix(socket)) = &self.out
        {
            // where that fails, each line waits
            let _ = socket.set_nonblocking(is_full);
            self.is_full = is_full;
        }
        sent.map_err(Trouble::Lost)
    }

    /// Writes what is gathered. What a file does not take is kept, and is written when there is room again. What a connection does not take
    /// is kept for the next one, from the first message on that it has not taken whole.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let deadline = self.deadline;
        let mut written = 0;
        let done = match &mut self.out {
            Some(Out::Stream(out)) => write(out, &self.buffer, &mut written, deadline).and_then(|()| out.flush()),
            Some(Out::Tcp(stream)) => closed(stream)
                .and_then(|()| stream.set_write_timeout(Some(within(STALL, deadline))))
                .and_then(|()| write(stream, &self.buffer, &mut written, deadline)),
            _ => return Ok(()),
        };
        if done.is_err() && matches!(self.out, Some(Out::Tcp(_))) {
            self.out = None;
        }
        self.taken(written);
        done
    }

    /// Takes so many bytes off the buffer. A file goes on within a line; a connection that is gone does not, so there the line stays whole.
    fn taken(&mut self, mut written: usize) {
        let goes_on = self.out.is_some();
        let mut end = 0;
        while let Some(line) = self.gathered.front_mut() {
            if written < line.length {
                if goes_on {
                    line.length -= written;
                    end += written;
                }
                break;
            }
            written -= line.length;
            end += line.length;
            self.gathered.pop_front();
        }
        self.buffer.drain(..end);
    }

    /// Gives up what was gathered.
    pub(super) fn discard(&mut self) -> Discarded {
        self.buffer.clear();
        let mut discarded = Discarded { lines: 0, untold: 0 };
        for line in self.gathered.drain(..) {
            discarded.lines += u64::from(line.tells == 0);
            discarded.untold += line.tells;
        }
        discarded
    }
}

/// As long as something may take, when all has to be done by the deadline. At least a millisecond: for a socket, 0 would be without end.
fn within(longest: Duration, deadline: Option<Instant>) -> Duration {
    let Some(deadline) = deadline else { return longest };
    deadline.saturating_duration_since(Instant::now()).clamp(Duration::from_millis(1), longest)
}

/// Writes all of it, and counts what was taken.
fn write(out: &mut impl Write, bytes: &[u8], written: &mut usize, deadline: Option<Instant>) -> io::Result<()> {
    while *written < bytes.len() {
        if *written > 0 && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(ErrorKind::TimedOut.into());
        }
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

/// The first address of a host that can be connected to.
fn any<T>(host: &str, port: u16, connect: impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    let mut why = io::Error::from(ErrorKind::AddrNotAvailable);
    for address in resolve(host, port).map_err(io::Error::other)? {
        match connect(address) {
            Ok(made) => return Ok(made),
            Err(error) => why = error,
        }
    }
    Err(why)
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

    fn line(text: &str) -> Line<'_> {
        Line { text: text.as_bytes(), at: crate::clock::Stamp::default() }
    }

    #[test]
    fn a_file_goes_on_within_a_line_and_a_connection_at_the_start_of_one() {
        for (written, of_file, of_connection, lines) in [
            (0, "abc\n0123\n", "abc\n0123\n", 2),
            (3, "\n0123\n", "abc\n0123\n", 2),
            (4, "0123\n", "0123\n", 1),
            (9, "", "", 0),
        ] {
            for (out, want) in
                [(Some(Out::Stream(Box::new(io::sink()) as Box<dyn Write + Send>)), of_file), (None, of_connection)]
            {
                let mut sink = Sink::new(AccessDestination::Stdout);
                sink.out = out;
                for text in ["abc\n", "0123\n"] {
                    assert!(sink.put(line(text), 0).is_ok());
                }
                sink.taken(written);
                assert_eq!(String::from_utf8_lossy(&sink.buffer), want, "{written}");
                assert_eq!(sink.discard(), Discarded { lines, untold: 0 }, "{written}");
            }
        }
    }

    #[test]
    fn a_discarded_line_that_tells_of_dropped_ones_is_none_of_the_log() {
        let mut sink = Sink::new(AccessDestination::Stdout);
        assert!(sink.put(line("a\n"), 0).is_ok() && sink.put(line("# 7 lines\n"), 7).is_ok());
        assert_eq!(sink.discard(), Discarded { lines: 1, untold: 7 });
        assert_eq!(sink.discard(), Discarded { lines: 0, untold: 0 });
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
