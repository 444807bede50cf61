//! What algorithms have picked beside the one that decides, in a sample of the exchanges.

use super::slots::{Count, PerWorker};

/// Picks of one kind: of a backend by an algorithm, or those in which an algorithm agrees with the one that decides.
#[derive(Debug)]
pub struct ShadowPicks(PerWorker<Count>);

impl ShadowPicks {
    pub(super) fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }

    /// Counts one, on the thread of `worker`.
    pub fn count(&self, worker: usize) {
        self.0.of(worker).add(1);
    }

    /// How many there were.
    pub fn read(&self) -> u64 {
        self.0.sum(|count| count)
    }
}
