//! Bodies of HTTP/1 messages: from bytes to data, by the framing of the head.
//!
//! Pure: it is given what has arrived and gives back what it means. The chunked coding (RFC 9112, section 7.1) is read
//! without leniency: hexadecimal digits only, CRLF only, extensions by the grammar, and a bound on what extensions and trailers
//! may cost. What is wrong is refused as soon as it is there: none of it is waited behind.

#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use super::extensions;
use super::head;
use crate::error::{Error, Kind, Result};
use crate::protocol::http::length::{Length, MAX_LENGTH};

/// A chunk's line, its extensions included.
const MAX_CHUNK_LINE: usize = 4 * 1024;
/// The digits of a chunk's size: as many as 64 bits have, leading zeros included.
const MAX_DIGITS: usize = 16;
/// The trailer section.
const MAX_TRAILERS: usize = 16 * 1024;

/// Reads one body.
#[derive(Debug)]
pub struct Decoder {
    phase: Phase,
    /// How a violation is reported: whose body it is.
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Fixed(u64),
    ChunkLine,
    Chunk(u64),
    ChunkEnd,
    /// Looked through up to here.
    Trailers(usize),
    UntilClose,
    Done,
}

/// What the bytes at hand mean.
#[derive(Debug)]
pub enum Decoded {
    /// Data, never empty.
    Data(Bytes),
    /// The trailer section, never empty; the body ends with it.
    Trailers(HeaderMap),
    /// The body has ended.
    End,
    /// More bytes are needed.
    Starved,
}

impl Decoder {
    /// For a body of `length`; what breaks the framing is an error of `kind`.
    pub fn new(length: Length, kind: Kind) -> Self {
        let phase = match length {
            Length::Fixed(0) => Phase::Done,
            Length::Fixed(left) => Phase::Fixed(left),
            Length::Chunked => Phase::ChunkLine,
            Length::UntilClose => Phase::UntilClose,
        };
        Self { phase, kind }
    }

    /// Whether the whole body has been read.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// Whether the body ends where the connection does.
    pub fn ends_with_connection(&self) -> bool {
        self.phase == Phase::UntilClose
    }

    /// The bytes still to come, where that is known.
    pub fn remaining(&self) -> Option<u64> {
        match self.phase {
            Phase::Fixed(left) => Some(left),
            Phase::Done => Some(0),
            _ => None,
        }
    }

    /// This many bytes of a body of known length went another way. Not more than [remain](Self::remaining).
    pub fn skip(&mut self, bytes: u64) {
        if let Phase::Fixed(left) = self.phase {
            self.phase = if left <= bytes { Phase::Done } else { Phase::Fixed(left - bytes) };
        }
    }

    /// The connection ended where a body that lasts until then does.
    pub fn end_of_stream(&mut self) -> bool {
        if self.phase == Phase::UntilClose {
            self.phase = Phase::Done;
        }
        self.is_done()
    }

    /// Takes the next piece from the front of `buf`.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Decoded> {
        loop {
            match self.phase {
                Phase::Done => return Ok(Decoded::End),
                _ if buf.is_empty() => return Ok(Decoded::Starved),
                Phase::Fixed(left) => {
                    let (data, left) = take(buf, left);
                    self.phase = if left == 0 { Phase::Done } else { Phase::Fixed(left) };
                    return Ok(Decoded::Data(data));
                }
                Phase::UntilClose => return Ok(Decoded::Data(buf.split().freeze())),
                Phase::Chunk(left) => {
                    let (data, left) = take(buf, left);
                    self.phase = if left == 0 { Phase::ChunkEnd } else { Phase::Chunk(left) };
                    return Ok(Decoded::Data(data));
                }
                Phase::ChunkLine => match self.line(buf)? {
                    None => return Ok(Decoded::Starved),
                    Some(line) => match self.chunk_size(&line)? {
                        0 => self.phase = Phase::Trailers(0),
                        size => self.phase = Phase::Chunk(size),
                    },
                },
                Phase::ChunkEnd => match buf[..] {
                    [b'\r', b'\n', ..] => {
                        let _ = buf.split_to(2);
                        self.phase = Phase::ChunkLine;
                    }
                    [b'\r'] => return Ok(Decoded::Starved),
                    _ => return Err(self.broken()),
                },
                Phase::Trailers(looked) => return self.trailers(buf, looked),
            }
        }
    }

    /// A chunk's line; its CRLF is not given back.
    fn line(&self, buf: &mut BytesMut) -> Result<Option<Bytes>> {
        let window = &buf[..buf.len().min(MAX_CHUNK_LINE)];
        // whichever comes first: neither stands within a line
        match memchr::memchr2(b'\r', b'\n', window) {
            Some(at) if window[at..].starts_with(b"\r\n") => {
                let mut line = buf.split_to(at + 2).freeze();
                line.truncate(at);
                Ok(Some(line))
            }
            Some(at) if window[at..] != *b"\r" => Err(self.broken()),
            _ if window.len() < MAX_CHUNK_LINE => Ok(None),
            _ => Err(self.broken()),
        }
    }

    /// `1*HEXDIG [ chunk-ext ]`; extensions are dropped. Leading zeros are taken, for Varnish writes two of them before every size.
    fn chunk_size(&self, line: &[u8]) -> Result<u64> {
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let (number, rest) = line.split_at(digits);
        if digits > MAX_DIGITS || !extensions::are_well_formed(rest) {
            return Err(self.broken());
        }
        // no digits at all fail here
        let text = std::str::from_utf8(number).map_err(|_| self.broken())?;
        let size = u64::from_str_radix(text, 16).map_err(|_| self.broken())?;
        if size <= MAX_LENGTH { Ok(size) } else { Err(self.broken()) }
    }

    /// The trailer section: lines, each looked at once however they come, up to an empty one.
    fn trailers(&mut self, buf: &mut BytesMut, looked: usize) -> Result<Decoded> {
        let window = &buf[..buf.len().min(MAX_TRAILERS)];
        for at in memchr::memchr_iter(b'\n', &window[looked..]) {
            let end = looked + at + 1;
            if !window[..end].ends_with(b"\r\n") {
                return Err(Error::new(self.kind, "a line of its trailer section ends in LF without CR"));
            }
            if end == 2 || window[..end].ends_with(b"\r\n\r\n") {
                let section = buf.split_to(end).freeze();
                let map = head::trailers(&section, self.kind)?;
                self.phase = Phase::Done;
                return Ok(if map.is_empty() { Decoded::End } else { Decoded::Trailers(map) });
            }
        }
        if window.len() == MAX_TRAILERS {
            return Err(Error::new(self.kind, "its trailer section is too long"));
        }
        self.phase = Phase::Trailers(window.len());
        Ok(Decoded::Starved)
    }

    fn broken(&self) -> Error {
        Error::new(self.kind, "the chunked coding is broken")
    }
}

fn take(buf: &mut BytesMut, left: u64) -> (Bytes, u64) {
    let here = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
    (buf.split_to(here).freeze(), left - here as u64)
}
