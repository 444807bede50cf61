//! The ClientHello message (RFC 8446, section 4.1.2). A message that has not come whole is read as far as it goes, so that a
//! lie in it is refused without waiting for the rest.

use super::{ClientHello, Protocols, server_name};

/// Type and length, which `records.rs` has looked at.
const HEADER: usize = 4;
const RANDOM: usize = 32;
const MAX_SESSION_ID: usize = 32;

/// The extensions that are read.
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;

/// Said of every length that does not fit into the one around it.
pub(super) const LYING_LENGTH: &str = "a length in the ClientHello reaches beyond what it is in";

/// Why reading came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The rest has not come yet.
    Short,
    /// No rest makes it good.
    Refused(&'static str),
}

/// A part of the message: how long it is by its length field, and what has come of it.
pub(super) struct Part<'a> {
    /// Never more than `left`.
    bytes: &'a [u8],
    /// What is still to be read.
    left: usize,
}

/// Reads a message from its header on. Of one that is not whole even `Ok` means only that nothing was wrong so far.
pub(super) fn parse(message: &[u8]) -> Result<ClientHello, Stop> {
    let Some((&[_, a, b, c], body)) = message.split_first_chunk::<HEADER>() else { return Err(Stop::Short) };
    let mut body = Part { bytes: body, left: u32::from_be_bytes([0, a, b, c]) as usize };
    body.u16()?; // the version: what TLS 1.0 to 1.2 go by, and the backend's business
    body.take(RANDOM)?;
    if body.vector8()?.left > MAX_SESSION_ID {
        return Err(Stop::Refused("a session id of more than 32 bytes"));
    }
    let ciphers = body.vector16()?;
    if ciphers.left == 0 || ciphers.left % 2 != 0 {
        return Err(Stop::Refused("a list of cipher suites that is empty or not made of pairs of bytes"));
    }
    if body.vector8()?.left == 0 {
        return Err(Stop::Refused("no compression method, not even \"none\""));
    }
    if body.left == 0 {
        // a client of before RFC 3546 (2003)
        return Ok(ClientHello { server_name: None, alpn: Protocols::default() });
    }
    let extensions = body.vector16()?;
    if body.left != 0 {
        return Err(Stop::Refused("bytes after the extensions"));
    }
    read_extensions(extensions)
}

fn read_extensions(mut extensions: Part<'_>) -> Result<ClientHello, Stop> {
    let (mut name, mut alpn) = (None, None);
    while extensions.left != 0 {
        let kind = extensions.u16()?;
        let content = extensions.vector16()?;
        // a second one is forbidden (RFC 8446, section 4.2), and the backend might believe the one that we don't
        match kind {
            SERVER_NAME if name.is_some() => return Err(Stop::Refused("two server_name extensions")),
            SERVER_NAME => name = Some(server_name::parse(content)?),
            ALPN if alpn.is_some() => return Err(Stop::Refused("two ALPN extensions")),
            ALPN => alpn = Some(protocols(content)?),
            _ => {}
        }
    }
    Ok(ClientHello { server_name: name.flatten(), alpn: alpn.unwrap_or_default() })
}

/// RFC 7301, section 3.1.
fn protocols(mut extension: Part<'_>) -> Result<Protocols, Stop> {
    let mut names = extension.only_vector16("bytes after the ALPN protocols")?;
    if names.left == 0 {
        return Err(Stop::Refused("an empty list of ALPN protocols"));
    }
    let list = names.bytes;
    while names.left != 0 {
        if names.vector8()?.left == 0 {
            return Err(Stop::Refused("an empty ALPN protocol"));
        }
    }
    Ok(Protocols { list: list.into() })
}

impl<'a> Part<'a> {
    /// Whether it has been read to its end.
    pub(super) fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// The next `length` bytes.
    fn take(&mut self, length: usize) -> Result<&'a [u8], Stop> {
        if length > self.left {
            return Err(Stop::Refused(LYING_LENGTH));
        }
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(Stop::Short)?;
        (self.bytes, self.left) = (rest, self.left - length);
        Ok(taken)
    }

    /// The next byte.
    pub(super) fn u8(&mut self) -> Result<u8, Stop> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<u16, Stop> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A part with a byte before it that tells its length.
    fn vector8(&mut self) -> Result<Self, Stop> {
        let length = self.u8()?;
        self.split(length.into())
    }

    /// A part with two bytes before it that tell its length.
    pub(super) fn vector16(&mut self) -> Result<Self, Stop> {
        let length = self.u16()?;
        self.split(length.into())
    }

    /// The same where nothing may come after it.
    pub(super) fn only_vector16(&mut self, otherwise: &'static str) -> Result<Self, Stop> {
        let vector = self.vector16()?;
        if self.is_empty() { Ok(vector) } else { Err(Stop::Refused(otherwise)) }
    }

    /// All of it, if it has come.
    pub(super) fn whole(mut self) -> Result<&'a [u8], Stop> {
        self.take(self.left)
    }

    /// Takes a part of this one, though it may not have come whole.
    fn split(&mut self, length: usize) -> Result<Self, Stop> {
        if length > self.left {
            return Err(Stop::Refused(LYING_LENGTH));
        }
        let (bytes, rest) = self.bytes.split_at(length.min(self.bytes.len()));
        (self.bytes, self.left) = (rest, self.left - length);
        Ok(Self { bytes, left: length })
    }
}
