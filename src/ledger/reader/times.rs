//! Times and requests, from the coarsest rows that fit.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::{Reader, stamp};
use crate::clock::Stamp;
use crate::ledger::level::Level;
use crate::ledger::spans::{COLUMNS, SUMS, tally};
use crate::sla::Tally;

/// What each service held, by the number of the service.
type Sums = HashMap<i64, Tally>;

/// Rows of one level, by their begins.
pub type Series = Vec<(Stamp, Tally)>;

impl Reader {
    /// The part of the time from `from` up to `to` of which the history was deleted by hand, of each service that was known then.
    pub fn deleted(&self, from: Stamp, to: Stamp) -> Result<HashMap<Arc<str>, Range<Stamp>>, String> {
        let Some(pruned) = self.pruned()? else { return Ok(HashMap::new()) };
        let part = |(service, since): (Arc<str>, Stamp)| (service, since.max(from)..pruned.min(to));
        Ok(self.services()?.into_iter().map(part).filter(|(_, part)| part.start < part.end).collect())
    }

    /// What each service held from `from` up to `to`, to the second; what was deleted by hand is unknown. Where the seconds (minutes, hours) at the edges are not kept any more, the
    /// stretch is widened to the begin and the end of the minute (hour, day) that it begins and ends in.
    pub fn tallies(&self, from: Stamp, to: Stamp) -> Result<HashMap<Arc<str>, Tally>, String> {
        let sums = self.stretch(Level::Day, Level::Second.floor(from), Level::Second.ceil(to))?;
        let mut all: HashMap<Arc<str>, Tally> =
            sums.into_iter().map(|(service, tally)| (self.name(service), tally)).collect();
        for (service, part) in self.deleted(from, to)? {
            let tally = all.entry(service).or_default();
            // a clock that was set back may have left something there since
            let left = to.since(from) - tally.elapsed();
            tally.unknown += part.end.since(part.start).min(left).max(0);
        }
        Ok(all)
    }

    /// The rows of a service from `from` up to `to`, those of the edges wholly. A stretch in which nobody watched may have a coarser row only,
    /// of a day for instance, and none here.
    pub fn series(&self, service: &str, from: Stamp, to: Stamp, level: Level) -> Result<Series, String> {
        let Some(service) = self.number(service) else { return Ok(Vec::new()) };
        let table = level.as_str();
        let sql = format!(
            "SELECT start, {COLUMNS} FROM span_{table} WHERE start >= ?1 AND start < ?2 AND service = ?3 ORDER BY start"
        );
        self.rows(&sql, [level.floor(from).as_millis(), to.as_millis(), service], |row| {
            Ok((stamp(row, 0)?, tally(row, 1)?))
        })
    }

    /// The rows of all services from `from` on, that in which `from` lies wholly.
    pub fn recent(&self, from: Stamp, level: Level) -> Result<HashMap<Arc<str>, Series>, String> {
        self.all_series(from, Stamp::from_millis(i64::MAX), level)
    }

    /// As [`series`](Self::series), of all services at once.
    pub fn all_series(&self, from: Stamp, to: Stamp, level: Level) -> Result<HashMap<Arc<str>, Series>, String> {
        let sql = format!(
            "SELECT service, start, {COLUMNS} FROM span_{} WHERE start >= ?1 AND start < ?2 ORDER BY start",
            level.as_str()
        );
        let rows = self.rows(&sql, [level.floor(from).as_millis(), to.as_millis()], |row| {
            Ok((row.get(0)?, stamp(row, 1)?, tally(row, 2)?))
        })?;
        let mut all: HashMap<Arc<str>, Series> = HashMap::new();
        for (service, start, tally) in rows {
            all.entry(self.name(service)).or_default().push((start, tally));
        }
        Ok(all)
    }

    /// From rows of this level, and of finer ones where it does not begin or end with a row.
    fn stretch(&self, level: Level, from: Stamp, to: Stamp) -> Result<Sums, String> {
        let (first, end) = (level.ceil(from), level.floor(to));
        if first > end {
            return self.part(level, from, to);
        }
        let mut all = self.whole(level, first, end)?;
        for (from, to) in [(from, first), (end, to)] {
            if from < to {
                for (service, tally) in self.part(level, from, to)? {
                    *all.entry(service).or_default() += tally;
                }
            }
        }
        Ok(all)
    }

    /// A part of one row: from the finer rows, where these are what it consists of.
    fn part(&self, level: Level, from: Stamp, to: Stamp) -> Result<Sums, String> {
        let start = level.floor(from);
        let end = start.plus(level.millis());
        let row = self.whole(level, start, end)?;
        let Some(finer) = level.finer() else { return Ok(row) };
        if row.is_empty() {
            return Ok(row);
        }
        let consists_of = self.whole(finer, start, end)?;
        let part = self.stretch(finer, from, to)?;
        let all_unknown = Tally { unknown: level.millis(), ..Tally::default() };
        let of_service = |(service, whole): (i64, Tally)| match consists_of.get(&service) {
            Some(sum) if *sum == whole => (service, part.get(&service).copied().unwrap_or_default()),
            None if whole == all_unknown => (service, Tally { unknown: to.since(from), ..whole }),
            _ => (service, whole),
        };
        Ok(row.into_iter().map(of_service).collect())
    }

    /// The sum of the rows that begin from `from` up to `to`.
    fn whole(&self, level: Level, from: Stamp, to: Stamp) -> Result<Sums, String> {
        if from >= to {
            return Ok(Sums::new());
        }
        let sql = format!(
            "SELECT service, {SUMS} FROM span_{} WHERE start >= ?1 AND start < ?2 GROUP BY service",
            level.as_str()
        );
        let rows = self.rows(&sql, [from.as_millis(), to.as_millis()], |row| Ok((row.get(0)?, tally(row, 1)?)))?;
        Ok(rows.into_iter().collect())
    }
}
