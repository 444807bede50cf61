//! What a backend has shown: the last intervals in which it had traffic, for trends, in 400 bytes, and the last seconds, for errors, in 90.

use std::collections::VecDeque;

use super::super::phrase;
use super::super::sample::Sample;
use super::super::statistics;
use super::{ATTEMPTS, INTERVALS, ONE_IN_1000};

/// How many intervals are kept (mission, part 4: the last 100 samples).
const KEPT: usize = 100;
/// How many of them are the recent ones.
pub(super) const RECENT: usize = 10;

/// The last intervals, the newest at the end.
#[derive(Debug, Clone, Default)]
pub(super) struct History(VecDeque<Interval>);

/// One interval with traffic.
#[derive(Debug, Clone, Copy)]
struct Interval {
    /// The mean logarithm of the latencies in parts of 1/2048; 0 = there was no answer that tells of it.
    latency: u16,
    attempts: Count,
    failures: Count,
}

/// The last intervals, with traffic or without: the same time for all backends.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    slots: [Slot; LONGEST],
    next: usize,
}

/// How many intervals back errors are counted.
pub(super) const LONGEST: usize = 30;

/// One interval.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    attempts: Count,
    failures: Count,
    /// The failures without any answer, also of a kind that is a failure.
    absent: Count,
}

/// A count from 0 to 32,768 to within 4.5 %, rounded: a logarithm in steps of 1/8 octave.
#[derive(Debug, Clone, Copy, Default)]
struct Count(u8);

/// Several intervals together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    pub attempts: f64,
    pub failures: f64,
    /// Those with traffic.
    pub intervals: u8,
    /// The failures without any answer.
    pub absent: f64,
}

impl History {
    /// Adds an interval in which attempts have ended. `tells` = its latencies are those of what was begun in it.
    pub fn push(&mut self, sample: &Sample, tells: bool) {
        let latency = sample.latencies.mean().filter(|_| tells).map_or(0, quantize);
        if self.0.capacity() == 0 {
            self.0.reserve_exact(KEPT);
        } else if self.0.len() == KEPT {
            self.0.pop_front();
        }
        let Slot { attempts, failures, .. } = Slot::of(sample);
        self.0.push_back(Interval { latency, attempts, failures });
    }

    /// What the intervals take on the heap.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Interval>()
    }

    /// Forgets the recent intervals.
    pub fn forget_recent(&mut self) {
        self.0.truncate(self.0.len().saturating_sub(RECENT));
    }

    /// The recent intervals together.
    pub fn recent(&self) -> Sum {
        Sum::of(self.0.iter().rev().take(RECENT))
    }

    /// All intervals but the recent ones together.
    pub fn rest(&self) -> Sum {
        Sum::of(self.0.iter().rev().skip(RECENT))
    }

    /// Replaces `recent` and `rest` by the mean logarithms of the latencies of the recent intervals and of those before (the newest first), each
    /// with the number of attempts.
    pub fn latencies(&self, recent: &mut Vec<(f64, f64)>, rest: &mut Vec<(f64, f64)>) {
        recent.clear();
        rest.clear();
        let known = self.0.iter().rev().filter(|interval| interval.latency > 0);
        for (at, interval) in known.enumerate() {
            let into = if at < RECENT { &mut *recent } else { &mut *rest };
            into.push((f64::from(interval.latency) / 2048.0, interval.attempts.get().max(1.0)));
        }
    }
}

impl Window {
    /// Adds an interval.
    pub fn push(&mut self, sample: &Sample) {
        self.slots[self.next] = Slot::of(sample);
        self.next = (self.next + 1) % LONGEST;
    }

    /// The last `n` intervals together.
    pub fn last(&self, n: usize) -> Sum {
        let mut sum = Sum::default();
        for back in 1..=n.min(LONGEST) {
            let slot = self.slots[(self.next + LONGEST - back) % LONGEST];
            sum.attempts += slot.attempts.get();
            sum.failures += slot.failures.get();
            sum.absent += slot.absent.get();
            sum.intervals += u8::from(slot.attempts.0 > 0);
        }
        sum
    }
}

impl Slot {
    fn of(sample: &Sample) -> Self {
        let failed = sample.failures;
        let attempts = sample.attempts() as f64;
        // a time-out or a reset is that of an attempt, unless nothing at all is answered
        let is_silent = sample.answers + failed.status + failed.broken == 0;
        let absent = failed.refused + failed.unreachable + if is_silent { failed.timed_out + failed.reset } else { 0 };
        // what is more than a count can hold is scaled down, with its share of failures
        let scale = (Count::MAX / attempts).min(1.0);
        let count = |n: u64| Count::new(n as f64 * scale);
        Self { attempts: Count::new(attempts * scale), failures: count(failed.total()), absent: count(absent) }
    }
}

impl Sum {
    fn of<'a>(intervals: impl Iterator<Item = &'a Interval>) -> Self {
        let mut sum = Self::default();
        for interval in intervals {
            sum.attempts += interval.attempts.get();
            sum.failures += interval.failures.get();
            sum.intervals += 1;
        }
        sum
    }

    /// The share of failures; `None` = there was no attempt.
    pub fn rate(&self) -> Option<f64> {
        (self.attempts > 0.0).then(|| (self.failures / self.attempts).min(1.0))
    }

    /// There is enough evidence that the true share of failures is above this one.
    pub fn proves(&self, share: f64) -> bool {
        let enough = self.attempts >= ATTEMPTS || self.intervals >= INTERVALS;
        enough && statistics::evidence(self.failures.min(self.attempts), self.attempts, share) > ONE_IN_1000
    }

    /// Such as "31 of 250 attempts failed (12 %)".
    pub fn in_words(&self) -> String {
        let rate = phrase::share(self.rate().unwrap_or(0.0));
        format!("about {:.0} of {:.0} attempts failed ({rate})", self.failures, self.attempts)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what the type holds")]
fn quantize(log: f64) -> u16 {
    (log * 2048.0).round().clamp(1.0, f64::from(u16::MAX)) as u16
}

impl Count {
    const MAX: f64 = 32_768.0;

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 1 + 8 * 15")]
    fn new(count: f64) -> Self {
        Self(if count < 0.5 { 0 } else { 1 + (8.0 * count.max(1.0).log2()).round().min(120.0) as u8 })
    }

    fn get(self) -> f64 {
        if self.0 == 0 { 0.0 } else { (f64::from(self.0 - 1) / 8.0).exp2().round() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_counts_are_exact_and_large_ones_nearly_so() {
        for n in 0..=40_000u32 {
            let count = Count::new(f64::from(n)).get();
            let error = (count - f64::from(n).min(Count::MAX)).abs();
            assert!(error <= f64::from(n) * 0.045 + 0.5, "{n}: {count}");
        }
    }
}
