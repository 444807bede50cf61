//! What limits have done.

use super::slots::{Count, PerWorker};

/// `outcome`, in the order of [`LimitResult`].
pub const OUTCOMES: [&str; 4] = ["refused", "delayed", "would_refuse", "would_delay"];

/// What a limit has done to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitResult {
    /// It was answered with 429.
    Refused,
    /// It was held back.
    Delayed,
    /// It would have been refused.
    WouldRefuse,
    /// It would have been held back.
    WouldDelay,
}

/// What one limit has done.
#[derive(Debug)]
pub struct RateLimited {
    results: PerWorker<[Count; OUTCOMES.len()]>,
    displaced: PerWorker<Count>,
}

impl RateLimited {
    pub(super) fn new(workers: usize) -> Self {
        Self { results: PerWorker::new(workers), displaced: PerWorker::new(workers) }
    }

    /// Counts one, on the thread of `worker`.
    pub fn count(&self, worker: usize, result: LimitResult) {
        self.results.of(worker)[result as usize].add(1);
    }

    /// A key has lost what it had used, because there was no room for another one.
    pub fn displaced(&self, worker: usize) {
        self.displaced.of(worker).add(1);
    }

    /// How many there were with each result, in the order of [`OUTCOMES`].
    pub fn read(&self) -> [u64; OUTCOMES.len()] {
        std::array::from_fn(|result| self.results.sum(|results| &results[result]))
    }

    /// How many keys have lost what they had used.
    pub fn read_displaced(&self) -> u64 {
        self.displaced.sum(|displaced| displaced)
    }
}
