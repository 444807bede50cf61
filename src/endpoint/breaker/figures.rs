//! What a breaker goes by, for people who want to know why it is open, or how far it is from that.

use std::sync::atomic::Ordering;

use super::packed::{CircuitWord, Trials};
use super::{Breaker, Circuit, HALF, LOWER};
use crate::clock::Moment;
use crate::policy;

/// What a breaker has counted. The parts are read one after the other, so that they may differ by what ended in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// The position of its circuit.
    pub circuit: Circuit,
    /// When the circuit came into this position; of one that became half-open by time alone, when it was opened.
    pub since: Moment,
    /// Failures in a row: those so far while it is closed, or those with which it was opened.
    pub failures: u64,
    /// Exchanges of the last 10 s; 0 where no error rate is set.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Trials that have succeeded, while it is half-open.
    pub trials: u64,
}

impl Figures {
    /// With fewer exchanges in 10 s the error rate decides nothing.
    pub const ENOUGH: u64 = super::window::ENOUGH;
}

impl Breaker {
    /// What the breaker goes by at `now`.
    pub fn figures(&self, policy: &policy::Breaker, now: Moment) -> Figures {
        let word = CircuitWord::unpack(self.word.load(Ordering::Acquire));
        let streak = self.streak.load(Ordering::Relaxed);
        // opening it began another epoch than the one in which the failures were counted
        let opened = word.state != Circuit::Closed && (streak >> HALF) + 1 == word.epoch;
        let is_of_this = streak >> HALF == word.epoch || opened;
        let counted_since = if word.state == Circuit::Closed { word.since } else { Moment::NEVER };
        let (requests, failed) = self.window.counts(counted_since, now);
        let trials = Trials::unpack(self.trials.load(Ordering::Relaxed)).of(word.epoch);
        Figures {
            circuit: self.state(policy, now),
            since: word.since,
            failures: if is_of_this { streak & LOWER } else { 0 },
            requests,
            failed,
            trials: trials.filter(|_| word.state == Circuit::HalfOpen).map_or(0, |trials| trials.succeeded),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::endpoint::testing;

    #[test]
    fn the_failures_that_opened_it_are_still_told_while_it_is_open() {
        let (breaker, now) = (Breaker::default(), Moment::from_millis(1 << 40));
        let policy = policy::Breaker { failures: 3, error_rate: 0.5, ..testing::breaker() };
        let fail = || {
            let permit = breaker.admit(&policy, now).unwrap();
            breaker.record(permit, true, &policy, now)
        };
        fail();
        fail();
        let figures = breaker.figures(&policy, now);
        assert_eq!((figures.circuit, figures.failures, figures.requests, figures.failed), (Circuit::Closed, 2, 2, 2));
        fail();
        let figures = breaker.figures(&policy, now.plus(Duration::from_millis(1)));
        assert_eq!((figures.circuit, figures.failures, figures.since), (Circuit::Open, 3, now));
    }
}
