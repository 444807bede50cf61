//! The answers: what is in the ledger, read through a connection that can't write.

mod incidents;
mod recoveries;
mod times;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags, Params, Row};

use super::batch::{ClockJump, EventRow, Gap, GapReason, Keeper, Maintenance};
use super::file::{self, Obstacle};
use super::seal::{self, Head};
use super::touched::{no_file, with_end};
use super::{meta, schema};
use crate::clock::Stamp;

pub use incidents::StoredIncident;
pub use times::Series;

/// One state of the ledger, as it was when this was opened.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    services: HashMap<i64, Arc<str>>,
    is_partial: bool,
}

impl Reader {
    /// Opens the ledger of a folder, whether a process writes it or not, also on a file system that is read-only.
    pub fn open(folder: &Path) -> Result<Self, String> {
        Self::open_file(&folder.join(file::NAME))
    }

    /// Opens a ledger by the path of its file, also one that an older version has written: that is read as a copy in memory, which is taken to the
    /// present version. The file stays as it is.
    pub(super) fn open_any(path: &Path) -> Result<Self, String> {
        let reader = Self::open_as_it_is(path)?;
        match reader.version().map_err(failed)? {
            schema::VERSION.. => Ok(reader),
            _ => reader.as_present().map_err(|obstacle| in_words(&obstacle, path)),
        }
    }

    /// Opens a ledger by the path of its file.
    fn open_file(path: &Path) -> Result<Self, String> {
        let reader = Self::open_as_it_is(path)?;
        match reader.version().map_err(failed)? {
            schema::VERSION.. => Ok(reader),
            version => Err(format!(
                "{} can't be read as a ledger: it is of version {version}; start the program once, which takes it to version {}",
                path.display(),
                schema::VERSION
            )),
        }
    }

    fn version(&self) -> rusqlite::Result<i64> {
        schema::pragma(&self.connection, "user_version")
    }

    /// A copy in memory, of the present version.
    fn as_present(&self) -> Result<Self, Obstacle> {
        let mut copy = Connection::open_in_memory()?;
        Backup::new(&self.connection, &mut copy)?.step(-1)?;
        schema::migrate(&mut copy, schema::FIRST, schema::STEPS)?;
        Self::begin(copy, self.is_partial)
    }

    fn open_as_it_is(path: &Path) -> Result<Self, String> {
        match std::fs::exists(path) {
            Ok(true) => {}
            Ok(false) => {
                return Err(format!(
                    "there is no ledger: {} does not exist. One begins when something is promised ([service.NAME.sla]) or repaired",
                    path.display()
                ));
            }
            Err(error) => return Err(format!("{}: {error}", path.display())),
        }
        if let Some((path, is)) = no_file(path) {
            return Err(format!("{} is {is}, and no ledger", path.display()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let plain =
            Connection::open_with_flags(path, flags).map_err(Obstacle::from).and_then(|it| Self::begin(it, false));
        match plain {
            Ok(reader) => return Ok(reader),
            Err(Obstacle::Later(_)) => {}
            Err(obstacle) => return Err(in_words(&obstacle, path)),
        }
        // where the files beside it can't be made, SQLite reads it only if told that nobody changes it (sqlite.org/wal.html, "Read-Only Databases")
        let is_partial = std::fs::metadata(with_end(path, "-wal")).is_ok_and(|wal| wal.len() > 0);
        Connection::open_with_flags(immutable(path), flags | OpenFlags::SQLITE_OPEN_URI)
            .map_err(Obstacle::from)
            .and_then(|connection| Self::begin(connection, is_partial))
            .map_err(|obstacle| in_words(&obstacle, path))
    }

    fn begin(connection: Connection, is_partial: bool) -> Result<Self, Obstacle> {
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "cache_size", -2048)?;
        connection.execute_batch("BEGIN")?;
        file::inspect(&connection)?;
        let rows = connection
            .prepare("SELECT id, name FROM service")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect();
        let services: rusqlite::Result<_> = rows;
        Ok(Self { services: services?, connection, is_partial })
    }

    /// Whether the newest entries could not be read: they are in a log that can't be read where nothing can be written.
    pub fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// The connection, for what looks at the file as such.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The stretches from `from` up to `to` of which nobody knows, in order; a part of each lies there.
    pub fn gaps(&self, from: Stamp, to: Stamp) -> Result<Vec<Gap>, String> {
        let sql = "SELECT start, end, why, file FROM gap WHERE end > ?1 AND start < ?2 ORDER BY start, id";
        self.rows(sql, [from.as_millis(), to.as_millis()], |row| {
            let why: String = row.get(2)?;
            Ok(Gap {
                from: stamp(row, 0)?,
                to: stamp(row, 1)?,
                why: GapReason::named(&why, row.get(3)?).unwrap_or(GapReason::Crashed),
            })
        })
    }

    /// The jumps of the clock from `from` up to `to`, in the order in which they were noticed.
    pub fn jumps(&self, from: Stamp, to: Stamp) -> Result<Vec<ClockJump>, String> {
        let sql = "SELECT at, by_ms FROM clock_jump WHERE at >= ?1 AND at < ?2 ORDER BY id";
        self.rows(sql, [from.as_millis(), to.as_millis()], |row| {
            Ok(ClockJump { at: stamp(row, 0)?, by_ms: row.get(1)? })
        })
    }

    /// The maintenance that ends after `from`, in order.
    pub fn maintenance(&self, from: Stamp) -> Result<Vec<Maintenance>, String> {
        let sql = "SELECT id, service, start, end, reason, who FROM maintenance WHERE end > ?1 ORDER BY start, id";
        self.rows(sql, [from.as_millis()], |row| {
            let (from, to) = (stamp(row, 2)?, stamp(row, 3)?);
            Ok(Maintenance {
                id: row.get(0)?,
                service: self.name(row.get(1)?),
                from,
                to,
                reason: row.get(4)?,
                who: row.get(5)?,
            })
        })
    }

    /// What is kept for a room: keys and values.
    pub fn kept(&self, room: &str) -> Result<BTreeMap<String, String>, String> {
        self.rows("SELECT key, value FROM kept WHERE room = ?1", [room], |row| Ok((row.get(0)?, row.get(1)?)))
            .map(BTreeMap::from_iter)
    }

    /// The services, by name, and since when each is known.
    pub fn services(&self) -> Result<Vec<(Arc<str>, Stamp)>, String> {
        self.rows("SELECT name, since FROM service ORDER BY name", [], |row| Ok((row.get(0)?, stamp(row, 1)?)))
    }

    /// The time up to which all time is accounted.
    pub fn until(&self) -> Result<Option<Stamp>, String> {
        meta::stamp(&self.connection, meta::UNTIL).map_err(failed)
    }

    /// Before when history was deleted by hand; `None` = none was.
    pub fn pruned(&self) -> Result<Option<Stamp>, String> {
        meta::stamp(&self.connection, meta::PRUNED).map_err(failed)
    }

    /// The run of the process that keeps the time.
    pub fn keeper(&self) -> Result<Option<Keeper>, String> {
        meta::keeper(&self.connection).map_err(failed)
    }

    /// The end of the chain of seals.
    pub fn head(&self) -> Result<Head, String> {
        seal::head(&self.connection).map_err(failed)
    }

    /// The newest `most` events from `from` up to `to` about a service or a backend, the oldest first; `None` = all.
    pub fn history(
        &self,
        service: Option<&str>,
        backend: Option<&str>,
        from: Stamp,
        to: Stamp,
        most: usize,
    ) -> Result<Vec<EventRow>, String> {
        // two queries, so that that for one service is found by its index
        let service_is = if service.is_some() { "service = ?1" } else { "?1 IS NULL" };
        let sql = format!(
            "SELECT id, time, kind, level, service, backend, json FROM event WHERE {service_is} AND (?2 IS NULL OR backend = ?2)
               AND time >= ?3 AND time < ?4 ORDER BY time DESC, number DESC LIMIT ?5"
        );
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let values = rusqlite::params![service, backend, from.as_millis(), to.as_millis(), most];
        let mut events = self.rows(&sql, values, |row| {
            let id: i64 = row.get(0)?;
            Ok(EventRow {
                id: u64::try_from(id).unwrap_or_default(),
                time: stamp(row, 1)?,
                kind: row.get(2)?,
                level: row.get(3)?,
                service: row.get(4)?,
                backend: row.get(5)?,
                json: row.get(6)?,
            })
        })?;
        events.reverse();
        Ok(events)
    }

    fn name(&self, service: i64) -> Arc<str> {
        self.services.get(&service).cloned().unwrap_or_else(|| format!("service {service}").into())
    }

    fn number(&self, service: &str) -> Option<i64> {
        self.services.iter().find(|(_, name)| &***name == service).map(|(number, _)| *number)
    }

    fn rows<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, String> {
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let rows = statement.query_map(values, read).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    fn one(&self, sql: &str, values: impl Params) -> Result<i64, String> {
        self.connection.query_row(sql, values, |row| row.get(0)).map_err(failed)
    }
}

/// The path as a URI that says that the file does not change.
pub(super) fn immutable(path: &Path) -> String {
    let path = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{path}?immutable=1")
}

fn in_words(obstacle: &Obstacle, path: &Path) -> String {
    format!("{} can't be read as a ledger: {obstacle}", path.display())
}

fn failed(error: rusqlite::Error) -> String {
    format!("the ledger can't be read: {error}")
}

fn stamp(row: &Row<'_>, column: usize) -> rusqlite::Result<Stamp> {
    row.get(column).map(Stamp::from_millis)
}
