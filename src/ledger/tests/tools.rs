//! Backup, check, restore, prune; seals; migration.

use rusqlite::Connection;

use super::*;
use crate::ledger::tools::{self, About};
use crate::ledger::{Note, schema, seal};

/// Three days with an incident and a note each day; the third is not over.
fn three_days(folder: &Folder) -> Ledger {
    let (ledger, _) = start(folder);
    for day in 0..3 {
        let at = MIDNIGHT.plus(day * DAY + HOUR);
        let note = Note { incident: day + 1, at, who: "ann".to_owned(), text: "it was the disk".to_owned() };
        let incidents = vec![incident(day + 1, at, Some(at.plus(7000)))];
        enter(&ledger, Batch { incidents, notes: vec![note], ..up("api", at, 100) });
    }
    ledger
}

fn found(folder: &Folder) -> Vec<(About, String)> {
    let all = tools::check(&folder.file()).unwrap();
    all.into_iter().map(|finding| (finding.about, finding.text)).collect()
}

fn edit(folder: &Folder, sql: &str) {
    assert!(Connection::open(folder.file()).unwrap().execute(sql, []).unwrap() > 0, "{sql}");
}

#[test]
fn what_is_over_is_sealed_once_and_again_when_it_changes() {
    let folder = Folder::new();
    let ledger = three_days(&folder);
    assert_eq!(ledger.read().unwrap().head().unwrap().seq, 8, "three incidents, three notes, two days");
    enter(
        &ledger,
        Batch {
            incidents: vec![incident(1, MIDNIGHT.plus(HOUR), Some(MIDNIGHT.plus(HOUR + 7000)))],
            keeper: Keeper(1),
            ..Batch::default()
        },
    );
    assert_eq!(ledger.read().unwrap().head().unwrap().seq, 8, "the same incident again");
    let changed = Incident { lost: 13, ..incident(1, MIDNIGHT.plus(HOUR), None) };
    enter(&ledger, Batch { incidents: vec![changed], keeper: Keeper(1), ..Batch::default() });
    assert_eq!(ledger.read().unwrap().head().unwrap().seq, 9, "it goes on after all");
    let late = Batch { keeper: Keeper(1), ..up("api", MIDNIGHT, 1) };
    enter(&ledger, Batch { until: Some(MIDNIGHT.plus(2 * DAY + 3 * HOUR)), ..late });
    assert_eq!(ledger.read().unwrap().head().unwrap().seq, 10, "a day that has changed");
    assert_eq!(found(&folder), []);
}

#[test]
fn each_edit_shows() {
    for (sql, about, word) in [
        ("UPDATE incident SET lost = 0 WHERE id = 2", About::Seal, "incident 2 was changed"),
        ("DELETE FROM incident WHERE id = 3", About::Seal, "incident 3 was deleted"),
        ("UPDATE note SET text = 'nothing' WHERE id = 1", About::Seal, "note 1 was changed"),
        ("UPDATE span_day SET down = 5 WHERE start = 1795737600000", About::Levels, "the day 2026-11-27"),
        ("UPDATE seal SET content = replace(content, '12', '13') WHERE seq = 1", About::Seal, "seal 1 "),
        ("DELETE FROM seal WHERE seq = 4", About::Seal, "seal 4 is missing"),
        ("UPDATE seal SET seq = 99 WHERE seq = 5", About::Seal, "seal 5 is missing"),
        ("INSERT INTO incident SELECT 77, service, began, detected, ended, is_cut, 1, 1, rto_ms, cause, cause_text, backends, actions, lost, good
          FROM incident WHERE id = 1", About::Seal, "incident 77 was never sealed"),
        ("UPDATE span_hour SET up = up + 1 WHERE start = 1795914000000", About::Levels, "is not the sum"),
        ("UPDATE service SET name = 'web'", About::Seal, "was changed"),
    ] {
        let folder = Folder::new();
        drop(three_days(&folder));
        assert_eq!(found(&folder), []);
        edit(&folder, sql);
        let found = found(&folder);
        assert!(found.iter().any(|(kind, text)| *kind == about && text.contains(word)), "{sql}: {found:?}");
    }
}

#[test]
fn a_day_that_was_edited_with_all_its_hours_shows_by_its_seal() {
    let folder = Folder::new();
    drop(three_days(&folder));
    for level in Level::ALL {
        let sql = format!("UPDATE span_{} SET good = 0 WHERE start < 1795824000000", level.as_str());
        Connection::open(folder.file()).unwrap().execute(&sql, []).unwrap();
    }
    let found = found(&folder);
    assert!(found.iter().any(|(_, text)| text.contains("the day 2026-11-27 was changed")), "{found:?}");
}

#[test]
fn an_auditor_gets_the_same_hash_by_hand() {
    // printf '%064d\nnote\n1\n{}' 0 | sha256sum
    let hash = seal::link(&"0".repeat(64), "note", "1", "{}");
    assert_eq!(hash, "07d8b9a4a02f8eff94c148948de028d792ad5b540c9af7e21360baf6f428bcb0");
}

#[test]
fn a_backup_made_while_a_process_writes_is_restored_as_it_was() {
    let folder = Folder::new();
    let ledger = three_days(&folder);
    let to = folder.join("copy.db");
    let writing = ledger.clone();
    let more = std::thread::spawn(move || {
        for n in 0..200 {
            enter(&writing, up("web", MIDNIGHT.plus(2 * DAY + 1000 * n), 1));
        }
    });
    tools::backup(&folder, &to).unwrap();
    more.join().unwrap();
    assert!(tools::backup(&folder, &to).unwrap_err().contains("exists"));
    assert_eq!(tools::check(&to).unwrap(), []);
    assert!(tools::restore(&to, &folder).unwrap_err().contains("stop it first"));
    let other = Folder::new();
    assert_eq!(tools::restore(&to, &other).unwrap(), None);
    drop(ledger);
    let aside = tools::restore(&to, &folder).unwrap().unwrap();
    assert!(aside.to_string_lossy().contains("ledger.replaced-"));
    for folder in [&folder, &other] {
        let (ledger, told) = start(folder);
        let reader = ledger.read().unwrap();
        assert_eq!(of(&reader, "api", MIDNIGHT, MIDNIGHT.plus(3 * DAY)).up, 300_000);
        let web = of(&reader, "web", MIDNIGHT, MIDNIGHT.plus(3 * DAY)).up;
        let until = reader.until().unwrap().unwrap();
        assert_eq!(web, if web == 0 { 0 } else { until.since(MIDNIGHT.plus(2 * DAY)) });
        assert_eq!(told.all(), []);
    }
}

#[test]
fn a_backup_that_is_not_sound_is_not_restored() {
    let folder = Folder::new();
    drop(three_days(&folder));
    let to = folder.join("copy.db");
    tools::backup(&folder, &to).unwrap();
    Connection::open(&to).unwrap().execute("UPDATE incident SET lost = 0", []).unwrap();
    assert!(tools::restore(&to, &folder).unwrap_err().contains("is not sound"));
    std::fs::write(&to, "nothing").unwrap();
    assert!(tools::restore(&to, &folder).is_err());
    assert_eq!(folder.named("replaced").len(), 0);
}

#[test]
fn prune_deletes_what_is_before_a_day_and_the_chain_goes_on() {
    let folder = Folder::new();
    let ledger = three_days(&folder);
    let before = ledger.read().unwrap().head().unwrap();
    assert!(tools::prune(&folder, MIDNIGHT.plus(DAY + HOUR)).unwrap().rows > 100);
    let reader = ledger.read().unwrap();
    assert_eq!(of(&reader, "api", MIDNIGHT, MIDNIGHT.plus(3 * DAY)).up, 200_000);
    assert_eq!(reader.incidents(None, MIDNIGHT, MIDNIGHT.plus(3 * DAY)).unwrap().len(), 2);
    assert_eq!(reader.head().unwrap().seq, before.seq + 1, "the cut is in the chain");
    drop(reader);
    assert_eq!(found(&folder), []);
    enter(&ledger, up("api", MIDNIGHT.plus(4 * DAY), 1));
    assert_eq!(found(&folder), []);
    tools::prune(&folder, MIDNIGHT.plus(100 * DAY)).unwrap();
    assert_eq!(found(&folder), []);
    edit(&folder, "UPDATE seal SET content = '{}'");
    assert!(found(&folder)[0].1.contains("was changed"));
}

#[test]
fn pages_that_are_not_used_are_given_back() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    for n in 0..20 {
        enter(&ledger, up(&format!("s{n}"), MIDNIGHT, 3600));
    }
    drop(ledger);
    let length = || std::fs::metadata(folder.file()).unwrap().len();
    let before = length();
    tools::prune(&folder, MIDNIGHT.plus(DAY)).unwrap();
    assert!(length() < before / 5, "{before} {}", length());
}

#[test]
fn what_is_read_where_nothing_can_be_written_is_the_same() {
    let folder = Folder::new();
    drop(three_days(&folder));
    let path = folder.file();
    let uri = crate::ledger::reader::immutable(&path);
    assert!(uri.ends_with("?immutable=1"), "{uri}");
    let odd = folder.join("100%? #1");
    std::fs::create_dir(&odd).unwrap();
    std::fs::copy(&path, odd.join("ledger.sqlite")).unwrap();
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_URI;
    let connection =
        Connection::open_with_flags(crate::ledger::reader::immutable(&odd.join("ledger.sqlite")), flags).unwrap();
    assert_eq!(schema::pragma(&connection, "user_version").unwrap(), schema::VERSION);
    assert!(Reader::open(&odd).is_ok());
    assert!(Reader::open(&folder.join("none")).unwrap_err().contains("there is no ledger"));
}

#[test]
fn an_older_file_is_taken_to_the_present_version_step_by_step_or_not_at_all() {
    let folder = Folder::new();
    drop(three_days(&folder));
    // a version before the first, which there never was: without two tables of the first, one column and what has come since
    let old = "DROP TABLE recovery; DELETE FROM about WHERE name = 'recovery'; DROP TABLE event; DROP TABLE kept; DROP VIEW day; ALTER TABLE span_second DROP COLUMN slow; PRAGMA user_version = 0";
    let mut connection = Connection::open(folder.file()).unwrap();
    connection.execute_batch(old).unwrap();
    let fails: &[schema::Step] = &[|step| step.execute_batch("CREATE TABLE kept (x); SELECT nothing")];
    assert!(schema::migrate(&mut connection, 0, fails).is_err());
    assert_eq!(schema::pragma(&connection, "user_version").unwrap(), 0);
    let steps: &[schema::Step] = &[|step| {
        step.execute_batch(
            "ALTER TABLE span_second ADD COLUMN slow INTEGER NOT NULL DEFAULT 0;
             CREATE TABLE event (number INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER NOT NULL, time INTEGER NOT NULL, kind TEXT NOT NULL,
               level TEXT NOT NULL, service TEXT, backend TEXT, json TEXT NOT NULL) STRICT;
             CREATE TABLE kept (room TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (room, key))
               STRICT, WITHOUT ROWID;
             CREATE VIEW day AS SELECT date(d.start / 1000, 'unixepoch') AS day, s.name AS service, d.up, d.down, d.planned, d.unknown,
               100.0 * d.up / nullif(d.up + d.down, 0) AS percent_by_time, d.good, d.failed, d.slow, d.excluded,
               100.0 * d.good / nullif(d.good + d.failed + d.slow, 0) AS percent_by_requests
               FROM span_day d JOIN service s ON s.id = d.service ORDER BY d.start, s.name",
        )
    }];
    schema::migrate(&mut connection, 0, steps).unwrap();
    schema::migrate(&mut connection, schema::FIRST, schema::STEPS).unwrap();
    assert_eq!(schema::differences(&connection).unwrap(), [] as [String; 0]);
    drop(connection);
    let (ledger, told) = start(&folder);
    enter(&ledger, up("api", MIDNIGHT.plus(2 * DAY + 2 * HOUR), 1));
    assert_eq!(of(&ledger.read().unwrap(), "api", MIDNIGHT, MIDNIGHT.plus(3 * DAY)).up, 301_000);
    assert_eq!(told.all(), []);
    assert_eq!(found(&folder), []);
}
