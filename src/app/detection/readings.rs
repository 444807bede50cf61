//! What a backend's counters have shown since they were read last.

use std::time::Duration;

use crate::clock::Moment;
use crate::detect::sample::{AGE_STEP, AGES, BUCKETS, Failures, Latencies, Sample, Waiting};
use crate::metrics::{AttemptDetails, EPOCHS, Epoch, Failure, UpstreamMetrics};

/// When each epoch began of those that can be told apart.
#[derive(Debug)]
pub struct EpochTimes {
    began: [Moment; EPOCHS],
    /// The present one, modulo [`EPOCHS`].
    now: usize,
}

/// What was read of a backend's counters, and what of that is old.
#[derive(Debug)]
pub struct BackendReadings {
    details: AttemptDetails,
    latencies: [u32; BUCKETS],
    /// By epoch: those of the attempts that wait since an epoch that had the same number before.
    leftover: [u32; EPOCHS],
    /// When the oldest of them can have begun.
    leftover_since: Moment,
    /// When the last check ended that was taken in.
    pub checked: Moment,
    /// When it was added, or came back, last.
    joined: Moment,
}

impl Default for BackendReadings {
    fn default() -> Self {
        Self {
            details: AttemptDetails::default(),
            latencies: [0; BUCKETS],
            leftover: [0; EPOCHS],
            leftover_since: Moment::NEVER,
            checked: Moment::NEVER,
            joined: Moment::NEVER,
        }
    }
}

impl EpochTimes {
    /// All epochs began `now`.
    pub fn new(epoch: &Epoch, now: Moment) -> Self {
        Self { began: [now; EPOCHS], now: epoch.now() as usize % EPOCHS }
    }

    /// The epoch that begins with the next [`advance`](Self::advance), if it is time for that.
    pub fn next(&self, now: Moment) -> Option<usize> {
        (now.since(self.began[self.now]) >= AGE_STEP).then_some((self.now + 1) % EPOCHS)
    }

    /// Begins the next epoch.
    pub fn advance(&mut self, epoch: &Epoch, now: Moment) {
        self.now = epoch.advance() as usize % EPOCHS;
        self.began[self.now] = now;
    }

    /// How long an attempt has waited at least that began in this epoch.
    fn age(&self, at: usize, now: Moment) -> Duration {
        if at == self.now { Duration::ZERO } else { now.since(self.began[(at + 1) % EPOCHS]) }
    }
}

impl BackendReadings {
    /// Of a backend whose counters are read from now on: what happened before is left out.
    pub fn from_now_on(upstream: &UpstreamMetrics) -> Self {
        Self { details: upstream.details(), latencies: upstream.latencies(), ..Self::default() }
    }

    /// Whether the backend has been added, or has come back, since this was last asked.
    pub fn has_joined(&mut self, joined: Moment) -> bool {
        std::mem::replace(&mut self.joined, joined) != joined
    }

    /// Reads the counters, and adds what is new to the sample. `next` is the epoch that begins after this.
    pub fn read(
        &mut self,
        upstream: &UpstreamMetrics,
        times: &EpochTimes,
        next: Option<usize>,
        now: Moment,
        sample: &mut Sample,
    ) {
        self.read_counts(upstream, sample);
        sample.waiting = self.read_waiting(upstream.waiting(), times, next, now);
    }

    /// Reads what has begun and ended, and adds what is new to the sample.
    pub fn read_counts(&mut self, upstream: &UpstreamMetrics, sample: &mut Sample) {
        let details = upstream.details();
        let before = std::mem::replace(&mut self.details, details);
        sample.begun = details.begun.saturating_sub(before.begun);
        sample.abandoned = details.abandoned.saturating_sub(before.abandoned);
        sample.answers = details.answered.saturating_sub(before.answered);
        let failed = |failure: Failure| {
            u64::from(details.failures[failure as usize].wrapping_sub(before.failures[failure as usize]))
        };
        sample.failures = Failures {
            refused: failed(Failure::Refused),
            unreachable: failed(Failure::Unreachable),
            timed_out: failed(Failure::TimedOut),
            reset: failed(Failure::Reset),
            broken: failed(Failure::Broken),
            status: failed(Failure::Status),
        };
        sample.latencies.count = sample.answers;
        // counted in 64ths; a difference is small enough to be exact
        sample.latencies.logs = details.logs.saturating_sub(before.logs) as f64 / 64.0;
        sample.latencies.squares = details.squares.saturating_sub(before.squares) as f64 / 4096.0;
    }

    /// Reads the histogram of latencies, and adds what is new to the sample. It is long, so this is done less often.
    pub fn read_histogram(&mut self, upstream: &UpstreamMetrics, latencies: &mut Latencies) {
        let now = upstream.latencies();
        let before = std::mem::replace(&mut self.latencies, now);
        latencies.buckets = std::array::from_fn(|at| now[at].wrapping_sub(before[at]));
    }

    fn read_waiting(
        &mut self,
        waiting: [u32; EPOCHS],
        times: &EpochTimes,
        next: Option<usize>,
        now: Moment,
    ) -> Waiting {
        let mut result = Waiting::default();
        for (at, (&count, leftover)) in waiting.iter().zip(&mut self.leftover).enumerate() {
            *leftover = count.min(*leftover);
            let fresh = count - *leftover;
            result.by_age[AGES - 1] += *leftover;
            if fresh > 0 {
                let age = times.age(at, now);
                let steps = usize::try_from(age.as_millis() / AGE_STEP.as_millis()).unwrap_or(AGES);
                result.by_age[steps.min(AGES - 1)] += fresh;
                result.oldest = result.oldest.max(age);
            }
        }
        if let Some(next) = next
            && waiting[next] > 0
        {
            if self.leftover.iter().all(|count| *count == 0) {
                self.leftover_since = times.began[next];
            }
            self.leftover[next] = waiting[next];
        }
        if self.leftover.iter().any(|count| *count > 0) {
            result.oldest = result.oldest.max(now.since(self.leftover_since));
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::metrics::Registry;

    struct Watched {
        registry: Arc<Registry>,
        upstream: Arc<UpstreamMetrics>,
        times: EpochTimes,
        readings: BackendReadings,
        now: Moment,
    }

    impl Watched {
        fn new() -> Self {
            let now = Moment::from_millis(1 << 40);
            let registry = Registry::new(1);
            let upstream = registry.upstream("api", "a");
            let times = EpochTimes::new(registry.epoch(), now);
            Self { registry, upstream, times, readings: BackendReadings::default(), now }
        }

        /// The sample after another 100 ms.
        fn step(&mut self) -> Sample {
            self.now = self.now.plus(AGE_STEP);
            let (mut sample, next) = (Sample::default(), self.times.next(self.now));
            self.readings.read(&self.upstream, &self.times, next, self.now, &mut sample);
            if next.is_some() {
                self.times.advance(self.registry.epoch(), self.now);
            }
            sample
        }
    }

    #[test]
    fn what_waits_is_told_by_its_age_also_when_its_epoch_comes_again() {
        let mut watched = Watched::new();
        let began = watched.upstream.begun(0);
        for step in 0..100_u32 {
            let waiting = watched.step().waiting;
            assert_eq!(waiting.count(), 1, "{step}");
            assert!(
                waiting.oldest <= AGE_STEP * (step + 1) && waiting.oldest + AGE_STEP >= AGE_STEP * step,
                "{step}: {waiting:?}"
            );
            // others come and go meanwhile
            let other = watched.upstream.begun(0);
            watched.upstream.waited(0, other);
        }
        watched.upstream.waited(0, began);
        assert_eq!(watched.step().waiting, Waiting::default());
    }

    #[test]
    fn counts_are_differences() {
        let mut watched = Watched::new();
        let millisecond = Duration::from_micros(1024);
        watched.upstream.attempted(0, Ok(()), millisecond);
        watched.upstream.attempted(0, Err(Failure::Refused), millisecond);
        let sample = watched.step();
        assert_eq!((sample.answers, sample.failures.refused, sample.failures.total()), (1, 1, 1));
        assert_eq!((sample.latencies.count, sample.latencies.logs, sample.latencies.squares), (1, 10.0, 100.0));
        assert_eq!(watched.step(), Sample::default());
    }

    #[test]
    fn an_answer_is_in_the_same_bucket_whether_a_worker_or_a_detector_counts_it() {
        for micros in [1, 120, 140, 300, 1_000, 5_300, 77_000, 800_000, 30_000_000, 4_000_000_000] {
            let (mut watched, took) = (Watched::new(), Duration::from_micros(micros));
            watched.upstream.attempted(0, Ok(()), took);
            let (mut counted, mut added) = (Latencies::default(), Latencies::default());
            watched.readings.read_histogram(&watched.upstream, &mut counted);
            added.add(took);
            assert_eq!(counted.buckets, added.buckets, "{micros} µs");
        }
    }
}
