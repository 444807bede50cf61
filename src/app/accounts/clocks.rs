//! What the clocks of the machine do beside running: the wall's clock is set, and the machine sleeps.

use rustix::time::{ClockId, clock_gettime};

use crate::clock::{Moment, Stamp};
use crate::sla::account::millis;

/// A difference of so many milliseconds is no adjustment any more, but a jump.
const JUMP: i64 = 1000;

/// Watches the clocks from look to look.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    last: Option<Reading>,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    now: Moment,
    at: Stamp,
    /// Milliseconds that the machine has slept since it was started.
    slept: i64,
}

/// What has happened to the clocks since the look before, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ClockChange {
    /// By how much the wall's clock was set forward, or back where it is negative; 0 = it was not.
    pub jumped: i64,
    /// How long the machine slept.
    pub slept: i64,
}

impl Clocks {
    /// Reads the clocks.
    pub fn look(&mut self, now: Moment, at: Stamp) -> ClockChange {
        self.compare(Reading { now, at, slept: slept() })
    }

    fn compare(&mut self, reading: Reading) -> ClockChange {
        let Some(last) = self.last.replace(reading) else { return ClockChange::default() };
        let slept = (reading.slept - last.slept).max(0);
        let slept = if slept >= JUMP { slept } else { 0 };
        let jumped = reading.at.since(last.at) - millis(reading.now.since(last.now)) - slept;
        ClockChange { jumped: if jumped.abs() >= JUMP { jumped } else { 0 }, slept }
    }
}

/// How long the machine has slept since it was started: one of the two clocks goes on meanwhile, the other does not (clock_gettime(2)).
fn slept() -> i64 {
    #[cfg(target_os = "linux")]
    {
        let millis = |clock| {
            let time = clock_gettime(clock);
            time.tv_sec * 1000 + time.tv_nsec / 1_000_000
        };
        millis(ClockId::Boottime) - millis(ClockId::Monotonic)
    }
    #[cfg(not(target_os = "linux"))]
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(now: u64, at: i64, slept: i64) -> Reading {
        Reading { now: Moment::from_millis(now), at: Stamp::from_millis(at), slept }
    }

    #[test]
    fn a_clock_that_is_set_is_told_from_one_that_runs_a_little_fast_and_from_sleep() {
        let mut clocks = Clocks::default();
        let mut look = |now, at, slept| {
            let change = clocks.compare(reading(now, at, slept));
            (change.jumped, change.slept)
        };
        assert_eq!(look(1000, 500_000, 7), (0, 0));
        assert_eq!(look(1100, 500_101, 7), (0, 0));
        assert_eq!(look(1200, -3_099_799, 7), (-3_600_000, 0), "set back an hour");
        assert_eq!(look(1300, 500_301, 7), (3_600_000, 0));
        assert_eq!(look(1400, 560_401, 60_007), (0, 60_000), "a minute asleep");
        assert_eq!(look(1500, 620_501 + 5000, 120_007), (5000, 60_000), "both");
    }
}
