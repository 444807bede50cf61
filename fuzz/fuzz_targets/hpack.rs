//! Any bytes as the field blocks of a connection: no panic, no more fields than bytes, and those that can be sent are read
//! again as they were.

#![no_main]

use bytes::{Bytes, BytesMut};
use evenkeel::protocol::h2::hpack::{Decoder, Field, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, Vec<Vec<u8>>)| {
    let (max, blocks) = input;
    let mut decoder = Decoder::new(usize::from(max % 5000));
    for block in blocks {
        let length = block.len();
        let (mut fields, mut out) = (Vec::new(), BytesMut::new());
        let each = |field, size| {
            assert!(size >= 32, "{size}");
            if let Field::Plain(name, value) = &field {
                assert_eq!(size, name.as_str().len() + value.len() + 32);
                encode::field(&mut out, name, value.as_bytes(), value.is_sensitive());
                fields.push(field);
            }
        };
        let read = decoder.decode(Bytes::from(block), each);
        assert!(fields.len() <= length);
        again(fields, out.freeze());
        if read.is_err() {
            break;
        }
    }
});

fn again(fields: Vec<Field>, block: Bytes) {
    let mut fields = fields.into_iter();
    let each = |field, _| {
        if let (Field::Plain(_, value), Some(Field::Plain(_, wanted))) = (&field, fields.as_slice().first()) {
            assert_eq!(value.is_sensitive(), wanted.is_sensitive());
        }
        assert_eq!(Some(field), fields.next());
    };
    assert_eq!(Decoder::new(0).decode(block, each), Ok(()));
    assert_eq!(fields.next(), None);
}
