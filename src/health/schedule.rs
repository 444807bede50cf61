//! When each check is due.
//!
//! An interval runs from the start of one check to that of the next, so that a slow answer does not lower the rate.
//! Jitter only shortens it: the configured interval is the longest that a change can go unseen. At the start the checks
//! are spread over as many milliseconds as there are backends (but no more than an interval), so that a thousand
//! backends are not asked at once and three don't keep readiness waiting. From then on checks that fall due at nearly
//! the same time begin together: waking up costs more than a check.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::clock::Moment;

/// Checks that are due within the same span of this many milliseconds begin at its start.
const TOGETHER: u64 = 10;

/// The span is at most an interval divided by this.
const PART: u64 = 20;

/// When each check is due. Keys are never taken out: the owner skips a key that it does not know any more.
#[derive(Debug)]
pub struct Schedule {
    due: BinaryHeap<Reverse<(Moment, u64)>>,
    random: fastrand::Rng,
}

impl Schedule {
    /// An empty schedule.
    pub fn new(seed: u64) -> Self {
        Self { due: BinaryHeap::new(), random: fastrand::Rng::with_seed(seed) }
    }

    /// Schedules a first check, one of `among` that are added together.
    pub fn first(&mut self, key: u64, among: usize, interval: Duration, now: Moment) {
        let spread = Duration::from_millis(u64::try_from(among).unwrap_or(u64::MAX)).min(interval);
        let wait = spread.mul_f64(self.random.f64());
        self.due.push(Reverse((now.plus(wait), key)));
    }

    /// Schedules the check after the one that began at `began` and ended by `now`.
    pub fn next(&mut self, key: u64, interval: Duration, jitter: f64, began: Moment, now: Moment) {
        let shortened = interval.mul_f64(1.0 - jitter.clamp(0.0, 1.0) * self.random.f64());
        // an interval of 0 would be an endless loop
        let due = began.plus(shortened.max(Duration::from_millis(1))).as_millis();
        let grid = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX) / PART;
        let grid = grid.clamp(1, TOGETHER);
        let due = Moment::from_millis(due - due % grid);
        self.due.push(Reverse((due.max(now), key)));
    }

    /// Makes a check due at `now` that is scheduled for later. One that is being made now is not scheduled, and stays so.
    pub fn hurry(&mut self, key: u64, now: Moment) {
        let before = self.due.len();
        // a look at all of them, which is seldom made
        self.due.retain(|Reverse((_, scheduled))| *scheduled != key);
        if self.due.len() < before {
            self.due.push(Reverse((now, key)));
        }
    }

    /// When the earliest check is due.
    pub fn earliest(&self) -> Option<Moment> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes a check that is due at `now`; returns its key.
    pub fn take(&mut self, now: Moment) -> Option<u64> {
        if self.earliest()? > now {
            return None;
        }
        self.due.pop().map(|Reverse((_, key))| key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const NOW: Moment = Moment::from_millis(1_100_000_000_000);
    const INTERVAL: Duration = Duration::from_secs(2);

    fn drain(schedule: &mut Schedule) -> Vec<(Moment, u64)> {
        let mut taken = Vec::new();
        while let Some(at) = schedule.earliest() {
            taken.extend(schedule.take(at).map(|key| (at, key)));
        }
        taken
    }

    #[test]
    fn a_thousand_backends_start_spread_over_a_second() {
        let mut schedule = Schedule::new(7);
        (0..1000).for_each(|key| schedule.first(key, 1000, INTERVAL, NOW));
        let taken = drain(&mut schedule);
        assert_eq!(taken.len(), 1000);
        assert!(taken.is_sorted_by_key(|(at, _)| *at));
        let mut in_one_millisecond = HashMap::new();
        taken.iter().for_each(|(at, _)| *in_one_millisecond.entry(at).or_insert(0) += 1);
        assert!(in_one_millisecond.values().all(|n| *n < 10), "{in_one_millisecond:?}");
        assert!(taken[999].0.since(NOW) <= Duration::from_secs(1));
        assert!(taken[999].0.since(NOW) >= Duration::from_millis(900));
    }

    #[test]
    fn three_start_at_once() {
        let mut schedule = Schedule::new(7);
        (0..3).for_each(|key| schedule.first(key, 3, INTERVAL, NOW));
        assert!(drain(&mut schedule).iter().all(|(at, _)| at.since(NOW) <= Duration::from_millis(3)));
    }

    #[test]
    fn an_interval_is_shortened_by_its_jitter_and_never_lengthened() {
        let mut schedule = Schedule::new(7);
        (0..1000).for_each(|key| schedule.next(key, INTERVAL, 0.1, NOW, NOW));
        let waits: Vec<_> = drain(&mut schedule).iter().map(|(at, _)| at.since(NOW).as_millis()).collect();
        assert!(waits[0] >= 1800 && waits[0] < 1805, "{}", waits[0]);
        assert!(waits[999] <= 2000 && waits[999] >= 1990, "{}", waits[999]);
    }

    #[test]
    fn those_that_fall_due_at_nearly_the_same_time_begin_together_and_none_too_late() {
        let mut schedule = Schedule::new(7);
        let began = |key: u64| NOW.plus(Duration::from_millis(key));
        (0..1000).for_each(|key| schedule.next(key, INTERVAL, 0.0, began(key), began(key)));
        let taken = drain(&mut schedule);
        let wakings: std::collections::HashSet<_> = taken.iter().map(|(at, _)| *at).collect();
        assert_eq!(wakings.len(), 100);
        let early = taken.iter().map(|(at, key)| began(*key).plus(INTERVAL).since(*at));
        assert!(early.clone().all(|early| early < Duration::from_millis(10)));
        assert!(taken.iter().all(|(at, key)| *at <= began(*key).plus(INTERVAL)));
        // a short interval gives up no more than a twentieth
        schedule.next(1, Duration::from_millis(20), 0.0, NOW, NOW);
        assert_eq!(schedule.earliest(), Some(NOW.plus(Duration::from_millis(20))));
        schedule.next(2, Duration::from_millis(7), 0.0, began(3), NOW);
        assert_eq!(schedule.earliest(), Some(began(10)));
    }

    #[test]
    fn a_check_that_took_longer_than_the_interval_is_followed_at_once() {
        let mut schedule = Schedule::new(7);
        let ended = NOW.plus(Duration::from_secs(3));
        schedule.next(1, INTERVAL, 0.0, NOW, ended);
        assert_eq!(drain(&mut schedule), [(ended, 1)]);
    }

    #[test]
    fn what_is_not_due_is_not_taken() {
        let mut schedule = Schedule::new(7);
        schedule.next(1, INTERVAL, 0.0, NOW, NOW);
        assert_eq!(schedule.take(NOW.plus(Duration::from_millis(1999))), None);
        assert_eq!(schedule.take(NOW.plus(INTERVAL)), Some(1));
        assert_eq!(schedule.earliest(), None);
    }
}
