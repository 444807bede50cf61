//! How long a backend's answers take, as a peak-sensitive exponentially weighted moving average, and how often it failed of
//! late.
//!
//! The average is the one of Finagle's and Linkerd's `PeakEwma`: an answer that takes longer than the average becomes
//! the average at once, and one that takes less pulls it down slowly, with [`DECAY`]. The average also falls while
//! there are no answers, and after [`PROBE_AFTER`] without one it [is stale](Latency::is_stale): it is too old to keep
//! work away from a backend that may have recovered, so one exchange has to try, and its answer starts a new average.
//!
//! Failures are told apart from answers ([`observe_failure`](Latency::observe_failure)): a backend that refuses everything
//! within a millisecond is not fast, and having nothing in flight doesn't make it idle.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Moment;

/// In this time a peak has lost 63 % of its weight. The default of Finagle and Linkerd: long enough to remember a pause for
/// garbage collection, short enough to forget it.
pub const DECAY: Duration = Duration::from_secs(10);

/// With no answer for this long a backend is worth a try, whatever is remembered of it. A slow one costs an exchange this
/// often; one that has healed waits at most this long.
pub const PROBE_AFTER: Duration = Duration::from_secs(15);

/// A failure is charged as an answer that took this long, or twice the average when that is more: in a service whose
/// answers take half a minute one that fails within a second must not look fast.
pub const FAILURE_COSTS: Duration = Duration::from_secs(5);

/// The most that a failure is charged.
const FAILURE_COSTS_AT_MOST: Duration = Duration::from_secs(60);

/// Failures in a row beyond which [`Latency::failure_penalty`] grows no more: 2^14 is more than anybody has in flight, and it is
/// gone after [`PROBE_AFTER`].
const STREAK_MAX: u32 = 15;

/// The moving average of one backend, shared by all workers without a lock.
///
/// Each part is one atomic word with its moment in it, so no reader sees a value with the moment of another.
#[derive(Debug, Default)]
pub struct Latency {
    /// Microseconds, above 0 once there was an answer, and when it was observed.
    average: AtomicU64,
    /// Failures since the last answer, and when the last one was.
    failures: AtomicU64,
}

/// A number and when it was written, in one word. The moment's lower 32 bits are its milliseconds in 49 days; only
/// differences are taken, and none of interest is above a minute.
#[derive(Debug, Clone, Copy)]
struct Stamped {
    value: u32,
    millis: u32,
}

impl Latency {
    /// An answer came `elapsed` after its request; `now` is when.
    pub fn observe(&self, elapsed: Duration, now: Moment) {
        self.update(now, |_| elapsed);
        // almost always 0 already: then nothing is written
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// An exchange failed by the backend's fault after `elapsed`; `now` is when. It is charged a penalty, see
    /// [`FAILURE_COSTS`], and counts as in flight for a while, see [`failure_penalty`](Self::failure_penalty).
    pub fn observe_failure(&self, elapsed: Duration, now: Moment) {
        let at_most = FAILURE_COSTS_AT_MOST.max(elapsed);
        self.update(now, |average| elapsed.max(FAILURE_COSTS).max(average * 2).min(at_most));
        update(&self.failures, |failures| {
            let streak = failures.map_or(0, |failures| failures.value);
            Stamped::new((streak + 1).min(STREAK_MAX), now)
        });
    }

    /// An attempt was given up after so long: its answer would have taken longer. An average above that is left as it is.
    pub fn observe_at_least(&self, elapsed: Duration, now: Moment) {
        if self.average(now).is_none_or(|average| average < elapsed) {
            self.observe(elapsed, now);
        }
    }

    /// The average as it stands at `now`; `None` before the first answer.
    pub fn average(&self, now: Moment) -> Option<Duration> {
        self.average_micros(now).map(|micros| Duration::from_secs_f64(micros / 1e6))
    }

    /// The average in microseconds, as a number, which is cheaper to calculate with.
    pub fn average_micros(&self, now: Moment) -> Option<f64> {
        let stamped = Stamped::read(self.average.load(Ordering::Relaxed))?;
        Some(f64::from(stamped.value) * decay(stamped.age(now)))
    }

    /// Whether so little is known of the backend that it should be tried.
    pub fn is_stale(&self, now: Moment) -> bool {
        Stamped::read(self.average.load(Ordering::Relaxed)).is_none_or(|stamped| stamped.age(now) >= PROBE_AFTER)
    }

    /// How many exchanges it should be taken to have in flight beside those it has, because of failures in a row: one after
    /// the first, twice as many after each further one, half as many after each second that passes; none once it answers.
    ///
    /// Without this, a backend that fails at once is always the one with the fewest in flight, and gets everything.
    pub fn failure_penalty(&self, now: Moment) -> u32 {
        match Stamped::read(self.failures.load(Ordering::Relaxed)) {
            None => 0,
            Some(failures) => {
                let seconds = u32::try_from(failures.age(now).as_secs()).unwrap_or(u32::MAX);
                (1_u32 << (failures.value - 1)).checked_shr(seconds).unwrap_or(0)
            }
        }
    }

    /// Forgets all that was learned, because another process answers from now on.
    pub fn forget(&self) {
        self.average.store(0, Ordering::Relaxed);
        self.failures.store(0, Ordering::Relaxed);
    }

    /// Adds an observation; `observed` gets the average as it stands.
    fn update(&self, now: Moment, observed: impl Fn(Duration) -> Duration) {
        update(&self.average, |average| {
            let known = average.filter(|average| average.age(now) < PROBE_AFTER);
            let kept = known.map_or(0.0, |average| decay(average.age(now)));
            let before = known.map_or(0.0, |average| f64::from(average.value) * kept);
            let value = observed(Duration::from_secs_f64(before / 1e6)).as_secs_f64() * 1e6;
            let next = if value > before { value } else { known.map_or(value, |a| mix(a.value, value, kept)) };
            // the cast saturates: a word holds 71 minutes at most
            Stamped::new(next as u32, now)
        });
    }
}

/// The average after a smaller `value`, when `kept` is the weight that the old average has left.
fn mix(average: u32, value: f64, kept: f64) -> f64 {
    f64::from(average) * kept + value * (1.0 - kept)
}

/// What is left of a weight after this time.
fn decay(age: Duration) -> f64 {
    // on a busy backend the last answer came in this very millisecond
    if age.is_zero() { 1.0 } else { (-age.as_secs_f64() / DECAY.as_secs_f64()).exp() }
}

fn update(word: &AtomicU64, next: impl Fn(Option<Stamped>) -> Stamped) {
    let mut current = word.load(Ordering::Relaxed);
    loop {
        let wanted = next(Stamped::read(current)).write();
        match word.compare_exchange_weak(current, wanted, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return,
            Err(changed) => current = changed,
        }
    }
}

impl Stamped {
    fn new(value: u32, now: Moment) -> Self {
        // a value of 0 would look like "nothing observed yet"
        Self { value: value.max(1), millis: now.as_millis() as u32 }
    }

    fn read(word: u64) -> Option<Self> {
        (word != 0).then_some(Self { value: (word >> 32) as u32, millis: word as u32 })
    }

    fn write(self) -> u64 {
        u64::from(self.value) << 32 | u64::from(self.millis)
    }

    /// The time since; zero when another worker's clock reading was a little later than this one's.
    fn age(self, now: Moment) -> Duration {
        let millis = (now.as_millis() as u32).wrapping_sub(self.millis);
        Duration::from_millis(if millis > u32::MAX / 2 { 0 } else { u64::from(millis) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn at(millis: u64) -> Moment {
        Moment::from_millis((1 << 40) + millis)
    }

    fn average(latency: &Latency, now: Moment) -> u128 {
        latency.average(now).unwrap().as_millis()
    }

    #[test]
    fn before_the_first_answer_nothing_is_known() {
        let latency = Latency::default();
        assert_eq!(latency.average(at(0)), None);
        assert!(latency.is_stale(at(0)));
        assert_eq!(latency.failure_penalty(at(0)), 0);
        latency.observe(Duration::ZERO, at(0));
        assert!(latency.average(at(0)).is_some_and(|average| average <= MS(1)), "an answer in no time is an answer");
        assert!(!latency.is_stale(at(0)));
    }

    #[test]
    fn a_peak_is_believed_at_once_and_forgotten_slowly() {
        let latency = Latency::default();
        latency.observe(MS(10), at(0));
        latency.observe(MS(500), at(1_000));
        assert_eq!(average(&latency, at(1_000)), 500);
        latency.observe(MS(10), at(2_000));
        assert_eq!(average(&latency, at(2_000)), 453, "10 + 490 / e^(1/10)");
        for second in 3..=12 {
            latency.observe(MS(10), at(second * 1_000));
        }
        assert_eq!(average(&latency, at(12_000)), 173, "10 + 490 / e^(11/10)");
    }

    #[test]
    fn an_attempt_that_was_given_up_makes_a_backend_slower_and_never_faster() {
        let latency = Latency::default();
        latency.observe(MS(10), at(0));
        latency.observe_at_least(MS(60), at(0));
        assert_eq!(average(&latency, at(0)), 60);
        latency.observe_at_least(MS(40), at(0));
        assert_eq!(average(&latency, at(0)), 60);
    }

    #[test]
    fn it_goes_down_while_nothing_happens_and_is_stale_in_the_end() {
        let latency = Latency::default();
        latency.observe(MS(1_000), at(0));
        assert_eq!(average(&latency, at(10_000)), 367, "1000 / e");
        assert!(!latency.is_stale(at(14_999)));
        assert!(latency.is_stale(at(15_000)));
        latency.observe(MS(20), at(15_000));
        assert_eq!(average(&latency, at(15_000)), 20, "and what comes then starts a new average");
    }

    #[test]
    fn failures_look_slow_however_fast_they_come() {
        let latency = Latency::default();
        latency.observe_failure(MS(1), at(0));
        assert_eq!(average(&latency, at(0)), 5_000);
        latency.observe_failure(MS(1), at(0));
        latency.observe_failure(MS(1), at(0));
        assert_eq!(average(&latency, at(0)), 20_000, "twice the average each time");
        (0..10).for_each(|_| latency.observe_failure(MS(1), at(0)));
        assert_eq!(average(&latency, at(0)), 60_000);
        latency.observe_failure(MS(90_000), at(0));
        assert_eq!(average(&latency, at(0)), 90_000, "its own time when that is longer");
    }

    #[test]
    fn failures_in_a_row_count_as_in_flight_until_it_answers_or_time_passes() {
        let latency = Latency::default();
        let counts: Vec<_> = (0..4)
            .map(|_| {
                latency.observe_failure(MS(1), at(0));
                latency.failure_penalty(at(0))
            })
            .collect();
        assert_eq!(counts, [1, 2, 4, 8]);
        assert_eq!([999, 1_000, 3_999, 4_000].map(|ms| latency.failure_penalty(at(ms))), [8, 4, 1, 0]);
        latency.observe(MS(1), at(10));
        assert_eq!(latency.failure_penalty(at(10)), 0);
        (0..1_000).for_each(|_| latency.observe_failure(MS(1), at(0)));
        assert_eq!(latency.failure_penalty(at(0)), 1 << 14);
        assert_eq!(
            latency.failure_penalty(at(15_000)),
            0,
            "even the longest row is forgotten when it is time for a probe"
        );
        assert_eq!(latency.failure_penalty(at(1_000_000)), 0);
    }

    #[test]
    fn a_reading_of_the_clock_that_is_a_little_older_does_no_harm() {
        let latency = Latency::default();
        latency.observe(MS(100), at(50));
        assert_eq!(average(&latency, at(49)), 100);
        latency.observe(MS(10), at(49));
        assert_eq!(average(&latency, at(49)), 100);
        assert!(!latency.is_stale(at(0)));
    }

    #[test]
    fn no_time_is_too_long() {
        let latency = Latency::default();
        latency.observe(Duration::MAX, at(0));
        assert_eq!(average(&latency, at(0)), u128::from(u32::MAX) / 1_000);
        latency.observe_failure(Duration::MAX, at(0));
        latency.observe(MS(1), at(u64::from(u32::MAX)));
    }

    #[test]
    fn answers_observed_by_many_threads_all_count() {
        let latency = Latency::default();
        std::thread::scope(|scope| {
            for thread in 1..=4 {
                let latency = &latency;
                scope.spawn(move || (0..1_000).for_each(|i| latency.observe(Duration::from_micros(thread * i), at(0))));
            }
        });
        assert_eq!(latency.average(at(0)), Some(Duration::from_micros(4 * 999)), "the peak of all");
    }
}
