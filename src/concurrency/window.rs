//! What was seen of a service since the last decision about its limit.

use std::time::Duration;

use crate::clock::Moment;
use crate::metrics::concurrency::{FINE_BUCKETS, middle_of};

/// A window is closed no sooner.
const SHORTEST: Duration = Duration::from_millis(100);
/// So many samples are enough: where latencies are spread as widely as an exponential distribution is, their mean is right to a seventh (one standard
/// deviation).
const ENOUGH: u64 = 50;
/// Standard deviations that are no chance any more.
const NO_CHANCE: f64 = 3.0;
/// So many are enough for a service that has few requests, after [`PATIENCE`].
const FEW: u64 = 10;
/// How long more than [`FEW`] samples are waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// What has not come together after this time is too old to be added to.
const TOO_OLD: Duration = Duration::from_secs(30);

/// The share of the samples that the mean is taken of: the fastest. Time-outs and the like don't count, however long they are; but where more than a
/// twentieth is slow, that shows, whichever requests they are. A median would not see it before half of them are.
const COUNTED: f64 = 0.95;

/// What one look has seen: all of it since the look before.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// How long attempts have taken whose exchanges were let in under the limit that is in force.
    pub latencies: &'a [u32; FINE_BUCKETS],
    /// The most exchanges that were in flight.
    pub peak: u32,
    /// How many were refused.
    pub shed: u64,
}

/// What was seen since the last decision.
#[derive(Debug, Clone)]
pub struct Window {
    counts: [u64; FINE_BUCKETS],
    count: u64,
    /// The most exchanges that were in flight.
    pub peak: u32,
    /// How many were refused.
    pub shed: u64,
    began: Moment,
}

impl Window {
    /// An empty one, which begins now.
    pub fn new(now: Moment) -> Self {
        Self { counts: [0; FINE_BUCKETS], count: 0, peak: 0, shed: 0, began: now }
    }

    /// Adds what one look has seen.
    pub fn add(&mut self, seen: &Seen<'_>) {
        for (sum, count) in self.counts.iter_mut().zip(seen.latencies) {
            *sum += u64::from(*count);
            self.count += u64::from(*count);
        }
        self.peak = self.peak.max(seen.peak);
        self.shed += seen.shed;
    }

    /// How long it has been open.
    pub fn age(&self, now: Moment) -> Duration {
        now.since(self.began)
    }

    /// Whether something can be said by what was seen.
    pub fn is_ready(&self, now: Moment) -> bool {
        let age = self.age(now);
        (self.count >= ENOUGH && age >= SHORTEST) || (self.count >= FEW && age >= PATIENCE)
    }

    /// Whether it is no chance that the mean of what was seen differs so much from what is known. Where latencies are spread as widely as an exponential
    /// distribution is, the relative standard deviation of the mean of n is 1 / sqrt(n).
    pub fn differs(&self, latency: f64, known: f64) -> bool {
        (latency / known).ln().abs() * (self.count as f64).sqrt() >= NO_CHANCE
    }

    /// Whether it is no use to wait for more.
    pub fn is_too_old(&self, now: Moment) -> bool {
        self.age(now) >= TOO_OLD
    }

    /// The mean latency of the fastest nineteen in twenty, in seconds; `None` = there are no samples.
    pub fn latency(&self) -> Option<f64> {
        let wanted = self.count as f64 * COUNTED;
        let (mut counted, mut sum) = (0.0, 0.0);
        for (bucket, &count) in self.counts.iter().enumerate() {
            let taken = (count as f64).min(wanted - counted).max(0.0);
            sum += taken * middle_of(bucket);
            counted += taken;
        }
        (counted > 0.0).then(|| sum / counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> Moment = |millis| Moment::from_millis(1_000_000 + millis);

    /// So many samples in each of these buckets.
    fn add(window: &mut Window, samples: &[(usize, u32)]) {
        let mut latencies = [0; FINE_BUCKETS];
        samples.iter().for_each(|(bucket, count)| latencies[*bucket] = *count);
        window.add(&Seen { latencies: &latencies, peak: 3, shed: 1 });
    }

    #[test]
    fn a_window_is_ready_with_many_samples_at_once_and_with_few_after_a_second() {
        let mut window = Window::new(AT(0));
        add(&mut window, &[(40, 9)]);
        assert!(!window.is_ready(AT(5_000)), "nine say nothing");
        add(&mut window, &[(40, 1)]);
        assert_eq!([999, 1000].map(|at| window.is_ready(AT(at))), [false, true]);
        add(&mut window, &[(40, 40)]);
        assert_eq!([99, 100].map(|at| window.is_ready(AT(at))), [false, true]);
        assert_eq!((window.peak, window.shed), (3, 3));
        assert_eq!([29_999, 30_000].map(|at| window.is_too_old(AT(at))), [false, true]);
    }

    #[test]
    fn a_great_difference_is_no_chance_with_few_samples_and_a_small_one_with_many() {
        let mut window = Window::new(AT(0));
        add(&mut window, &[(40, 10)]);
        assert_eq!([3.0, 2.0, 1.15].map(|times| window.differs(times, 1.0)), [true, false, false]);
        add(&mut window, &[(40, 400)]);
        assert_eq!([1.0 / 3.0, 1.2, 1.1].map(|times| window.differs(times, 1.0)), [true, true, false]);
    }

    #[test]
    fn a_few_time_outs_do_not_count_and_a_tenth_that_is_slow_does() {
        let mut window = Window::new(AT(0));
        assert_eq!(window.latency(), None);
        add(&mut window, &[(40, 96), (160, 4)]);
        let fast = window.latency().unwrap();
        assert!((fast / middle_of(40) - 1.0).abs() < 1e-9, "{fast}");
        let mut window = Window::new(AT(0));
        add(&mut window, &[(40, 90), (80, 10)]);
        assert!(window.latency().unwrap() > 2.0 * fast);
    }
}
