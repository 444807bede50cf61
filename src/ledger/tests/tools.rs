//! Backup, check, restore, prune; seals.

use rusqlite::Connection;

use super::*;
use crate::ledger::tools::{self, About};
use crate::ledger::{ENDED, Gap, GapReason, Note, schema, seal};

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
fn what_was_pruned_once_is_no_tampering_after_an_earlier_day_was_pruned_as_well() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    // the clock was set back between the two
    for (id, day) in [(1, 4), (2, 1)] {
        let ended = MIDNIGHT.plus(day * DAY + HOUR);
        enter(&ledger, Batch { incidents: vec![incident(id, ended.plus(-7000), Some(ended))], ..batch(ended) });
    }
    tools::prune(&folder, MIDNIGHT.plus(3 * DAY)).unwrap();
    assert_eq!(found(&folder), []);
    assert_eq!(tools::prune(&folder, MIDNIGHT).unwrap().rows, 0);
    assert_eq!(found(&folder), []);
    assert_eq!(ledger.read().unwrap().pruned().unwrap(), Some(MIDNIGHT.plus(3 * DAY)), "it never goes back");
    assert!(tools::backup(&folder, &folder.join("copy")).is_ok());
}

#[test]
fn a_deletion_by_hand_is_sealed_also_where_the_chain_was_not_cut() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    enter(&ledger, up("api", MIDNIGHT, 10));
    tools::prune(&folder, MIDNIGHT.plus(DAY)).unwrap();
    assert_eq!(ledger.read().unwrap().head().unwrap().seq, 1);
    assert_eq!(found(&folder), []);
}

#[test]
fn what_was_deleted_by_hand_is_unknown_and_not_gone_without_a_trace() {
    let folder = Folder::new();
    let ledger = three_days(&folder);
    tools::prune(&folder, MIDNIGHT.plus(DAY)).unwrap();
    let reader = ledger.read().unwrap();
    let since = MIDNIGHT.plus(HOUR);
    let (from, to) = (MIDNIGHT, MIDNIGHT.plus(3 * DAY));
    assert_eq!(of(&reader, "api", from, to).unknown, 23 * HOUR, "since the service is known");
    assert_eq!(reader.deleted(from, to).unwrap()["api"], since..MIDNIGHT.plus(DAY));
    assert_eq!(of(&reader, "api", MIDNIGHT.plus(DAY), to).unknown, 0);
    assert!(reader.deleted(MIDNIGHT.plus(DAY), to).unwrap().is_empty());
}

#[test]
fn a_deletion_by_hand_is_told_once_by_the_process_that_runs_or_the_next_one() {
    let folder = Folder::new();
    let pruned = |day: i64| Trouble::Pruned { before: MIDNIGHT.plus(day * DAY) };
    let (ledger, told) = start(&folder);
    enter(&ledger, up("api", MIDNIGHT, 10));
    tools::prune(&folder, MIDNIGHT.plus(DAY)).unwrap();
    enter(&ledger, up("api", MIDNIGHT.plus(2 * DAY), 10));
    enter(&ledger, up("api", MIDNIGHT.plus(3 * DAY), 10));
    assert_eq!(told.all(), [pruned(1)]);
    drop(ledger);
    tools::prune(&folder, MIDNIGHT.plus(2 * DAY)).unwrap();
    for expected in [vec![pruned(2)], vec![]] {
        let (ledger, told) = start(&folder);
        enter(&ledger, up("api", MIDNIGHT.plus(4 * DAY), 1));
        assert_eq!(told.all(), expected);
    }
}

#[test]
fn a_restored_ledger_says_that_it_is_a_copy_and_where_the_rest_is() {
    let folder = Folder::new();
    let ledger = three_days(&folder);
    enter(&ledger, Batch { kept: vec![ended(Some("stopped"))], keeper: Keeper(1), ..Batch::default() });
    let to = folder.join("copy.db");
    tools::backup(&folder, &to).unwrap();
    drop(ledger);
    let word = |folder: &Folder| {
        let kept = Reader::open(folder).unwrap().kept(ENDED.0).unwrap();
        GapReason::after(kept.get(ENDED.1).map(String::as_str))
    };
    assert_eq!(word(&folder), GapReason::Stopped);
    let aside = tools::restore(&to, &folder).unwrap().unwrap();
    let name = aside.file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(word(&folder), GapReason::Restored { file: Some(name.clone()) });
    let other = Folder::new();
    tools::restore(&to, &other).unwrap();
    assert_eq!(word(&other), GapReason::Restored { file: None });
    // it is read again as it was entered
    let (ledger, _) = start(&folder);
    let gap = |why| Gap { from: MIDNIGHT.plus(3 * DAY), to: MIDNIGHT.plus(4 * DAY), why };
    let gaps = vec![
        gap(GapReason::Restored { file: Some(name) }),
        gap(GapReason::Restored { file: None }),
        gap(GapReason::Crashed),
    ];
    enter(&ledger, Batch { gaps: gaps.clone(), ..batch(MIDNIGHT.plus(4 * DAY)) });
    assert_eq!(ledger.read().unwrap().gaps(MIDNIGHT, MIDNIGHT.plus(5 * DAY)).unwrap(), gaps);
}

/// How the process ended, in what is kept.
fn ended(how: Option<&str>) -> (String, String, Option<String>) {
    (ENDED.0.to_owned(), ENDED.1.to_owned(), how.map(str::to_owned))
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
