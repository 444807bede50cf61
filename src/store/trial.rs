//! When a store that was not asked may be asked again. Pure.
//!
//! Some probes in a row have to be answered in time: at first two, and twice as many each time that the store was soon too slow again, so that
//! one that is well and unwell by turns makes nobody wait every second.

use std::time::Duration;

use crate::clock::Moment;

/// The probes in a row that are asked for at first, and at most.
const FIRST: u32 = 2;
const MOST: u32 = 16;
/// A store that has been well for so long begins anew.
const SOON: Duration = Duration::from_secs(30);

/// What is known of how a store answers.
#[derive(Debug)]
pub(super) struct Trial {
    needed: u32,
    good: u32,
    /// When it was found well for the last time.
    up_since: Option<Moment>,
}

impl Default for Trial {
    fn default() -> Self {
        Self { needed: FIRST, good: 0, up_since: None }
    }
}

impl Trial {
    /// It has answered a probe.
    pub fn answered(&mut self, in_time: bool) {
        self.good = if in_time { self.good + 1 } else { 0 };
    }

    /// Whether it may be asked.
    pub fn is_passed(&self) -> bool {
        self.good >= self.needed
    }

    /// Whether the next probe may follow at once: no time is lost where all is well.
    pub fn is_quick(&self) -> bool {
        self.good > 0 && self.good < FIRST
    }

    /// It is asked from now on.
    pub fn up(&mut self, now: Moment) {
        self.up_since = Some(now);
    }

    /// It is not asked any more.
    pub fn down(&mut self, now: Moment) {
        self.good = 0;
        if let Some(up_since) = self.up_since.take() {
            let soon = now.since(up_since) < SOON;
            self.needed = if soon { MOST.min(self.needed * 2) } else { FIRST };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_millis((1 << 40) + seconds * 1000)
    }

    /// How many probes in a row it takes.
    fn probes(trial: &mut Trial) -> usize {
        let mut count = 0;
        while !trial.is_passed() {
            trial.answered(true);
            count += 1;
        }
        count
    }

    #[test]
    fn probes_count_in_a_row_only() {
        let mut trial = Trial::default();
        trial.answered(true);
        trial.answered(false);
        trial.answered(true);
        assert!(!trial.is_passed() && trial.is_quick());
        trial.answered(true);
        assert!(trial.is_passed());
    }

    #[test]
    fn a_store_that_is_soon_slow_again_has_to_show_more_each_time() {
        let mut trial = Trial::default();
        let mut now = 0;
        let mut round = |trial: &mut Trial, well_for: u64| {
            let took = probes(trial);
            trial.up(at(now));
            now += well_for;
            trial.down(at(now));
            took
        };
        let all: Vec<_> = (0..8).map(|_| round(&mut trial, 1)).collect();
        assert_eq!(all, [2, 4, 8, 16, 16, 16, 16, 16]);
        assert_eq!(round(&mut trial, 31), 16);
        assert_eq!(round(&mut trial, 1), 2, "it has been well for long");
    }

    #[test]
    fn connections_that_are_never_good_cost_nothing_more() {
        let mut trial = Trial::default();
        (0..100).for_each(|second| trial.down(at(second)));
        assert_eq!(probes(&mut trial), 2);
    }
}
