//! The tables of the file, in words that an auditor with the `sqlite3` shell understands.

use rusqlite::{Connection, Transaction};

/// PRAGMA application_id of a ledger: "EvKl" in ASCII. It tells our files from those of others.
pub const APPLICATION: i64 = 0x4576_4b6c;

/// The first version of the schema that there was.
pub const FIRST: i64 = 1;

/// PRAGMA user_version: the schema that this program writes, one step after another from the first.
pub const VERSION: i64 = FIRST + STEPS.len() as i64;

/// A step from one version to the next.
pub type Step = fn(&Transaction<'_>) -> rusqlite::Result<()>;

/// The steps, that from [`FIRST`] to the version after it first.
pub const STEPS: &[Step] =
    &[|transaction| transaction.execute_batch(RECOVERY), |transaction| transaction.execute_batch(VERSION_3)];

/// The table that came with version 2.
const RECOVERY: &str = "
INSERT INTO about VALUES
 ('recovery', 'attempts to repair a service or a backend: fault = what was wrong, strategy = what was tried; end and outcome (none = under way); dry_run = nothing was done; in_force = what it did can still be taken back; json = all of it');
CREATE TABLE recovery (id INTEGER PRIMARY KEY, service INTEGER NOT NULL REFERENCES service, backend TEXT, fault TEXT NOT NULL,
 strategy TEXT NOT NULL, start INTEGER NOT NULL, end INTEGER, outcome TEXT, dry_run INTEGER NOT NULL, in_force INTEGER NOT NULL,
 json TEXT NOT NULL) STRICT;
CREATE INDEX recovery_start ON recovery (start);
";

/// What came with version 3.
const VERSION_3: &str = include_str!("version3.sql");

/// The schema of version 1. What came with each version since follows it.
const TABLES: &str = "
CREATE TABLE about (name TEXT PRIMARY KEY, meaning TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO about VALUES
 ('times', 'milliseconds since 1970-01-01T00:00:00Z; in the shell: datetime(start / 1000, ''unixepoch'')'),
 ('span_second, span_minute, span_hour, span_day', 'what each stretch of that length held, for each service. Each second is in all four; seconds are kept for an hour, minutes for 2 days, hours for 90 days, days (of UTC) for 5 years'),
 ('up, down, planned, unknown', 'milliseconds: the service was up; it was down and that was not planned; announced maintenance; nobody watched'),
 ('good, failed, slow, excluded', 'requests: ended well; failed by the proxy''s or the backends'' doing; answered later than promised; counted neither way (mistakes of clients, maintenance)'),
 ('incident', 'times in which a service was down: began, detected and ended (none = under way); lasted_ms and down_ms by a clock that is never set; rto_ms = within what time it was to be back'),
 ('note', 'what people wrote about incidents'),
 ('gap', 'times of which nobody knows, and why; file = where the history before is'),
 ('clock_jump', 'the clock was set: the time after it, and by how many milliseconds'),
 ('maintenance', 'times in which a service was allowed to be away'),
 ('event', 'what happened, for 90 days'),
 ('kept', 'what parts of the program must not forget'),
 ('seal', 'proof that nothing was changed later: hash = SHA-256, in hexadecimal, of the hash of the row before (64 zeros before the first), a line feed, kind, a line feed, key, a line feed, content. What has changed since is sealed again'),
 ('unsealed_day', 'days that have changed since they were sealed'),
 ('meta', 'until = up to when time is accounted; keeper = which run of the program keeps the time; batch = the last that was written; complete_second, _minute, _hour, _day = before this time rows of that level are not all there; pruned_before = history before was deleted by hand; sealed_before and its hash = where the chain of seals was cut');
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE service (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, since INTEGER NOT NULL) STRICT;
CREATE TABLE incident (id INTEGER PRIMARY KEY, service INTEGER NOT NULL REFERENCES service, began INTEGER NOT NULL,
 detected INTEGER NOT NULL, ended INTEGER, is_cut INTEGER NOT NULL, lasted_ms INTEGER NOT NULL, down_ms INTEGER NOT NULL,
 rto_ms INTEGER NOT NULL, cause TEXT NOT NULL, cause_text TEXT NOT NULL, backends TEXT NOT NULL, actions TEXT NOT NULL,
 lost INTEGER NOT NULL, good INTEGER NOT NULL) STRICT;
CREATE INDEX incident_began ON incident (began);
CREATE TABLE note (id INTEGER PRIMARY KEY AUTOINCREMENT, incident INTEGER NOT NULL, at INTEGER NOT NULL, who TEXT NOT NULL, text TEXT NOT NULL) STRICT;
CREATE INDEX note_incident ON note (incident);
CREATE TABLE gap (id INTEGER PRIMARY KEY, start INTEGER NOT NULL, end INTEGER NOT NULL, why TEXT NOT NULL, file TEXT) STRICT;
CREATE TABLE clock_jump (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, by_ms INTEGER NOT NULL) STRICT;
CREATE TABLE maintenance (id INTEGER PRIMARY KEY, service INTEGER NOT NULL REFERENCES service, start INTEGER NOT NULL,
 end INTEGER NOT NULL, reason TEXT NOT NULL, who TEXT NOT NULL) STRICT;
CREATE TABLE event (number INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER NOT NULL, time INTEGER NOT NULL, kind TEXT NOT NULL,
 level TEXT NOT NULL, service TEXT, backend TEXT, json TEXT NOT NULL) STRICT;
CREATE INDEX event_time ON event (time);
CREATE INDEX event_service ON event (service, time);
CREATE TABLE kept (room TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (room, key)) STRICT, WITHOUT ROWID;
CREATE TABLE seal (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, content TEXT NOT NULL, hash TEXT NOT NULL) STRICT;
CREATE INDEX seal_key ON seal (kind, key);
CREATE TABLE unsealed_day (start INTEGER PRIMARY KEY) STRICT;
CREATE VIEW day AS SELECT date(d.start / 1000, 'unixepoch') AS day, s.name AS service, d.up, d.down, d.planned, d.unknown,
 100.0 * d.up / nullif(d.up + d.down, 0) AS percent_by_time, d.good, d.failed, d.slow, d.excluded,
 100.0 * d.good / nullif(d.good + d.failed + d.slow, 0) AS percent_by_requests
 FROM span_day d JOIN service s ON s.id = d.service ORDER BY d.start, s.name;
";

/// The schema of the table of one level.
const SPAN: &str = "
CREATE TABLE span_LEVEL (start INTEGER NOT NULL, service INTEGER NOT NULL REFERENCES service, up INTEGER NOT NULL, down INTEGER NOT NULL,
 planned INTEGER NOT NULL, unknown INTEGER NOT NULL, good INTEGER NOT NULL, failed INTEGER NOT NULL, slow INTEGER NOT NULL,
 excluded INTEGER NOT NULL, PRIMARY KEY (start, service)) STRICT, WITHOUT ROWID;
";

/// Makes the tables in an empty file, in one transaction.
pub fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for level in super::Level::ALL {
        transaction.execute_batch(&SPAN.replace("LEVEL", level.as_str()))?;
    }
    transaction.execute_batch(TABLES)?;
    for step in STEPS {
        step(&transaction)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// The number in a PRAGMA.
pub fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// Takes a file of an older version to that which `steps` lead to, the first of them from version `first`: all of them or none.
pub fn migrate(connection: &mut Connection, first: i64, steps: &[Step]) -> rusqlite::Result<()> {
    let newest = first + steps.len() as i64;
    if pragma(connection, "user_version")? >= newest {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // read within the transaction: another process may have been faster
    let mut version = pragma(&transaction, "user_version")?;
    while let Some(step) = usize::try_from(version - first).ok().and_then(|n| steps.get(n)) {
        step(&transaction)?;
        version += 1;
        transaction.pragma_update(None, "user_version", version)?;
    }
    transaction.commit()
}

/// What is missing in the tables, or is not as it should be; empty = they are as [`create`] makes them.
pub fn differences(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut model = Connection::open_in_memory()?;
    create(&mut model)?;
    let (expected, found) = (columns(&model)?, columns(connection)?);
    Ok(expected.into_iter().filter(|column| !found.contains(column)).collect())
}

/// All columns, each as one text that says everything about it which matters.
fn columns(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT t.name || '.' || c.name || ' ' || c.type || iif(c.\"notnull\", ' NOT NULL', '') || iif(c.pk, ' KEY ' || c.pk, '')
               FROM pragma_table_list t JOIN pragma_table_info(t.name) c WHERE t.schema = 'main' AND t.name NOT LIKE 'sqlite_%'";
    connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}
