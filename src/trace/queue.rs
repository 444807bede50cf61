//! The queue between the workers, which make spans, and the exporter, which sends them. It is bounded in bytes: while no collector takes them,
//! the oldest spans wait and the newest are dropped, and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use tokio::sync::mpsc;

/// Memory that an entry takes beside its bytes: its place in the queue, and what the allocator adds.
const ENTRY: usize = 64;

/// About the most that one span takes, so that what is said to have room does have it, but for spans with long paths and queries.
const SPAN: usize = 1024;

/// The spans of one exchange, as they stand in an `ExportTraceServiceRequest`.
#[derive(Debug)]
pub struct Spans {
    /// Entries of `ScopeSpans.spans`, each with its tag and its length.
    pub bytes: Vec<u8>,
    /// How many they are.
    pub count: u32,
}

/// Why spans are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// The queue was full.
    QueueFull,
    /// The collector has refused them, and would refuse them again.
    Refused,
    /// The collector has taken the rest of a message without them (`partial_success`).
    Rejected,
    /// They have waited for a collector for too long.
    Expired,
    /// The process stopped before they could be sent.
    Stopped,
}

impl DropReason {
    /// The word for it, as the label `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Refused => "refused",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Stopped => "stopped",
        }
    }
}

/// The side of the queue that workers put spans into; a handle.
#[derive(Debug, Clone)]
pub struct Queue {
    spans: mpsc::UnboundedSender<Spans>,
    backlog: Arc<Backlog>,
}

/// What waits, and what did not get in.
#[derive(Debug, Default)]
struct Backlog {
    bytes: AtomicUsize,
    /// The most bytes that may wait; 0 = nobody sends spans, so that they are thrown away.
    limit: AtomicUsize,
    dropped: AtomicU64,
}

impl Queue {
    /// A queue, and where its entries come out. It takes nothing before [`set_limit`](Self::set_limit).
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Spans>) {
        let (spans, receiver) = mpsc::unbounded_channel();
        (Self { spans, backlog: Arc::default() }, receiver)
    }

    /// The most bytes that may wait from now on; 0 = none, without a word.
    pub fn set_limit(&self, bytes: usize) {
        self.backlog.limit.store(bytes, Relaxed);
    }

    /// The most bytes that may wait.
    pub fn limit(&self) -> usize {
        self.backlog.limit.load(Relaxed)
    }

    /// Whether so many spans of one exchange are worth making. Where they would hardly find room, they are counted as dropped: while no collector
    /// takes any, each exchange that fails would make some to throw them away.
    pub fn admits(&self, count: usize) -> bool {
        let limit = self.limit();
        let has_room = self.waiting() + count * SPAN + ENTRY <= limit;
        if !has_room && limit > 0 {
            self.backlog.dropped.fetch_add(count as u64, Relaxed);
        }
        has_room
    }

    /// Puts spans in, or drops them; whether they are in.
    pub fn put(&self, spans: Spans) -> bool {
        let limit = self.limit();
        if limit == 0 {
            return false;
        }
        let (bytes, count) = (spans.cost(), u64::from(spans.count));
        if self.backlog.bytes.fetch_add(bytes, Relaxed) + bytes > limit {
            self.release(bytes);
            self.backlog.dropped.fetch_add(count, Relaxed);
            return false;
        }
        let is_in = self.spans.send(spans).is_ok();
        if !is_in {
            self.release(bytes);
        }
        is_in
    }

    /// The room of entries that were sent, or given up, is free again.
    pub fn release(&self, bytes: usize) {
        self.backlog.bytes.fetch_sub(bytes, Relaxed);
    }

    /// Takes the number of spans that did not get in since this was last asked.
    pub fn take_dropped(&self) -> u64 {
        self.backlog.dropped.swap(0, Relaxed)
    }

    /// Bytes that wait, in the queue or with the exporter.
    pub fn waiting(&self) -> usize {
        self.backlog.bytes.load(Relaxed)
    }
}

impl Spans {
    /// The memory that they take while they wait.
    pub fn cost(&self) -> usize {
        self.bytes.capacity() + ENTRY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(bytes: usize) -> Spans {
        Spans { bytes: vec![0; bytes], count: 3 }
    }

    #[test]
    fn it_holds_so_many_bytes_and_drops_the_newest() {
        let (queue, mut receiver) = Queue::new();
        assert!(!queue.put(spans(10)));
        assert_eq!((queue.take_dropped(), queue.waiting()), (0, 0), "nobody sends any");
        queue.set_limit(1000);
        assert_eq!((0..20).filter(|_| queue.put(spans(136))).count(), 5);
        assert_eq!((queue.waiting(), queue.take_dropped(), queue.take_dropped()), (1000, 15 * 3, 0));
        let first = receiver.try_recv().unwrap();
        assert_eq!(queue.waiting(), 1000, "what is being sent still takes memory");
        queue.release(first.cost());
        assert!(queue.put(spans(136)));
        assert_eq!((queue.waiting(), queue.take_dropped()), (1000, 0));
        assert_eq!(std::iter::from_fn(|| receiver.try_recv().ok()).count(), 5);
    }

    #[test]
    fn what_nobody_takes_any_more_takes_no_room() {
        let (queue, receiver) = Queue::new();
        queue.set_limit(1000);
        drop(receiver);
        assert!(!queue.put(spans(100)));
        assert_eq!(queue.waiting(), 0);
    }

    #[test]
    fn spans_that_would_find_no_room_are_counted_without_being_made() {
        let (queue, _receiver) = Queue::new();
        assert!(!queue.admits(2));
        assert_eq!(queue.take_dropped(), 0, "nobody sends any");
        queue.set_limit(5000);
        assert!(queue.admits(2) && queue.put(spans(2048)));
        assert!(queue.admits(2) && queue.put(spans(2048)));
        assert!(!queue.admits(2));
        assert_eq!((queue.take_dropped(), queue.waiting()), (2, 2 * (2048 + ENTRY)));
    }
}
