//! The wire format of Protocol Buffers, as much of it as takes a few messages that are written and read by hand
//! (protobuf.dev/programming-guides/encoding). A library with generated types would cost more to build than this costs to read, and could not write
//! a message straight into the buffer that is sent.

use bytes::{BufMut as _, Bytes, BytesMut};

/// The value of a field as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A number of seven bits a byte, the lowest first.
    Varint(u64),
    /// Eight bytes, the lowest first.
    Fixed64([u8; 8]),
    /// Bytes behind their length: a text, a message, or packed numbers.
    Bytes(&'a [u8]),
    /// Four bytes, the lowest first.
    Fixed32([u8; 4]),
}

/// It is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Takes the next field, its number and its value, off the front of a message; `None` at its end.
///
/// # Errors
///
/// When what comes is no field: proto3 has no groups.
pub fn field<'a>(message: &mut &'a [u8]) -> Result<Option<(u64, Value<'a>)>, Malformed> {
    if message.is_empty() {
        return Ok(None);
    }
    let tag = varint(message)?;
    let value = match tag & 7 {
        0 => Value::Varint(varint(message)?),
        1 => Value::Fixed64(bytes(message, 8)?.try_into().map_err(|_| Malformed)?),
        2 => {
            let length = varint(message)?;
            Value::Bytes(bytes(message, usize::try_from(length).map_err(|_| Malformed)?)?)
        }
        5 => Value::Fixed32(bytes(message, 4)?.try_into().map_err(|_| Malformed)?),
        _ => return Err(Malformed),
    };
    match tag >> 3 {
        0 => Err(Malformed),
        number => Ok(Some((number, value))),
    }
}

/// A message of gRPC: not compressed, and behind its length (grpc's `PROTOCOL-HTTP2.md`).
pub fn framed(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(5 + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    framed.freeze()
}

/// Takes this many bytes off the front.
fn bytes<'a>(message: &mut &'a [u8], count: usize) -> Result<&'a [u8], Malformed> {
    let (front, rest) = message.split_at_checked(count).ok_or(Malformed)?;
    *message = rest;
    Ok(front)
}

/// Takes a number of seven bits a byte, the lowest first, off the front.
fn varint(message: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes(message, 1)?[0];
        let bits = u64::from(byte & 0x7f);
        // the tenth byte has room for one bit
        if bits << shift >> shift != bits {
            return Err(Malformed);
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Malformed)
}

/// Writes a message, field by field. As proto3 has it, numbers that are 0 and texts that are empty are left out.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// A writer with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Bytes that were written.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// A number: `int32`, `int64` (above 0), `uint32`, `uint64`, `bool` or an enumeration.
    pub fn varint(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.tag(field, 0);
            self.number(value);
        }
    }

    /// A number of one of several kinds (`oneof`): there, 0 is a value.
    pub fn varint_of_kind(&mut self, field: u32, value: u64) {
        self.tag(field, 0);
        self.number(value);
    }

    /// `fixed64`
    pub fn fixed64(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.fixed64_of_kind(field, value);
        }
    }

    /// `fixed64` or `sfixed64` of a `oneof`.
    pub fn fixed64_of_kind(&mut self, field: u32, value: u64) {
        self.tag(field, 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// `double`, which is written whatever it is: so it is right within a `oneof` and where the field is optional.
    pub fn double(&mut self, field: u32, value: f64) {
        self.fixed64_of_kind(field, value.to_bits());
    }

    /// `fixed32`
    pub fn fixed32(&mut self, field: u32, value: u32) {
        if value != 0 {
            self.tag(field, 5);
            self.0.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// `string` or `bytes`
    pub fn bytes(&mut self, field: u32, value: &[u8]) {
        if !value.is_empty() {
            self.bytes_of_kind(field, value);
        }
    }

    /// `string` or `bytes` of a `oneof`.
    pub fn bytes_of_kind(&mut self, field: u32, value: &[u8]) {
        self.tag(field, 2);
        self.number(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// Packed numbers of eight bytes: `repeated fixed64` or `repeated double`, by their bits.
    pub fn packed64(&mut self, field: u32, values: impl ExactSizeIterator<Item = u64>) {
        if values.len() > 0 {
            self.tag(field, 2);
            self.number(8 * values.len() as u64);
            values.for_each(|value| self.0.extend_from_slice(&value.to_le_bytes()));
        }
    }

    /// A message within the message; it is written even where it is empty.
    pub fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        self.tag(field, 2);
        // most messages are short: their length has one byte, and the others are moved when it is known
        let at = self.0.len();
        self.0.push(0);
        write(self);
        let length = self.0.len() - at - 1;
        let (digits, count) = digits(length as u64);
        self.0[at] = digits[0];
        if count > 1 {
            drop(self.0.splice(at + 1..at + 1, digits[1..count].iter().copied()));
        }
    }

    /// Fields that were written elsewhere.
    pub fn fields(&mut self, written: &[u8]) {
        self.0.extend_from_slice(written);
    }

    fn tag(&mut self, field: u32, wire_type: u32) {
        self.number(u64::from(field << 3 | wire_type));
    }

    fn number(&mut self, value: u64) {
        let (digits, count) = digits(value);
        self.0.extend_from_slice(&digits[..count]);
    }
}

/// A number of seven bits a byte, the lowest first, and how many bytes it has.
fn digits(mut value: u64) -> ([u8; 10], usize) {
    let (mut digits, mut count) = ([0; 10], 0);
    loop {
        digits[count] = value as u8 & 0x7f;
        value >>= 7;
        count += 1;
        if value == 0 {
            return (digits, count);
        }
        digits[count - 1] |= 0x80;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(mut message: &[u8]) -> Result<Vec<(u64, Value<'_>)>, Malformed> {
        std::iter::from_fn(|| field(&mut message).transpose()).collect()
    }

    #[test]
    fn what_is_written_is_read_back_and_nothing_is_left_out_but_zeros() {
        let mut writer = Writer::default();
        writer.varint(1, 300);
        writer.varint(2, 0);
        writer.varint_of_kind(3, 0);
        writer.fixed64(4, 0);
        writer.fixed64(16, 7);
        writer.double(5, -0.5);
        writer.fixed32(6, 0x0102_0304);
        writer.bytes(7, b"");
        writer.bytes(8, b"ab");
        writer.packed64(9, [1, 2].into_iter());
        writer.message(10, |inner| inner.bytes(1, &[b'x'; 200]));
        writer.message(11, |_| {});
        let bytes = writer.into_bytes();
        let inner = [&[0x0a, 200, 1][..], &[b'x'; 200]].concat();
        let packed = [1_u64.to_le_bytes(), 2_u64.to_le_bytes()].concat();
        let expected = [
            (1, Value::Varint(300)),
            (3, Value::Varint(0)),
            (16, Value::Fixed64(7_u64.to_le_bytes())),
            (5, Value::Fixed64((-0.5_f64).to_le_bytes())),
            (6, Value::Fixed32(0x0102_0304_u32.to_le_bytes())),
            (8, Value::Bytes(b"ab")),
            (9, Value::Bytes(&packed)),
            (10, Value::Bytes(&inner)),
            (11, Value::Bytes(b"")),
        ];
        assert_eq!(fields(&bytes).unwrap(), expected);
    }

    #[test]
    fn the_examples_of_the_specification() {
        let mut writer = Writer::default();
        writer.varint(1, 150);
        writer.bytes(2, b"testing");
        writer.message(3, |inner| inner.varint(1, 150));
        let expected = [&[0x08, 0x96, 0x01, 0x12, 0x07][..], b"testing", &[0x1a, 0x03, 0x08, 0x96, 0x01]].concat();
        assert_eq!(writer.into_bytes(), expected);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bad in [
            &[0x00, 0x00][..],                                                   // field 0
            &[0x1b],                                                             // a group
            &[0x1e],                                                             // wire type 6
            &[0x1f],                                                             // wire type 7
            &[0x22, 0x02, 0x01],                                                 // cut off
            &[0x22, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], // a length beyond everything
            &[0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], // 65 bits
            &[0x80; 11],                                                         // a number without an end
        ] {
            assert_eq!(fields(bad), Err(Malformed), "{bad:x?}");
        }
    }

    proptest! {
        #[test]
        fn every_number_is_read_back(value: u64) {
            let mut writer = Writer::default();
            writer.varint_of_kind(1, value);
            let bytes = writer.into_bytes();
            prop_assert_eq!(fields(&bytes), Ok(vec![(1, Value::Varint(value))]));
        }

        #[test]
        fn messages_of_every_length_have_their_length(length in 0_usize..40_000) {
            let mut writer = Writer::default();
            writer.message(1, |inner| inner.bytes(2, &vec![7; length]));
            let bytes = writer.into_bytes();
            let outer = fields(&bytes).unwrap();
            let [(1, Value::Bytes(inner))] = outer[..] else { panic!("{outer:?}") };
            let found = fields(inner).unwrap();
            prop_assert_eq!(found.first().map_or(0, |(_, value)| matches!(value, Value::Bytes(b) if b.len() == length).into()), i32::from(length > 0));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = fields(&bytes);
        }
    }
}
