//! What detectors get to see of a backend: counts of what has happened since the sample before, and the state at its end.

use std::ops::AddAssign;
use std::time::Duration;

/// What one backend has shown since the sample before.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// It may get work: it is not down, drained, disabled or of weight 0. Only such backends are compared with each other.
    pub takes_part: bool,
    /// An operator has drained or disabled it, or given it the weight 0: when it ends now, that is no fault.
    pub is_withdrawn: bool,
    /// It is ejected: it gets no work, or a trickle.
    pub is_ejected: bool,
    /// How long ago it joined, recovered or was readmitted.
    pub joined: Duration,
    /// Attempts that were begun.
    pub begun: u64,
    /// Attempts that were given up before it had answered, because it seemed to hang.
    pub abandoned: u64,
    /// Attempts that it answered, and not with a failure.
    pub answers: u64,
    /// Attempts that it failed.
    pub failures: Failures,
    /// How long the answers took. Failures are not among them.
    pub latencies: Latencies,
    /// The attempts that wait for the head of their answer now.
    pub waiting: Waiting,
    /// Exchanges in flight now, also those whose answers are under way.
    pub in_flight: u32,
    /// Checks that ended, and those of them that failed.
    pub checks: u32,
    /// See [`checks`](Self::checks).
    pub failed_checks: u32,
    /// How long the last check took.
    pub check_latency: Option<Duration>,
    /// The share of its processors in use by its last report that is still believed; may exceed 1.
    pub cpu: Option<f64>,
    /// The share of its memory in use by the same.
    pub memory: Option<f64>,
    /// How long ago its last heartbeat came; `None` = it has never sent one, and so has promised none.
    pub heartbeat: Option<Duration>,
}

/// Attempts that a backend failed, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Failures {
    /// Its port refused the connection.
    pub refused: u64,
    /// Its address can't be reached: no route, host unreachable.
    pub unreachable: u64,
    /// It did not answer in time: neither to connect nor with a head.
    pub timed_out: u64,
    /// It closed or reset the connection before the answer was whole.
    pub reset: u64,
    /// What it sent breaks the protocol, or its TLS can't be verified.
    pub broken: u64,
    /// It answered with a status that counts as a failure (500 to 599 by default).
    pub status: u64,
}

/// How long answers took: moments of their logarithms, and a histogram.
///
/// Latencies are compared by their logarithms to the base 2, where a backend's answers spread evenly around their middle: "twice as slow" is 1
/// whatever the service does.
#[derive(Debug, Clone, PartialEq)]
pub struct Latencies {
    /// How many there are.
    pub count: u64,
    /// The logarithms (base 2) of their microseconds, added up.
    pub logs: f64,
    /// The squares of the same, added up.
    pub squares: f64,
    /// How many took how long: bucket `b` holds those from `128 µs * 2^((b - 1) / 2)` to `128 µs * 2^(b / 2)`, two buckets for an
    /// octave; the first holds what was faster, the last what was slower. Some sources fill it only now and then: the counts add up over
    /// samples.
    pub buckets: [u32; BUCKETS],
}

/// Up to 95 s.
pub const BUCKETS: usize = 40;

/// How long the attempts that wait for the head of their answer have waited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// `by_age[n]` have waited for `n` to `n + 1` times [`AGE_STEP`]; the last count holds those that have waited for longer.
    pub by_age: [u32; AGES],
    /// How long the oldest has waited, as exactly as it is known.
    pub oldest: Duration,
}

/// The resolution of [`Waiting::by_age`].
pub const AGE_STEP: Duration = Duration::from_millis(100);
/// Up to 3.2 s.
pub const AGES: usize = 32;

impl Sample {
    /// Takes in the sample that follows: counts add up, and what is a state is the later one's.
    pub fn follow(&mut self, next: &Self) {
        let before = (self.begun, self.answers, self.failures, self.checks, self.failed_checks);
        let abandoned = self.abandoned;
        let mut latencies = std::mem::take(&mut self.latencies);
        latencies += &next.latencies;
        *self = Self { latencies, ..next.clone() };
        self.abandoned = self.abandoned.saturating_add(abandoned);
        self.begun = self.begun.saturating_add(before.0);
        self.answers = self.answers.saturating_add(before.1);
        self.failures += before.2;
        self.checks = self.checks.saturating_add(before.3);
        self.failed_checks = self.failed_checks.saturating_add(before.4);
        self.check_latency = next.check_latency.or(self.check_latency);
    }

    /// Attempts that ended with an answer or a failure.
    pub fn attempts(&self) -> u64 {
        self.answers.saturating_add(self.failures.total())
    }
}

impl Failures {
    /// All of them.
    pub fn total(&self) -> u64 {
        let kinds = [self.refused, self.unreachable, self.timed_out, self.reset, self.broken, self.status];
        kinds.into_iter().fold(0, u64::saturating_add)
    }
}

impl AddAssign for Failures {
    fn add_assign(&mut self, other: Self) {
        self.refused = self.refused.saturating_add(other.refused);
        self.unreachable = self.unreachable.saturating_add(other.unreachable);
        self.timed_out = self.timed_out.saturating_add(other.timed_out);
        self.reset = self.reset.saturating_add(other.reset);
        self.broken = self.broken.saturating_add(other.broken);
        self.status = self.status.saturating_add(other.status);
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self { count: 0, logs: 0.0, squares: 0.0, buckets: [0; BUCKETS] }
    }
}

impl AddAssign<&Self> for Latencies {
    fn add_assign(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.logs += other.logs;
        self.squares += other.squares;
        self.buckets.iter_mut().zip(other.buckets).for_each(|(count, more)| *count = count.saturating_add(more));
    }
}

impl Latencies {
    /// One more answer, which took this long.
    pub fn add(&mut self, took: Duration) {
        let log = (took.as_secs_f64() * 1e6).max(1.0).log2();
        self.count += 1;
        self.logs += log;
        self.squares += log * log;
        self.buckets[bucket(log)] += 1;
    }

    /// The mean of the logarithms; `None` = there was no answer.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.logs / self.count as f64)
    }

    /// The variance of the logarithms; `None` = there were not two answers.
    pub fn variance(&self) -> Option<f64> {
        let mean = self.mean().filter(|_| self.count > 1)?;
        Some((self.squares / self.count as f64 - mean * mean).max(0.0))
    }

    /// The time within which this share of the answers came, by interpolation within a bucket; `None` = there was none.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let total: u32 = self.buckets.iter().sum();
        let mut left = share * f64::from(total);
        for (at, &count) in self.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = f64::from(count);
            if left <= count {
                let upper = 7.0 + (at as f64) / 2.0;
                let log = upper - 0.5 * (1.0 - left / count);
                return Some(Duration::from_secs_f64(log.exp2() / 1e6));
            }
            left -= count;
        }
        None
    }
}

/// The bucket of an answer whose microseconds have this logarithm to the base 2.
pub fn bucket(log: f64) -> usize {
    // 2^7 = 128 µs; a cast to an unsigned number ends at 0
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the buckets")]
    let at = ((log - 7.0) * 2.0).ceil().clamp(0.0, (BUCKETS - 1) as f64) as usize;
    at
}

impl Waiting {
    /// All of them.
    pub fn count(&self) -> u32 {
        self.by_age.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Those that have waited for at least as long, to the resolution of [`AGE_STEP`].
    pub fn at_least(&self, age: Duration) -> u32 {
        let from = usize::try_from(age.as_millis().div_ceil(AGE_STEP.as_millis())).unwrap_or(AGES).min(AGES - 1);
        self.by_age[from..].iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_found_within_a_bucket_or_so() {
        let mut latencies = Latencies::default();
        (1..=1000).for_each(|n| latencies.add(Duration::from_micros(n * 10)));
        for (share, exact) in [(0.5, 5.0), (0.95, 9.5), (0.99, 9.9)] {
            let found = latencies.quantile(share).unwrap().as_secs_f64() * 1e3;
            assert!((found / exact).log2().abs() < 0.25, "{share}: {found} ms");
        }
        assert_eq!(Latencies::default().quantile(0.5), None);
    }

    #[test]
    fn counts_add_up_and_states_are_the_latest() {
        let sample = |answers, in_flight| Sample { answers, in_flight, ..Sample::default() };
        let mut sum = sample(3, 9);
        sum.follow(&sample(4, 2));
        assert_eq!((sum.answers, sum.in_flight), (7, 2));
    }
}
