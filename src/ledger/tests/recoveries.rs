//! Attempts to repair something.

use rusqlite::Connection;

use super::*;
use crate::ledger::tools::{self, About};
use crate::recover::{Attempt, Outcome, Phase};

/// An attempt that is under way, begun a day after the one before.
fn begun(id: i64, service: &str) -> Attempt {
    let start = MIDNIGHT.plus(id * DAY + HOUR).as_millis();
    Attempt {
        id,
        service: service.to_owned(),
        backend: Some("a:1".to_owned()),
        fault: "unresponsive".to_owned(),
        strategy: "restart".to_owned(),
        why: "it is the \"only\" one".to_owned(),
        phase: Phase::Acting,
        start,
        acted: Some(start + 100),
        ..Attempt::default()
    }
}

fn ended(attempt: Attempt, outcome: Outcome) -> Attempt {
    Attempt { phase: Phase::Ended, end: Some(attempt.start + 4_000), outcome: Some(outcome), ..attempt }
}

fn recoveries(all: Vec<Attempt>) -> Batch {
    Batch { recoveries: all, keeper: Keeper(1), ..Batch::default() }
}

fn ids(all: &[Attempt]) -> Vec<i64> {
    all.iter().map(|attempt| attempt.id).collect()
}

#[test]
fn an_attempt_that_was_entered_is_there_after_a_crash_and_takes_its_own_place_later() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    enter(&ledger, recoveries(vec![begun(1, "api")]));
    // whoever crashes closes nothing: the file is read as it lies there
    let reader = Reader::open(&folder).unwrap();
    assert_eq!(reader.open_recoveries().unwrap(), [begun(1, "api")]);
    assert_eq!(reader.last_recovery_id().unwrap(), 1);
    drop(reader);
    let healed = ended(begun(1, "api"), Outcome::Healed);
    enter(&ledger, recoveries(vec![healed.clone()]));
    let reader = ledger.read().unwrap();
    assert_eq!(reader.recovery(1).unwrap(), Some(healed));
    assert_eq!(reader.recovery(2).unwrap(), None);
    assert_eq!(reader.open_recoveries().unwrap(), []);
}

#[test]
fn what_is_in_force_is_open_although_the_attempt_is_over() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    let failover = Attempt { in_force: true, ..ended(begun(1, "api"), Outcome::Healed) };
    let over = ended(begun(2, "api"), Outcome::Failed);
    enter(&ledger, recoveries(vec![failover.clone(), over]));
    assert_eq!(ids(&ledger.read().unwrap().open_recoveries().unwrap()), [1]);
    enter(&ledger, recoveries(vec![Attempt { in_force: false, ..failover }]));
    assert_eq!(ledger.read().unwrap().open_recoveries().unwrap(), []);
}

#[test]
fn attempts_are_found_by_service_number_and_time_the_newest_first() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    enter(&ledger, recoveries((1..=6).map(|id| begun(id, if id % 2 == 0 { "web" } else { "api" })).collect()));
    let reader = ledger.read().unwrap();
    let (first, last) = (MIDNIGHT, MIDNIGHT.plus(30 * DAY));
    let found = |service, after, from, most| ids(&reader.recoveries(service, after, from, last, most).unwrap());
    assert_eq!(found(None, 0, first, 100), [6, 5, 4, 3, 2, 1]);
    assert_eq!(found(None, 0, first, 2), [6, 5]);
    assert_eq!(found(Some("api"), 0, first, 100), [5, 3, 1]);
    assert_eq!(found(Some("api"), 3, first, 100), [5]);
    assert_eq!(found(None, 0, MIDNIGHT.plus(4 * DAY), 100), [6, 5, 4]);
    assert_eq!(found(Some("none"), 0, first, 100), [] as [i64; 0]);
    assert_eq!(ids(&reader.recoveries(None, 0, first, MIDNIGHT.plus(2 * DAY), 100).unwrap()), [1]);
}

#[test]
fn of_an_attempt_that_waits_for_a_disk_only_the_last_word_is_kept() {
    let (first, other) = (begun(1, "api"), begun(2, "api"));
    let last = ended(begun(1, "api"), Outcome::Healed);
    let mut waiting = recoveries(vec![first]);
    assert!(!waiting.is_empty());
    waiting.merge(recoveries(vec![other.clone()]));
    waiting.merge(recoveries(vec![last.clone()]));
    waiting.coarsen();
    assert_eq!(waiting.recoveries, [other, last]);
}

#[test]
fn an_attempt_that_is_over_is_sealed_and_an_edit_shows() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    enter(&ledger, recoveries(vec![begun(1, "api"), begun(2, "api")]));
    let seals = || ledger.read().unwrap().head().unwrap().seq;
    assert_eq!(seals(), 0, "nothing is over");
    enter(&ledger, recoveries(vec![ended(begun(1, "api"), Outcome::NotHealed)]));
    enter(&ledger, recoveries(vec![ended(begun(1, "api"), Outcome::NotHealed)]));
    assert_eq!(seals(), 1, "once, as long as it stays as it is");
    drop(ledger);
    assert_eq!(tools::check(&folder.file()).unwrap(), []);
    for (sql, word) in [
        ("UPDATE recovery SET outcome = 'healed' WHERE id = 1", "recovery 1 was changed"),
        (
            "UPDATE recovery SET outcome = 'not_healed', json = replace(json, 'only', 'best') WHERE id = 1",
            "recovery 1 was changed",
        ),
        ("UPDATE recovery SET end = start WHERE id = 2", "recovery 2 was never sealed"),
        ("DELETE FROM recovery WHERE id = 1", "recovery 1 was deleted"),
    ] {
        Connection::open(folder.file()).unwrap().execute(sql, []).unwrap();
        let found = tools::check(&folder.file()).unwrap();
        let is_there = found.iter().any(|finding| finding.about == About::Seal && finding.text.contains(word));
        assert!(is_there, "{sql}: {found:?}");
    }
}

#[test]
fn attempts_are_pruned_with_the_rest_and_the_chain_goes_on() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    let all = (1..=4).map(|id| ended(begun(id, "api"), Outcome::Healed)).collect();
    enter(&ledger, Batch { recoveries: all, ..up("api", MIDNIGHT.plus(6 * DAY), 1) });
    tools::prune(&folder, MIDNIGHT.plus(3 * DAY)).unwrap();
    let reader = ledger.read().unwrap();
    assert_eq!(ids(&reader.recoveries(None, 0, MIDNIGHT, MIDNIGHT.plus(9 * DAY), 100).unwrap()), [4, 3]);
    drop((reader, ledger));
    assert_eq!(tools::check(&folder.file()).unwrap(), []);
}
