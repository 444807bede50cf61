//! Copies of requests that a route sends to a second service: how many are under way, and what came of them.

use std::sync::Arc;

use super::slots::{Count, PerWorker};

/// `outcome`, in the order of [`MirrorResult`].
pub const OUTCOMES: [&str; 10] = [
    "answered",
    "error",
    "failed",
    "timed_out",
    "cancelled",
    "no_place",
    "too_many",
    "too_large",
    "too_slow",
    "held_back",
];

/// What came of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirrorResult {
    /// It was answered, and the answer read to its end.
    Answered,
    /// It was answered with a status that counts as a failure of the backend.
    Error,
    /// It was not answered, or not to the end.
    Failed,
    /// It took too long.
    TimedOut,
    /// The request that it is a copy of was broken off before its end, or the process has ended.
    Cancelled,
    /// It was not made: no backend of the service takes new work at once.
    NoPlace,
    /// It was not made: as many as there may be were under way.
    TooMany,
    /// It was not made, or was given up: the body of the request is longer than what is copied.
    TooLarge,
    /// It was given up: the service takes bodies more slowly than clients send them.
    TooSlow,
    /// It was not made: its backends are spared for a service whose error budget burns too fast.
    HeldBack,
}

/// The copies of requests that come by one listener and go to one service.
#[derive(Debug)]
pub struct Mirrored(PerWorker<Slot>);

#[derive(Debug, Default)]
struct Slot {
    outcomes: [Count; OUTCOMES.len()],
    in_flight: Count,
}

/// A copy that is under way on one worker. What came of it is counted when this is dropped.
#[derive(Debug)]
pub struct MirrorInFlight {
    counts: Arc<Mirrored>,
    worker: usize,
    result: MirrorResult,
}

impl Mirrored {
    pub(super) fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }

    /// Begins one on the thread of `worker`, where fewer than `most` are under way on that worker. One that can't begin is counted.
    pub fn begin(self: &Arc<Self>, worker: usize, most: u32) -> Option<MirrorInFlight> {
        let slot = self.0.of(worker);
        if slot.in_flight.get() >= u64::from(most) {
            self.count(worker, MirrorResult::TooMany);
            return None;
        }
        slot.in_flight.add(1);
        Some(MirrorInFlight { counts: Arc::clone(self), worker, result: MirrorResult::Cancelled })
    }

    /// Counts one that was not made, on the thread of `worker`.
    pub fn count(&self, worker: usize, result: MirrorResult) {
        self.0.of(worker).outcomes[result as usize].add(1);
    }

    /// How many have had each result, in the order of [`OUTCOMES`].
    pub fn read(&self) -> [u64; OUTCOMES.len()] {
        std::array::from_fn(|outcome| self.0.sum(|slot| &slot.outcomes[outcome]))
    }

    /// How many are under way.
    pub fn in_flight(&self) -> u64 {
        self.0.sum(|slot| &slot.in_flight)
    }
}

impl MirrorInFlight {
    /// It has ended with this result. One of which that is not said was cancelled.
    pub fn ended(mut self, result: MirrorResult) {
        self.result = result;
    }
}

impl Drop for MirrorInFlight {
    fn drop(&mut self) {
        self.counts.0.of(self.worker).in_flight.sub(1);
        self.counts.count(self.worker, self.result);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_under_way_on_each_worker_and_no_more() {
        let counts = Arc::new(Mirrored::new(2));
        let begun: Vec<_> = (0..3).map(|_| counts.begin(0, 2)).collect();
        assert_eq!(begun.iter().flatten().count(), 2);
        let other = counts.begin(1, 2).unwrap();
        assert_eq!(counts.in_flight(), 3);
        other.ended(MirrorResult::Answered);
        drop(begun);
        assert_eq!(counts.in_flight(), 0);
        let of = |result: MirrorResult| counts.read()[result as usize];
        let seen = [MirrorResult::Answered, MirrorResult::Cancelled, MirrorResult::TooMany].map(of);
        assert_eq!((seen, counts.read().iter().sum()), ([1, 2, 1], 4_u64));
        assert!(counts.begin(0, 1).is_some(), "there is room again");
    }
}
