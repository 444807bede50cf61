//! Files that were made to do harm, or were emptied.

use rusqlite::Connection;

use super::*;
use crate::ledger::tools::{self, About};

/// A ledger with two days, changed by these statements.
fn changed(sql: &str) -> Folder {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    enter(&ledger, Batch { incidents: vec![incident(1, MIDNIGHT, Some(MIDNIGHT))], ..up("api", MIDNIGHT, 100) });
    enter(&ledger, up("api", MIDNIGHT.plus(DAY), 100));
    drop(ledger);
    Connection::open(folder.file()).unwrap().execute_batch(sql).unwrap();
    folder
}

#[test]
fn what_is_none_of_a_ledgers_is_found_and_not_restored() {
    for (sql, about, word) in [
        ("CREATE TRIGGER x AFTER INSERT ON span_second BEGIN DELETE FROM incident; END", About::Schema, "a trigger \"x\""),
        ("CREATE VIEW x AS SELECT 1", About::Schema, "a view \"x\""),
        ("DROP VIEW day; CREATE VIEW day AS SELECT date(d.start / 1000, 'unixepoch') AS day, s.name AS service, d.up, d.down, d.planned, d.unknown,
          100.0 AS percent_by_time, d.good, d.failed, d.slow, d.excluded, 100.0 AS percent_by_requests
          FROM span_day d JOIN service s ON s.id = d.service", About::Schema, "a view \"day\""),
        ("CREATE TABLE x (y)", About::Schema, "a table \"x\""),
        ("CREATE INDEX x ON span_second (up)", About::Schema, "an index \"x\""),
        ("ALTER TABLE note ADD COLUMN x INTEGER GENERATED ALWAYS AS (length(text)) VIRTUAL", About::Schema, "a column \"x\""),
        ("DELETE FROM meta", About::Schema, "meta has no keeper"),
        ("UPDATE meta SET value = 'abc' WHERE name = 'until'", About::Schema, "until in meta is no number"),
        ("UPDATE span_second SET up = 500000000 WHERE start = (SELECT max(start) FROM span_second)", About::Levels, "more time than a second has"),
    ] {
        let folder = changed(sql);
        let found = tools::check(&folder.file()).unwrap();
        assert!(found.iter().any(|one| one.about == about && one.text.contains(word)), "{sql}: {found:?}");
        let place = Folder::new();
        let why = tools::restore(&folder.file(), &place).unwrap_err();
        assert!(why.contains("is not sound"), "{sql}: {why}");
        assert!(!place.file().exists());
    }
}

#[test]
fn a_ledger_that_its_reader_has_analyzed_is_sound() {
    let folder = changed("ANALYZE");
    assert_eq!(tools::check(&folder.file()).unwrap(), []);
}

#[test]
fn a_trigger_in_the_file_in_use_does_nothing() {
    let folder = changed("CREATE TRIGGER x AFTER INSERT ON span_second BEGIN DELETE FROM incident; END");
    let (ledger, told) = start(&folder);
    enter(&ledger, up("api", MIDNIGHT.plus(2 * DAY), 1));
    let reader = ledger.read().unwrap();
    assert!(reader.incident(1).unwrap().is_some());
    assert_eq!(told.all(), []);
}
