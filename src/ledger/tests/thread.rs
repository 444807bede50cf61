//! The thread: what it is handed is on the disk, or waits.

use rusqlite::Connection;

use super::*;
use crate::ledger::{ClockJump, EventRow, Maintenance, Note};

#[test]
fn everything_that_is_entered_is_read_again() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    let note =
        Note { incident: 1, at: MIDNIGHT.plus(9000), who: "ann".to_owned(), text: "a switch was changed".to_owned() };
    let jump = ClockJump { at: MIDNIGHT, by_ms: -3_600_000 };
    let (reason, who) = ("disks".to_owned(), "ben".to_owned());
    let planned = Maintenance { id: 4, service: "web".into(), from: MIDNIGHT, to: MIDNIGHT.plus(HOUR), reason, who };
    let event = |id, backend: Option<&str>| EventRow {
        id,
        time: MIDNIGHT.plus(id as i64),
        kind: "backend_down".to_owned(),
        level: "warn".to_owned(),
        service: Some("api".into()),
        backend: backend.map(Arc::from),
        json: "{}".to_owned(),
    };
    let kept = |value: Option<&str>| ("operator".to_owned(), "api/a".to_owned(), value.map(str::to_owned));
    enter(
        &ledger,
        Batch {
            incidents: vec![
                incident(1, MIDNIGHT, None),
                incident(2, MIDNIGHT.plus(HOUR), Some(MIDNIGHT.plus(HOUR + 7000))),
            ],
            notes: vec![note.clone()],
            jumps: vec![jump],
            maintenance: vec![planned.clone()],
            history: vec![event(1, None), event(2, Some("a")), event(3, Some("b"))],
            kept: vec![kept(Some("drain"))],
            ..batch(MIDNIGHT)
        },
    );
    let reader = ledger.read().unwrap();
    let open = reader.open_incidents().unwrap();
    assert_eq!(
        (&open[0].incident, &open[0].notes, &open[0].sealed),
        (&incident(1, MIDNIGHT, None), &vec![note], &None)
    );
    let ended = reader.incident(2).unwrap().unwrap();
    assert_eq!(ended.sealed.unwrap().len(), 64);
    assert_eq!(reader.incidents(Some("api"), MIDNIGHT, MIDNIGHT.plus(HOUR)).unwrap().len(), 1);
    assert_eq!(reader.incidents(None, MIDNIGHT.plus(HOUR + 6999), MIDNIGHT.plus(DAY)).unwrap().len(), 2);
    assert_eq!(reader.incidents(Some("web"), MIDNIGHT, MIDNIGHT.plus(DAY)).unwrap().len(), 0);
    assert_eq!(reader.last_incident_id().unwrap(), 2);
    assert_eq!(reader.jumps(MIDNIGHT, MIDNIGHT.plus(1)).unwrap(), [jump]);
    assert_eq!(reader.maintenance(MIDNIGHT).unwrap(), [planned]);
    assert_eq!(reader.maintenance(MIDNIGHT.plus(HOUR)).unwrap(), []);
    assert_eq!(reader.kept("operator").unwrap()["api/a"], "drain");
    let history = |service, backend, most| {
        let events = reader.history(service, backend, MIDNIGHT, MIDNIGHT.plus(HOUR), most).unwrap();
        events.into_iter().map(|event| event.id).collect::<Vec<_>>()
    };
    assert_eq!(history(None, None, 2), [2, 3]);
    assert_eq!(history(Some("api"), Some("a"), 9), [2]);
    assert_eq!(history(Some("web"), None, 9), [] as [u64; 0]);
    drop(reader);
    enter(
        &ledger,
        Batch { kept: vec![kept(None)], incidents: vec![incident(1, MIDNIGHT, Some(MIDNIGHT))], ..batch(MIDNIGHT) },
    );
    let reader = ledger.read().unwrap();
    assert!(reader.kept("operator").unwrap().is_empty());
    assert!(reader.open_incidents().unwrap().is_empty());
    assert_eq!(reader.head().unwrap().seq, 3, "a note and two incidents");
}

#[test]
fn what_was_entered_before_the_last_handle_is_dropped_is_on_the_disk() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    let other = ledger.clone();
    other.enter(up("api", MIDNIGHT, 10)).unwrap();
    drop((ledger, other));
    assert_eq!(of(&Reader::open(&folder).unwrap(), "api", MIDNIGHT, MIDNIGHT.plus(DAY)).up, 10_000);
}

#[test]
fn without_a_folder_nothing_is_kept_and_nothing_is_wrong() {
    let ledger = Ledger::default();
    assert!(!ledger.is_kept());
    ledger.enter(up("api", MIDNIGHT, 10)).unwrap();
    assert!(ledger.flush(Duration::ZERO));
    assert!(ledger.read().unwrap_err().contains("state_dir"));
}

#[test]
fn a_full_queue_gives_the_batch_back() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    let blocker = Connection::open(folder.file()).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    // the first is being tried for five seconds
    let mut back = None;
    for n in 0..20 {
        if let Err(batch) = ledger.enter(up("api", MIDNIGHT.plus(1000 * n), 1)) {
            back = Some((n, batch));
            break;
        }
    }
    let (n, mut batch) = back.unwrap();
    assert_eq!(*batch, up("api", MIDNIGHT.plus(1000 * n), 1));
    assert!(!ledger.flush(Duration::ZERO));
    batch.merge(up("api", MIDNIGHT.plus(1000 * (n + 1)), 1));
    blocker.execute_batch("ROLLBACK").unwrap();
    let mut batch = Some(batch);
    while let Some(again) = batch.take() {
        batch = ledger.enter(*again).err();
        std::thread::yield_now();
    }
    assert!(ledger.flush(Duration::from_secs(60)));
    assert_eq!(of(&ledger.read().unwrap(), "api", MIDNIGHT, MIDNIGHT.plus(DAY)).up, 1000 * (n + 2));
}

#[test]
fn whoever_has_waited_for_the_disk_at_the_end_does_not_wait_once_more() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    let blocker = Connection::open(folder.file()).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = std::time::Instant::now();
    assert!(!ledger.keep(up("api", MIDNIGHT, 1), Duration::from_millis(100)));
    ledger.give_up();
    drop(ledger);
    // the thread tries for five seconds each time
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[test]
fn what_waits_for_a_disk_is_bounded_and_still_adds_up() {
    let mut all = batch(MIDNIGHT);
    for n in 0..30 {
        all.merge(up("api", MIDNIGHT.plus(n * 1_200_000), 1200));
        all.merge(Batch {
            incidents: vec![incident(n % 3, MIDNIGHT, None)],
            ..batch(MIDNIGHT.plus((n + 1) * 1_200_000))
        });
    }
    all.coarsen();
    assert!(all.tallies.len() <= 661, "ten minutes and the minute that they begin in: {}", all.tallies.len());
    assert!(all.spans.len() <= 6 * 60 + 5, "{}", all.spans.len());
    assert_eq!(all.incidents.len(), 3);
    let sum: i64 = all.tallies.iter().map(|row| row.2.up).chain(all.spans.iter().map(|span| span.tally.up)).sum();
    assert_eq!(sum, 36_000_000);
}

#[test]
fn what_waits_is_bounded_by_its_rows_however_many_services_there_are() {
    let names: Vec<Arc<str>> = (0..1000).map(|n| format!("service {n}").into()).collect();
    let mut all = batch(MIDNIGHT);
    // two minutes and a half, of which two would be kept by the second
    for second in 0..150 {
        let at = MIDNIGHT.plus(1000 * second);
        let tally = Tally { up: 1000, ..Tally::default() };
        let tallies = names.iter().map(|name| (Arc::clone(name), at, tally)).collect();
        all.merge(Batch { tallies, ..batch(at.plus(1000)) });
    }
    all.coarsen();
    assert!(all.rows() <= crate::ledger::batch::MOST_ROWS, "{}", all.rows());
    let sum: i64 = all.tallies.iter().map(|row| row.2.up).chain(all.spans.iter().map(|span| span.tally.up)).sum();
    assert_eq!(sum, 150_000_000);
}

#[test]
fn events_are_kept_for_ninety_days() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    let event = |day: i64| EventRow {
        id: 1,
        time: MIDNIGHT.plus(day * DAY),
        kind: "reload".to_owned(),
        level: "info".to_owned(),
        service: None,
        backend: None,
        json: "{}".to_owned(),
    };
    for day in 0..100 {
        enter(&ledger, Batch { history: vec![event(day)], ..batch(MIDNIGHT.plus(day * DAY)) });
    }
    let history = ledger.read().unwrap().history(None, None, MIDNIGHT, MIDNIGHT.plus(200 * DAY), 1000).unwrap();
    assert_eq!(history.len(), 91);
    assert_eq!(history[0], event(9));
}
