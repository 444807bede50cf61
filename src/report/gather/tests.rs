//! What is gathered of a period: from a ledger that is written as ever.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::ledger::{Batch, Gap, GapReason, Keeper, Ledger, tools};
use crate::report;
use crate::report::{Format, ServiceReport};
use crate::sla::{Cause, CauseKind, Incident, Tally, Window};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// 2026-11-28T00:00:00Z.
const MIDNIGHT: Stamp = Stamp::from_millis(1_795_824_000_000);

/// A ledger in a folder of its own, gone afterwards.
pub(super) struct Kept(PathBuf, pub(super) Option<Ledger>);

impl Kept {
    pub(super) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("evenkeel-gather-{name}-{}", std::process::id()));
        let ledger = Ledger::of(&folder, Box::new(|_| {}));
        ledger.begin();
        Self(folder, Some(ledger))
    }

    fn enter(&self, batch: Batch) {
        let ledger = self.1.as_ref().unwrap();
        ledger.enter(Batch { keeper: Keeper(1), takes_over: true, ..batch }).unwrap();
        assert!(ledger.flush(Duration::from_secs(60)));
    }

    pub(super) fn reader(&self) -> Reader {
        Reader::open(&self.0).unwrap()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.1.take());
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn promise() -> Promise {
    Promise {
        tier: None,
        target: 0.999,
        rto: Duration::from_secs(60),
        rpo: Duration::from_secs(1),
        mttr: Duration::from_secs(300),
        mtbf: Duration::from_secs(3600),
        window: Window::Rolling(Duration::from_secs(3600)),
        latency: None,
        floor: 0.95,
        protect: false,
    }
}

fn second(at: Stamp, tally: Tally) -> (Arc<str>, Stamp, Tally) {
    ("api".into(), at, tally)
}

fn is_up(at: Stamp) -> (Arc<str>, Stamp, Tally) {
    second(at, Tally { up: 1000, good: 1, ..Tally::default() })
}

fn is_down(at: Stamp) -> (Arc<str>, Stamp, Tally) {
    second(at, Tally { down: 1000, failed: 1, ..Tally::default() })
}

fn incident(began: Stamp, ended: Option<Stamp>) -> Incident {
    Incident {
        id: 1,
        service: "api".into(),
        began,
        detected: began,
        ended,
        is_cut: ended.is_some(),
        lasted_ms: 1000,
        down_ms: 1000,
        rto_ms: 60_000,
        cause: Cause { kind: CauseKind::Check, text: String::new() },
        backends: Vec::new(),
        actions: Vec::new(),
        lost: 1,
        good: 0,
    }
}

fn made(reader: &Reader, period: &Period) -> Report {
    let promises = BTreeMap::from([("api".to_owned(), promise())]);
    report(reader, Asked { period, now: MIDNIGHT.plus(3 * DAY), services: &[], promises, windows: BTreeMap::new() })
        .unwrap()
}

fn of(reader: &Reader, period: &Period) -> ServiceReport {
    History::read(reader, period).unwrap().service("api", promise()).unwrap()
}

fn period(from: Stamp, to: Stamp) -> Period {
    Period { time: from..to, label: String::new() }
}

#[test]
fn a_period_holds_what_was_in_it_and_not_the_rest_of_its_first_day() {
    let kept = Kept::new("edges");
    let noon = MIDNIGHT.plus(12 * HOUR);
    let tallies = vec![is_down(noon.plus(-3 * HOUR)), is_down(noon.plus(-HOUR / 2)), is_down(noon)];
    kept.enter(Batch { tallies, until: Some(noon), ..Batch::default() });
    let reader = kept.reader();
    let down = |period: &Period| of(&reader, period).summary.tally.down;
    assert_eq!(down(&Period::last("1h", noon).unwrap()), 1000);
    assert_eq!(down(&Period::last("4h", noon).unwrap()), 2000);
    assert_eq!(down(&period(MIDNIGHT, MIDNIGHT.plus(DAY))), 3000);
}

#[test]
fn a_month_whose_bad_days_were_deleted_is_not_met_but_not_known_and_says_why() {
    let kept = Kept::new("pruned");
    let tallies =
        vec![is_down(MIDNIGHT.plus(HOUR)), is_up(MIDNIGHT.plus(DAY + HOUR)), is_up(MIDNIGHT.plus(2 * DAY + HOUR))];
    let incidents = vec![incident(MIDNIGHT.plus(HOUR), Some(MIDNIGHT.plus(HOUR + 1000)))];
    kept.enter(Batch { tallies, incidents, until: Some(MIDNIGHT.plus(2 * DAY + 2 * HOUR)), ..Batch::default() });
    let month = period(MIDNIGHT.plus(-DAY), MIDNIGHT.plus(3 * DAY));
    assert_eq!(made(&kept.reader(), &month).services[0].summary.compliant, Some(false));
    tools::prune(&kept.0, MIDNIGHT.plus(DAY)).unwrap();
    let report = made(&kept.reader(), &month);
    let summary = &report.services[0].summary;
    assert_eq!((summary.compliant, summary.budget.left(), summary.deleted_ms), (None, None, 23 * HOUR));
    assert_eq!(summary.tally.unknown, 23 * HOUR, "the rest of its first day");
    let days: i64 = report.services[0].days.iter().map(|day| day.tally.elapsed()).sum();
    assert_eq!(days, summary.tally.elapsed(), "the days add up");
    for format in [Format::Markdown, Format::Html, Format::Json] {
        let text = format.write(&report);
        let begin = "The accounts of api begin at 2026-11-29T00:00:00.000Z: what was before is not known.";
        for said in [
            "the history before 2026-11-29 00:00:00 was deleted by hand",
            "the history of 23 h of the period was deleted by hand",
            begin,
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
        assert!(!text.contains("Nobody watched"), "somebody did: {text}");
    }
    let csv = Format::Csv.write(&report);
    assert!(csv.lines().nth(1).unwrap().contains(",not known,"), "{csv}");
    // a period after it is as ever
    let later = of(&kept.reader(), &period(MIDNIGHT.plus(DAY), MIDNIGHT.plus(3 * DAY)));
    assert_eq!((later.summary.compliant, later.summary.tally.unknown), (Some(true), 0));
    // the edge of a period within the deleted part
    let edge = of(&kept.reader(), &period(MIDNIGHT.plus(12 * HOUR), MIDNIGHT.plus(2 * DAY)));
    assert_eq!((edge.summary.tally.unknown, edge.summary.deleted_ms), (12 * HOUR, 12 * HOUR));
}

#[test]
fn a_restored_history_gives_the_true_reason_for_what_is_missing() {
    let kept = Kept::new("restored");
    let (until, at) = (MIDNIGHT.plus(HOUR), MIDNIGHT.plus(2 * HOUR));
    let file = Some("ledger.replaced-1.sqlite".to_owned());
    let gaps = vec![Gap { from: until, to: at, why: GapReason::Restored { file } }];
    let incidents = vec![incident(until.plus(-1000), Some(until))];
    kept.enter(Batch {
        tallies: vec![is_up(MIDNIGHT), is_up(at)],
        gaps,
        incidents,
        until: Some(at.plus(1000)),
        ..Batch::default()
    });
    let report = made(&kept.reader(), &period(MIDNIGHT, MIDNIGHT.plus(DAY)));
    let said = report::account::not_known(&report).join("\n");
    let gap = "Nothing is known of the time from 2026-11-28 01:00:00 to 2026-11-28 02:00:00 (1 h): the history was restored from a copy that ends at \
               2026-11-28 01:00:00; what came after it is in ledger.replaced-1.sqlite.";
    assert!(said.contains(gap), "{said}");
    let cut =
        "api: the end of incident 1 is not known, because it was under way at the end of the copy that was restored.";
    assert!(said.contains(cut), "{said}");
    assert_eq!(report.services[0].rpo_met(), None);
}

#[test]
fn a_crash_costs_no_more_than_was_promised_where_all_of_the_gap_is_shorter() {
    let kept = Kept::new("rpo");
    let crash = |hour: i64, ms: i64| {
        let from = MIDNIGHT.plus(hour * HOUR);
        Gap { from, to: from.plus(ms), why: GapReason::Crashed }
    };
    kept.enter(Batch { tallies: vec![is_up(MIDNIGHT)], gaps: vec![crash(1, 900)], ..Batch::default() });
    let day = period(MIDNIGHT, MIDNIGHT.plus(DAY));
    let words = |service: &ServiceReport| {
        let whole = made(&kept.reader(), &day);
        format!("{:?}", report::figures::of_service(service, &whole))
    };
    let first = of(&kept.reader(), &day);
    assert_eq!((first.recovery_point.crashes, first.rpo_met()), (1, Some(true)));
    assert!(words(&first).contains("at most 900 ms each (RPO 1 s: met)"), "{}", words(&first));
    kept.enter(Batch { gaps: vec![crash(2, 5000)], ..Batch::default() });
    let second = of(&kept.reader(), &day);
    assert_eq!((second.recovery_point.crashes, second.rpo_met()), (2, None));
    assert!(words(&second).contains("of the time before, at most the RPO of 1 s each"), "{}", words(&second));
    let none = of(&kept.reader(), &period(MIDNIGHT, MIDNIGHT.plus(HOUR)));
    assert_eq!((none.recovery_point.crashes, none.rpo_met()), (0, Some(true)));
}
