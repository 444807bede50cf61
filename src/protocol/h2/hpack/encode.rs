//! From fields to a block, without a dynamic table, as HAProxy and nginx do it too.
//!
//! A table of our own would have to be searched and kept for each field of each response, and what changes from one to the next
//! (`content-length`, `etag`, `last-modified`) gains nothing by it. Nor are strings Huffman-coded: that costs some ten
//! instructions for each byte, here and again in the client, to save a quarter of a head that mostly fits into one packet
//! with the begin of its body.

#[cfg(test)]
mod tests;

use bytes::{BufMut, BytesMut};
use http::StatusCode;
use http::header::HeaderName;

use super::name::Name;
use super::table::{NAMES, STATIC};

/// Index 8 of the static table: the first `:status`.
const STATUS: u8 = 8;
/// The largest index that a literal has in its first byte, and one more.
const LITERAL: u8 = 0x0F;
/// What the first byte of a literal has when it is never to be indexed (RFC 7541, section 6.2.3).
const NEVER: u8 = 0x10;

/// Says that our table stays empty (RFC 7541, section 6.3): the first thing in the first block. Clients keep none for us then.
pub fn no_table(out: &mut BytesMut) {
    out.put_u8(0x20);
}

/// Writes `:status`.
pub fn status(out: &mut BytesMut, status: StatusCode) {
    let indexed = match status.as_u16() {
        200 => STATUS,
        204 => STATUS + 1,
        206 => STATUS + 2,
        304 => STATUS + 3,
        400 => STATUS + 4,
        404 => STATUS + 5,
        500 => STATUS + 6,
        _ => {
            out.extend_from_slice(&[STATUS, 3]);
            out.extend_from_slice(status.as_str().as_bytes());
            return;
        }
    };
    out.put_u8(0x80 | indexed);
}

/// Writes a field; what is sensitive is marked, so that no proxy on its way keeps it in a table.
#[inline]
pub fn field(out: &mut BytesMut, name: &HeaderName, value: &[u8], sensitive: bool) {
    let never = if sensitive { NEVER } else { 0 };
    match (index(name), u8::try_from(value.len())) {
        // by far the most: a name of the static table, and a length of one byte
        (Some(index), Ok(length @ ..0x7F)) => out.extend_from_slice(&[never | LITERAL, index - LITERAL, length]),
        (Some(index), _) => {
            out.extend_from_slice(&[never | LITERAL, index - LITERAL]);
            number(out, 0, 0x7F, value.len());
        }
        (None, _) => {
            let name = name.as_str().as_bytes();
            out.put_u8(never);
            number(out, 0, 0x7F, name.len());
            out.extend_from_slice(name);
            number(out, 0, 0x7F, value.len());
        }
    }
    out.extend_from_slice(value);
}

/// Writes an integer (RFC 7541, section 5.1) into the bits of the first byte that `mask` has; `first` are the others.
pub fn number(out: &mut BytesMut, first: u8, mask: u8, value: usize) {
    if let Ok(short) = u8::try_from(value)
        && short < mask
    {
        out.put_u8(first | short);
        return;
    }
    out.put_u8(first | mask);
    let mut rest = value - usize::from(mask);
    while rest >= 0x80 {
        out.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

/// The index of a name in the static table. All that are not of pseudo-header fields are 15 or more, so that a literal has
/// the index in its second byte.
#[inline]
fn index(name: &HeaderName) -> Option<u8> {
    let index = SLOTS[slot(name.as_str().as_bytes())];
    // names that `HeaderName` knows, as all of the table, are compared as numbers
    match &STATIC.get(usize::from(index).wrapping_sub(1))?.name {
        Name::Plain(known) if known == name => Some(index),
        _ => None,
    }
}

/// By the slot of a name: its index in the static table. 0 = none has this slot.
static SLOTS: [u8; 256] = slots();

/// A number for a name, by its length, first and last byte. The factors were found by trying: no two names of the static
/// table have the same one.
#[inline]
const fn slot(name: &[u8]) -> usize {
    match name {
        [first, .., last] => (name.len() + *first as usize * 48 + *last as usize * 5) & 0xFF,
        _ => 0,
    }
}

const fn slots() -> [u8; 256] {
    let mut slots = [0; 256];
    let mut at = 0;
    while at < NAMES.len() {
        let slot = slot(NAMES[at].as_bytes());
        assert!(slots[slot] == 0, "two names have one slot");
        slots[slot] = LITERAL + at as u8;
        at += 1;
    }
    slots
}
