//! HTTP/1.1 over one connection, for either side: just enough for many connections in a debug build to cost little. That
//! messages are well-formed to the letter is what `tests/http` holds.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::LazyLock;

use memchr::memmem;

/// No body of the suite is longer.
const LONGEST: usize = 64 * 1024;

/// What every body is a prefix of. Its period shares no factor with a power of two, so a piece that is lost shows.
static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| (0..LONGEST).map(|i| (i % 251) as u8).collect());

/// The body of this length.
pub fn body(length: usize) -> &'static [u8] {
    &PATTERN[..length]
}

/// A connection, and what was read ahead of need.
pub struct Wire {
    pub stream: TcpStream,
    ahead: Vec<u8>,
}

/// The start line and the fields of a message, ending with an empty line.
pub struct Head(Vec<u8>);

impl Wire {
    pub fn new(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true);
        Self { stream, ahead: Vec::new() }
    }

    /// Reads more; 0 at the end of the stream.
    fn fill(&mut self) -> io::Result<usize> {
        let before = self.ahead.len();
        self.ahead.resize(before + 16 * 1024, 0);
        let read = loop {
            match self.stream.read(&mut self.ahead[before..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.ahead.truncate(before + *read.as_ref().unwrap_or(&0));
        read
    }

    /// The next head; `None` when the stream ends in order before its first byte.
    pub fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(at) = memmem::find(&self.ahead, b"\r\n\r\n") {
                return Ok(Some(Head(self.ahead.drain(..at + 4).collect())));
            }
            if self.fill()? == 0 {
                return if self.ahead.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    /// The next `n` bytes.
    pub fn exactly(&mut self, n: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < n {
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.ahead.drain(..n).collect())
    }

    /// A body in chunks, without trailers.
    pub fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = std::str::from_utf8(&line).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
            let size = size.ok_or(io::ErrorKind::InvalidData)?;
            body.extend(self.exactly(size)?);
            if !self.line()?.is_empty() {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = memmem::find(&self.ahead, b"\r\n") {
                let mut line: Vec<u8> = self.ahead.drain(..at + 2).collect();
                line.truncate(at);
                return Ok(line);
            }
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Everything up to the end of the stream.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.fill()? > 0 {}
        Ok(std::mem::take(&mut self.ahead))
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Whether the other side has said something, or has ended the stream, although nobody asked.
    pub fn has_news(&self) -> bool {
        if !self.ahead.is_empty() || self.stream.set_nonblocking(true).is_err() {
            return true;
        }
        let quiet = matches!(self.stream.peek(&mut [0]), Err(e) if e.kind() == io::ErrorKind::WouldBlock);
        self.stream.set_nonblocking(false).is_err() || !quiet
    }
}

impl Head {
    /// A word of the start line, from 0.
    pub fn word(&self, n: usize) -> &str {
        let line = self.0.split(|b| *b == b'\r').next().unwrap_or_default();
        std::str::from_utf8(line).unwrap_or_default().split(' ').nth(n).unwrap_or_default()
    }

    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.0.split(|b| *b == b'\n').skip(1).find_map(|line| {
            let (before, after) = line.split_at_checked(name.len())?;
            let value = after.strip_prefix(b":")?;
            before.eq_ignore_ascii_case(name.as_bytes()).then(|| std::str::from_utf8(value).unwrap_or_default().trim())
        })
    }

    /// The value of a field that is a number.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.field(name)?.parse().ok()
    }

    /// Whether a field has this value, whatever its case.
    pub fn says(&self, name: &str, value: &str) -> bool {
        self.field(name).is_some_and(|v| v.eq_ignore_ascii_case(value))
    }
}
