//! Counters of the last seconds, from which rates are made.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Moment;

/// The length of time over which rates are taken.
const SPAN: Duration = Duration::from_secs(5);
/// Readings that are nearer to each other than this are one: however often somebody reads, no more are kept.
const APART: Duration = Duration::from_millis(250);

/// Readings of counters, the oldest first: as many as it takes to look back by [`SPAN`].
#[derive(Debug)]
pub(in crate::admin) struct Recent<T>(VecDeque<(Moment, T)>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Recent<T> {
    /// Adds the newest reading, and forgets those that are not needed any more.
    pub(in crate::admin) fn push(&mut self, now: Moment, reading: T) {
        if self.0.back().is_some_and(|(at, _)| now.since(*at) < APART) {
            return;
        }
        while self.0.get(1).is_some_and(|(at, _)| now.since(*at) >= SPAN) {
            self.0.pop_front();
        }
        self.0.push_back((now, reading));
    }

    /// The newest reading that is [`SPAN`] old, or else the oldest, with the seconds that have passed since. `None` = there was no reading
    /// before `now`.
    pub(in crate::admin) fn before(&self, now: Moment) -> Option<(f64, &T)> {
        let old_enough = self.0.iter().rev().find(|(at, _)| now.since(*at) >= SPAN);
        let (at, reading) = old_enough.or(self.0.front()).filter(|(at, _)| *at < now)?;
        Some((now.since(*at).as_secs_f64(), reading))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_millis((1 << 40) + millis)
    }

    #[test]
    fn it_looks_back_by_five_seconds_or_as_far_as_it_can() {
        let mut recent = Recent::default();
        assert_eq!(recent.before(at(0)), None);
        recent.push(at(0), 0);
        assert_eq!(recent.before(at(0)), None, "no time has passed");
        assert_eq!(recent.before(at(2_000)), Some((2.0, &0)));
        for second in 1..=60 {
            recent.push(at(second * 1_000), second);
        }
        assert_eq!(recent.before(at(60_500)), Some((5.5, &55)));
        assert_eq!(recent.before(at(90_000)), Some((30.0, &60)), "nobody has read since");
    }

    #[test]
    fn it_keeps_no_more_than_it_needs() {
        let mut recent = Recent::default();
        (0..10_000).for_each(|tenth| recent.push(at(tenth * 100), ()));
        assert!(recent.0.len() <= 22, "{}", recent.0.len());
        (0..10).for_each(|n| recent.push(at(2_000_000 + n * 5_000), ()));
        assert_eq!(recent.0.len(), 2);
    }
}
