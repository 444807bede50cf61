//! What the clocks of the machine do beside running: the wall's clock is set, the machine sleeps, and it is started anew.

use std::fmt;

use rustix::time::{ClockId, clock_gettime};

use crate::clock::{Moment, Stamp};
use crate::sla::account::{UNWATCHED, millis};

/// A difference of so many milliseconds is no adjustment any more, but a jump.
pub(super) const JUMP: i64 = 1000;

/// Watches the clocks from look to look.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    last: Option<Reading>,
    /// Since when the wall's clock was not set.
    steady: Option<Moment>,
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
    /// How long nobody looked, where that is longer than it ever takes: the process was stopped; 0 = it was not.
    pub stalled: i64,
}

/// A moment by a clock that nobody sets: how long the machine runs, sleep included. Moments of one run of the machine can be compared over restarts of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BootTime {
    /// Which run of the machine it is.
    boot: String,
    ms: i64,
}

impl BootTime {
    /// Now; `None` = this system has no such clock.
    pub fn now() -> Option<Self> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(Self { boot: boot.trim().to_owned(), ms: boot_time()? })
    }

    /// As it was written to the ledger.
    pub fn parse(text: &str) -> Option<Self> {
        let (boot, ms) = text.split_once(' ')?;
        Some(Self { boot: boot.to_owned(), ms: ms.parse().ok()? })
    }

    /// The same run of the machine, now.
    pub fn brought_up_to_date(self) -> Self {
        let ms = boot_time().unwrap_or(self.ms);
        Self { ms, ..self }
    }

    /// How many milliseconds have passed since then; `None` = the machine was started anew.
    pub fn since(&self, then: &Self) -> Option<i64> {
        (self.boot == then.boot && self.ms >= then.ms).then(|| self.ms - then.ms)
    }
}

impl fmt::Display for BootTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.boot, self.ms)
    }
}

impl Clocks {
    /// Reads the clocks.
    pub fn look(&mut self, now: Moment, at: Stamp) -> ClockChange {
        self.compare(Reading { now, at, slept: slept() })
    }

    /// For how many milliseconds the wall's clock has gone as the monotonic one does.
    pub fn steady_ms(&self, now: Moment) -> i64 {
        self.steady.map_or(0, |since| millis(now.since(since)))
    }

    fn compare(&mut self, reading: Reading) -> ClockChange {
        let Some(last) = self.last.replace(reading) else {
            self.steady = Some(reading.now);
            return ClockChange::default();
        };
        let slept = (reading.slept - last.slept).max(0);
        let slept = if slept >= JUMP { slept } else { 0 };
        let elapsed = reading.now.since(last.now);
        let jumped = reading.at.since(last.at) - millis(elapsed) - slept;
        let jumped = if jumped.abs() >= JUMP { jumped } else { 0 };
        if jumped != 0 {
            self.steady = Some(reading.now);
        }
        let stalled = if elapsed > UNWATCHED { millis(elapsed) } else { 0 };
        ClockChange { jumped, slept, stalled }
    }
}

/// How long the machine has slept since it was started: one of the two clocks goes on meanwhile, the other does not (clock_gettime(2)).
fn slept() -> i64 {
    boot_time().map_or(0, |boot| boot - read(ClockId::Monotonic))
}

/// How long the machine runs, sleep included.
fn boot_time() -> Option<i64> {
    #[cfg(target_os = "linux")]
    {
        Some(read(ClockId::Boottime))
    }
    #[cfg(not(target_os = "linux"))]
    None
}

fn read(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
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
        assert_eq!(look(1800, 625_801, 120_007), (0, 0));
        assert_eq!(clocks.steady_ms(Moment::from_millis(1900)), 400, "since it was set last");
    }

    #[test]
    fn so_long_without_a_look_the_process_was_stopped() {
        let mut clocks = Clocks::default();
        let mut stalled = |now| clocks.compare(reading(now, 500_000 + now as i64, 0)).stalled;
        assert_eq!([stalled(1000), stalled(6000), stalled(11_001), stalled(11_101)], [0, 0, 5001, 0]);
    }

    #[test]
    fn moments_of_one_run_of_the_machine_can_be_compared() {
        let moment = |text| BootTime::parse(text).unwrap();
        assert_eq!(moment("a 1500").since(&moment("a 500")), Some(1000));
        assert_eq!(moment("b 1500").since(&moment("a 500")), None, "it was started anew");
        assert_eq!(moment("a 400").since(&moment("a 500")), None);
        assert_eq!(moment("a 400").to_string(), "a 400");
        assert_eq!([BootTime::parse("a"), BootTime::parse("a b"), BootTime::parse("")], [None, None, None]);
        #[cfg(target_os = "linux")]
        {
            let (then, now) = (BootTime::now().unwrap(), BootTime::now().unwrap());
            assert!(now.since(&then).is_some_and(|ms| (0..60_000).contains(&ms)));
        }
    }
}
