//! What holds of any history.

use proptest::prelude::*;

use super::driver::{Driver, Event, SECOND};
use crate::clock::Stamp;
use crate::sla::{Incident, Tally};

/// Windows that begin and end within the histories, which begin at noon of a Friday.
const MAINTENANCE: [&[&str]; 4] =
    [&[], &["daily 12:01-12:02"], &["daily 11:00-12:01", "Fri 12:02-12:04"], &["daily 10:30-13:30"]];

/// Events, each so many milliseconds after the one before, and the maintenance.
type History = (Vec<(i64, Event)>, usize);

fn events(clock_is_set: bool) -> impl Strategy<Value = Vec<(i64, Event)>> {
    let rate = || prop_oneof![Just(0_i64), 1..10_i64, 10..500_i64];
    let requests = (rate(), rate(), rate()).prop_map(|(good, failed, slow)| Event::Requests([good, failed, slow]));
    let burst = [0..50_i64, 0..50, 0..50, 0..50].prop_map(Event::Burst);
    let by = prop_oneof![-400..400_i64, -10_000..10_000_i64, -7_200_000..7_200_000_i64];
    let event = prop_oneof![
        4 => any::<bool>().prop_map(Event::Usable),
        3 => requests,
        2 => burst,
        1 => (0..5000_i64).prop_map(Event::Stall),
        1 => (0..30_000_i64).prop_map(Event::Stall),
        1 => Just(Event::Nobody),
        1 => prop_oneof![Just(0_i64), 0..5000_i64, 0..100_000_i64].prop_map(Event::Restart),
        1 => Just(Event::Upgrade),
        if clock_is_set { 2 } else { 0 } => by.prop_map(Event::Clock),
    ];
    let pause = prop_oneof![0..300_i64, 0..8000_i64, Just(70_000)];
    prop::collection::vec((pause, event), 0..25)
}

fn histories(clock_is_set: bool) -> impl Strategy<Value = History> {
    (events(clock_is_set), 0..MAINTENANCE.len())
}

fn live((events, maintenance): &History) -> Driver {
    let mut driver = Driver::new("2026-11-27T12:00:00Z", MAINTENANCE[*maintenance]);
    for (pause, event) in events {
        driver.run(&[(*pause, *event)], *pause);
    }
    // the last stall is over by then, and the last look is one of those that come every 100 ms
    let rest = 102 * SECOND - driver.elapsed() % SECOND;
    driver.run(&[], rest);
    driver
}

fn all_incidents(driver: &Driver) -> Vec<Incident> {
    driver.incidents().iter().chain(driver.account.incident()).cloned().collect()
}

fn members(tally: &Tally) -> [i64; 8] {
    let Tally { up, down, planned, unknown, good, failed, slow, excluded } = *tally;
    [up, down, planned, unknown, good, failed, slow, excluded]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn all_the_time_and_all_requests_are_accounted_once(history in histories(true)) {
        let driver = live(&history);
        let total = driver.total();
        prop_assert_eq!(total.elapsed(), driver.elapsed());
        prop_assert_eq!(total.counted() + total.excluded, driver.seen.counted() + driver.seen.excluded);
        prop_assert!(total.excluded >= driver.seen.excluded);
        for (second, row) in &driver.rows {
            prop_assert!(members(row).iter().all(|member| *member >= 0), "{}: {:?}", second, row);
        }
    }

    #[test]
    fn a_second_holds_no_more_than_a_second_unless_the_clock_is_set(history in histories(false)) {
        let driver = live(&history);
        for (second, row) in &driver.rows {
            prop_assert!((0..=SECOND).contains(&row.elapsed()), "{}: {:?}", second, row);
        }
    }

    #[test]
    fn no_incident_holds_more_than_there_was(history in histories(true)) {
        let driver = live(&history);
        let (total, incidents) = (driver.total(), all_incidents(&driver));
        prop_assert!(incidents.iter().map(|it| it.down_ms).sum::<i64>() <= total.down);
        prop_assert!(incidents.iter().map(|it| it.lost).sum::<i64>() <= total.bad());
        prop_assert!(incidents.iter().map(|it| it.good).sum::<i64>() <= total.good);
        for incident in &incidents {
            let is_sound = 0 <= incident.down_ms && incident.down_ms <= incident.lasted_ms && incident.lost >= 0;
            prop_assert!(is_sound, "{:?}", incident);
        }
    }

    #[test]
    fn incidents_follow_each_other(history in histories(false)) {
        let driver = live(&history);
        let mut last = (0, Stamp::from_millis(i64::MIN));
        for incident in all_incidents(&driver) {
            let end = incident.ended.unwrap_or(driver.at());
            prop_assert!(last.0 < incident.id && last.1 <= incident.began, "{:?} after {:?}", incident, last);
            prop_assert!(incident.began <= incident.detected && incident.detected <= end, "{:?}", incident);
            if incident.ended.is_some() {
                // what was planned is left out
                prop_assert!(incident.lasted_ms <= end.since(incident.began), "{:?}", incident);
            }
            last = (incident.id, end);
        }
    }
}
