//! A line as text: parts that are always the same, and fields between them. What a client says can't end its line, nor the quotes around it.

use super::number;
use super::value::{Facts, Value};
use crate::policy::access_log::Part;

/// Writes a line of these parts. What a field does not say is `-`.
pub(super) fn line(line: &mut Vec<u8>, parts: &[Part], facts: &impl Facts) {
    for part in parts {
        match part {
            Part::Text(text) => line.extend_from_slice(text.as_bytes()),
            Part::Field(field) => value(line, facts.value(*field)),
        }
    }
    line.push(b'\n');
}

fn value(line: &mut Vec<u8>, said: Value<'_>) {
    match said {
        Value::Absent | Value::Null => line.push(b'-'),
        Value::Text(text) => escaped(line, text),
        Value::Word(text) => word(line, text),
        Value::Plain(text) => line.extend_from_slice(text),
        Value::Number(number) => number::decimal(line, number),
        Value::Millis(time) => number::millis(line, time),
        Value::Flag(flag) => line.extend_from_slice(if flag { b"true" } else { b"false" }),
        Value::Address(address) => number::address(line, address),
        Value::List([]) => line.push(b'-'),
        Value::List(names) => {
            for (at, name) in names.iter().enumerate() {
                line.extend_from_slice(if at > 0 { b"," } else { b"" });
                escaped(line, name.as_bytes());
            }
        }
        Value::Pairs(pairs) => {
            for (at, (name, said)) in pairs.iter().enumerate() {
                line.extend_from_slice(if at > 0 { b"," } else { b"" });
                escaped(line, name.as_bytes());
                line.push(b'=');
                escaped(line, said.as_bytes());
            }
        }
        Value::Share(share) => number::share(line, share),
        Value::Trace(id) => number::trace(line, id),
    }
}

/// One word, which programs that read lines tell from the next one by the space: a name may have spaces in it, or be empty, or `-`.
fn word(line: &mut Vec<u8>, text: &[u8]) {
    if matches!(text, b"" | b"-") {
        return line.extend_from_slice(if text.is_empty() { b"\"\"" } else { b"\\x2d" });
    }
    for (at, word) in text.split(|&byte| byte == b' ').enumerate() {
        line.extend_from_slice(if at > 0 { b"\\x20" } else { b"" });
        escaped(line, word);
    }
}

/// As in Apache's logs, what could end quotes has a backslash, and what is not printable ASCII is `\xHH`.
fn escaped(line: &mut Vec<u8>, text: &[u8]) {
    // nearly all that is written; no byte ends the look early, so that the compiler looks at many at a time
    if text.iter().fold(true, |plain, &byte| plain & matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\')) {
        return line.extend_from_slice(text);
    }
    for &byte in text {
        match byte {
            b'"' | b'\\' => line.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => line.push(byte),
            _ => {
                line.extend_from_slice(b"\\x");
                line.extend([byte >> 4, byte & 0xf].map(|digit| b"0123456789abcdef"[usize::from(digit)]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_one_word_whatever_is_in_it() {
        for (name, want) in [
            ("ann", "ann"),
            ("a b", "a\\x20b"),
            (" - [", "\\x20-\\x20["),
            ("", "\"\""),
            ("-", "\\x2d"),
            ("\u{e4}\"", "\\xc3\\xa4\\\""),
        ] {
            let mut line = Vec::new();
            word(&mut line, name.as_bytes());
            assert_eq!(String::from_utf8(line).unwrap(), want);
        }
    }

    proptest! {
        #[test]
        fn whatever_a_client_says_is_one_line_of_printable_characters_that_ends_no_quotes(text: Vec<u8>) {
            let mut line = Vec::new();
            escaped(&mut line, &text);
            let line = String::from_utf8(line).unwrap();
            prop_assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{}", line);
            let left = line.replace("\\\\", "").replace("\\\"", "");
            prop_assert!(!left.contains('"'), "{}", line);
        }
    }
}
