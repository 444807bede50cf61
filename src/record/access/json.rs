//! A line as one JSON object, written straight into the line's memory.

use super::number;
use super::value::{Facts, Value};
use crate::policy::access_log::Member;

/// Writes an object with these members, and the end of the line.
pub(super) fn object(line: &mut Vec<u8>, members: &[Member], facts: &impl Facts) {
    line.push(b'{');
    let mut is_first = true;
    for member in members {
        let said = facts.value(member.field);
        if member.optional && matches!(said, Value::Absent) {
            continue;
        }
        // the comma that the key begins with is for a member before it
        line.extend_from_slice(&member.key.as_bytes()[usize::from(std::mem::take(&mut is_first))..]);
        value(line, said);
    }
    line.extend_from_slice(b"}\n");
}

fn value(line: &mut Vec<u8>, said: Value<'_>) {
    match said {
        Value::Absent | Value::Null => line.extend_from_slice(b"null"),
        Value::Text(text) | Value::Word(text) => string(line, text),
        Value::Plain(text) => plain(line, text),
        Value::Number(number) => number::decimal(line, number),
        Value::Millis(time) => number::millis(line, time),
        Value::Flag(flag) => line.extend_from_slice(if flag { b"true" } else { b"false" }),
        Value::Address(address) => {
            line.push(b'"');
            number::address(line, address);
            line.push(b'"');
        }
        Value::List(names) => {
            separated(line, [b'[', b']'], names, |line, name| string(line, name.as_bytes()));
        }
        Value::Pairs(pairs) => separated(line, [b'{', b'}'], pairs, |line, (name, said)| {
            string(line, name.as_bytes());
            line.push(b':');
            string(line, said.as_bytes());
        }),
        Value::Share(share) => number::share(line, share),
        Value::Trace(id) => {
            line.push(b'"');
            number::trace(line, id);
            line.push(b'"');
        }
    }
}

fn separated<T>(line: &mut Vec<u8>, [open, close]: [u8; 2], items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    line.push(open);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            line.push(b',');
        }
        write(line, item);
    }
    line.push(close);
}

/// Whether all of it stands for itself in a string of JSON (RFC 8259, section 7). What is not ASCII does where it is UTF-8, which has to be
/// looked at. No byte ends the look early, so that the compiler looks at many at a time.
fn is_plain(text: &[u8]) -> bool {
    text.iter().fold(true, |plain, &byte| plain & matches!(byte, b' '..=b'~' | 0x7f) & (byte != b'"') & (byte != b'\\'))
}

fn plain(line: &mut Vec<u8>, text: &[u8]) {
    line.push(b'"');
    line.extend_from_slice(text);
    line.push(b'"');
}

/// Writes a string. What is not UTF-8 becomes U+FFFD.
fn string(line: &mut Vec<u8>, text: &[u8]) {
    // nearly all that is written
    if is_plain(text) {
        return plain(line, text);
    }
    line.push(b'"');
    escaped(line, text);
    line.push(b'"');
}

fn escaped(line: &mut Vec<u8>, text: &[u8]) {
    for chunk in text.utf8_chunks() {
        for &byte in chunk.valid().as_bytes() {
            match byte {
                b'"' | b'\\' => line.extend_from_slice(&[b'\\', byte]),
                b'\n' => line.extend_from_slice(b"\\n"),
                b'\r' => line.extend_from_slice(b"\\r"),
                b'\t' => line.extend_from_slice(b"\\t"),
                0x08 => line.extend_from_slice(b"\\b"),
                0x0c => line.extend_from_slice(b"\\f"),
                control @ 0..0x20 => {
                    line.extend_from_slice(b"\\u00");
                    line.extend([control >> 4, control & 0xf].map(|digit| b"0123456789abcdef"[usize::from(digit)]));
                }
                byte => line.push(byte),
            }
        }
        if !chunk.invalid().is_empty() {
            line.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn strings_are_written_as_serde_writes_them(text: Vec<u8>, more: String) {
            for text in [&text[..], more.as_bytes()] {
                let mut line = Vec::new();
                string(&mut line, text);
                prop_assert_eq!(line, serde_json::to_vec(&String::from_utf8_lossy(text)).unwrap());
            }
        }
    }

    #[test]
    fn every_character_of_ascii_is_written_as_serde_writes_it() {
        let all: Vec<u8> = (0..=0x7f).collect();
        let mut line = Vec::new();
        string(&mut line, &all);
        assert_eq!(line, serde_json::to_vec(str::from_utf8(&all).unwrap()).unwrap());
    }
}
