//! Files of older versions, as these versions wrote them: each is kept as the text of its SQL, and none is made from the present schema.

use rusqlite::Connection;

use super::*;
use crate::ledger::tools;
use crate::ledger::{schema, seal};
use crate::recover::Attempt;

/// A file of each older version, with the number of seals that it has, and the end of the time that it accounts.
const OLD: [(i64, &str, i64); 2] = [(1, include_str!("version1.sql"), 2), (2, include_str!("version2.sql"), 3)];

fn write_old(file: &Path, (version, sql, _): (i64, &str, i64)) {
    let connection = Connection::open(file).unwrap();
    connection.execute_batch(sql).unwrap();
    assert_eq!(schema::pragma(&connection, "user_version").unwrap(), version);
}

/// The tables, indices and views of a ledger, and the names that its table `about` explains, with what it says of them.
fn tables(folder: &Folder) -> (Vec<String>, Vec<String>) {
    drop(start(folder));
    let reader = Reader::open(folder).unwrap();
    let all = |sql: &str| -> Vec<String> {
        let mut statement = reader.connection().prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    (
        all("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY name"),
        all("SELECT name || ': ' || meaning FROM about ORDER BY name"),
    )
}

#[test]
fn a_file_of_each_older_version_keeps_what_it_had_and_goes_on() {
    for old in OLD {
        let (version, _, seals) = old;
        let folder = Folder::new();
        write_old(&folder.file(), old);
        assert!(Reader::open(&folder).unwrap_err().contains(&format!("it is of version {version}")));
        let (ledger, told) = start(&folder);
        assert_eq!(told.all(), [], "version {version}");
        let reader = ledger.read().unwrap();
        let until = reader.until().unwrap().unwrap();
        assert_eq!(schema::pragma(reader.connection(), "user_version").unwrap(), schema::VERSION);
        assert_eq!(reader.incident(1).unwrap().unwrap().notes.len(), 1);
        assert_eq!(reader.last_recovery_id().unwrap(), i64::from(version > 1));
        assert!(of(&reader, "api", Stamp::default(), until).up >= 1000);
        assert_eq!(seal::head(reader.connection()).unwrap().seq, seals);
        drop(reader);
        let attempt = Attempt { id: 9, service: "api".to_owned(), end: Some(until.as_millis()), ..Attempt::default() };
        enter(&ledger, Batch { recoveries: vec![attempt], takes_over: true, ..up("api", until, 1) });
        let reader = ledger.read().unwrap();
        assert_eq!(seal::head(reader.connection()).unwrap().seq, seals + 1, "the chain goes on");
        drop((reader, ledger));
        assert_eq!(tools::check(&folder.file()).unwrap(), []);
    }
}

#[test]
fn a_file_that_was_taken_to_the_present_version_has_the_tables_of_a_new_one() {
    let new = tables(&Folder::new());
    for old in OLD {
        let folder = Folder::new();
        write_old(&folder.file(), old);
        assert_eq!(tables(&folder), new, "version {}", old.0);
    }
}

#[test]
fn a_copy_that_an_older_version_has_made_is_checked_and_restored() {
    for old in OLD {
        let folder = Folder::new();
        let copy = folder.join("copy.db");
        write_old(&copy, old);
        let before = std::fs::read(&copy).unwrap();
        assert_eq!(tools::check(&copy).unwrap(), [], "version {}", old.0);
        let state = Folder::new();
        tools::restore(&copy, &state).unwrap();
        assert!(std::fs::read(&copy).unwrap() == before, "the copy stays as it is");
        assert_eq!(Reader::open(&state).unwrap().until().unwrap(), tools::until(&copy).unwrap());
        assert_eq!(Reader::open(&state).unwrap().incident(1).unwrap().unwrap().notes.len(), 1);
        Connection::open(&copy).unwrap().execute("UPDATE incident SET lost = 77", []).unwrap();
        assert!(tools::restore(&copy, &state).unwrap_err().contains("is not sound"));
    }
}

#[test]
fn a_step_that_fails_leaves_the_file_as_it_was() {
    let folder = Folder::new();
    write_old(&folder.file(), OLD[1]);
    let mut connection = Connection::open(folder.file()).unwrap();
    let fails: &[schema::Step] = &[
        |step| step.execute_batch("CREATE TABLE more (x)"),
        |step| step.execute_batch("CREATE TABLE other (x); SELECT nothing"),
    ];
    assert!(schema::migrate(&mut connection, 2, fails).is_err());
    assert_eq!(schema::pragma(&connection, "user_version").unwrap(), 2);
    assert!(!connection.table_exists(None, "more").unwrap());
    schema::migrate(&mut connection, schema::FIRST, schema::STEPS).unwrap();
    assert_eq!(schema::differences(&connection).unwrap(), [] as [String; 0]);
}

#[test]
fn an_auditor_reads_incidents_in_seconds_and_times_of_day() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    let late = Incident { lasted_ms: 61_000, ..incident(2, MIDNIGHT.plus(HOUR), Some(MIDNIGHT.plus(HOUR + 61_000))) };
    let open = incident(3, MIDNIGHT.plus(2 * HOUR), None);
    let incidents = vec![incident(1, MIDNIGHT, Some(MIDNIGHT.plus(7000))), late, open];
    enter(&ledger, Batch { incidents, ..up("api", MIDNIGHT, 1) });
    let reader = ledger.read().unwrap();
    let sql = "SELECT id || ' ' || began || ' ' || coalesce(ended, '-') || ' ' || lasted_s || ' ' || within_rto || ' ' || state || ' ' || backends
               FROM incidents ORDER BY id";
    let mut statement = reader.connection().prepare(sql).unwrap();
    let rows: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(
        rows,
        [
            "1 2026-11-27 00:00:00 2026-11-27 00:00:07 7.0 yes over a:1, b:2",
            "2 2026-11-27 01:00:00 2026-11-27 01:01:01 61.0 no over a:1, b:2",
            "3 2026-11-27 02:00:00 - 7.0 yes under way a:1, b:2",
        ]
    );
}

#[test]
fn what_is_said_about_the_file_names_each_table_and_view() {
    let (tables, about) = tables(&Folder::new());
    let explained = about.join("\n");
    for sql in tables.iter().filter(|sql| !sql.starts_with("CREATE INDEX")) {
        let name = sql.split_whitespace().nth(2).unwrap();
        assert!(name == "about" || explained.contains(name), "{name}");
    }
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    let reader = ledger.read().unwrap();
    let sql = "SELECT t.name || '.' || c.name FROM pragma_table_list t JOIN pragma_table_info(t.name) c
               WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name NOT LIKE 'span_%' AND t.name <> 'about'";
    let mut statement = reader.connection().prepare(sql).unwrap();
    let columns: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for column in columns {
        let (table, column) = column.split_once('.').unwrap();
        let said = about
            .iter()
            .find(|line| line.split(':').next().is_some_and(|names| names.split(", ").any(|name| name == table)));
        let is_said = ["id", "name", "value", "service", "backend"].contains(&column)
            || said.is_some_and(|line| line.contains(column));
        assert!(is_said, "{table}.{column}: {said:?}");
    }
}
