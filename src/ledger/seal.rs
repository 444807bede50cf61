//! A chain of hashes over what is not to change any more: incidents and attempts at a recovery that have ended, notes, days that are over. Who keeps one hash can prove
//! later that nothing before it was rewritten.
//!
//! What is sealed is a row as JSON, made by SQLite itself with the members in a fixed order, so that an auditor gets the same from the shell.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::level::Level;
use super::meta;
use crate::clock::Stamp;

/// The end of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The number of the last seal; 0 = there is none yet.
    pub seq: i64,
    /// Its hash in hexadecimal digits; zeros where there is none.
    pub hash: String,
}

/// What can be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An incident that has ended, by its id.
    Incident,
    /// A note, by its id.
    Note,
    /// An attempt at a recovery that is over, by its id.
    Recovery,
    /// A day that is over, by its begin.
    Day,
}

/// How many days are sealed in one transaction at most.
const DAYS: i64 = 400;

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Incident, Self::Note, Self::Recovery, Self::Day];

    /// The name in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Incident => "incident",
            Self::Note => "note",
            Self::Recovery => "recovery",
            Self::Day => "day",
        }
    }

    /// The query that makes the text of it.
    fn sql(self) -> &'static str {
        match self {
            Self::Incident => {
                "SELECT json_object('id', i.id, 'service', s.name, 'began', began, 'detected', detected, 'ended', ended, 'is_cut', is_cut,
                   'lasted_ms', lasted_ms, 'down_ms', down_ms, 'rto_ms', rto_ms, 'cause', cause, 'cause_text', cause_text,
                   'backends', backends, 'actions', actions, 'lost', lost, 'good', good)
                 FROM incident i LEFT JOIN service s ON s.id = i.service WHERE i.id = ?1"
            }
            Self::Note => {
                "SELECT json_object('id', id, 'incident', incident, 'at', at, 'who', who, 'text', text) FROM note WHERE id = ?1"
            }
            Self::Recovery => {
                "SELECT json_object('id', r.id, 'service', s.name, 'backend', backend, 'fault', fault, 'strategy', strategy, 'start', start,
                   'ended', end, 'outcome', outcome, 'dry_run', dry_run, 'in_force', in_force, 'json', json)
                 FROM recovery r LEFT JOIN service s ON s.id = r.service WHERE r.id = ?1"
            }
            Self::Day => {
                "SELECT json_object('day', date(?1 / 1000, 'unixepoch'), 'services', json_group_array(json_array(
                   name, up, down, planned, unknown, good, failed, slow, excluded)))
                 FROM (SELECT s.name, d.* FROM span_day d LEFT JOIN service s ON s.id = d.service WHERE d.start = ?1 ORDER BY s.name)
                 HAVING count(*) > 0"
            }
        }
    }

    /// The text that is sealed; `None` = there is no such row.
    pub fn content(self, connection: &Connection, key: i64) -> rusqlite::Result<Option<String>> {
        connection.prepare_cached(self.sql())?.query_row([key], |row| row.get(0)).optional()
    }
}

/// Seals a row, unless it was sealed as it is.
pub fn seal(transaction: &Transaction<'_>, kind: Kind, key: i64) -> rusqlite::Result<()> {
    let Some(content) = kind.content(transaction, key)? else { return Ok(()) };
    if last(transaction, kind, key)?.is_none_or(|(_, sealed)| sealed != content) {
        append(transaction, kind.as_str(), &key.to_string(), &content)?;
    }
    Ok(())
}

/// The hash and the content of the last seal of a row.
pub fn last(connection: &Connection, kind: Kind, key: i64) -> rusqlite::Result<Option<(String, String)>> {
    let sql = "SELECT hash, content FROM seal WHERE kind = ?1 AND key = ?2 ORDER BY seq DESC LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    statement.query_row(params![kind.as_str(), key.to_string()], row).optional()
}

/// When that which was sealed came to its end: an incident or an attempt ended, a note was written.
pub fn time(content: &str) -> Option<Stamp> {
    let content: serde_json::Value = serde_json::from_str(content).ok()?;
    ["ended", "at"].iter().find_map(|member| content.get(member)?.as_i64()).map(Stamp::from_millis)
}

/// Seals the days that are over and have changed since they were sealed.
pub fn seal_days(transaction: &Transaction<'_>, now: Stamp) -> rusqlite::Result<()> {
    let today = Level::Day.floor(now).as_millis();
    let days: Vec<i64> = transaction
        .prepare_cached("SELECT start FROM unsealed_day WHERE start < ?1 ORDER BY start LIMIT ?2")?
        .query_map([today, DAYS], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for day in days {
        seal(transaction, Kind::Day, day)?;
        transaction.prepare_cached("DELETE FROM unsealed_day WHERE start = ?1")?.execute([day])?;
    }
    Ok(())
}

/// A day has changed: it is sealed when it is over.
pub fn unseal_day(transaction: &Transaction<'_>, day: Stamp) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO unsealed_day (start) VALUES (?1)";
    transaction.prepare_cached(sql)?.execute([day.as_millis()])?;
    Ok(())
}

/// Appends to the chain.
pub fn append(transaction: &Transaction<'_>, kind: &str, key: &str, content: &str) -> rusqlite::Result<()> {
    let Head { seq, hash } = head(transaction)?;
    let hash = link(&hash, kind, key, content);
    let sql = "INSERT INTO seal (seq, kind, key, content, hash) VALUES (?1, ?2, ?3, ?4, ?5)";
    transaction.prepare_cached(sql)?.execute(params![seq + 1, kind, key, content, hash])?;
    Ok(())
}

/// The hash of a seal, from that of the seal before.
pub fn link(before: &str, kind: &str, key: &str, content: &str) -> String {
    HEXLOWER.encode(digest(&SHA256, [before, kind, key, content].join("\n").as_bytes()).as_ref())
}

/// The end of the chain.
pub fn head(connection: &Connection) -> rusqlite::Result<Head> {
    let sql = "SELECT seq, hash FROM seal ORDER BY seq DESC LIMIT 1";
    let row = |row: &rusqlite::Row<'_>| Ok(Head { seq: row.get(0)?, hash: row.get(1)? });
    match connection.prepare_cached(sql)?.query_row([], row).optional()? {
        Some(head) => Ok(head),
        None => start(connection),
    }
}

/// Where the chain begins: what was before was pruned, or there was nothing.
pub fn start(connection: &Connection) -> rusqlite::Result<Head> {
    let seq = meta::get(connection, "sealed_before")?.and_then(|text| text.parse().ok()).unwrap_or_default();
    let hash = meta::get(connection, "sealed_before_hash")?.unwrap_or_else(|| "0".repeat(64));
    Ok(Head { seq, hash })
}

/// Cuts the chain behind this seal, and keeps its hash.
pub fn cut(transaction: &Transaction<'_>, last: &Head) -> rusqlite::Result<usize> {
    meta::set(transaction, "sealed_before", &last.seq.to_string())?;
    meta::set(transaction, "sealed_before_hash", &last.hash)?;
    transaction.execute("DELETE FROM seal WHERE seq <= ?1", [last.seq])
}
