//! What workers count of a service with an adaptive limit: how long attempts take, and what was shed.

use std::time::Duration;

use super::slots::{Count, PerWorker, SmallCount};

/// `priority`, in the order of the policy's priorities.
pub const PRIORITIES: [&str; 3] = ["high", "normal", "low"];

/// Buckets of the histogram of latencies: eight for each octave, from 64 µs to 134 s. A mean that is taken of their middles is right to 6 %, and, what
/// matters more, two means of the same latencies are equal.
pub const FINE_BUCKETS: usize = 1 + 8 * (LAST_OCTAVE - FIRST_OCTAVE) as usize;

/// The first octave begins at 2^6 µs.
const FIRST_OCTAVE: u32 = 6;
/// The last one ends at 2^27 µs.
const LAST_OCTAVE: u32 = 27;

/// The counts of one service.
#[derive(Debug)]
pub struct ConcurrencyCounts {
    slots: PerWorker<Slot>,
    workers: usize,
}

/// One worker's counts.
#[derive(Debug)]
struct Slot {
    latencies: [SmallCount; FINE_BUCKETS],
    /// By priority.
    shed: [Count; PRIORITIES.len()],
}

impl Default for Slot {
    fn default() -> Self {
        Self { latencies: std::array::from_fn(|_| SmallCount::default()), shed: Default::default() }
    }
}

impl ConcurrencyCounts {
    pub(super) fn new(workers: usize) -> Self {
        Self { slots: PerWorker::new(workers), workers }
    }

    /// How many workers count.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// An attempt took so long to the head of the answer, or was given up after so long, on the thread of `worker`.
    pub fn took(&self, worker: usize, elapsed: Duration) {
        self.slots.of(worker).latencies[bucket_of(elapsed)].add(1);
    }

    /// One of the priority at this place of [`PRIORITIES`] was refused, on the thread of `worker`.
    pub fn shed(&self, worker: usize, priority: usize) {
        self.slots.of(worker).shed[priority].add(1);
    }

    /// How many of each priority were refused, in the order of [`PRIORITIES`].
    pub fn read_shed(&self) -> [u64; PRIORITIES.len()] {
        std::array::from_fn(|priority| self.slots.sum(|slot| &slot.shed[priority]))
    }

    /// The histogram of how long attempts have taken to the head of the answer. Its counts wrap around.
    pub fn latencies(&self) -> [u32; FINE_BUCKETS] {
        let mut buckets = [0_u32; FINE_BUCKETS];
        for slot in self.slots.used() {
            buckets.iter_mut().zip(&slot.latencies).for_each(|(sum, count)| *sum = sum.wrapping_add(count.get()));
        }
        buckets
    }
}

/// The bucket of a latency.
fn bucket_of(elapsed: Duration) -> usize {
    let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    let octave = (micros | 1).ilog2();
    match octave {
        0..FIRST_OCTAVE => 0,
        FIRST_OCTAVE..LAST_OCTAVE => {
            let part = (micros >> (octave - 3)) & 7;
            1 + 8 * (octave - FIRST_OCTAVE) as usize + part as usize
        }
        _ => FINE_BUCKETS - 1,
    }
}

/// The middle of a bucket, in seconds.
pub fn middle_of(bucket: usize) -> f64 {
    const MICROS: f64 = 1e6;
    let Some(place) = bucket.checked_sub(1) else { return f64::from(1 << (FIRST_OCTAVE - 1)) / MICROS };
    let (octave, part) = (place / 8, place % 8);
    let width = f64::from(1_u32 << (FIRST_OCTAVE - 3)) * (octave as f64).exp2();
    width * (8.5 + part as f64) / MICROS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_bucket_is_near_whatever_is_in_it() {
        for micros in (64..2_000_000_u64).step_by(37) {
            let elapsed = Duration::from_micros(micros);
            let middle = middle_of(bucket_of(elapsed));
            assert!((middle / elapsed.as_secs_f64() - 1.0).abs() < 0.07, "{micros}: {middle}");
        }
        assert_eq!(bucket_of(Duration::ZERO), 0);
        assert_eq!(bucket_of(Duration::from_secs(3_600)), FINE_BUCKETS - 1);
        assert_eq!(bucket_of(Duration::from_micros((1 << LAST_OCTAVE) - 1)), FINE_BUCKETS - 1);
    }
}
