//! Messages of OTLP as a collector reads them. It is used within the crate as well: whoever includes it has `protobuf` in scope.

use std::collections::BTreeMap;

use super::protobuf::{Value, field};

/// A span.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Span {
    pub trace: Vec<u8>,
    pub id: Vec<u8>,
    pub parent: Vec<u8>,
    pub state: String,
    pub name: String,
    pub kind: u64,
    pub start: u64,
    pub end: u64,
    pub attributes: BTreeMap<String, String>,
    pub is_error: bool,
    pub flags: u32,
}

impl Span {
    /// An attribute; empty = it is not there.
    pub fn get(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }

    /// Reads the message `Span`.
    pub fn read(message: &[u8]) -> Self {
        let mut span = Self::default();
        for (number, value) in fields(message) {
            match (number, value) {
                (1, Value::Bytes(bytes)) => span.trace = bytes.to_vec(),
                (2, Value::Bytes(bytes)) => span.id = bytes.to_vec(),
                (3, Value::Bytes(bytes)) => span.state = text(bytes),
                (4, Value::Bytes(bytes)) => span.parent = bytes.to_vec(),
                (5, Value::Bytes(bytes)) => span.name = text(bytes),
                (6, Value::Varint(kind)) => span.kind = kind,
                (7, Value::Fixed64(bytes)) => span.start = u64::from_le_bytes(bytes),
                (8, Value::Fixed64(bytes)) => span.end = u64::from_le_bytes(bytes),
                (9, Value::Bytes(pair)) => {
                    let (key, value) = attribute(pair);
                    assert_eq!(span.attributes.insert(key.clone(), value), None, "{key} is there twice");
                }
                (15, Value::Bytes(status)) => span.is_error = fields(status).contains(&(3, Value::Varint(2))),
                (16, Value::Fixed32(bytes)) => span.flags = u32::from_le_bytes(bytes),
                other => panic!("an unknown field of a span: {other:?}"),
            }
        }
        assert_eq!((span.trace.len(), span.id.len()), (16, 8));
        assert!(span.parent.is_empty() || span.parent.len() == 8);
        assert!(span.start > 0 && span.start <= span.end, "{span:?}");
        span
    }
}

/// The fields of a message.
pub fn fields(mut message: &[u8]) -> Vec<(u64, Value<'_>)> {
    std::iter::from_fn(|| field(&mut message).expect("it is a message")).collect()
}

/// The messages in one field of a message.
pub fn inner(message: &[u8], number: u64) -> Vec<&[u8]> {
    let bytes = |(found, value)| match value {
        Value::Bytes(bytes) if found == number => Some(bytes),
        _ => None,
    };
    fields(message).into_iter().filter_map(bytes).collect()
}

/// A `KeyValue`; numbers become texts.
pub fn attribute(pair: &[u8]) -> (String, String) {
    let any = inner(pair, 2)[0];
    let value = match fields(any)[..] {
        [(1, Value::Bytes(bytes))] => text(bytes),
        [(3, Value::Varint(number))] => number.to_string(),
        [(4, Value::Fixed64(bytes))] => f64::from_le_bytes(bytes).to_string(),
        ref other => panic!("an unknown value: {other:?}"),
    };
    (text(inner(pair, 1)[0]), value)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("texts are UTF-8")
}
