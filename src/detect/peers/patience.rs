//! How long an attempt may wait for the head of its answer, by what answers of the service usually take and by the pauses its backends make.

use std::time::Duration;

use crate::detect::sample::{AGE_STEP, AGES, BUCKETS, Latencies, Waiting};

/// An attempt is late after so many times the service's 99th percentile,
const LATE_TIMES: f64 = 2.0;
/// and not before this: a packet that is lost when a connection is opened on a local network costs 200 ms (Linux's TCP_RTO_MIN).
const LATE: Duration = Duration::from_millis(200);
/// A backend is hung that has answered nothing for so many times the 99th percentile while attempts wait,
const HUNG_TIMES: f64 = 3.0;
/// and for this long: garbage collections of up to 500 ms are no fault (V8, Go and the JVM's G1 and ZGC stay below; the JVM's full collections do not).
const HUNG: Duration = Duration::from_millis(500);
/// Where the pauses of a service's backends are longer, a backend may be silent for this many times the longest of them,
const PAUSE_TIMES: f64 = 1.5;
/// up to a pause of this length. What is silent for longer hangs.
const LONGEST_PAUSE: Duration = Duration::from_millis(1500);
/// The time in which a pause that is not repeated counts half, and so do latencies.
const PAUSE_HALVES: f64 = 600.0;
/// See [`PAUSE_HALVES`].
const LATENCY_HALVES: f64 = 60.0;
/// What is taken for the 99th percentile before this many answers have come.
const UNKNOWN: (Duration, f32) = (Duration::from_millis(250), 100.0);

/// What is known of how long answers of a service take at most.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    /// The latencies of the last minutes, as [`Latencies::buckets`].
    latencies: [f32; BUCKETS],
    /// How many these are.
    known: f32,
    /// The longest pause.
    pause: Duration,
    /// An attempt that has waited for longer is late.
    pub(super) late: Duration,
    /// A backend that has not answered for longer, while attempts wait, is hung.
    pub(super) hung: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let mut patience = Self {
            latencies: [0.0; BUCKETS],
            known: 0.0,
            pause: Duration::ZERO,
            late: Duration::ZERO,
            hung: Duration::ZERO,
        };
        patience.derive();
        patience
    }
}

impl Patience {
    /// Takes in the latencies of a backend that is well.
    pub(super) fn learn(&mut self, shown: &Latencies) {
        self.latencies.iter_mut().zip(shown.buckets).for_each(|(sum, count)| *sum += count as f32);
    }

    /// A backend went on by itself after it had been silent for so long while attempts waited.
    pub(super) fn paused(&mut self, silent: Duration) {
        if silent <= LONGEST_PAUSE {
            self.pause = self.pause.max(silent);
        }
    }

    /// Time has passed.
    pub(super) fn advance(&mut self, passed: Duration) {
        let keeps = |halves: f64| (-passed.as_secs_f64() / halves).exp2();
        let latencies = keeps(LATENCY_HALVES) as f32;
        self.latencies.iter_mut().for_each(|count| *count = (*count * latencies).min(1e12));
        self.pause = self.pause.mul_f64(keeps(PAUSE_HALVES));
        self.derive();
    }

    fn derive(&mut self) {
        self.known = self.latencies.iter().sum();
        let p99 = self.p99().as_secs_f64();
        let pause = self.pause.mul_f64(PAUSE_TIMES);
        self.late = Duration::from_secs_f64(p99 * LATE_TIMES).max(LATE).max(pause);
        self.hung = Duration::from_secs_f64(p99 * HUNG_TIMES).max(HUNG).max(pause);
    }

    /// The 99th percentile of the latencies: the end of the bucket that it lies in.
    fn p99(&self) -> Duration {
        let (unknown, least) = UNKNOWN;
        if self.known < least {
            return unknown;
        }
        let mut slower = self.known * 0.01;
        let at = self.latencies.iter().rposition(|count| {
            slower -= count;
            slower <= 0.0
        });
        Duration::from_secs_f64((7.0 + at.unwrap_or_default() as f64 / 2.0).exp2() / 1e6)
    }

    /// The attempts that have become late in the time that the sample covers.
    pub(super) fn become_late(&self, waiting: &Waiting, lasted: Duration) -> f64 {
        // the last count is not of those that have reached an age lately, but of all that are older
        let (from, steps) = (steps(self.late), steps(lasted).max(1));
        let to = from.saturating_add(steps).min(AGES - 1);
        if self.known >= UNKNOWN.1 { total(waiting.by_age.get(from..to).unwrap_or_default()) } else { 0.0 }
    }

    /// The late attempts that were begun within the last `silent`: how many, and how much each of them speaks for a backend that answers nothing,
    /// added up, as the logarithm of how rare it is to wait that long. Beyond the latest that is known, waiting twice as long is half as likely
    /// (a Pareto tail of shape 1, heavier than what services show).
    pub(super) fn late_since(&self, waiting: &Waiting, silent: Duration) -> (f64, f64) {
        let (from, to) = (self.late_step(), (steps(silent) + 1).min(AGES));
        let late = self.late.as_secs_f64();
        let mut sum = (0.0, 0.0);
        for (step, count) in waiting.by_age.iter().enumerate().take(to).skip(from).filter(|(_, count)| **count > 0) {
            let age = if step == AGES - 1 { silent } else { AGE_STEP * u32::try_from(step).unwrap_or(0) };
            sum.0 += f64::from(*count);
            sum.1 += f64::from(*count) * (age.as_secs_f64() / late).max(1.0).ln();
        }
        sum
    }

    /// All attempts that are late.
    pub(super) fn late(&self, waiting: &Waiting) -> f64 {
        total(&waiting.by_age[self.late_step()..])
    }

    fn late_step(&self) -> usize {
        steps(self.late).min(AGES - 1)
    }
}

fn steps(time: Duration) -> usize {
    usize::try_from(time.as_millis() / AGE_STEP.as_millis()).unwrap_or(usize::MAX - AGES)
}

fn total(counts: &[u32]) -> f64 {
    counts.iter().map(|count| f64::from(*count)).sum()
}
