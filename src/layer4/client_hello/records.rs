//! The record layer of a ClientHello: a handshake message, cut into records in any way (RFC 8446, section 5.1).

use std::borrow::Cow;

use super::MAX_LENGTH;

/// Type, version, length.
const RECORD_HEADER: usize = 5;
/// Type, length.
const MESSAGE_HEADER: usize = 4;
/// The most that a record may carry.
const MAX_FRAGMENT: usize = 1 << 14;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

const TOO_LONG: &str = "a ClientHello of more than 64 KiB";

/// The handshake message as far as it has come, out of its records.
pub(super) struct Gathered<'a> {
    /// With its header. Copied only when it is spread over several records, which is rare.
    pub(super) message: Cow<'a, [u8]>,
    /// When it is not complete: the least number of bytes that the buffer has once it is.
    pub(super) need: Option<usize>,
}

/// Walks the records, or says why they can't be those of a ClientHello.
pub(super) fn gather(bytes: &[u8]) -> Result<Gathered<'_>, &'static str> {
    if bytes.is_empty() {
        // the first byte alone tells most of what is not TLS
        return Ok(Gathered { message: Cow::default(), need: Some(1) });
    }
    let mut message = Cow::default();
    let mut at = 0; // where the next record begins
    let mut promised = 0; // how much of the message the headers so far speak of
    loop {
        if at > MAX_LENGTH {
            return Err(TOO_LONG);
        }
        let total = whole_length(&message)?;
        if total.is_some_and(|total| promised > total) {
            return Err("a record goes on behind the ClientHello");
        }
        if total == Some(message.len()) {
            return Ok(Gathered { message, need: None });
        }
        let Some(length) = fragment_length(bytes.get(at..).unwrap_or_default(), at == 0)? else {
            // before the message's own header is there, that is all that is known to be missing
            let missing = total.unwrap_or(MESSAGE_HEADER).saturating_sub(promised);
            let need = at + missing + RECORD_HEADER * missing.div_ceil(MAX_FRAGMENT);
            if need > MAX_LENGTH {
                return Err(TOO_LONG);
            }
            return Ok(Gathered { message, need: Some(need) });
        };
        let start = at + RECORD_HEADER;
        at = start + length;
        promised += length;
        append(&mut message, &bytes[start..at.min(bytes.len())]);
    }
}

/// The length of the whole message with its header, once that is known.
fn whole_length(message: &[u8]) -> Result<Option<usize>, &'static str> {
    match *message {
        [kind, ..] if kind != CLIENT_HELLO => Err("a TLS handshake that does not begin with a ClientHello"),
        [_, a, b, c, ..] => Ok(Some(MESSAGE_HEADER + u32::from_be_bytes([0, a, b, c]) as usize)),
        _ => Ok(None),
    }
}

/// How much a record carries, when its header is whole. What is wrong with it is said as soon as that byte is there.
fn fragment_length(record: &[u8], first: bool) -> Result<Option<usize>, &'static str> {
    match *record {
        [kind, ..] if kind != HANDSHAKE && first => Err(what_it_is_instead(record)),
        [kind, ..] if kind != HANDSHAKE => Err("a record of another type inside the ClientHello"),
        // RFC 8446, section 5.1: the minor version "MUST be ignored for all purposes"; SSL 3.0 to TLS 1.3 have this major
        [_, major, ..] if major != 3 => Err("a record of an unknown version"),
        [_, _, _, high, low, ..] => match usize::from(u16::from_be_bytes([high, low])) {
            0 => Err("an empty record inside the ClientHello"),
            length if length > MAX_FRAGMENT => Err("a record of more than 16 KiB"),
            length => Ok(Some(length)),
        },
        _ => Ok(None),
    }
}

/// A name for bytes that are no handshake record, for whoever wonders in the log.
fn what_it_is_instead(bytes: &[u8]) -> &'static str {
    match *bytes {
        [20, ..] => "a TLS change of cipher where a ClientHello was expected",
        [21, ..] => "a TLS alert where a ClientHello was expected",
        [23, ..] => "encrypted TLS data where a ClientHello was expected",
        [0x80..=0xff, _, CLIENT_HELLO, ..] => "an SSLv2 hello, which no backend should take",
        [b'S', b'S', b'H', b'-', ..] => "SSH, not TLS",
        [b'P', b'R', b'O', b'X', b'Y', b' ', ..] | [b'\r', b'\n', b'\r', b'\n', 0, ..] => {
            "a PROXY header, which this listener does not expect"
        }
        [b'A'..=b'Z', ..] => "plain text such as HTTP, not TLS",
        _ => "not TLS",
    }
}

/// Borrows the first fragment and copies from the second one on.
fn append<'a>(message: &mut Cow<'a, [u8]>, fragment: &'a [u8]) {
    if message.is_empty() {
        *message = Cow::Borrowed(fragment);
    } else if !fragment.is_empty() {
        message.to_mut().extend_from_slice(fragment);
    }
}
