//! Parses the ClientHello message (RFC 8446, section 4.1.2). An incomplete message is parsed as far as it has arrived, so that an
//! error in it is found without waiting for the rest.

use super::part::{Part, Stop};
use super::{ClientHello, Protocols, server_name};

/// The size of the message's type and length, which `records.rs` has checked.
const HEADER: usize = 4;
const RANDOM: usize = 32;
const MAX_SESSION_ID: usize = 32;

/// The extensions that are read.
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;

/// Parses a message, beginning with its header. For an incomplete message `Ok` means only that there is no error so far.
pub(super) fn parse(message: &[u8]) -> Result<ClientHello, Stop> {
    let Some((&[_, a, b, c], body)) = message.split_first_chunk::<HEADER>() else { return Err(Stop::Short) };
    let mut body = Part::new(body, u32::from_be_bytes([0, a, b, c]) as usize);
    body.u16()?; // the version: what TLS 1.0 to 1.2 go by, and the backend's business
    body.take(RANDOM)?;
    if body.vector8()?.left() > MAX_SESSION_ID {
        return Err(Stop::Refused("a session id of more than 32 bytes"));
    }
    let ciphers = body.vector16()?;
    if ciphers.is_empty() || ciphers.left() % 2 != 0 {
        return Err(Stop::Refused("a list of cipher suites that is empty or not made of pairs of bytes"));
    }
    if body.vector8()?.is_empty() {
        return Err(Stop::Refused("no compression method, not even \"none\""));
    }
    if body.is_empty() {
        // a client older than RFC 3546 (2003)
        return Ok(ClientHello { server_name: None, alpn: Protocols::default() });
    }
    let extensions = body.vector16()?;
    if !body.is_empty() {
        return Err(Stop::Refused("bytes after the extensions"));
    }
    read_extensions(extensions)
}

fn read_extensions(mut extensions: Part<'_>) -> Result<ClientHello, Stop> {
    let (mut name, mut alpn) = (None, None);
    while !extensions.is_empty() {
        let kind = extensions.u16()?;
        let content = extensions.vector16()?;
        // a second extension of the same type is forbidden (RFC 8446, section 4.2), and a backend might use the one that we don't
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

/// Parses the ALPN extension: RFC 7301, section 3.1.
fn protocols(mut extension: Part<'_>) -> Result<Protocols, Stop> {
    let mut names = extension.only_vector16("bytes after the ALPN protocols")?;
    if names.is_empty() {
        return Err(Stop::Refused("an empty list of ALPN protocols"));
    }
    let list = names.bytes();
    while !names.is_empty() {
        if names.vector8()?.is_empty() {
            return Err(Stop::Refused("an empty ALPN protocol"));
        }
    }
    Ok(Protocols { list: list.into() })
}
