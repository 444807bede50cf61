//! HPACK indexing for those of our fields that are the same in most requests: each is put into the backend's dynamic table once,
//! and takes one byte from then on (RFC 7541, section 2.3.2).
//!
//! There are few of them and they are small, so none is ever evicted, and one is found by comparing its name and a short value. A
//! table for all fields would have to be searched for each field, and the values that clients send (paths, cookies, user agents)
//! would only fill it.

use std::cell::Cell;

use bytes::{BufMut, BytesMut};
use http::header::{self, HeaderName, HeaderValue};

use crate::protocol::h2::hpack::encode;
use crate::protocol::http::fields::X_FORWARDED_PROTO;

/// The number of indexed fields.
const KNOWN: usize = 5;
/// The values of `Via` and `X-Forwarded-Proto` as we write them.
static VALUES: [(HeaderName, &[u8]); KNOWN] = [
    (header::VIA, b"1.1 evenkeel"),
    (header::VIA, b"2 evenkeel"),
    (header::VIA, b"1.0 evenkeel"),
    (X_FORWARDED_PROTO, b"http"),
    (X_FORWARDED_PROTO, b"https"),
];
/// The index of the newest entry of the dynamic table, which comes after the 61 entries of the static one (RFC 7541, section
/// 2.3.3).
const NEWEST: u8 = 62;
/// The prefix of the first byte of an indexed field, and of a literal to be added to the table (RFC 7541, sections 6.1 and
/// 6.2.1).
const INDEXED: u8 = 0x80;
const INDEXING: u8 = 0x40;

/// The entries of [`VALUES`] that are in a backend's dynamic table.
#[derive(Debug, Default)]
pub struct Table {
    /// For each value: how many entries the table had after this one was added; 0 when it was not added.
    places: [Cell<u8>; KNOWN],
    count: Cell<u8>,
    is_off: Cell<bool>,
}

impl Table {
    /// Stops indexing, because the backend wants a smaller table than the default.
    pub fn give_up(&self) {
        self.is_off.set(true);
    }

    /// Writes a field, by its index when the backend has it in its table.
    pub fn field(&self, block: &mut BytesMut, name: &HeaderName, value: &HeaderValue) {
        match self.find(name, value) {
            None => encode::field(block, name, value.as_bytes(), value.is_sensitive()),
            Some(place) if place.get() > 0 => block.put_u8(INDEXED | (NEWEST + self.count.get() - place.get())),
            Some(place) => {
                self.count.set(self.count.get() + 1);
                place.set(self.count.get());
                block.put_u8(INDEXING);
                encode::number(block, 0, 0x7F, name.as_str().len());
                block.extend_from_slice(name.as_str().as_bytes());
                encode::number(block, 0, 0x7F, value.len());
                block.extend_from_slice(value.as_bytes());
            }
        }
    }

    fn find(&self, name: &HeaderName, value: &HeaderValue) -> Option<&Cell<u8>> {
        if self.is_off.get() || !(*name == header::VIA || *name == X_FORWARDED_PROTO) {
            return None;
        }
        let place = VALUES.iter().position(|(known, ours)| *known == *name && **ours == *value.as_bytes())?;
        Some(&self.places[place])
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::h2::hpack::{Decoder, Field};

    fn written(table: &Table, fields: &[(HeaderName, &'static str)]) -> Bytes {
        let mut block = BytesMut::new();
        fields.iter().for_each(|(name, value)| table.field(&mut block, name, &HeaderValue::from_static(value)));
        block.freeze()
    }

    #[test]
    fn what_is_the_same_each_time_is_a_byte_from_the_second_time_on() {
        let (table, mut decoder) = (Table::default(), Decoder::new(4096));
        let rows = [
            vec![(header::VIA, "1.1 evenkeel"), (X_FORWARDED_PROTO, "https")],
            vec![(header::VIA, "2 evenkeel"), (header::ACCEPT, "text/html"), (X_FORWARDED_PROTO, "https")],
            vec![(X_FORWARDED_PROTO, "http"), (header::VIA, "1.1 evenkeel"), (header::VIA, "1.1 other, 1.1 evenkeel")],
            vec![(X_FORWARDED_PROTO, "https"), (header::VIA, "1.1 evenkeel"), (header::VIA, "2 evenkeel")],
        ];
        for fields in &rows {
            let mut read = Vec::new();
            decoder.decode(written(&table, fields), |field, _| read.push(field)).unwrap();
            let sent = fields.iter().map(|(name, value)| Field::Plain(name.clone(), HeaderValue::from_static(value)));
            assert_eq!(read, sent.collect::<Vec<_>>());
        }
        assert_eq!(written(&table, &rows[3]).len(), 3);
    }

    #[test]
    fn nothing_refers_to_a_table_that_is_not_wanted() {
        let table = Table::default();
        let via = [(header::VIA, "1.1 evenkeel")];
        written(&table, &via);
        table.give_up();
        let (first, second) = (written(&table, &via), written(&table, &via));
        assert!(first == second && first.len() > 10);
    }
}
