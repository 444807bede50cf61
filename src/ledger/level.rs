//! The four levels at which time is kept: the older it is, the coarser.

use std::sync::Arc;

use crate::clock::Stamp;
use crate::sla::Tally;

/// How long a stretch of time one row holds. Each level is a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Kept for an hour.
    Second,
    /// Kept for two days.
    Minute,
    /// Kept for 90 days.
    Hour,
    /// Kept for five years. Days are those of UTC.
    Day,
}

/// What one row of a level holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The service.
    pub service: Arc<str>,
    /// How long the stretch is.
    pub level: Level,
    /// Its begin.
    pub start: Stamp,
    /// What it held.
    pub tally: Tally,
}

impl Level {
    /// All of them, the finest first.
    pub const ALL: [Self; 4] = [Self::Second, Self::Minute, Self::Hour, Self::Day];

    /// The name in the ledger and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// The length of a row's stretch.
    pub const fn millis(self) -> i64 {
        match self {
            Self::Second => 1000,
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }

    /// For how many milliseconds rows are kept.
    pub const fn kept_for(self) -> i64 {
        match self {
            Self::Second => Self::Hour.millis(),
            Self::Minute => 2 * Self::Day.millis(),
            Self::Hour => 90 * Self::Day.millis(),
            // five years, one of them a leap year
            Self::Day => 1826 * Self::Day.millis(),
        }
    }

    /// The next finer level.
    pub const fn finer(self) -> Option<Self> {
        match self {
            Self::Second => None,
            Self::Minute => Some(Self::Second),
            Self::Hour => Some(Self::Minute),
            Self::Day => Some(Self::Hour),
        }
    }

    /// The next coarser level.
    pub const fn coarser(self) -> Option<Self> {
        match self {
            Self::Second => Some(Self::Minute),
            Self::Minute => Some(Self::Hour),
            Self::Hour => Some(Self::Day),
            Self::Day => None,
        }
    }

    /// The begin of the row that holds this time.
    pub const fn floor(self, time: Stamp) -> Stamp {
        time.floor(self.millis())
    }

    /// The first begin of a row that is not before this time.
    pub const fn ceil(self, time: Stamp) -> Stamp {
        self.floor(time.plus(self.millis() - 1))
    }
}

/// The rows of a stretch of which nobody knows, because the process did not run. They are as coarse as their borders allow, so that a year has
/// few of them: a reader knows that each part of a row that is unknown as a whole is unknown as well.
pub fn unknown(service: &Arc<str>, from: Stamp, to: Stamp) -> Vec<Span> {
    let mut rows = Vec::new();
    let mut start = from;
    while start < to {
        let (level, end) = piece(start, to);
        let tally = Tally { unknown: end.since(start), ..Tally::default() };
        rows.push(Span { service: Arc::clone(service), level, start: level.floor(start), tally });
        start = end;
    }
    rows
}

/// The coarsest row that begins at `start` and ends by `to`, and its end; else what is left of the second.
fn piece(start: Stamp, to: Stamp) -> (Level, Stamp) {
    let whole =
        Level::ALL.into_iter().rev().find(|level| level.floor(start) == start && start.plus(level.millis()) <= to);
    match whole {
        Some(level) => (level, start.plus(level.millis())),
        None => (Level::Second, to.min(Level::Second.floor(start).plus(Level::Second.millis()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_that_nobody_watched_has_few_rows_and_loses_no_millisecond() {
        let service: Arc<str> = "api".into();
        let (from, to) = (Stamp::from_millis(1_700_000_000_123), Stamp::from_millis(1_731_536_000_987));
        let rows = unknown(&service, from, to);
        assert!(rows.len() < 365 + 2 * (23 + 59 + 60), "{}", rows.len());
        assert_eq!(rows.iter().map(|row| row.tally.unknown).sum::<i64>(), to.since(from));
        assert!(rows.iter().all(|row| row.level.floor(row.start) == row.start));
        assert!(rows.iter().all(|row| row.tally.unknown == row.level.millis() || row.level == Level::Second));
        assert!(rows.windows(2).all(|two| two[0].start < two[1].start));
        assert_eq!(unknown(&service, to, from), []);
    }
}
