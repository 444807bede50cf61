//! Hellos of real clients, hellos made by hand to be wrong in one place, and what must hold of any bytes.

mod made;
mod properties;
mod real;

use super::{ClientHello, MAX_LENGTH, Progress, read};

/// What must hold of any bytes however they arrive, and what they come to: a hello or a refusal is final, a need is more than
/// what is there, not more than what the hello turns out to need, and nothing is complete before it is met.
fn read_bytewise(bytes: &[u8]) -> Progress {
    let mut last = read(&[]);
    let mut need = 1;
    for length in 0..=bytes.len() {
        let now = read(&bytes[..length]);
        match (&last, &now) {
            (Progress::Need(_), Progress::Need(n)) => {
                assert!((length + 1..=MAX_LENGTH).contains(n), "{n} needed with {length} there");
                assert!(*n >= need, "{n} needed with {length} there, and {need} before");
                need = *n;
            }
            (Progress::Need(_), Progress::Hello(_)) => {
                assert_eq!(need, length, "complete with {length}, and {need} were needed");
            }
            (Progress::Need(_), Progress::NotTls(_)) => {}
            (Progress::NotTls(_), now) => assert!(matches!(now, Progress::NotTls(_)), "{last:?}, and then {now:?}"),
            (Progress::Hello(_), now) => assert_eq!(*now, last, "at {length}"),
        }
        last = now;
    }
    last
}

/// The hello in bytes that are one.
fn hello(bytes: &[u8]) -> ClientHello {
    match read(bytes) {
        Progress::Hello(hello) => hello,
        other => panic!("no hello: {other:?}"),
    }
}

/// Why bytes are refused.
fn refusal(bytes: &[u8]) -> &'static str {
    match read_bytewise(bytes) {
        Progress::NotTls(reason) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

/// The handshake message out of the records.
fn message(mut records: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    while let [_, _, _, high, low, rest @ ..] = records {
        let (fragment, more) = rest.split_at(u16::from_be_bytes([*high, *low]).into());
        message.extend_from_slice(fragment);
        records = more;
    }
    message
}

/// A message in records that begin at its start and at each of `cuts`.
fn in_records(message: &[u8], cuts: impl IntoIterator<Item = usize>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut start = 0;
    for end in cuts.into_iter().chain([message.len()]) {
        let fragment = &message[start..end];
        bytes.extend([22, 3, 1]);
        bytes.extend((fragment.len() as u16).to_be_bytes());
        bytes.extend(fragment);
        start = end;
    }
    bytes
}

/// Protocols as text.
fn protocols(hello: &ClientHello) -> Vec<String> {
    hello.alpn.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}
