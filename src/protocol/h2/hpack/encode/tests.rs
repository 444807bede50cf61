use bytes::Bytes;
use http::header::{self, HeaderValue};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::super::{Decoder, Field, Pseudo};
use super::*;

fn written(write: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::new();
    write(&mut out);
    out.freeze()
}

fn decoded(block: Bytes) -> Vec<Field> {
    let mut fields = Vec::new();
    Decoder::new(4096).decode(block, |field, _| fields.push(field)).unwrap();
    fields
}

#[test]
fn the_table_is_given_up_before_the_first_field() {
    let block = written(|out| {
        empty_table(out);
        status(out, StatusCode::OK);
    });
    assert_eq!(block[..], [0x20, 0x88]);
    assert_eq!(decoded(block), [Field::Pseudo(Pseudo::Status, HeaderValue::from_static("200"))]);
}

#[test]
fn every_status_is_read_again() {
    for code in 100..=999 {
        let block = written(|out| status(out, StatusCode::from_u16(code).unwrap()));
        let indexed = [200, 204, 206, 304, 400, 404, 500].contains(&code);
        assert_eq!(block.len(), if indexed { 1 } else { 5 });
        assert_eq!(decoded(block), [Field::Pseudo(Pseudo::Status, code.to_string().parse().unwrap())]);
    }
}

#[test]
fn names_of_the_static_table_are_two_bytes() {
    for (at, name) in NAMES.iter().enumerate() {
        let name = HeaderName::from_static(name);
        assert_eq!(index(&name), Some(15 + at as u8), "{name}");
        let block = written(|out| field(out, &name, b"value", false));
        assert_eq!(block[..], [&[0x0F, at as u8, 5], &b"value"[..]].concat());
        assert_eq!(decoded(block), [Field::Plain(name, HeaderValue::from_static("value"))]);
    }
}

#[test]
fn other_names_are_spelt_even_when_they_share_a_slot() {
    for name in ["x-request-id", "x", "content-security-policy", "alt-svc", "dat-e"] {
        assert_eq!(index(&HeaderName::from_static(name)), None, "{name}");
    }
    // as long as `date`, with the same ends
    let name = HeaderName::from_static("dote");
    assert_eq!(hash(b"dote"), hash(b"date"));
    let block = written(|out| field(out, &name, b"1", false));
    assert_eq!(block[..], *b"\0\x04dote\x011");
    assert_eq!(decoded(block), [Field::Plain(name, HeaderValue::from_static("1"))]);
}

#[test]
fn what_is_sensitive_is_never_indexed() {
    for name in [header::SET_COOKIE, HeaderName::from_static("x-token")] {
        let block = written(|out| field(out, &name, b"secret", true));
        assert_eq!(block[0] & 0xF0, 0x10);
        let [Field::Plain(read, value)] = &decoded(block)[..] else { panic!("one field") };
        assert_eq!((read, value.as_bytes(), value.is_sensitive()), (&name, &b"secret"[..], true));
    }
}

/// RFC 7541, appendix C.1.
#[test]
fn the_integers_of_the_specification_are_written() {
    assert_eq!(written(|out| number(out, 0, 0x1F, 10))[..], [0b0000_1010]);
    assert_eq!(written(|out| number(out, 0, 0x1F, 1337))[..], [0b0001_1111, 0b1001_1010, 0b0000_1010]);
    assert_eq!(written(|out| number(out, 0, 0xFF, 42))[..], [42]);
    assert_eq!(written(|out| number(out, 0x80, 0x7F, 127))[..], [0xFF, 0]);
}

/// Names that clients and servers use, and any other.
fn any_name() -> impl Strategy<Value = HeaderName> {
    let known = (0..NAMES.len()).prop_map(|at| HeaderName::from_static(NAMES[at]));
    let any = "[a-z0-9!#$%&'*+.^_`|~-]{1,200}".prop_map(|name| name.parse().unwrap());
    prop_oneof![known, any]
}

fn any_value() -> impl Strategy<Value = HeaderValue> {
    "([!-~\u{80}-\u{ff}]([ -~\t]{0,300}[!-~])?)?".prop_map(|value| {
        HeaderValue::from_str(&value).unwrap_or_else(|_| HeaderValue::from_bytes(value.as_bytes()).unwrap())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(6), ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_again(fields in vec((any_name(), any_value(), any::<bool>()), 0..20)) {
        let block = written(|out| {
            for (name, value, sensitive) in &fields {
                field(out, name, value.as_bytes(), *sensitive);
            }
        });
        let (mut read, mut sizes) = (Vec::new(), 0);
        let each = |field, size| {
            read.push(field);
            sizes += size;
        };
        prop_assert_eq!(Decoder::new(4096).decode(block, each), Ok(()));
        let wanted: Vec<_> = fields.iter().map(|(name, value, _)| Field::Plain(name.clone(), value.clone())).collect();
        prop_assert_eq!(read, wanted);
        let counted = fields.iter().map(|(name, value, _)| name.as_str().len() + value.len() + 32);
        prop_assert_eq!(sizes, counted.sum::<usize>());
    }
}
