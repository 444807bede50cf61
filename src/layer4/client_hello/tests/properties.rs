//! What must hold of any bytes, and of good hellos with something changed; and what rustls makes of the same bytes.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::RngSeed;
use rustls::server::Acceptor;

use super::real::{recorded, rustls_hello};
use super::*;

/// A change to bytes.
#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Add(Index, i8),
    Insert(Index, u8),
    Remove(Index),
    Repeat(Index, Index),
}

impl Change {
    fn to(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Set(at, byte) => *at.get_mut(bytes) = *byte,
            Self::Add(at, by) => {
                let byte = at.get_mut(bytes);
                *byte = byte.wrapping_add_signed(*by);
            }
            Self::Insert(at, byte) => bytes.insert(at.index(bytes.len()), *byte),
            Self::Remove(at) => drop(bytes.remove(at.index(bytes.len()))),
            Self::Repeat(from, to) => {
                let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
                let part = bytes[from..(from + 8).min(bytes.len())].to_vec();
                bytes.splice(to..to, part);
            }
        }
    }
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), -2..=2_i8).prop_map(|(at, by)| Change::Add(at, by)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        any::<Index>().prop_map(Change::Remove),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Repeat(from, to)),
    ]
}

fn any_message() -> impl Strategy<Value = Vec<u8>> {
    select(recorded()).prop_map(message)
}

/// Name and protocols that rustls reads in the bytes of a whole hello; `None` = it wants none of it.
fn by_rustls(bytes: &[u8]) -> Option<(Option<String>, Vec<Vec<u8>>)> {
    let mut acceptor = Acceptor::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        acceptor.read_tls(&mut rest).ok()?;
        match acceptor.accept() {
            Ok(Some(accepted)) => {
                let hello = accepted.client_hello();
                let alpn = hello.alpn().map(|names| names.map(<[u8]>::to_vec).collect()).unwrap_or_default();
                return Some((hello.server_name().map(str::to_owned), alpn));
            }
            Ok(None) => {}
            Err(_) => return None,
        }
    }
    None
}

/// What both take, both read in the same way. The other way round does not hold: rustls takes anything behind the kind of a
/// name that is not a host's, and we want its length to fit.
fn agrees_with_rustls(bytes: &[u8]) {
    if let (Progress::Hello(ours), Some((name, alpn))) = (read(bytes), by_rustls(bytes)) {
        assert_eq!(ours.server_name.as_deref(), name.as_deref());
        assert_eq!(ours.alpn.iter().collect::<Vec<_>>(), alpn);
    }
}

#[test]
fn rustls_reads_the_same_in_good_hellos() {
    let made = [true, false].map(|ech| rustls_hello("pq.example.com", &["h2", "http/1.1"], ech, Some(100)));
    let all: Vec<_> = recorded().into_iter().map(<[u8]>::to_vec).chain(made).collect();
    all.iter().for_each(|bytes| agrees_with_rustls(bytes));
    let taken = all.iter().filter(|bytes| by_rustls(bytes).is_some()).count();
    assert!(taken >= 10, "rustls took only {taken}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(5), ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_the_same_however_they_arrive(bytes in vec(any::<u8>(), 0..200)) {
        read_bytewise(&bytes);
        read_bytewise(&in_records(&[&[1, 0, 0, bytes.len() as u8], &bytes[..]].concat(), []));
    }

    #[test]
    fn a_changed_stream_is_read_the_same_however_it_arrives(
        bytes in select(recorded()),
        changes in vec(any_change(), 1..4),
    ) {
        let mut bytes = bytes.to_vec();
        changes.iter().for_each(|change| change.to(&mut bytes));
        read_bytewise(&bytes);
    }

    #[test]
    fn a_changed_message_is_read_as_rustls_reads_it(
        message in any_message(),
        changes in vec(any_change(), 1..4),
        cuts in vec(any::<Index>(), 0..4),
    ) {
        let mut message = message;
        changes.iter().for_each(|change| change.to(&mut message));
        // the whole stays in order more often than not: what is looked for are disagreements inside
        if let Some(body) = message.len().checked_sub(4).filter(|_| message[0] == 1) {
            message[1..4].copy_from_slice(&(body as u32).to_be_bytes()[1..]);
        }
        let mut cuts: Vec<_> = cuts.iter().map(|cut| 1 + cut.index(message.len() - 1)).collect();
        cuts.sort_unstable();
        cuts.dedup();
        cuts.retain(|cut| *cut < message.len());
        let bytes = in_records(&message, cuts);
        read_bytewise(&bytes);
        prop_assert_eq!(read(&bytes), read(&in_records(&message, [])), "cuts make no difference");
        agrees_with_rustls(&bytes);
    }
}
