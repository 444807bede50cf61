//! Hedged requests: what came of second attempts that were made beside one that was late, and how long first attempts take.

use std::time::Duration;

use super::latencies::BUCKETS;
use super::slots::{Count, PerWorker};
use super::upstream::{Buckets, bucket_of};

/// `outcome`, in the order of [`HedgeResult`].
pub const OUTCOMES: [&str; 7] = ["won", "lost", "failed", "cancelled", "over_budget", "held_back", "no_place"];

/// What came of a hedge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HedgeResult {
    /// Its answer went to the client, and the first attempt was given up.
    Won,
    /// The first attempt was answered before it.
    Lost,
    /// Neither of the two had a good answer.
    Failed,
    /// The client went away, or the time of the whole exchange was over, while both were under way.
    Cancelled,
    /// It was not made: too many exchanges of late were hedged, or sent again.
    OverBudget,
    /// It was not made: its service gives way to one whose error budget burns too fast.
    HeldBack,
    /// It was not made: no other backend had a free place.
    NoPlace,
}

impl HedgeResult {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        OUTCOMES[self as usize]
    }
}

/// The hedges of one service.
#[derive(Debug)]
pub struct HedgeCounts {
    slots: PerWorker<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    outcomes: [Count; OUTCOMES.len()],
    /// Of attempts that are no hedges themselves.
    latencies: Buckets,
}

impl HedgeCounts {
    pub(super) fn new(workers: usize) -> Self {
        Self { slots: PerWorker::new(workers) }
    }

    /// Counts one, on the thread of `worker`.
    pub fn count(&self, worker: usize, result: HedgeResult) {
        self.slots.of(worker).outcomes[result as usize].add(1);
    }

    /// An attempt that is no hedge itself took so long to the head of its answer, or was given up for a hedge after so long: then it would have
    /// taken longer. Without those that were given up, the quantile that hedges are made at would fall with each hedge.
    pub fn took(&self, worker: usize, elapsed: Duration) {
        self.slots.of(worker).latencies.0[bucket_of(elapsed)].add(1);
    }

    /// How many have had each result, in the order of [`OUTCOMES`].
    pub fn read(&self) -> [u64; OUTCOMES.len()] {
        std::array::from_fn(|outcome| self.slots.sum(|slot| &slot.outcomes[outcome]))
    }

    /// The histogram of what first attempts took. Its counts wrap around.
    pub fn latencies(&self) -> [u32; BUCKETS] {
        let mut buckets = [0_u32; BUCKETS];
        for slot in self.slots.used() {
            buckets.iter_mut().zip(&slot.latencies.0).for_each(|(sum, count)| *sum = sum.wrapping_add(count.get()));
        }
        buckets
    }
}
