//! A wall's clock that is far ahead for a while, and a machine that really was off.

use rusqlite::Connection;

use super::*;
use crate::ledger::{EventRow, Gap, GapReason, tools, unknown};

fn event(time: Stamp) -> EventRow {
    let (kind, level, json) = ("reloaded".to_owned(), "info".to_owned(), "{}".to_owned());
    EventRow { id: 1, time, kind, level, service: None, backend: None, json }
}

fn events(ledger: &Ledger) -> usize {
    ledger.read().unwrap().history(None, None, Stamp::default(), MIDNIGHT.plus(10_000 * DAY), 1000).unwrap().len()
}

/// A batch at `until`, when the clock has gone evenly for `steady_ms`, with an event.
fn at(until: Stamp, steady_ms: i64) -> Batch {
    Batch { history: vec![event(until)], steady_ms, ..batch(until) }
}

#[test]
fn a_clock_that_is_set_ahead_for_seconds_deletes_no_events() {
    for ahead in [100, 7 * 365] {
        let folder = Folder::new();
        let (ledger, _) = start(&folder);
        for n in 0..10 {
            enter(&ledger, at(MIDNIGHT.plus(1000 * n), 1000 * n));
        }
        for n in 0..5 {
            enter(&ledger, at(MIDNIGHT.plus(ahead * DAY + 1000 * n), 1000 * n));
        }
        enter(&ledger, at(MIDNIGHT.plus(20_000), 0));
        assert_eq!(events(&ledger), 16, "{ahead} days ahead");
    }
}

#[test]
fn a_start_with_a_clock_that_is_years_ahead_takes_nothing_from_the_books_and_seals_no_day_to_come() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    let down = ("api".into(), MIDNIGHT.plus(HOUR), Tally { down: 1000, ..Tally::default() });
    enter(&ledger, Batch { tallies: vec![down], ..batch(MIDNIGHT.plus(HOUR + 1000)) });
    let (from, to) = (MIDNIGHT.plus(HOUR + 1000), MIDNIGHT.plus(1827 * DAY + HOUR));
    let gaps = vec![Gap { from, to, why: GapReason::Stopped }];
    enter(&ledger, Batch { spans: unknown(&"api".into(), from, to), gaps, steady_ms: 0, ..batch(to) });
    for n in 0..5 {
        let ahead = up("api", Level::Second.ceil(to).plus(1000 * n), 1);
        enter(&ledger, Batch { steady_ms: 1000 * n, ..ahead });
    }
    let back = up("api", MIDNIGHT.plus(HOUR + 10_000), 1);
    enter(&ledger, Batch { steady_ms: 0, ..back });
    let reader = ledger.read().unwrap();
    let today = reader.series("api", MIDNIGHT, MIDNIGHT.plus(DAY), Level::Day).unwrap();
    assert_eq!(today[0].1.down, 1000, "what was down is still in the day");
    assert_eq!(reader.head().unwrap().seq, 0, "no day is over");
    assert_eq!(tools::check(&folder.file()).unwrap(), []);
}

#[test]
fn a_machine_that_was_off_for_three_months_deletes_what_is_old_after_an_hour() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    enter(&ledger, at(MIDNIGHT, HOUR));
    enter(&ledger, up("api", MIDNIGHT, 10));
    let on = MIDNIGHT.plus(92 * DAY);
    enter(&ledger, at(on, 0));
    enter(&ledger, at(on.plus(HOUR - 1000), HOUR - 1000));
    let sealed = |ledger: &Ledger| ledger.read().unwrap().head().unwrap().seq;
    assert_eq!((events(&ledger), sealed(&ledger)), (3, 0));
    enter(&ledger, at(on.plus(HOUR), HOUR));
    assert_eq!((events(&ledger), sealed(&ledger)), (3, 1), "that of the first day is gone, and that day is sealed");
}

#[test]
fn what_a_process_writes_that_does_not_keep_the_time_says_nothing_of_the_clock() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    enter(&ledger, at(MIDNIGHT, HOUR));
    enter(&ledger, Batch { keeper: Keeper(2), ..at(MIDNIGHT.plus(400 * DAY), 2 * HOUR) });
    let value = |name: &str| -> String {
        let connection = Connection::open(folder.file()).unwrap();
        connection.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0)).unwrap()
    };
    assert_eq!(value("borne_out"), MIDNIGHT.as_millis().to_string());
    assert_eq!(events(&ledger), 2);
}
