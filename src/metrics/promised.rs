//! How requests to a service end, as far as what is promised of it goes.

use super::slots::{Count, PerWorker};

/// `outcome`, in the order of [`PromiseEnd`].
pub const ENDS: [&str; 4] = ["good", "failed", "slow", "excluded"];

/// How a request ended for the promise of its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromiseEnd {
    /// It was answered, and in time.
    Good,
    /// It failed, and not by its client's doing.
    Failed,
    /// It was answered later than is promised.
    Slow,
    /// It counts neither way: its client made a mistake, or went away.
    Excluded,
}

/// The requests to one service of which something is promised.
#[derive(Debug)]
pub struct PromisedRequests(PerWorker<[Count; ENDS.len()]>);

impl PromiseEnd {
    /// The name in the metrics and the access log.
    pub fn as_str(self) -> &'static str {
        ENDS[self as usize]
    }
}

impl PromisedRequests {
    pub(super) fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }

    /// Counts one that ended, on the thread of `worker`.
    pub fn count(&self, worker: usize, end: PromiseEnd) {
        self.0.of(worker)[end as usize].add(1);
    }

    /// How many have ended each way, in the order of [`ENDS`].
    pub fn read(&self) -> [u64; ENDS.len()] {
        std::array::from_fn(|end| self.0.sum(|ends| &ends[end]))
    }
}
