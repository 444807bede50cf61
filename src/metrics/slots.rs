//! A counter without contention: one slot for each worker, written by that worker alone, summed by whoever reads.
//!
//! A shared atomic costs a lock-prefixed instruction for each count and, with several cores, the transfer of a cache line. A
//! slot that only one thread writes needs neither: a plain load, an addition and a plain store. What a reader on another
//! thread sees is a value that was true a moment ago, which is all that a counter promises.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A number that ONE thread changes and any thread may read.
///
/// Two threads that add at the same time would lose counts (the addition is not atomic, on purpose): it belongs in a
/// [`PerWorker`], where each worker finds its own.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    /// Adds `n`.
    pub(super) fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Takes `n` away. One worker's gauge never goes below zero, because a connection lives and dies on one worker.
    pub(super) fn sub(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).saturating_sub(n), Ordering::Relaxed);
    }

    /// The value as it was a moment ago.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A [`Count`] of half the size, which wraps around: for those of which there are many, and whose readers look at differences.
#[derive(Debug, Default)]
pub(super) struct SmallCount(AtomicU32);

impl SmallCount {
    /// Adds `n`.
    pub(super) fn add(&self, n: u32) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Takes `n` away.
    pub(super) fn sub(&self, n: u32) {
        self.0.store(self.0.load(Ordering::Relaxed).saturating_sub(n), Ordering::Relaxed);
    }

    /// The value as it was a moment ago.
    pub(super) fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One `T` for each worker, made when that worker first asks for it.
///
/// Made late because there may be many: 10,000 backends on 64 workers cost 16 bytes for each pair that never met, and
/// only what was used costs a line.
#[derive(Debug)]
pub(super) struct PerWorker<T>(Box<[OnceLock<Box<Line<T>>>]>);

/// Aligned so that two workers' slots never share a cache line, or one would slow the other down without sharing any data.
/// 128 bytes, not 64, because x86-64 fetches lines in pairs and some ARM cores have lines of 128.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line<T>(T);

impl<T: Default> PerWorker<T> {
    /// Room for workers 0 to `workers - 1`.
    pub(super) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| OnceLock::new()).collect())
    }

    /// The slot of `worker`, to be written by that worker's thread only.
    pub(super) fn of(&self, worker: usize) -> &T {
        &self.0[worker].get_or_init(Box::default).0
    }

    /// The slots that were made so far.
    pub(super) fn used(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter_map(OnceLock::get).map(|line| &line.0)
    }

    /// The sum over the workers of one count in their slots.
    pub(super) fn sum(&self, count: impl Fn(&T) -> &Count) -> u64 {
        self.used().map(|slot| count(slot).get()).fold(0, u64::wrapping_add)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn workers_are_summed_and_never_lose_a_count() {
        let counts = Arc::new(PerWorker::<Count>::new(4));
        let threads: Vec<_> = (0..4)
            .map(|worker| {
                let counts = Arc::clone(&counts);
                std::thread::spawn(move || (0..10_000).for_each(|_| counts.of(worker).add(1)))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(counts.sum(|count| count), 40_000);
    }

    #[test]
    fn slots_are_made_when_first_used_and_lie_on_lines_of_their_own() {
        let counts = PerWorker::<Count>::new(64);
        counts.of(3).add(1);
        counts.of(60).add(1);
        assert_eq!(counts.0.iter().filter(|slot| slot.get().is_some()).count(), 2);
        let lines = [3, 60].map(|worker| std::ptr::from_ref(counts.of(worker)) as usize);
        assert!(lines.iter().all(|address| address % 128 == 0));
        assert_ne!(lines[0], lines[1]);
    }

    #[test]
    fn an_unused_pair_of_backend_and_worker_costs_16_bytes() {
        assert_eq!(size_of::<OnceLock<Box<Line<Count>>>>(), 16);
    }

    #[test]
    fn a_gauge_stops_at_zero() {
        let count = Count::default();
        count.add(1);
        count.sub(2);
        assert_eq!(count.get(), 0);
    }
}
