//! Picks of services that prefer the backends of their own zone.

use super::slots::{Count, PerWorker};

/// `zone`: this instance's own, or another one.
pub const ZONES: [&str; 2] = ["same", "other"];

/// The picks of one service.
#[derive(Debug)]
pub struct ZonePicks(PerWorker<[Count; ZONES.len()]>);

impl ZonePicks {
    pub(super) fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }

    /// Counts one, on the thread of `worker`.
    pub fn count(&self, worker: usize, is_same: bool) {
        self.0.of(worker)[usize::from(!is_same)].add(1);
    }

    /// How many there were, in the order of [`ZONES`].
    pub fn read(&self) -> [u64; ZONES.len()] {
        std::array::from_fn(|zone| self.0.sum(|zones| &zones[zone]))
    }
}
