//! Decodes PROXY headers strictly. Bytes that can't be the beginning of a valid header are refused at the first wrong byte.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::{Endpoints, FIXED, Header, MAX_LINE, MAX_PAYLOAD, Refused, SIGNATURE, Tlvs, Transport, Version};
use super::{crc32c, tlv};

/// The first bytes of a version 1 line.
const LINE_START: &[u8] = b"PROXY ";

/// The length of the header that begins with these bytes, which may be more than there are; `None` when it is not known yet.
///
/// # Errors
///
/// No valid header begins with these bytes.
pub fn length(bytes: &[u8]) -> Result<Option<usize>, Refused> {
    match bytes.first() {
        None => Ok(None),
        Some(first) if *first == SIGNATURE[0] => block_length(bytes),
        Some(_) => line_length(bytes),
    }
}

/// The bytes are not exactly one valid header.
pub fn decode(bytes: &[u8]) -> Result<Header, Refused> {
    match length(bytes)? {
        Some(length) if length == bytes.len() => {}
        Some(length) if length < bytes.len() => return Err(Refused::Malformed("something follows it")),
        _ => return Err(Refused::Truncated),
    }
    match bytes.first() == SIGNATURE.first() {
        true => block(bytes),
        false => line(bytes),
    }
}

/// Whether the shorter of the two is a prefix of the other.
fn is_prefix(bytes: &[u8], expected: &[u8]) -> bool {
    bytes.iter().zip(expected).all(|(byte, expected)| byte == expected)
}

// ---------------------------------------------------------------- version 1

/// The address family of a version 1 line, which decides what characters it may contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
    Unknown,
}

impl Family {
    /// The words after `PROXY `, up to the first byte that is not part of the word.
    const WORDS: [(&'static [u8], Self); 3] = [(b"TCP4 ", Self::V4), (b"TCP6 ", Self::V6), (b"UNKNOWN", Self::Unknown)];

    fn may_have(self, byte: u8) -> bool {
        match self {
            Self::V4 => matches!(byte, b'0'..=b'9' | b'.' | b' '),
            Self::V6 => byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.' | b' '),
            // the rest of an UNKNOWN line has to be ignored
            Self::Unknown => true,
        }
    }
}

fn line_length(bytes: &[u8]) -> Result<Option<usize>, Refused> {
    if !is_prefix(bytes, LINE_START) {
        return Err(Refused::Missing);
    }
    let Some((word, family)) = family(bytes)? else { return Ok(None) };
    let start = LINE_START.len() + word;
    let Some(rest) = bytes.get(start..) else { return Ok(None) };
    if family == Family::Unknown && rest.first().is_some_and(|first| !matches!(first, b' ' | b'\r')) {
        return Err(Refused::Malformed("an unknown family"));
    }
    let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    let content = &rest[..end.unwrap_or(rest.len())];
    if !content.iter().all(|byte| family.may_have(*byte)) {
        return Err(Refused::Malformed("a character that is in no address"));
    }
    // the length without CRLF
    if start + content.len() > MAX_LINE - 2 {
        return Err(Refused::Malformed("a line of more than 107 bytes"));
    }
    match end.map(|end| (rest[end], rest.get(end + 1))) {
        None | Some((b'\r', None)) => Ok(None),
        Some((b'\r', Some(b'\n'))) => Ok(Some(start + content.len() + 2)),
        Some(_) => Err(Refused::Malformed("its line does not end with CR and LF")),
    }
}

/// The length of the word for the family, and the family; `None` when more bytes are needed.
fn family(bytes: &[u8]) -> Result<Option<(usize, Family)>, Refused> {
    let behind = bytes.get(LINE_START.len()..).unwrap_or_default();
    let mut possible = Family::WORDS.into_iter().filter(|(word, _)| is_prefix(behind, word));
    match possible.next() {
        None => Err(Refused::Malformed("an unknown family")),
        Some((word, family)) if behind.len() >= word.len() => Ok(Some((word.len(), family))),
        Some(_) => Ok(None),
    }
}

fn line(bytes: &[u8]) -> Result<Header, Refused> {
    let malformed = |what| move || Refused::Malformed(what);
    let (word, family) = family(bytes)?.ok_or(Refused::Truncated)?;
    let text = bytes[LINE_START.len() + word..].strip_suffix(b"\r\n").ok_or(Refused::Truncated)?;
    if family == Family::Unknown {
        return Ok(Header::new(Version::V1, Endpoints::Unknown));
    }
    let text = std::str::from_utf8(text).map_err(|_| Refused::Malformed("it is not ASCII"))?;
    let mut parts = text.split(' ');
    let [Some(source), Some(destination), Some(source_port), Some(destination_port), None] =
        std::array::from_fn(|_| parts.next())
    else {
        return Err(Refused::Malformed("not two addresses and two ports with single spaces"));
    };
    let address = |text: &str| match family {
        // both parsers refuse leading zeros, which some programs read as octal
        Family::V6 => Ipv6Addr::from_str(text).ok().map(IpAddr::V6),
        _ => Ipv4Addr::from_str(text).ok().map(IpAddr::V4),
    };
    let source = address(source).zip(port(source_port)).ok_or_else(malformed("its source"))?;
    let destination = address(destination).zip(port(destination_port)).ok_or_else(malformed("its destination"))?;
    let endpoints =
        Endpoints::Inet { source: source.into(), destination: destination.into(), transport: Transport::Stream };
    Ok(Header::new(Version::V1, endpoints))
}

/// A port in decimal notation without leading zeros.
fn port(text: &str) -> Option<u16> {
    let canonical = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| canonical)
}

// ---------------------------------------------------------------- version 2

/// The offsets of the two bytes after the signature.
const COMMAND: usize = 12;
const FAMILY: usize = 13;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

fn block_length(bytes: &[u8]) -> Result<Option<usize>, Refused> {
    if !is_prefix(bytes, SIGNATURE) {
        return Err(Refused::Missing);
    }
    if bytes.get(COMMAND).is_some_and(|command| !matches!(*command, LOCAL | PROXY)) {
        return Err(Refused::Malformed("an unknown version or command"));
    }
    if bytes.get(FAMILY).is_some_and(|family| family >> 4 > 3 || family & 0xF > 2) {
        return Err(Refused::Malformed("an unknown family or transport"));
    }
    let Some(length) = bytes.get(FIXED - 2..FIXED) else { return Ok(None) };
    let length = usize::from(length[0]) << 8 | usize::from(length[1]);
    if length > MAX_PAYLOAD {
        return Err(Refused::TooLarge);
    }
    if bytes[COMMAND] == PROXY && length < addresses_length(bytes[FAMILY]) {
        return Err(Refused::Malformed("no room for the addresses of its family"));
    }
    Ok(Some(FIXED + length))
}

/// The length of the addresses of this family: 4 or 16 bytes for each address and 2 for each port, or 108 for each path.
fn addresses_length(family: u8) -> usize {
    match family >> 4 {
        1 => 2 * (4 + 2),
        2 => 2 * (16 + 2),
        3 => 2 * 108,
        _ => 0,
    }
}

fn block(bytes: &[u8]) -> Result<Header, Refused> {
    let (fixed, payload) = bytes.split_at(FIXED);
    let (command, family) = (fixed[COMMAND], fixed[FAMILY]);
    let (addresses, list) = payload.split_at(addresses_length(family).min(payload.len()));
    let transport = match family & 0xF {
        1 => Some(Transport::Stream),
        2 => Some(Transport::Datagram),
        _ => None,
    };
    let endpoints = match transport {
        _ if command == LOCAL => Endpoints::Local,
        None => Endpoints::Unknown,
        Some(transport) => endpoints(family, addresses, transport),
    };
    let tlvs = match endpoints {
        // the rest of the header has to be ignored, or has a format that we don't know, so it may not be a list of TLVs
        Endpoints::Local | Endpoints::Unknown => Tlvs::read(list).unwrap_or_default(),
        _ => Tlvs::read(list)?,
    };
    verify(bytes, &tlvs)?;
    Ok(Header { version: Version::V2, endpoints, tlvs })
}

fn endpoints(family: u8, bytes: &[u8], transport: Transport) -> Endpoints {
    let port = |at: usize| u16::from(bytes[at]) << 8 | u16::from(bytes[at + 1]);
    let (source, destination): (IpAddr, IpAddr) = match bytes.len() {
        12 => (array::<4>(bytes, 0).into(), array::<4>(bytes, 4).into()),
        36 => (array::<16>(bytes, 0).into(), array::<16>(bytes, 16).into()),
        216 if family >> 4 == 3 => {
            let [source, destination] = [0, 108].map(|at| Box::new(array(bytes, at)));
            return Endpoints::Unix { source, destination, transport };
        }
        // the family is unspecified
        _ => return Endpoints::Unknown,
    };
    let ports = bytes.len() - 4;
    let [source, destination] = [(source, port(ports)), (destination, port(ports + 2))].map(SocketAddr::from);
    Endpoints::Inet { source, destination, transport }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

/// Verifies the checksum, which is computed with zeros in its place (section 2.2.3).
fn verify(bytes: &[u8], tlvs: &Tlvs) -> Result<(), Refused> {
    let mut at = bytes.len() - tlvs.as_bytes().len();
    for (kind, value) in tlvs.iter() {
        at += tlv::HEAD;
        if kind == tlv::CRC32C {
            let pieces: [&[u8]; 3] = [&bytes[..at], &[0; 4], &bytes[at + 4..]];
            let matches = crc32c::checksum(&pieces).to_be_bytes() == value;
            return if matches { Ok(()) } else { Err(Refused::Checksum) };
        }
        at += value.len();
    }
    Ok(())
}
