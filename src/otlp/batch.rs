//! Spans that are sent in one message.

use bytes::Bytes;

use crate::protobuf::Writer;
use crate::trace::Spans;

/// The most spans in one message, and the most bytes: servers of gRPC take 4 MiB where nobody has told them otherwise.
const MOST_SPANS: u32 = 512;
const MOST_BYTES: usize = 1024 * 1024;

/// Spans that are sent in one message.
#[derive(Debug, Default)]
pub struct Batch {
    spans: Vec<u8>,
    /// How many spans they are.
    pub count: u32,
    /// The room that they take in the queue until they are sent or given up.
    pub cost: usize,
}

impl Batch {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether it is to be sent at once. `room` is that of the whole queue, of which it is to leave most to what comes next.
    pub fn is_full(&self, room: usize) -> bool {
        self.count >= MOST_SPANS || self.spans.len() >= MOST_BYTES || self.cost > room / 4
    }

    /// Adds the spans of one exchange.
    pub fn add(&mut self, spans: &Spans) {
        self.spans.extend_from_slice(&spans.bytes);
        self.count += spans.count;
        self.cost += spans.cost();
    }

    /// `ExportTraceServiceRequest`; `resource` is the message `Resource`.
    pub fn message(&self, resource: &[u8]) -> Bytes {
        let mut request = Writer::with_capacity(self.spans.len() + resource.len() + 64);
        request.message(1, |resource_spans| {
            resource_spans.bytes_of_kind(1, resource);
            resource_spans.message(2, |scope_spans| {
                scope_spans.message(1, scope);
                scope_spans.fields(&self.spans);
            });
        });
        request.into_bytes().into()
    }
}

/// `InstrumentationScope`: what has made this telemetry.
pub fn scope(scope: &mut Writer) {
    scope.bytes(1, b"evenkeel");
    scope.bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
}
