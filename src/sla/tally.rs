//! What a stretch of time held: how long a service was up, down, planned to be away or not watched, and how its requests ended.

use std::ops::{AddAssign, SubAssign};

/// Sums over a stretch of time. Times are milliseconds of the monotonic clock. The numbers have a sign because a correction, which turns time
/// that was taken for up into time that was down, is a tally as well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Milliseconds that the service was up.
    pub up: i64,
    /// Milliseconds that it was down, and that was not planned.
    pub down: i64,
    /// Milliseconds of maintenance that was announced, whatever the service did then.
    pub planned: i64,
    /// Milliseconds of which nobody knows: the process did not run.
    pub unknown: i64,
    /// Requests that ended well.
    pub good: i64,
    /// Requests that failed by our doing, or by that of the backends.
    pub failed: i64,
    /// Requests that were answered, but later than was promised.
    pub slow: i64,
    /// Requests that count neither way: their client made a mistake or went away, or they fell into maintenance.
    pub excluded: i64,
}

impl Tally {
    /// All the time, in milliseconds.
    pub fn elapsed(&self) -> i64 {
        [self.down, self.planned, self.unknown].into_iter().fold(self.up, i64::saturating_add)
    }

    /// The requests that broke the promise: failed or slow.
    pub fn bad(&self) -> i64 {
        self.failed.saturating_add(self.slow)
    }

    /// The requests that count.
    pub fn counted(&self) -> i64 {
        self.good.saturating_add(self.bad())
    }

    /// The share of the time, as far as it counts and is known, that the service was up, 0 to 1; `None` = there was no such time.
    pub fn by_time(&self) -> Option<f64> {
        share(self.up, self.up.saturating_add(self.down))
    }

    /// The share of the requests that count which ended well, 0 to 1; `None` = there were none.
    pub fn by_requests(&self) -> Option<f64> {
        share(self.good, self.counted())
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn share(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.up = self.up.saturating_add(other.up);
        self.down = self.down.saturating_add(other.down);
        self.planned = self.planned.saturating_add(other.planned);
        self.unknown = self.unknown.saturating_add(other.unknown);
        self.good = self.good.saturating_add(other.good);
        self.failed = self.failed.saturating_add(other.failed);
        self.slow = self.slow.saturating_add(other.slow);
        self.excluded = self.excluded.saturating_add(other.excluded);
    }
}

impl SubAssign for Tally {
    fn sub_assign(&mut self, other: Self) {
        self.up = self.up.saturating_sub(other.up);
        self.down = self.down.saturating_sub(other.down);
        self.planned = self.planned.saturating_sub(other.planned);
        self.unknown = self.unknown.saturating_sub(other.unknown);
        self.good = self.good.saturating_sub(other.good);
        self.failed = self.failed.saturating_sub(other.failed);
        self.slow = self.slow.saturating_sub(other.slow);
        self.excluded = self.excluded.saturating_sub(other.excluded);
    }
}
