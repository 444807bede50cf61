//! The tables of the four levels: each tally is added to all of them at once, so they always agree, and what is old is deleted.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::level::Level;
use super::meta;
use crate::clock::Stamp;
use crate::sla::Tally;

/// The columns of a tally, in the order of [`tally`].
pub const COLUMNS: &str = "up, down, planned, unknown, good, failed, slow, excluded";

/// The same, added up.
pub const SUMS: &str =
    "sum(up), sum(down), sum(planned), sum(unknown), sum(good), sum(failed), sum(slow), sum(excluded)";

/// A number beyond this is no time and no count: sums of such numbers would leave the range of an integer of SQLite.
const MOST: i64 = 1_000_000_000_000_000;

/// Writes to the tables of the levels within one transaction.
pub struct Spans<'a> {
    transaction: &'a Transaction<'a>,
    now: Stamp,
    /// For each level: from when on its rows are all there, as far as anything was recorded.
    complete: [Stamp; 4],
}

impl<'a> Spans<'a> {
    /// Begins; `now` is the time by which the age of rows is judged.
    pub fn new(transaction: &'a Transaction<'a>, now: Stamp) -> rusqlite::Result<Self> {
        Ok(Self { transaction, now, complete: complete(transaction)? })
    }

    /// Deletes what is too old, but only so many rows that no batch takes long: a few times what a batch with so many tallies adds. Nothing is
    /// deleted where the older half of the time for which a level is kept has no rows: then it is the clock that is wrong, or nobody has
    /// watched for long, and neither should cost the history.
    pub fn delete_old(&mut self, tallies: usize) -> rusqlite::Result<()> {
        let tallies = i64::try_from(tallies).unwrap_or(i64::MAX / 4);
        for level in Level::ALL {
            let cutoff = cutoff(level, self.now);
            self.lower(level)?;
            self.raise(level, cutoff)?;
            let most = match level {
                Level::Second => 4 * tallies + 100,
                Level::Minute => tallies / 10 + 10,
                Level::Hour => tallies / 100 + 2,
                Level::Day => 1,
            };
            let name = level.as_str();
            let sql = format!(
                "DELETE FROM span_{name} WHERE (start, service) IN
                   (SELECT start, service FROM span_{name} WHERE start < ?1 ORDER BY start, service LIMIT ?2)
                   AND EXISTS (SELECT 1 FROM span_{name} WHERE start >= ?1 AND start < ?3)"
            );
            let middle = self.now.plus(-level.kept_for() / 2);
            self.transaction.prepare_cached(&sql)?.execute(params![cutoff.as_millis(), most, middle.as_millis()])?;
        }
        Ok(())
    }

    /// Adds what a stretch of `level` held to that level and all coarser ones, and where the stretch is a second to its finer ones as well, unless
    /// these are not kept any more.
    pub fn add(&mut self, service: i64, level: Level, start: Stamp, tally: &Tally) -> rusqlite::Result<()> {
        // the coarsest first: a finer row makes sense only within a coarser one whose finer rows are all there
        let mut finest = Level::Day;
        while let Some(finer) = finest.finer()
            && finer >= level
            && self.is_kept(finer, service, start)?
        {
            finest = finer;
        }
        for level in Level::ALL.into_iter().filter(|level| *level >= finest) {
            self.add_row(service, level, start, tally)?;
        }
        if let Some(finer) = level.finer() {
            // nothing says how it is spread over finer rows
            let end = level.floor(start).plus(level.millis());
            for finer in Level::ALL.into_iter().filter(|each| *each <= finer) {
                self.raise(finer, end)?;
            }
        }
        Ok(())
    }

    fn add_row(&self, service: i64, level: Level, start: Stamp, tally: &Tally) -> rusqlite::Result<()> {
        let name = level.as_str();
        let sql = format!(
            "INSERT INTO span_{name} AS old (start, service, {COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (start, service) DO UPDATE SET up = old.up + ?3, down = old.down + ?4, planned = old.planned + ?5,
               unknown = old.unknown + ?6, good = old.good + ?7, failed = old.failed + ?8, slow = old.slow + ?9, excluded = old.excluded + ?10"
        );
        let Tally { up, down, planned, unknown, good, failed, slow, excluded } = *tally;
        let [up, down, planned, unknown] = [up, down, planned, unknown].map(|number| number.clamp(-MOST, MOST));
        let [good, failed, slow, excluded] = [good, failed, slow, excluded].map(|number| number.clamp(-MOST, MOST));
        let start = level.floor(start).as_millis();
        let row = params![start, service, up, down, planned, unknown, good, failed, slow, excluded];
        self.transaction.prepare_cached(&sql)?.execute(row)?;
        Ok(())
    }

    /// Whether rows of this level are kept for this time. Where the clock was set back behind what was deleted, they are if nothing is missing.
    fn is_kept(&self, level: Level, service: i64, start: Stamp) -> rusqlite::Result<bool> {
        let start = level.floor(start);
        if start >= self.complete[level as usize] {
            return Ok(true);
        }
        let Some(coarser) = level.coarser() else { return Ok(true) };
        if start < cutoff(level, self.now) {
            return Ok(false);
        }
        let begin = coarser.floor(start);
        let sum = |level: Level| sum(self.transaction, level, service, begin, begin.plus(coarser.millis()));
        Ok(sum(coarser)? == sum(level)?)
    }

    /// Where the clock was ahead for a while and is right again, nothing is missing from now on, unless it was deleted meanwhile.
    fn lower(&mut self, level: Level) -> rusqlite::Result<()> {
        let (complete, Some(coarser)) = (self.complete[level as usize], level.coarser()) else { return Ok(()) };
        let from = coarser.ceil(self.now);
        if from >= complete {
            return Ok(());
        }
        let sql = format!("SELECT 1 FROM span_{} WHERE start >= ?1 AND start < ?2", coarser.as_str());
        let has_rows = self.transaction.prepare_cached(&sql)?.exists([from.as_millis(), complete.as_millis()])?;
        if has_rows { Ok(()) } else { self.set_complete(level, from) }
    }

    /// Rows of `level` are not all there before `from`.
    fn raise(&mut self, level: Level, from: Stamp) -> rusqlite::Result<()> {
        if from <= self.complete[level as usize] { Ok(()) } else { self.set_complete(level, from) }
    }

    fn set_complete(&mut self, level: Level, from: Stamp) -> rusqlite::Result<()> {
        self.complete[level as usize] = from;
        meta::set(self.transaction, complete_name(level), &from.as_millis().to_string())
    }
}

/// Rows before this are too old. It is the begin of a row of the next coarser level, so that all rows of one of these go together.
fn cutoff(level: Level, now: Stamp) -> Stamp {
    level.coarser().unwrap_or(level).floor(now.plus(-level.kept_for()))
}

fn complete_name(level: Level) -> &'static str {
    match level {
        Level::Second => "complete_second",
        Level::Minute => "complete_minute",
        Level::Hour => "complete_hour",
        Level::Day => "complete_day",
    }
}

/// For each level: from when on its rows are all there, as far as anything was recorded.
pub fn complete(connection: &Connection) -> rusqlite::Result<[Stamp; 4]> {
    let mut all = [Stamp::default(); 4];
    for (level, complete) in Level::ALL.into_iter().zip(&mut all) {
        *complete = meta::stamp(connection, complete_name(level))?.unwrap_or_default();
    }
    Ok(all)
}

/// Deletes everything before `before`, at all levels; gives how many rows that was.
pub fn prune(transaction: &Transaction<'_>, before: Stamp) -> rusqlite::Result<usize> {
    let mut spans = Spans::new(transaction, before)?;
    let mut rows = 0;
    for level in Level::ALL {
        spans.raise(level, before)?;
        let sql = format!("DELETE FROM span_{} WHERE start < ?1", level.as_str());
        rows += transaction.execute(&sql, [before.as_millis()])?;
    }
    Ok(rows)
}

/// What the rows of a level from `from` up to `to` held together.
pub fn sum(connection: &Connection, level: Level, service: i64, from: Stamp, to: Stamp) -> rusqlite::Result<Tally> {
    let sql = format!(
        "SELECT {SUMS} FROM span_{} WHERE start >= ?1 AND start < ?2 AND service = ?3 HAVING count(*) > 0",
        level.as_str()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let row =
        statement.query_row(params![from.as_millis(), to.as_millis(), service], |row| tally(row, 0)).optional()?;
    Ok(row.unwrap_or_default())
}

/// Reads a tally from a row whose column `first` is the first of it.
pub fn tally(row: &Row<'_>, first: usize) -> rusqlite::Result<Tally> {
    Ok(Tally {
        up: row.get(first)?,
        down: row.get(first + 1)?,
        planned: row.get(first + 2)?,
        unknown: row.get(first + 3)?,
        good: row.get(first + 4)?,
        failed: row.get(first + 5)?,
        slow: row.get(first + 6)?,
        excluded: row.get(first + 7)?,
    })
}
