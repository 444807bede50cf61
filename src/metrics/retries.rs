//! Attempts beyond the first, by what came of them.

use super::slots::{Count, PerWorker};

/// `outcome`, in the order of [`RetryResult`].
pub const OUTCOMES: [&str; 4] = ["succeeded", "failed", "over_budget", "held_back"];

/// What came of a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryResult {
    /// Its answer went to the client.
    Succeeded,
    /// It failed as well.
    Failed,
    /// It was not made: too many exchanges of late were retries.
    OverBudget,
    /// It was not made: its service gives way to one whose error budget burns too fast.
    HeldBack,
}

/// The retries of one service.
#[derive(Debug)]
pub struct Retries(PerWorker<[Count; OUTCOMES.len()]>);

impl Retries {
    pub(super) fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }

    /// Counts one, on the thread of `worker`.
    pub fn count(&self, worker: usize, result: RetryResult) {
        self.0.of(worker)[result as usize].add(1);
    }

    /// How many retries have had each result, in the order of [`OUTCOMES`].
    pub fn read(&self) -> [u64; OUTCOMES.len()] {
        std::array::from_fn(|outcome| self.0.sum(|outcomes| &outcomes[outcome]))
    }
}
