//! The keys of session tickets that several instances share, as a file holds them.

use std::fmt;
use std::path::Path;

use data_encoding::BASE64;
use xxhash_rust::xxh3::xxh3_64;

use super::read::{self, Reading};
use super::unusable::{Part, Unusable};

/// How long a key may be, in bytes: as nginx (`ssl_session_ticket_key`) and HAProxy (`tls-ticket-keys`) have them.
const LENGTHS: [usize; 2] = [48, 80];

/// The most keys in a file. Each is tried by its name, so that more would cost nothing; but nobody rotates so many.
const MOST: usize = 16;

/// Secrets that keys of tickets are made of. The first is for new tickets, the others for those that clients have already.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketKeys(Vec<Vec<u8>>);

impl TicketKeys {
    /// The secrets, the one for new tickets first: at least one, and no two are the same.
    pub fn secrets(&self) -> &[Vec<u8>] {
        &self.0
    }
}

impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKeys").field("keys", &self.0.len()).finish_non_exhaustive()
    }
}

/// Reads them: a key a line, in base64; empty lines and those that begin with `#` count for nothing. A file of 48 or 80 bytes that is no text is one key,
/// as nginx has it.
pub fn read(path: &Path) -> Reading<TicketKeys> {
    let bytes = read::bytes(Part::TicketKeys, path);
    let content = bytes.as_ref().map_or(0, |bytes| xxh3_64(bytes));
    let result = bytes.and_then(|bytes| {
        parse(&bytes).map_err(|reason| {
            let message = format!("`{}` {reason}", path.display());
            let expected = "a key a line, each 48 or 80 bytes in base64: openssl rand 80 | openssl base64 -A";
            Unusable::new(Part::TicketKeys, path, message).expected(expected)
        })
    });
    Reading { content, result }
}

pub(crate) fn parse(bytes: &[u8]) -> Result<TicketKeys, String> {
    let is_line = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let lines: Option<Vec<&str>> =
        std::str::from_utf8(bytes).ok().map(|text| text.lines().map(str::trim).filter(is_line).collect());
    let decoded = |lines: &[&str]| {
        let key = |(at, line): (usize, &&str)| match BASE64.decode(line.as_bytes()) {
            Ok(key) if LENGTHS.contains(&key.len()) => Ok(key),
            Ok(key) => Err(format!("has a key of {} bytes (the {}. one)", key.len(), at + 1)),
            Err(_) => Err(format!("has a key that is not base64 (the {}. one)", at + 1)),
        };
        lines.iter().enumerate().map(key).collect::<Result<Vec<_>, _>>()
    };
    let keys = match lines.as_deref().map(decoded) {
        Some(Ok(keys)) => keys,
        _ if LENGTHS.contains(&bytes.len()) => vec![bytes.to_vec()],
        Some(Err(reason)) => return Err(reason),
        None => return Err(format!("is no text, and no key: it has {} bytes", bytes.len())),
    };
    match keys.len() {
        0 => return Err("has no key".to_owned()),
        many if many > MOST => return Err(format!("has {many} keys, more than {MOST}")),
        _ => {}
    }
    let is_twice = |at: usize| keys[..at].contains(&keys[at]);
    match (0..keys.len()).find(|at| is_twice(*at)) {
        Some(at) => Err(format!("has the same key twice (the {}. one)", at + 1)),
        None => Ok(TicketKeys(keys)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_lines_of_base64_or_one_key_as_it_is() {
        let line = |byte: u8, length: usize| BASE64.encode(&vec![byte; length]);
        let text = format!("# the new one\n{}\n\n  {}\r\n", line(1, 80), line(2, 48));
        assert_eq!(parse(text.as_bytes()).unwrap().0, [vec![1; 80], vec![2; 48]]);
        assert_eq!(parse(&[0xFF; 48]).unwrap().0, [vec![0xFF; 48]]);
        assert_eq!(parse(&[b'A'; 80]).unwrap().0, [vec![b'A'; 80]], "base64 of 60 bytes is no key, but 80 bytes are");
        for (bytes, reason) in [
            (Vec::new(), "no key"),
            (b"# nothing\n".to_vec(), "no key"),
            (vec![0xFF; 47], "47 bytes"),
            (line(1, 32).into_bytes(), "32 bytes (the 1. one)"),
            (format!("{}\n!", line(1, 48)).into_bytes(), "not base64 (the 2. one)"),
            (format!("{0}\n{0}\n", line(1, 48)).into_bytes(), "twice (the 2. one)"),
            ((0..=16).map(|at| line(at, 48) + "\n").collect::<String>().into_bytes(), "17 keys"),
        ] {
            let refused = parse(&bytes).unwrap_err();
            assert!(refused.contains(reason), "{refused}");
        }
        assert_eq!(format!("{:?}", parse(&[7; 48]).unwrap()), "TicketKeys { keys: 1, .. }");
    }
}
