//! How a batch becomes rows: one transaction each.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde_json::json;

use super::age;
use super::batch::{Batch, ENDED, EventRow, Gap, GapReason, Unread};
use super::level::{Level, unknown};
use super::meta;
use super::seal::{self, Kind};
use super::spans::Spans;
use crate::clock::Stamp;
use crate::recover::{Attempt, Outcome};
use crate::sla::{Incident, Tally};

/// How long events are kept.
const HISTORY_MS: i64 = 90 * Level::Day.millis();

/// How many events are kept at most.
const HISTORY_ROWS: i64 = 1_000_000;

/// How many events are deleted at a time at most, beside as many as were added.
const DELETED: usize = 500;

/// The numbers of services, so that they need not be looked up for each row. They hold for one file.
pub type Services = HashMap<Arc<str>, i64>;

/// Of so many runs the last batch is remembered. In an upgrade two of them write.
const RUNS: usize = 8;

/// Tells a batch from all others: those of its run are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchId {
    /// The run, by a number that it has drawn.
    pub run: u64,
    /// Which of its batches.
    pub number: u64,
}

/// Writes a batch: when this returns `Ok`, it is on the disk. Where a disk has reported an error although it had stored the transaction, the
/// batch is found to be there and not added a second time, also when another run has written meanwhile.
pub fn write(connection: &mut Connection, batch: &Batch, id: BatchId, services: &mut Services) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let last = meta::get(&transaction, meta::BATCHES)?.unwrap_or_default();
    let id_text = format!("{:016x}-{}", id.run, id.number);
    if last.split(' ').any(|known| *known == *id_text) {
        return Ok(());
    }
    let run = format!("{:016x}-", id.run);
    let others = last.split(' ').filter(|known| !known.is_empty() && !known.starts_with(&run)).take(RUNS - 1);
    let last = std::iter::once(&*id_text).chain(others).collect::<Vec<_>>().join(" ");
    let written = enter(&transaction, batch, services)
        .and_then(|()| meta::set(&transaction, meta::BATCHES, &last))
        .and_then(|()| transaction.commit());
    if written.is_err() {
        // the transaction may have made some of them
        services.clear();
    }
    written
}

/// From when on history is kept, where somebody has deleted what was before and that was not told yet.
pub fn untold_prune(connection: &Connection) -> rusqlite::Result<Option<Stamp>> {
    let pruned = meta::stamp(connection, meta::PRUNED)?;
    let told = meta::stamp(connection, meta::TOLD)?;
    Ok(pruned.filter(|before| told.is_none_or(|told| told < *before)))
}

/// Writes down that nobody knows of a stretch of time.
pub fn write_gap(connection: &Connection, gap: &Gap) -> rusqlite::Result<()> {
    let sql = "INSERT INTO gap (start, end, why, file) VALUES (?1, ?2, ?3, ?4)";
    let row = params![gap.from.as_millis(), gap.to.as_millis(), gap.why.as_str(), gap.why.file()];
    connection.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

fn enter(transaction: &Transaction<'_>, batch: &Batch, services: &mut Services) -> rusqlite::Result<()> {
    if let Some(before) = &batch.before {
        enter(transaction, before, services)?;
    }
    let now = match batch.time() {
        Some(now) => now,
        None => meta::stamp(transaction, meta::UNTIL)?.unwrap_or_default(),
    };
    let keeps_time = keeps_time(transaction, batch)?;
    let clock = batch.until.filter(|_| keeps_time).map(|now| (now, batch.steady_ms));
    let aged = age::borne_out(transaction, clock)?.unwrap_or(now);
    let mut rows = Rows { transaction, services, now, aged, keeps_time };
    if let Some(unread) = batch.unread.as_ref().filter(|_| rows.keeps_time) {
        rows.end_of_history(unread)?;
    }
    rows.times(batch)?;
    rows.events(&batch.history)?;
    rows.rest(batch)?;
    seal::seal_days(transaction, aged)
}

/// Whether the batch's run is the one that keeps the time.
fn keeps_time(transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<bool> {
    let keeper = meta::keeper(transaction)?;
    if keeper == Some(batch.keeper) {
        return Ok(true);
    }
    let becomes = batch.takes_over || keeper.is_none();
    if becomes {
        meta::set_keeper(transaction, batch.keeper)?;
    }
    Ok(becomes)
}

struct Rows<'a> {
    transaction: &'a Transaction<'a>,
    services: &'a mut Services,
    now: Stamp,
    /// The time by which age is judged.
    aged: Stamp,
    keeps_time: bool,
}

impl Rows<'_> {
    /// What a run that could not read the ledger would have made of the history before it: the time since its end is unknown, and the incidents
    /// that were under way then ended there as far as anybody knows.
    fn end_of_history(&mut self, unread: &Unread) -> rusqlite::Result<()> {
        let Some(until) = meta::stamp(self.transaction, meta::UNTIL)? else { return Ok(()) };
        let open: Vec<i64> = self
            .transaction
            .prepare_cached("SELECT id FROM incident WHERE ended IS NULL")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for id in open {
            let sql = "UPDATE incident SET ended = max(?2, began), is_cut = 1 WHERE id = ?1";
            self.transaction.prepare_cached(sql)?.execute([id, until.as_millis()])?;
            seal::seal(self.transaction, Kind::Incident, id)?;
        }
        if unread.was_watched || until >= unread.at {
            return Ok(());
        }
        let sql = "SELECT value FROM kept WHERE room = ?1 AND key = ?2";
        let (room, key) = ENDED;
        let word: Option<String> =
            self.transaction.prepare_cached(sql)?.query_row([room, key], |row| row.get(0)).optional()?;
        write_gap(self.transaction, &Gap { from: until, to: unread.at, why: GapReason::after(word.as_deref()) })?;
        let known: HashSet<String> = self
            .transaction
            .prepare_cached("SELECT name FROM service")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let watched = unread.services.iter().filter(|name| known.contains(&***name));
        let spans = watched.flat_map(|name| unknown(name, until, unread.at)).collect();
        self.times(&Batch { spans, ..Batch::default() })
    }

    /// Everything that only one run may say: times, gaps, jumps of the clock, incidents.
    fn times(&mut self, batch: &Batch) -> rusqlite::Result<()> {
        let mut spans = Spans::new(self.transaction, self.aged)?;
        spans.delete_old(batch.tallies.len() + batch.spans.len())?;
        let seconds = batch.tallies.iter().map(|(service, start, tally)| (service, Level::Second, *start, tally));
        let longer = batch.spans.iter().map(|span| (&span.service, span.level, span.start, &span.tally));
        let mut days = BTreeSet::new();
        for (service, level, start, tally) in seconds.chain(longer) {
            let tally = if self.keeps_time { *tally } else { requests(tally) };
            if !tally.is_empty() {
                spans.add(self.service(service, start)?, level, start, &tally)?;
                days.insert(Level::Day.floor(start));
            }
        }
        for day in days {
            seal::unseal_day(self.transaction, day)?;
        }
        if !self.keeps_time {
            return Ok(());
        }
        for incident in &batch.incidents {
            self.incident(incident)?;
        }
        for gap in &batch.gaps {
            write_gap(self.transaction, gap)?;
        }
        for jump in &batch.jumps {
            let sql = "INSERT INTO clock_jump (at, by_ms) VALUES (?1, ?2)";
            self.transaction.prepare_cached(sql)?.execute([jump.at.as_millis(), jump.by_ms])?;
        }
        match batch.until {
            Some(until) => meta::set(self.transaction, meta::UNTIL, &until.as_millis().to_string()),
            None => Ok(()),
        }
    }

    fn incident(&mut self, incident: &Incident) -> rusqlite::Result<()> {
        let service = self.service(&incident.service, incident.began)?;
        let actions = incident.actions.iter().map(|action| json!([action.at.as_millis(), action.text]));
        let actions = json!(actions.collect::<Vec<_>>()).to_string();
        let backends = json!(incident.backends.iter().map(|backend| &**backend).collect::<Vec<_>>()).to_string();
        let sql = "INSERT OR REPLACE INTO incident (id, service, began, detected, ended, is_cut, lasted_ms, down_ms, rto_ms, cause, cause_text,
                     backends, actions, lost, good) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
        self.transaction.prepare_cached(sql)?.execute(params![
            incident.id,
            service,
            incident.began.as_millis(),
            incident.detected.as_millis(),
            incident.ended.map(Stamp::as_millis),
            incident.is_cut,
            incident.lasted_ms,
            incident.down_ms,
            incident.rto_ms,
            incident.cause.kind.as_str(),
            incident.cause.text,
            backends,
            actions,
            incident.lost,
            incident.good,
        ])?;
        self.seal_ended(Kind::Incident, incident.id, incident.ended.is_some())
    }

    fn events(&self, events: &[EventRow]) -> rusqlite::Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let sql =
            "INSERT INTO event (id, time, kind, level, service, backend, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let mut insert = self.transaction.prepare_cached(sql)?;
        for EventRow { id, time, kind, level, service, backend, json } in events {
            let id = i64::try_from(*id).unwrap_or(i64::MAX);
            insert.execute(params![id, time.as_millis(), kind, level, service, backend, json])?;
        }
        let most = i64::try_from(events.len() + DELETED).unwrap_or(i64::MAX);
        let old = "DELETE FROM event WHERE number IN (SELECT number FROM event WHERE time < ?1 ORDER BY time LIMIT ?2)";
        self.transaction.prepare_cached(old)?.execute([self.aged.plus(-HISTORY_MS).as_millis(), most])?;
        let many = "DELETE FROM event WHERE number IN
                      (SELECT number FROM event WHERE number <= (SELECT max(number) FROM event) - ?1 ORDER BY number LIMIT ?2)";
        self.transaction.prepare_cached(many)?.execute([HISTORY_ROWS, most])?;
        Ok(())
    }

    /// What each run may say: notes, maintenance, attempts at a recovery, what is kept for other rooms.
    fn rest(&mut self, batch: &Batch) -> rusqlite::Result<()> {
        for note in &batch.notes {
            let sql = "INSERT INTO note (incident, at, who, text) VALUES (?1, ?2, ?3, ?4)";
            let row = params![note.incident, note.at.as_millis(), note.who, note.text];
            self.transaction.prepare_cached(sql)?.execute(row)?;
            seal::seal(self.transaction, Kind::Note, self.transaction.last_insert_rowid())?;
        }
        for planned in &batch.maintenance {
            let service = self.service(&planned.service, planned.from)?;
            let sql = "INSERT OR REPLACE INTO maintenance (id, service, start, end, reason, who) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let (from, to) = (planned.from.as_millis(), planned.to.as_millis());
            let row = params![planned.id, service, from, to, planned.reason, planned.who];
            self.transaction.prepare_cached(sql)?.execute(row)?;
        }
        for attempt in &batch.recoveries {
            self.recovery(attempt)?;
        }
        for (room, key, value) in &batch.kept {
            match value {
                Some(value) => {
                    let sql = "INSERT OR REPLACE INTO kept (room, key, value, at) VALUES (?1, ?2, ?3, ?4)";
                    self.transaction.prepare_cached(sql)?.execute(params![room, key, value, self.now.as_millis()])?;
                }
                None => {
                    let sql = "DELETE FROM kept WHERE room = ?1 AND key = ?2";
                    self.transaction.prepare_cached(sql)?.execute([room, key])?;
                }
            }
        }
        Ok(())
    }

    fn recovery(&mut self, attempt: &Attempt) -> rusqlite::Result<()> {
        let service = self.service(&attempt.service.as_str().into(), Stamp::from_millis(attempt.start))?;
        let json =
            serde_json::to_string(attempt).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let sql = "INSERT OR REPLACE INTO recovery (id, service, backend, fault, strategy, start, end, outcome, dry_run, in_force, json)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        self.transaction.prepare_cached(sql)?.execute(params![
            attempt.id,
            service,
            attempt.backend,
            attempt.fault,
            attempt.strategy,
            attempt.start,
            attempt.end,
            attempt.outcome.map(Outcome::as_str),
            attempt.dry_run,
            attempt.in_force,
            json,
        ])?;
        self.seal_ended(Kind::Recovery, attempt.id, attempt.end.is_some())
    }

    /// Seals what is over. What was sealed and is under way again is sealed again as well: the chain tells of each change.
    fn seal_ended(&self, kind: Kind, key: i64, is_over: bool) -> rusqlite::Result<()> {
        match is_over || seal::last(self.transaction, kind, key)?.is_some() {
            true => seal::seal(self.transaction, kind, key),
            false => Ok(()),
        }
    }

    /// The number of a service; one that is new begins with `since`.
    fn service(&mut self, name: &Arc<str>, since: Stamp) -> rusqlite::Result<i64> {
        if let Some(id) = self.services.get(name) {
            return Ok(*id);
        }
        let sql = "INSERT OR IGNORE INTO service (name, since) VALUES (?1, ?2)";
        self.transaction.prepare_cached(sql)?.execute(params![name, since.as_millis()])?;
        let sql = "SELECT id FROM service WHERE name = ?1";
        let id = self.transaction.prepare_cached(sql)?.query_row([name], |row| row.get(0))?;
        self.services.insert(Arc::clone(name), id);
        Ok(id)
    }
}

/// The requests of a tally without its times.
fn requests(tally: &Tally) -> Tally {
    Tally { up: 0, down: 0, planned: 0, unknown: 0, ..*tally }
}
