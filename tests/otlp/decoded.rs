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

/// A metric.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metric {
    pub name: String,
    pub unit: String,
    /// The field of `Metric.data`: 5 gauge, 7 sum, 9 histogram.
    pub kind: u64,
    pub is_cumulative: bool,
    pub is_monotonic: bool,
    pub points: Vec<Point>,
}

/// A point of a time series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Point {
    pub labels: BTreeMap<String, String>,
    pub start: u64,
    pub time: u64,
    /// The value, or the sum of a histogram.
    pub value: f64,
    pub count: u64,
    pub buckets: Vec<u64>,
    pub bounds: Vec<f64>,
    /// The traces of its exemplars.
    pub exemplars: Vec<Vec<u8>>,
}

impl Metric {
    /// Reads the message `Metric`.
    pub fn read(message: &[u8]) -> Self {
        let mut metric = Self::default();
        for (number, value) in fields(message) {
            match (number, value) {
                (1, Value::Bytes(bytes)) => metric.name = text(bytes),
                (2, Value::Bytes(_)) => {}
                (3, Value::Bytes(bytes)) => metric.unit = text(bytes),
                (kind @ (5 | 7 | 9), Value::Bytes(data)) => {
                    metric.kind = kind;
                    metric.is_cumulative = fields(data).contains(&(2, Value::Varint(2)));
                    metric.is_monotonic = fields(data).contains(&(3, Value::Varint(1)));
                    metric.points = inner(data, 1).into_iter().map(|point| Point::read(point, kind == 9)).collect();
                }
                other => panic!("an unknown field of a metric: {other:?}"),
            }
        }
        metric
    }
}

impl Point {
    fn read(message: &[u8], is_histogram: bool) -> Self {
        let mut point = Self::default();
        let words = |bytes: &[u8]| -> Vec<u64> {
            bytes.chunks(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes"))).collect()
        };
        for (number, value) in fields(message) {
            match (number, value) {
                (2, Value::Fixed64(bytes)) => point.start = u64::from_le_bytes(bytes),
                (3, Value::Fixed64(bytes)) => point.time = u64::from_le_bytes(bytes),
                (4, Value::Fixed64(bytes)) if is_histogram => point.count = u64::from_le_bytes(bytes),
                (4 | 5, Value::Fixed64(bytes)) => point.value = f64::from_le_bytes(bytes),
                (6, Value::Fixed64(bytes)) => point.value = u64::from_le_bytes(bytes) as f64,
                (6, Value::Bytes(bytes)) => point.buckets = words(bytes),
                (7, Value::Bytes(bytes)) if is_histogram => {
                    point.bounds = words(bytes).into_iter().map(f64::from_bits).collect();
                }
                (8, Value::Bytes(exemplar)) => point.exemplars.push(inner(exemplar, 5)[0].to_vec()),
                (7 | 9, Value::Bytes(pair)) => {
                    point.labels.extend([attribute(pair)]);
                }
                other => panic!("an unknown field of a point: {other:?}"),
            }
        }
        point
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
