//! How large the file becomes, and how long answers take. The history of two years is entered through the same code as ever, but in larger steps
//! where only larger steps are kept: hours up to two days ago, minutes up to two hours ago, then seconds.
//!
//! `cargo test --release --lib measure -- --ignored --nocapture`, which also measures reports

use std::time::Instant;

use super::*;
use crate::ledger::{EventRow, Note, Span};

const SERVICES: i64 = 100;
const DAYS: i64 = 730;

pub(crate) fn names() -> Vec<Arc<str>> {
    (0..SERVICES).map(|n| format!("service-{n:03}").into()).collect()
}

/// One step of all services, with as many digits in its numbers as a busy service has.
fn step(names: &[Arc<str>], level: Level, start: Stamp) -> Batch {
    let seconds = level.millis() / 1000;
    let tally = |n: i64| {
        let down = if (start.as_millis() / level.millis() + n) % 7 == 0 { 137 } else { 0 };
        Tally {
            up: level.millis() - down,
            down,
            good: seconds * (900 + n),
            failed: n % 5,
            slow: seconds * 3,
            excluded: seconds,
            ..Tally::default()
        }
    };
    let services = names.iter().cloned().zip(0..);
    let spans = services.map(|(service, n)| Span { service, level, start, tally: tally(n) }).collect();
    Batch { spans, ..batch(start.plus(level.millis())) }
}

/// What a day has beside times: 2,000 events, 15 incidents (one a week for each service), and a note for each third.
fn day(names: &[Arc<str>], day: i64) -> Batch {
    let start = MIDNIGHT.plus(day * DAY);
    let incidents = (0..15).map(|n| {
        let began = start.plus(n * HOUR);
        Incident {
            service: Arc::clone(&names[n as usize]),
            ..incident(day * 15 + n + 1, began, Some(began.plus(7000)))
        }
    });
    let note = |n| Note {
        incident: day * 15 + n + 1,
        at: start,
        who: "ann".to_owned(),
        text: "the switch of row 7 was replaced".to_owned(),
    };
    let event = |n: i64| EventRow {
        id: (day * 2000 + n) as u64,
        time: start.plus(n * 43_200),
        kind: "backend_down".to_owned(),
        level: "warn".to_owned(),
        service: Some(Arc::clone(&names[(n % SERVICES) as usize])),
        backend: Some("10.0.0.7:8080".into()),
        json: format!(
            "{{\"id\":{n},\"text\":\"{}\"}}",
            "backend 10.0.0.7:8080 is down: 3 checks failed, connection refused ".repeat(3)
        ),
    };
    let notes = (0..15).step_by(3).map(note).collect();
    Batch { incidents: incidents.collect(), notes, history: (0..2000).map(event).collect(), ..batch(start) }
}

/// The memory of this process that is its own, in KiB: now, and at most so far.
fn memory() -> (i64, i64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let number = |name: &str| {
        status.lines().find(|line| line.starts_with(name)).unwrap().split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    (number("RssAnon:"), number("VmHWM:"))
}

pub(crate) fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = work();
    eprintln!("{what}: {:.1} ms", begun.elapsed().as_secs_f64() * 1000.0);
    result
}

/// Enters two years of a hundred services, and says of each step how much of the time was left, and how long it took to be on the disk. Gives the
/// end of that time.
pub(crate) fn enter_two_years(ledger: &Ledger, mut entered: impl FnMut(i64, Duration)) -> Stamp {
    let names = names();
    let end = MIDNIGHT.plus(DAYS * DAY);
    let mut now = MIDNIGHT;
    while now < end {
        if Level::Day.floor(now) == now {
            enter(ledger, day(&names, now.since(MIDNIGHT) / DAY));
        }
        let left = end.since(now);
        let level = if left > 2 * DAY {
            Level::Hour
        } else if left > 2 * HOUR {
            Level::Minute
        } else {
            Level::Second
        };
        let begun = Instant::now();
        enter(ledger, step(&names, level, now));
        entered(left, begun.elapsed());
        now = now.plus(level.millis());
    }
    end
}

#[test]
#[ignore = "takes minutes"]
fn two_years_of_a_hundred_services() {
    let folder = Folder::new();
    let names = names();
    let before = memory();
    let (ledger, told) = start(&folder);
    let mut slowest = Duration::ZERO;
    let mut most = 0;
    let mut last_hour = Duration::ZERO;
    let end = enter_two_years(&ledger, |left, took| {
        slowest = slowest.max(took);
        last_hour += if left <= HOUR { took } else { Duration::ZERO };
        most = most.max(memory().0);
    });
    eprintln!("memory: {} KiB before, {most} KiB at most, so {} KiB for the ledger", before.0, most - before.0);
    let (slowest, last_hour) = (slowest.as_secs_f64() * 1000.0, last_hour.as_secs_f64() / 3.6);
    eprintln!("batches: {last_hour:.2} ms for a second of the last hour, {slowest:.1} ms at most");
    let bytes = |end: &str| std::fs::metadata(format!("{}{end}", folder.file().display())).map_or(0, |it| it.len());
    eprintln!("file: {:.1} MB, log {:.1} MB", bytes("") as f64 / 1e6, bytes("-wal") as f64 / 1e6);
    let reader = timed("open", || ledger.read().unwrap());
    let year = end.plus(-365 * DAY - 12_345_000);
    let all = timed("tallies of a year, all services", || reader.tallies(year, end).unwrap());
    assert_eq!(all.len(), 100);
    let days = timed("days of a year, one service", || reader.series("service-007", year, end, Level::Day).unwrap());
    assert_eq!(days.len(), 366);
    timed("incidents of a year, one service", || reader.incidents(Some("service-007"), year, end).unwrap());
    timed("seconds of an hour, all services", || reader.recent(end.plus(-HOUR), Level::Second).unwrap());
    timed("minutes of two days, all services", || reader.recent(end.plus(-2 * DAY), Level::Minute).unwrap());
    timed("hours of three days, all services", || reader.recent(end.plus(-3 * DAY), Level::Hour).unwrap());
    timed("500 events of one backend", || {
        reader.history(Some("service-007"), Some("10.0.0.7:8080"), year, end, 500).unwrap()
    });
    drop(reader);
    let found = timed("check", || crate::ledger::tools::check(&folder.file()).unwrap());
    assert_eq!(found, []);
    timed("backup", || crate::ledger::tools::backup(&folder, &folder.join("copy")).unwrap());
    timed("end", || drop(ledger));
    timed("start", || drop(start(&folder)));
    let (ledger, _) = start(&folder);
    let spans =
        names.iter().flat_map(|name| crate::ledger::unknown(name, end, end.plus(365 * DAY + 4_444_444))).collect();
    timed("a year that nobody watched", || enter(&ledger, Batch { spans, ..batch(end.plus(365 * DAY + 4_444_444)) }));
    assert_eq!(told.all(), []);
    assert!(bytes("") < 200_000_000);
}
