//! Rise and fall: from the results of single checks to a health that does not flap.

use crate::endpoint::standing::Health;
use crate::policy::Initial;

/// The health of one backend by its checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RiseFall {
    state: Health,
    /// Checks in a row that contradict the state.
    against: u32,
}

impl RiseFall {
    /// The health before the first check.
    pub fn new(initial: Initial) -> Self {
        let state = match initial {
            Initial::Up => Health::Up,
            Initial::Down => Health::Down,
            Initial::CheckFirst => Health::Unknown,
        };
        Self { state, against: 0 }
    }

    /// The health.
    pub fn state(&self) -> Health {
        self.state
    }

    /// Whether the last check contradicted the state, or there is none yet: the next one should come soon.
    pub fn is_in_doubt(&self) -> bool {
        self.against > 0 || self.state == Health::Unknown
    }

    /// Records that a check succeeded or failed. Returns the new health when this has changed it.
    pub fn observe(&mut self, good: bool, fall: u32, rise: u32) -> Option<Health> {
        let (says, needed) = if good { (Health::Up, rise) } else { (Health::Down, fall) };
        if says == self.state {
            self.against = 0;
            return None;
        }
        self.against = self.against.saturating_add(1);
        if self.state != Health::Unknown && self.against < needed {
            return None;
        }
        *self = Self { state: says, against: 0 };
        Some(says)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs checks, `+` good and `-` bad, with fall 3 and rise 2; the state after each as `u`, `d`, or in capitals when in doubt.
    fn states(initial: Initial, checks: &str) -> String {
        let mut counter = RiseFall::new(initial);
        let state = |check: char| {
            let before = counter.state();
            let changed = counter.observe(check == '+', 3, 2);
            assert_eq!(changed, (counter.state() != before).then_some(counter.state()));
            let letter = if counter.state() == Health::Up { 'u' } else { 'd' };
            if counter.is_in_doubt() { letter.to_ascii_uppercase() } else { letter }
        };
        checks.chars().map(state).collect()
    }

    #[test]
    fn it_falls_after_three_and_rises_after_two() {
        assert_eq!(states(Initial::Up, "+---+-++"), "uUUdDdDu");
        assert_eq!(states(Initial::Down, "-++"), "dDu");
    }

    #[test]
    fn a_good_one_between_starts_the_count_anew() {
        assert_eq!(states(Initial::Up, "--+--+--"), "UUuUUuUU");
    }

    #[test]
    fn where_nothing_is_assumed_the_first_check_decides() {
        let counter = RiseFall::new(Initial::CheckFirst);
        assert_eq!((counter.state(), counter.is_in_doubt()), (Health::Unknown, true));
        assert_eq!(states(Initial::CheckFirst, "+"), "u");
        assert_eq!(states(Initial::CheckFirst, "-"), "d");
    }

    #[test]
    fn a_threshold_of_zero_is_one() {
        let mut counter = RiseFall::new(Initial::Up);
        assert_eq!(counter.observe(false, 0, 0), Some(Health::Down));
        assert_eq!(counter.observe(true, 0, 0), Some(Health::Up));
    }
}
