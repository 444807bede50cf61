//! Looks at sessions that instances share, by what came of them.

use std::time::Duration;

use super::Durations;
use super::slots::{Count, PerWorker};

/// `outcome`, in the order of [`LookupResult`].
pub const OUTCOMES: [&str; 6] = ["hit", "shared", "new", "timeout", "failed", "unavailable"];

/// What came of a look at a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookupResult {
    /// The table of this instance knew it.
    Hit,
    /// The store knew it.
    Shared,
    /// The store did not know it.
    New,
    /// The store did not answer in time.
    Timeout,
    /// The store's answer could not be used, or its connection broke.
    Failed,
    /// The store was not asked, since it had not answered in time before.
    Unavailable,
}

/// The looks at the sessions of one service.
#[derive(Debug)]
pub struct SessionLookups {
    results: PerWorker<[Count; OUTCOMES.len()]>,
    durations: Durations,
}

impl SessionLookups {
    pub(super) fn new(workers: usize) -> Self {
        Self { results: PerWorker::new(workers), durations: Durations::new(workers) }
    }

    /// Counts one, on the thread of `worker`.
    pub fn count(&self, worker: usize, result: LookupResult) {
        self.results.of(worker)[result as usize].add(1);
    }

    /// An exchange has waited for the store for so long, on the thread of `worker`.
    pub fn took(&self, worker: usize, time: Duration) {
        self.durations.observe(worker, time, None);
    }

    /// How many there were with each result, in the order of [`OUTCOMES`].
    pub fn read(&self) -> [u64; OUTCOMES.len()] {
        std::array::from_fn(|result| self.results.sum(|results| &results[result]))
    }

    /// How long exchanges have waited for the store.
    pub fn durations(&self) -> &Durations {
        &self.durations
    }
}
