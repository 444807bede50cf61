//! Decodes the bodies of HTTP/1 messages by the framing that their heads announced.
//!
//! This does no I/O: it is given the bytes that have arrived and returns what they mean. The chunked coding (RFC 9112, section
//! 7.1) is read without leniency: only hexadecimal digits, only CRLF, only well-formed extensions, with limits on the size of
//! extensions and trailers. An error is reported as soon as its first byte is there.

#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use super::extensions;
use super::head;
use crate::error::{Error, Kind, Result};
use crate::protocol::http::length::{Length, MAX_LENGTH};

/// The most bytes of a line with a chunk's size and extensions.
const MAX_CHUNK_LINE: usize = 4 * 1024;
/// The most digits of a chunk's size, leading zeros included: as many as a number of 64 bits has.
const MAX_DIGITS: usize = 16;
/// The most bytes of a trailer section.
const MAX_TRAILERS: usize = 16 * 1024;

/// The decoder for one body.
#[derive(Debug)]
pub struct Decoder {
    phase: Phase,
    /// The kind of error for broken framing: it says whether a client or a backend has sent the body.
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Fixed(u64),
    ChunkLine,
    Chunk(u64),
    ChunkEnd,
    /// The trailer section, of which so many bytes have been searched for its end.
    Trailers(usize),
    UntilClose,
    Done,
}

/// The meaning of the next bytes.
#[derive(Debug)]
pub enum Decoded {
    /// Data of the body, at least one byte.
    Data(Bytes),
    /// The trailer section, with at least one field. The body ends with it.
    Trailers(HeaderMap),
    /// The body has ended.
    End,
    /// More bytes have to be read first.
    Starved,
}

impl Decoder {
    /// A decoder for a body of `length`. Broken framing is reported as an error of `kind`.
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

    /// The number of bytes that are still to come, when it is known.
    pub fn remaining(&self) -> Option<u64> {
        match self.phase {
            Phase::Fixed(left) => Some(left),
            Phase::Done => Some(0),
            _ => None,
        }
    }

    /// Counts bytes of a body of known length that were moved without passing through this decoder. They must not be more than
    /// [remain](Self::remaining).
    pub fn skip(&mut self, bytes: u64) {
        if let Phase::Fixed(left) = self.phase {
            self.phase = if left <= bytes { Phase::Done } else { Phase::Fixed(left - bytes) };
        }
    }

    /// To be called when the connection has ended. Returns whether the body is complete with that.
    pub fn end_of_stream(&mut self) -> bool {
        if self.phase == Phase::UntilClose {
            self.phase = Phase::Done;
        }
        self.is_done()
    }

    /// Decodes the next piece, and removes its bytes from `buf`.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Decoded> {
        loop {
            match self.phase {
                Phase::Done => return Ok(Decoded::End),
                _ if buf.is_empty() => return Ok(Decoded::Starved),
                Phase::Fixed(left) => {
                    let (data, left) = split_up_to(buf, left);
                    self.phase = if left == 0 { Phase::Done } else { Phase::Fixed(left) };
                    return Ok(Decoded::Data(data));
                }
                Phase::UntilClose => return Ok(Decoded::Data(buf.split().freeze())),
                Phase::Chunk(left) => {
                    let (data, left) = split_up_to(buf, left);
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
                Phase::Trailers(searched) => return self.trailers(buf, searched),
            }
        }
    }

    /// The line with a chunk's size, without its CRLF.
    fn line(&self, buf: &mut BytesMut) -> Result<Option<Bytes>> {
        let window = &buf[..buf.len().min(MAX_CHUNK_LINE)];
        // whichever comes first: neither CR nor LF may occur within the line
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

    /// Parses `1*HEXDIG [ chunk-ext ]`; extensions are ignored. Leading zeros are accepted, because Varnish writes two of them
    /// before every size.
    fn chunk_size(&self, line: &[u8]) -> Result<u64> {
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let (number, rest) = line.split_at(digits);
        if digits > MAX_DIGITS || !extensions::are_well_formed(rest) {
            return Err(self.broken());
        }
        // an empty number fails here
        let text = std::str::from_utf8(number).map_err(|_| self.broken())?;
        let size = u64::from_str_radix(text, 16).map_err(|_| self.broken())?;
        if size <= MAX_LENGTH { Ok(size) } else { Err(self.broken()) }
    }

    /// Reads the trailer section up to its empty line. Each byte is searched once, however small the pieces in which it arrives.
    fn trailers(&mut self, buf: &mut BytesMut, searched: usize) -> Result<Decoded> {
        let window = &buf[..buf.len().min(MAX_TRAILERS)];
        for at in memchr::memchr_iter(b'\n', &window[searched..]) {
            let end = searched + at + 1;
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

fn split_up_to(buf: &mut BytesMut, left: u64) -> (Bytes, u64) {
    let here = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
    (buf.split_to(here).freeze(), left - here as u64)
}
