//! The durations of attempts with one backend, as others are shown them: `evenkeel_backend_duration_seconds`.
//!
//! They are counted once, in the histogram that detection reads. Its counts are small and wrap around; what is shown must not, so whoever reads adds the
//! differences to wide counters. No count wraps twice between two scrapes.

use std::sync::{Mutex, PoisonError};

use super::collect::{Bucket, Shown};

/// Buckets of the histogram that is counted: two for each octave, from 128 µs to 95 s.
pub const BUCKETS: usize = 40;

/// How many buckets are shown: one for each octave from 1 ms to 1 s, where answers mostly lie, and fewer beyond.
pub(super) const SHOWN: usize = 14;

/// The buckets of the counted histogram that end where one that is shown does.
const ENDS: [u8; SHOWN] = [2, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 30, 34];

/// The upper bound of the first bucket, in seconds. Two buckets are an octave. The logarithms that values are sorted by are right to 2 %.
const FIRST: f64 = 128e-6;

/// The value below which this share of what the histogram has counted lies, in seconds, interpolated within its bucket; `None` = nothing was counted, or
/// it lies beyond the histogram.
pub fn quantile(counts: &[f64; BUCKETS], share: f64) -> Option<f64> {
    let total: f64 = counts.iter().sum();
    let mut left = total * share;
    for (at, &count) in counts.iter().enumerate().take(BUCKETS - 1) {
        if left <= count && count > 0.0 {
            let part = (left / count).max(0.0);
            return Some(match at {
                0 => FIRST * part,
                // within a bucket, that is half an octave, logarithms are taken for evenly spread
                at => FIRST * ((at as f64 - 1.0 + part) / 2.0).exp2(),
            });
        }
        left -= count;
    }
    None
}

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
    pub(super) fn after(&self, read: &[u32; BUCKETS]) -> [u64; BUCKETS] {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // most of very many backends were never asked
        if counts.is_none() && *read == [0; BUCKETS] {
            return [0; BUCKETS];
        }
        let counts = counts.get_or_insert_with(|| Box::new(Counts { seen: [0; BUCKETS], wide: [0; BUCKETS] }));
        for ((seen, wide), now) in counts.seen.iter_mut().zip(&mut counts.wide).zip(read) {
            *wide += u64::from(now.wrapping_sub(*seen));
            *seen = *now;
        }
        counts.wide
    }
}

/// The histogram that others are shown, made of wide counts and the sum of the durations in seconds.
pub(super) fn show(counts: &[u64; BUCKETS], sum: f64) -> Shown<SHOWN> {
    let up_to = |end: u8| counts[..=usize::from(end)].iter().sum();
    let bucket = |end: u8| {
        let bound = FIRST * f64::from(1_u32 << (end / 2));
        Bucket { bound, up_to: up_to(end), exemplar: None }
    };
    Shown { buckets: ENDS.map(bucket), count: counts.iter().sum(), sum, above: None }
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
    fn a_quantile_lies_within_its_bucket() {
        let mut counts = [0.0; BUCKETS];
        assert_eq!(quantile(&counts, 0.95), None);
        // between 4.096 and 5.793 ms, and between 65.5 and 92.7 ms
        (counts[11], counts[19]) = (90.0, 10.0);
        let close = |share, expected: f64| (quantile(&counts, share).unwrap() / expected - 1.0).abs() < 0.01;
        assert!(
            close(0.45, 0.004_871) && close(0.9, 0.005_793) && close(0.95, 0.077_94),
            "{:?}",
            quantile(&counts, 0.95)
        );
        counts[BUCKETS - 1] = 1000.0;
        assert_eq!(quantile(&counts, 0.95), None, "nobody waits for that long");
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
