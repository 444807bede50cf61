//! As much of HPACK (RFC 7541) as the tests need: to write blocks by hand, and to read those of the proxy strictly.

mod examples;

use std::collections::{HashMap, VecDeque};
use std::sync::OnceLock;

/// The static table, numbered from 1 (appendix A).
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// The symbols of the Huffman code by the length of their codes (appendix B). The code is canonical: within a length the codes
/// count up, and the first of the next length follows on. Beyond these there is nothing printable but the backslash.
const SYMBOLS: [(u32, &str); 10] = [
    (5, "012aceiost"),
    (6, " %-./3456789=A_bdfghlmnpru"),
    (7, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, "&*,;XZ"),
    (10, "!\"()?"),
    (11, "'+|"),
    (12, "#>"),
    (13, "\0$@[]~"),
    (14, "^}"),
    (15, "<`{"),
];

/// The number of the newest field of the dynamic table.
pub const NEWEST: usize = STATIC.len() + 1;

/// An integer whose first byte has `bits` for it, and above them `pattern` (section 5.1).
pub fn integer(pattern: u8, bits: u32, value: usize) -> Vec<u8> {
    let full = (1 << bits) - 1;
    if value < full {
        return vec![pattern | u8::try_from(value).unwrap()];
    }
    let mut bytes = vec![pattern | u8::try_from(full).unwrap()];
    let mut rest = value - full;
    while rest >= 0x80 {
        bytes.push(u8::try_from(rest % 0x80).unwrap() | 0x80);
        rest /= 0x80;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

fn string(text: &str) -> Vec<u8> {
    [&integer(0, 7, text.len()), text.as_bytes()].concat()
}

/// A field as a literal that is not indexed.
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    [vec![0], string(name), string(value)].concat()
}

/// A field as a literal that goes into the dynamic table.
pub fn insert(name: &str, value: &str) -> Vec<u8> {
    [vec![0x40], string(name), string(value)].concat()
}

/// A field of a table, by its number.
pub fn indexed(index: usize) -> Vec<u8> {
    integer(0x80, 7, index)
}

/// Another size for the dynamic table.
pub fn size_update(size: usize) -> Vec<u8> {
    integer(0x20, 5, size)
}

/// A string in Huffman's code.
pub fn huffman(text: &str) -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    for symbol in text.bytes() {
        let (length, code) = codes().of[&symbol];
        bits.extend((0..length).rev().map(|bit| code >> bit & 1 == 1));
    }
    bits.resize(bits.len().next_multiple_of(8), true);
    let bytes: Vec<u8> =
        bits.chunks(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect();
    [integer(0x80, 7, bytes.len()), bytes].concat()
}

/// A block of literals.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| literal(name, value)).collect()
}

/// Every code by its symbol, and the other way round; a code is its length and its bits.
struct Codes {
    of: HashMap<u8, (u32, u32)>,
    symbols: HashMap<(u32, u32), u8>,
}

fn codes() -> &'static Codes {
    static CODES: OnceLock<Codes> = OnceLock::new();
    CODES.get_or_init(|| {
        let (mut next, mut last) = (0, SYMBOLS[0].0);
        let mut codes = Codes { of: HashMap::new(), symbols: HashMap::new() };
        for (length, symbols) in SYMBOLS {
            next <<= length - last;
            last = length;
            for symbol in symbols.bytes() {
                codes.of.insert(symbol, (length, next));
                codes.symbols.insert((length, next), symbol);
                next += 1;
            }
        }
        codes
    })
}

fn from_huffman(bytes: &[u8]) -> String {
    let (mut text, mut length, mut code) = (String::new(), 0, 0);
    for bit in bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1))) {
        (length, code) = (length + 1, code << 1 | bit);
        assert!(length < 30, "a code that no field needs, in {bytes:?}");
        if let Some(symbol) = codes().symbols.get(&(length, code)) {
            text.push(char::from(*symbol));
            (length, code) = (0, 0);
        }
    }
    assert!(length < 8 && code == (1 << length) - 1, "the padding is not of ones, or too long: {bytes:?}");
    text
}

/// Reads the blocks of one connection.
#[derive(Debug)]
pub struct Decoder {
    table: VecDeque<(String, String)>,
    size: usize,
    /// How large our settings let it get.
    limit: usize,
    /// The limit fell below what was in the table: the next block has to begin with a size that is no larger.
    owed: Option<usize>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { table: VecDeque::new(), size: 4096, limit: 4096, owed: None }
    }
}

impl Decoder {
    /// Another limit, which the proxy has acknowledged (RFC 9113, section 4.3.1).
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        if self.weight() > limit {
            self.owed = Some(self.owed.map_or(limit, |owed| owed.min(limit)));
        }
    }

    /// The fields of a block. Fails where it breaks a rule.
    pub fn decode(&mut self, mut block: &[u8]) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        while let Some(first) = block.first().copied() {
            if first & 0xe0 == 0x20 {
                assert!(fields.is_empty(), "a table size update behind a field");
                self.resize(take_integer(&mut block, 5));
                continue;
            }
            assert_eq!(self.owed, None, "the table was reduced, and the block does not begin with that");
            if first & 0x80 != 0 {
                let index = take_integer(&mut block, 7);
                fields.push(self.field(index));
                continue;
            }
            let inserts = first & 0x40 != 0;
            let name = match take_integer(&mut block, if inserts { 6 } else { 4 }) {
                0 => take_string(&mut block),
                index => self.field(index).0,
            };
            let field = (name, take_string(&mut block));
            if inserts {
                self.table.push_front(field.clone());
                self.evict();
                assert!(self.weight() <= self.limit, "more in the table than was allowed");
            }
            fields.push(field);
        }
        fields
    }

    fn resize(&mut self, size: usize) {
        assert!(size <= self.limit, "a table of {size}, with {} allowed", self.limit);
        let owed = self.owed.take();
        assert!(owed.is_none_or(|owed| size <= owed), "a table of {size}, where the smallest was to be said: {owed:?}");
        self.size = size;
        self.evict();
    }

    fn evict(&mut self) {
        while self.weight() > self.size {
            self.table.pop_back();
        }
    }

    /// What the table's fields count (RFC 7541, section 4.1).
    fn weight(&self) -> usize {
        self.table.iter().map(|(name, value)| name.len() + value.len() + 32).sum()
    }

    fn field(&self, index: usize) -> (String, String) {
        match STATIC.get(index - 1) {
            Some((name, value)) => ((*name).to_owned(), (*value).to_owned()),
            None => self.table[index - NEWEST].clone(),
        }
    }
}

fn take_integer(block: &mut &[u8], bits: u32) -> usize {
    let full = (1 << bits) - 1;
    let mut value = usize::from(take(block, 1)[0]) & full;
    let mut shift = 0;
    while value == full || shift > 0 {
        let byte = usize::from(take(block, 1)[0]);
        value += (byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

fn take_string(block: &mut &[u8]) -> String {
    let is_huffman = block[0] & 0x80 != 0;
    let length = take_integer(block, 7);
    let bytes = take(block, length);
    if is_huffman { from_huffman(bytes) } else { String::from_utf8(bytes.to_vec()).unwrap() }
}

fn take<'a>(block: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (taken, rest) = block.split_at(n);
    *block = rest;
    taken
}
