//! Counters that each worker writes alone.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A value for each worker, made when that worker first writes to it: 10,000 backends times 64 workers would otherwise hold
/// memory for counts that never come.
#[derive(Debug)]
pub struct PerWorker<T>(Box<[OnceLock<Box<Slot<T>>>]>);

/// 128 bytes, because x86-64 fetches cache lines in pairs: two workers' counters on one would be slower than one lock.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Slot<T>(T);

/// A counter with one writer. Adding is a plain load and a plain store, a nanosecond; `fetch_add` would lock the line.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl<T: Default> PerWorker<T> {
    /// Nothing counted yet.
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| OnceLock::new()).collect())
    }

    /// The value of one worker; to be written to on its thread only.
    pub fn of(&self, worker: usize) -> &T {
        &self.0[worker].get_or_init(Box::default).0
    }

    /// The values that have been written to.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter_map(|slot| slot.get().map(|slot| &slot.0))
    }
}

impl Count {
    /// Adds. Only the worker that owns it may.
    pub fn add(&self, more: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    /// Reads, from any thread.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
