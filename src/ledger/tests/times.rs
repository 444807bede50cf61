//! What is added, and what is read again.

use proptest::prelude::*;

use super::*;
use crate::ledger::{Batch, Gap, GapReason, Span, unknown};

#[test]
fn what_was_added_is_read_to_the_second_at_each_level() {
    let folder = Folder::new();
    let (ledger, told) = start(&folder);
    let from = MIDNIGHT.plus(DAY - 90_000);
    enter(&ledger, up("api", from, 180));
    enter(&ledger, up("web", from.plus(60_000), 1));
    let reader = ledger.read().unwrap();
    assert_eq!(of(&reader, "api", from, from.plus(180_000)), Tally { up: 180_000, good: 180, ..Tally::default() });
    assert_eq!(of(&reader, "api", from.plus(10_000), from.plus(13_000)).up, 3000);
    assert_eq!(of(&reader, "api", from.plus(10_500), from.plus(11_500)).up, 2000, "seconds are whole");
    assert_eq!(of(&reader, "web", MIDNIGHT, MIDNIGHT.plus(2 * DAY)).good, 1);
    for (level, rows) in [(Level::Second, 180), (Level::Minute, 4), (Level::Hour, 2), (Level::Day, 2)] {
        let series = reader.series("api", from, from.plus(180_000), level).unwrap();
        assert_eq!(series.len(), rows, "{level:?}");
        assert_eq!(series.iter().map(|(_, tally)| tally.up).sum::<i64>(), 180_000);
        assert_eq!(reader.recent(from, level).unwrap()["api"], series);
    }
    assert_eq!(reader.until().unwrap(), Some(from.plus(61_000)));
    let services: Vec<_> = reader.services().unwrap();
    assert_eq!(services, [("api".into(), from), ("web".into(), from.plus(60_000))]);
    assert_eq!(told.all(), []);
}

#[test]
fn a_correction_changes_all_levels() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    enter(&ledger, up("api", MIDNIGHT, 100));
    let change = Tally { up: -1000, down: 1000, good: -1, failed: 1, ..Tally::default() };
    let tallies = vec![("api".into(), MIDNIGHT.plus(5000), change)];
    enter(&ledger, Batch { tallies, ..batch(MIDNIGHT.plus(101_000)) });
    let reader = ledger.read().unwrap();
    for level in Level::ALL {
        let sum = reader.series("api", MIDNIGHT, MIDNIGHT.plus(DAY), level).unwrap().iter().fold(
            Tally::default(),
            |mut all, row| {
                all += row.1;
                all
            },
        );
        assert_eq!(sum, Tally { up: 99_000, down: 1000, good: 99, failed: 1, ..Tally::default() }, "{level:?}");
    }
    assert_eq!(of(&reader, "api", MIDNIGHT.plus(5000), MIDNIGHT.plus(6000)).down, 1000);
}

#[test]
fn what_is_old_is_kept_as_minutes_and_what_asks_for_its_seconds_gets_the_minute() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    enter(&ledger, up("api", MIDNIGHT, 3600));
    enter(&ledger, up("api", MIDNIGHT.plus(3 * HOUR), 3600));
    enter(&ledger, up("api", MIDNIGHT.plus(4 * HOUR), 900));
    let reader = ledger.read().unwrap();
    let rows = |level| reader.series("api", MIDNIGHT, MIDNIGHT.plus(HOUR), level).unwrap().len();
    assert_eq!((rows(Level::Second), rows(Level::Minute)), (0, 60));
    assert_eq!(of(&reader, "api", MIDNIGHT.plus(60_000), MIDNIGHT.plus(90_000)).up, 60_000);
    assert_eq!(of(&reader, "api", MIDNIGHT.plus(60_000), MIDNIGHT.plus(2 * HOUR)).up, 3_540_000);
    assert_eq!(of(&reader, "api", MIDNIGHT.plus(4 * HOUR - 60_000), MIDNIGHT.plus(4 * HOUR - 30_000)).up, 30_000);
}

#[test]
fn a_year_that_nobody_watched_is_unknown_to_the_second_for_a_hundred_services() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    enter(&ledger, up("s7", MIDNIGHT, 100));
    let (from, to) = (MIDNIGHT.plus(100_000), MIDNIGHT.plus(365 * DAY + 4 * HOUR + 123_456));
    let services: Vec<Arc<str>> = (0..100).map(|n| format!("s{n}").into()).collect();
    let spans = services.iter().flat_map(|service| unknown(service, from, to)).collect();
    let gaps = vec![Gap { from, to, why: GapReason::Crashed }];
    enter(&ledger, Batch { spans, gaps: gaps.clone(), ..batch(to) });
    enter(&ledger, up("s7", Level::Second.ceil(to), 10));
    let reader = ledger.read().unwrap();
    let all = of(&reader, "s7", MIDNIGHT, to.plus(HOUR));
    assert_eq!(all, Tally { up: 110_000, good: 110, unknown: to.since(from), ..Tally::default() });
    let hours = (MIDNIGHT.plus(300 * DAY + 7 * HOUR), MIDNIGHT.plus(300 * DAY + 9 * HOUR + 5000));
    assert_eq!(of(&reader, "s7", hours.0, hours.1).unknown, 2 * HOUR + 5000);
    let end = to.plus(11_000);
    assert_eq!(of(&reader, "s7", end.plus(-60_000), end).up, 10_000);
    assert_eq!(reader.gaps(MIDNIGHT, to).unwrap(), gaps);
    assert_eq!(reader.gaps(MIDNIGHT, from).unwrap(), []);
}

#[test]
fn a_clock_that_is_wrong_for_a_while_costs_neither_the_history_nor_its_detail() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    enter(&ledger, up("api", MIDNIGHT, 600));
    enter(&ledger, up("api", MIDNIGHT.plus(4000 * DAY), 600));
    let back = MIDNIGHT.plus(900_000);
    enter(&ledger, up("api", back, 600));
    let reader = ledger.read().unwrap();
    assert_eq!(of(&reader, "api", MIDNIGHT, MIDNIGHT.plus(DAY)).up, 1_200_000);
    assert_eq!(of(&reader, "api", back.plus(65_000), back.plus(70_000)).up, 5000);
    assert_eq!(of(&reader, "api", MIDNIGHT.plus(65_000), MIDNIGHT.plus(70_000)).up, 5000);
    let complete = crate::ledger::spans::complete(reader.connection()).unwrap();
    assert!(complete[..3].iter().all(|from| *from <= MIDNIGHT.plus(DAY)), "{complete:?}");
    assert_levels_agree(&folder);
}

#[test]
fn a_clock_set_back_an_hour_adds_to_what_was_there() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    enter(&ledger, up("api", MIDNIGHT, 3 * 3600));
    enter(&ledger, up("api", MIDNIGHT.plus(HOUR / 2), 100));
    enter(&ledger, up("api", MIDNIGHT.plus(2 * HOUR + HOUR / 2), 100));
    let reader = ledger.read().unwrap();
    assert_eq!(of(&reader, "api", MIDNIGHT, MIDNIGHT.plus(DAY)).up, 3 * HOUR + 200_000);
    let second = (MIDNIGHT.plus(2 * HOUR + HOUR / 2), MIDNIGHT.plus(2 * HOUR + HOUR / 2 + 1000));
    assert_eq!(of(&reader, "api", second.0, second.1).up, 2000);
    assert_levels_agree(&folder);
}

#[test]
fn in_an_upgrade_no_second_is_counted_twice_and_no_request_is_lost() {
    let folder = Folder::new();
    let (old, _) = start(&folder);
    let (new, _) = start(&folder);
    let of_new = |mut batch: Batch| {
        batch.keeper = Keeper(2);
        batch
    };
    enter(&old, Batch { takes_over: true, ..up("api", MIDNIGHT, 10) });
    let early = Batch { incidents: vec![incident(1, MIDNIGHT, None)], ..up("api", MIDNIGHT.plus(5000), 5) };
    enter(&new, of_new(early));
    // what has waited before and what comes with the word are told apart
    let mut waited = of_new(up("api", MIDNIGHT.plus(9000), 1));
    waited.merge(of_new(Batch { takes_over: true, ..up("api", MIDNIGHT.plus(10_000), 10) }));
    let mut all = of_new(batch(MIDNIGHT.plus(9000)));
    all.merge(waited);
    enter(&new, all);
    enter(&old, up("api", MIDNIGHT.plus(10_000), 10));
    let reader = old.read().unwrap();
    assert_eq!(of(&reader, "api", MIDNIGHT, MIDNIGHT.plus(DAY)), Tally { up: 20_000, good: 36, ..Tally::default() });
    assert_eq!(reader.until().unwrap(), Some(MIDNIGHT.plus(20_000)));
    assert_eq!(reader.keeper().unwrap(), Some(Keeper(2)));
    assert_eq!(reader.last_incident_id().unwrap(), 0);
}

fn assert_levels_agree(folder: &Folder) {
    let found = crate::ledger::tools::check(&folder.file()).unwrap();
    assert!(found.is_empty(), "{found:?}");
}

/// What happens in a history: a tally so many seconds from now, or a jump of the clock, or a gap.
#[derive(Debug, Clone)]
enum Step {
    Watch { seconds: i64 },
    Correct { ago: i64 },
    Jump { by: i64 },
    Off { millis: i64 },
    Hold,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..200_i64).prop_map(|seconds| Step::Watch { seconds }),
        2 => (0..300_000_i64).prop_map(|ago| Step::Correct { ago }),
        1 => (-200_000..200_000_i64).prop_map(|by| Step::Jump { by }),
        1 => Just(Step::Jump { by: 300_000_000 }),
        1 => Just(Step::Jump { by: -300_000_000 }),
        1 => (1..300_000_000_i64).prop_map(|millis| Step::Off { millis }),
        1 => (1..20_000_i64).prop_map(|millis| Step::Off { millis }),
        1 => Just(Step::Hold),
    ];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_levels_agree_and_nothing_is_lost_or_twice(steps in steps()) {
        let folder = Folder::new();
        let mut file = crate::ledger::file::open(&folder, true).unwrap();
        let mut services = crate::ledger::write::Services::new();
        let mut write = |batch: &Batch, n: usize| {
            let id = crate::ledger::write::BatchId { run: 1, number: n as u64 };
            crate::ledger::write::write(&mut file.connection, batch, id, &mut services).unwrap();
        };
        let (mut now, mut total) = (MIDNIGHT.plus(200_000 * DAY), Tally::default());
        let mut held: Option<Batch> = None;
        for (n, step) in steps.into_iter().enumerate() {
            let mut next = match step {
                Step::Watch { seconds } => up("api", Level::Second.floor(now), seconds),
                Step::Correct { ago } => {
                    let tally = Tally { up: -1000, down: 1000, slow: 1, ..Tally::default() };
                    Batch { tallies: vec![("api".into(), now.plus(-1000 * ago), tally)], ..batch(now) }
                }
                Step::Jump { by } => batch(now.plus(1000 * by)),
                Step::Off { millis } => Batch { spans: unknown(&"api".into(), now, now.plus(millis)), ..batch(now.plus(millis)) },
                Step::Hold => {
                    held.get_or_insert_with(|| batch(now));
                    continue;
                }
            };
            now = next.until.unwrap();
            for tally in next.tallies.iter().map(|row| &row.2).chain(next.spans.iter().map(|row: &Span| &row.tally)) {
                total += *tally;
            }
            if let Some(mut earlier) = held.take() {
                // as the thread does when a disk was full
                earlier.merge(next);
                earlier.coarsen();
                next = earlier;
            }
            // every other time the clock is not believed
            next.steady_ms = if n % 2 == 0 { HOUR } else { 0 };
            write(&next, n);
        }
        drop(file);
        let reader = Reader::open(&folder).unwrap();
        prop_assert_eq!(of(&reader, "api", MIDNIGHT, MIDNIGHT.plus(400_000 * DAY)), total);
        let found = crate::ledger::tools::check(&folder.file()).unwrap();
        prop_assert!(found.is_empty(), "{:?}", found);
    }
}
