//! Encodes fields into a block, without a dynamic table, as HAProxy and nginx do.
//!
//! A table would have to be searched and maintained for each field of each response, and fields that change from one response to
//! the next (`content-length`, `etag`, `last-modified`) gain nothing by it. Strings are not Huffman-coded either: that costs
//! about ten instructions for each byte, here and again in the client, to save a quarter of a head that mostly fits into one
//! packet with the beginning of its body.

#[cfg(test)]
mod tests;

use bytes::{BufMut, BytesMut};
use http::StatusCode;
use http::header::HeaderName;

use super::name::Name;
use super::table::{NAMES, STATIC};

/// The first index of `:status` in the static table.
const STATUS: u8 = 8;
/// The largest value of the 4-bit prefix of a literal's index; it says that the rest of the index follows in further bytes.
const MAX_INDEX_PREFIX: u8 = 0x0F;
/// The bit of a literal's first byte which says that it must never be indexed (RFC 7541, section 6.2.3).
const NEVER: u8 = 0x10;

/// Writes a size update which says that our dynamic table has no entries (RFC 7541, section 6.3). It has to come first in our
/// first block. The peer then keeps no table for us.
pub fn empty_table(out: &mut BytesMut) {
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

/// Writes a field. A sensitive one is marked, so that no intermediary keeps it in a table.
#[inline]
pub fn field(out: &mut BytesMut, name: &HeaderName, value: &[u8], sensitive: bool) {
    let never = if sensitive { NEVER } else { 0 };
    match (index(name), u8::try_from(value.len())) {
        // by far the most frequent case: a name of the static table, and a length of one byte
        (Some(index), Ok(length @ ..0x7F)) => {
            out.extend_from_slice(&[never | MAX_INDEX_PREFIX, index - MAX_INDEX_PREFIX, length])
        }
        (Some(index), _) => {
            out.extend_from_slice(&[never | MAX_INDEX_PREFIX, index - MAX_INDEX_PREFIX]);
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

/// Writes an integer (RFC 7541, section 5.1). `mask` has the bits of the first byte that are part of it, and `first` the other
/// bits.
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

/// The index of a name in the static table. Names other than those of pseudo-header fields have an index of 15 or more, so a
/// literal has the rest of the index in its second byte.
#[inline]
fn index(name: &HeaderName) -> Option<u8> {
    let index = INDEX_BY_HASH[hash(name.as_str().as_bytes())];
    // `HeaderName` knows all names of the static table, and compares those as numbers
    match &STATIC.get(usize::from(index).wrapping_sub(1))?.name {
        Name::Plain(known) if known == name => Some(index),
        _ => None,
    }
}

/// A perfect hash table of the static table's names: the index of the name with this hash; 0 when there is none.
static INDEX_BY_HASH: [u8; 256] = index_by_hash();

/// The hash of a name, made from its length, first and last byte. The factors were found by trial: no two names of the static
/// table have the same hash.
#[inline]
const fn hash(name: &[u8]) -> usize {
    match name {
        [first, .., last] => (name.len() + *first as usize * 48 + *last as usize * 5) & 0xFF,
        _ => 0,
    }
}

const fn index_by_hash() -> [u8; 256] {
    let mut index_by_hash = [0; 256];
    let mut at = 0;
    while at < NAMES.len() {
        let hash = hash(NAMES[at].as_bytes());
        assert!(index_by_hash[hash] == 0, "two names have the same hash");
        index_by_hash[hash] = MAX_INDEX_PREFIX + at as u8;
        at += 1;
    }
    index_by_hash
}
