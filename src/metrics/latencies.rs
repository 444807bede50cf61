//! The durations of attempts with one backend, as others are shown them: `evenkeel_backend_duration_seconds`.
//!
//! They are counted once, in the histogram that detection reads. Its counts are small and wrap around; what is shown must not, so whoever reads adds the
//! differences to wide counters. No count wraps twice between two scrapes.

use std::sync::{Mutex, PoisonError};

use super::collect::{Bucket, Shown};
use super::upstream::{BUCKETS, UpstreamMetrics};

/// How many buckets are shown: one for each octave from 1 ms to 1 s, where answers mostly lie, and fewer beyond.
pub(super) const SHOWN: usize = 14;

/// The buckets of the counted histogram that end where one that is shown does.
const ENDS: [u8; SHOWN] = [2, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 30, 34];

/// The upper bound of the first bucket, in seconds. Two buckets are an octave. The logarithms that values are sorted by are right to 2 %.
const FIRST: f64 = 128e-6;

/// The counts that do not wrap around.
#[derive(Debug, Default)]
pub(super) struct WideCounts(Mutex<Option<Box<Counts>>>);

#[derive(Debug)]
struct Counts {
    /// What was read last.
    seen: [u32; BUCKETS],
    wide: [u64; BUCKETS],
}

impl WideCounts {
    /// The wide counts after a reading of the small ones.
    fn after(&self, read: &[u32; BUCKETS]) -> [u64; BUCKETS] {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = counts.get_or_insert_with(|| Box::new(Counts { seen: [0; BUCKETS], wide: [0; BUCKETS] }));
        for ((seen, wide), now) in counts.seen.iter_mut().zip(&mut counts.wide).zip(read) {
            *wide += u64::from(now.wrapping_sub(*seen));
            *seen = *now;
        }
        counts.wide
    }
}

impl UpstreamMetrics {
    /// How long its answers took that were no failures.
    pub(super) fn show_durations(&self) -> Shown<SHOWN> {
        let counts = self.wide.after(&self.latencies());
        let up_to = |end: u8| counts[..=usize::from(end)].iter().sum();
        Shown {
            buckets: ENDS.map(|end| Bucket {
                bound: FIRST * f64::from(1_u32 << (end / 2)),
                up_to: up_to(end),
                exemplar: None,
            }),
            count: counts.iter().sum(),
            sum: self.answered_seconds(),
            above: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Failure, Registry};
    use super::*;

    #[test]
    fn answers_are_shown_in_cumulative_buckets_and_failures_are_not() {
        let upstream = Registry::new(2).upstream("api", "a");
        let answered = |micros| upstream.attempted(0, Ok(()), Duration::from_micros(micros));
        [100, 300, 3_000, 60_000_000].into_iter().for_each(answered);
        upstream.attempted(1, Err(Failure::Reset), Duration::from_secs(9));
        let shown = upstream.show_durations();
        let counts: Vec<_> = shown.buckets.iter().map(|bucket| (bucket.bound, bucket.up_to)).collect();
        assert_eq!(counts[..4], [(0.000_256, 1), (0.001_024, 2), (0.002_048, 2), (0.004_096, 3)]);
        assert_eq!(counts[SHOWN - 1], (16.777_216, 3));
        assert_eq!((shown.count, shown.sum), (4, 60.0034));
    }

    #[test]
    fn a_count_that_wraps_around_goes_on() {
        let wide = WideCounts::default();
        let mut read = [0; BUCKETS];
        for (now, expected) in [(5, 5), (u32::MAX, u64::from(u32::MAX)), (4, (1 << 32) + 4), (4, (1 << 32) + 4)] {
            read[7] = now;
            assert_eq!(wide.after(&read)[7], expected);
        }
    }
}
