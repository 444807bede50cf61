//! Whether a ledger is sound: the file, its tables, its levels, its seals.

use rusqlite::Connection;

use super::level::Level;
use super::seal::{self, Head, Kind};
use super::{meta, plausible, schema, spans};
use crate::clock::Stamp;

/// How many findings of a kind are told at most.
const MOST: usize = 10;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub about: About,
    /// What was found, in words for people.
    pub text: String,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// The file itself: pages that contradict each other.
    Damage,
    /// Tables that are not as this program makes them.
    Schema,
    /// Levels of times that don't add up.
    Levels,
    /// Something was changed after it was sealed, or the chain is broken.
    Seal,
}

impl About {
    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Damage => "damage",
            Self::Schema => "schema",
            Self::Levels => "levels",
            Self::Seal => "seal",
        }
    }
}

/// Looks at everything; empty = it is sound.
pub fn check(connection: &Connection) -> rusqlite::Result<Vec<Finding>> {
    let damage = integrity(connection)?;
    if !damage.is_empty() {
        // what else could be found follows from it
        return Ok(damage);
    }
    let mut found =
        of(About::Schema, schema::differences(connection)?.into_iter().map(|missing| format!("there is no {missing}")));
    if found.is_empty() {
        found.extend(of(About::Schema, plausible::foreign(connection)?.into_iter()));
        found.extend(of(About::Schema, plausible::values(connection)?.into_iter()));
        for level in Level::ALL {
            found.extend(of(About::Levels, plausible::too_long(connection, level, MOST)?.into_iter()));
            found.extend(of(About::Levels, disagreements(connection, level)?.into_iter()));
        }
        let chain = chain(connection)?;
        found.extend(of(About::Seal, chain.into_iter()));
        for kind in Kind::ALL {
            found.extend(of(About::Seal, changed(connection, kind)?.into_iter()));
            found.extend(of(About::Seal, never_sealed(connection, kind)?.into_iter()));
        }
    }
    Ok(found)
}

fn of(about: About, texts: impl Iterator<Item = String>) -> Vec<Finding> {
    texts.take(MOST).map(|text| Finding { about, text }).collect()
}

fn integrity(connection: &Connection) -> rusqlite::Result<Vec<Finding>> {
    let sql = format!("PRAGMA integrity_check({MOST})");
    let found: Vec<String> =
        connection.prepare(&sql)?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(of(About::Damage, found.into_iter().filter(|text| text != "ok")))
}

/// Where the rows of a level are not what those of the next coarser one consist of, as far as they are all kept.
fn disagreements(connection: &Connection, level: Level) -> rusqlite::Result<Vec<String>> {
    let Some(coarser) = level.coarser() else { return Ok(Vec::new()) };
    let from = coarser.ceil(spans::complete(connection)?[level as usize]);
    let (finer, name, length) = (level.as_str(), coarser.as_str(), coarser.millis());
    let each = |text: fn(&str) -> String| spans::COLUMNS.split(", ").map(text).collect::<Vec<_>>();
    let (negative, differ) =
        (each(|column| format!("-{column}")).join(", "), each(|column| format!("sum({column}) <> 0")).join(" OR "));
    let columns = spans::COLUMNS;
    let sql = format!(
        "SELECT bucket, coalesce((SELECT s.name FROM service s WHERE s.id = rows.service), '?')
         FROM (SELECT start AS bucket, service, {columns} FROM span_{name} WHERE start >= ?1
               UNION ALL SELECT start - start % {length}, service, {negative} FROM span_{finer} WHERE start >= ?1) AS rows
         GROUP BY bucket, service HAVING {differ} LIMIT ?2"
    );
    let most = i64::try_from(MOST).unwrap_or(i64::MAX);
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([from.as_millis(), most], |row| {
        let (start, service): (i64, String) = (row.get(0)?, row.get(1)?);
        let start = Stamp::from_millis(start);
        Ok(format!("the {name} {start} of service {service} is not the sum of its {finer}s"))
    })?;
    rows.collect()
}

/// The first seal that does not follow from the one before, if there is one.
fn chain(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mut before = seal::start(connection)?;
    let mut statement = connection.prepare("SELECT seq, kind, key, content, hash FROM seal ORDER BY seq")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        let (kind, key, content): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
        if seq != before.seq + 1 {
            return Ok(Some(format!("seal {} is missing", before.seq + 1)));
        }
        let hash: String = row.get(4)?;
        if hash != seal::link(&before.hash, &kind, &key, &content) {
            return Ok(Some(format!(
                "seal {seq} ({kind} {key}) was changed: its hash does not follow from it and seal {}",
                before.seq
            )));
        }
        before = Head { seq, hash };
    }
    Ok(None)
}

/// Sealed rows that are not what was sealed last, unless they are so old that they were deleted.
fn changed(connection: &Connection, kind: Kind) -> rusqlite::Result<Vec<String>> {
    let pruned = meta::stamp(connection, meta::PRUNED)?.unwrap_or_default();
    let kept_days = pruned.max(spans::complete(connection)?[Level::Day as usize]);
    let sql = "SELECT max(seq), CAST(key AS INTEGER), content FROM seal WHERE kind = ?1 GROUP BY key ORDER BY 1";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([kind.as_str()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (seq, key, sealed): (i64, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let is_gone = match kind {
            Kind::Day => Stamp::from_millis(key) < kept_days,
            Kind::Incident | Kind::Note | Kind::Recovery => seal::time(&sealed).is_some_and(|time| time < pruned),
        };
        let is_open = kind == Kind::Day && is_unsealed(connection, key)?;
        let now = kind.content(connection, key)?;
        if is_open || now.as_ref() == Some(&sealed) || (now.is_none() && is_gone) {
            continue;
        }
        let what = if now.is_none() { "deleted" } else { "changed" };
        found.push(format!("{} was {what} after it was sealed (seal {seq})", named(kind, key)));
    }
    Ok(found)
}

/// Rows that should have been sealed and were not: somebody has put them there.
fn never_sealed(connection: &Connection, kind: Kind) -> rusqlite::Result<Vec<String>> {
    let keys = match kind {
        Kind::Incident => "SELECT id AS key FROM incident WHERE ended IS NOT NULL",
        Kind::Note => "SELECT id AS key FROM note",
        Kind::Recovery => "SELECT id AS key FROM recovery WHERE end IS NOT NULL",
        Kind::Day => "SELECT DISTINCT start AS key FROM span_day WHERE start NOT IN (SELECT start FROM unsealed_day)",
    };
    let sql = format!(
        "SELECT key FROM ({keys}) WHERE CAST(key AS TEXT) NOT IN (SELECT key FROM seal WHERE kind = ?1) ORDER BY key"
    );
    let keys: Vec<i64> =
        connection.prepare(&sql)?.query_map([kind.as_str()], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(keys.into_iter().map(|key| format!("{} was never sealed", named(kind, key))).collect())
}

fn is_unsealed(connection: &Connection, day: i64) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM unsealed_day WHERE start = ?1")?.exists([day])
}

fn named(kind: Kind, key: i64) -> String {
    match kind {
        Kind::Incident | Kind::Note | Kind::Recovery => format!("{} {key}", kind.as_str()),
        Kind::Day => format!("the day {:.10}", Stamp::from_millis(key).to_string()),
    }
}
