//! The record layer of a ClientHello: a handshake message may be split into records at any byte (RFC 8446, section 5.1).

use std::borrow::Cow;

use super::MAX_LENGTH;

/// The size of a record's type, version and length.
const RECORD_HEADER: usize = 5;
/// The size of a message's type and length.
const MESSAGE_HEADER: usize = 4;
/// The most bytes of a record's content.
const MAX_FRAGMENT: usize = 1 << 14;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

const TOO_LONG: &str = "a ClientHello of more than 64 KiB";

/// The part of the handshake message that has arrived, without the record headers.
pub(super) struct Gathered<'a> {
    /// The message with its header. It is copied only when it is in several records, which is rare.
    pub(super) message: Cow<'a, [u8]>,
    /// If the message is not complete: the fewest bytes that the buffer has when it is.
    pub(super) need: Option<usize>,
}

/// Collects the handshake message from its records.
///
/// # Errors
///
/// Why this can't be a ClientHello.
pub(super) fn gather(bytes: &[u8]) -> Result<Gathered<'_>, &'static str> {
    if bytes.is_empty() {
        // one byte suffices to recognise most of what is not TLS
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
            // until the header of the message has arrived, only its missing part is known to be needed
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

/// The length of the whole message with its header, when it is known.
fn whole_length(message: &[u8]) -> Result<Option<usize>, &'static str> {
    match *message {
        [kind, ..] if kind != CLIENT_HELLO => Err("a TLS handshake that does not begin with a ClientHello"),
        [_, a, b, c, ..] => Ok(Some(MESSAGE_HEADER + u32::from_be_bytes([0, a, b, c]) as usize)),
        _ => Ok(None),
    }
}

/// The length of a record's content, when the record's header is complete. An error is reported as soon as the wrong byte is
/// there.
fn fragment_length(record: &[u8], first: bool) -> Result<Option<usize>, &'static str> {
    match *record {
        [kind, ..] if kind != HANDSHAKE && first => Err(what_it_is_instead(record)),
        [kind, ..] if kind != HANDSHAKE => Err("a record of another type inside the ClientHello"),
        // RFC 8446, section 5.1: the version "MUST be ignored for all purposes"; its major number is 3 from SSL 3.0 to TLS 1.3
        [_, major, ..] if major != 3 => Err("a record of an unknown version"),
        [_, _, _, high, low, ..] => match usize::from(u16::from_be_bytes([high, low])) {
            0 => Err("an empty record inside the ClientHello"),
            length if length > MAX_FRAGMENT => Err("a record of more than 16 KiB"),
            length => Ok(Some(length)),
        },
        _ => Ok(None),
    }
}

/// A description, for the log, of bytes that are not a handshake record.
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

/// Borrows the first fragment, and copies when a second one comes.
fn append<'a>(message: &mut Cow<'a, [u8]>, fragment: &'a [u8]) {
    if message.is_empty() {
        *message = Cow::Borrowed(fragment);
    } else if !fragment.is_empty() {
        message.to_mut().extend_from_slice(fragment);
    }
}
