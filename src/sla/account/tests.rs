//! The account on clocks that the tests turn.

mod cases;
mod driver;
mod histories;

use std::sync::Arc;

use super::*;
use crate::sla::CauseKind;
use driver::{Driver, Event, HOUR, MINUTE, SECOND, promise};

const NONE: Event = Event::Requests([0, 0, 0]);
const GOOD: Event = Event::Requests([100, 0, 0]);
const FAILING: Event = Event::Requests([0, 100, 0]);

/// The process before has ended while the service was down, and nobody has watched since.
const LEFT: Left = Left { until: Stamp::from_millis(0), up_since: None, away: 0, was_watched: false };

/// A service that has been down since the tenth second, at the twentieth.
fn down_for_ten_seconds() -> Driver {
    let mut driver = Driver::new("2026-11-27T12:00:00Z", &[]);
    driver.run(&[(0, GOOD), (10 * SECOND, FAILING), (10 * SECOND, Event::Usable(false))], 20 * SECOND);
    driver
}

#[test]
fn an_incident_that_goes_on_after_a_restart_is_the_same_one() {
    let before = down_for_ten_seconds();
    let incident = before.account.incident().unwrap().clone();
    let (until, at) = (before.at(), before.at().plus(5 * SECOND));
    // the new process begins 5 seconds later, and no backend can be used until the 30th second
    let mut after = Driver::new("2026-11-27T12:00:25Z", &[]);
    after.account.resume(incident.clone(), Left { until, away: at.since(until), ..LEFT }, after.now());
    after
        .run(&[(0, FAILING), (0, Event::Usable(false)), (5 * SECOND, Event::Usable(true)), (5 * SECOND, GOOD)], MINUTE);
    let [ended] = after.incidents() else { panic!("{:?}", after.incidents()) };
    assert_eq!((ended.id, ended.began, ended.is_cut), (incident.id, incident.began, false));
    assert_eq!(ended.ended, Some(incident.began.plus(20 * SECOND)));
    assert_eq!((ended.lasted_ms, ended.down_ms), (20 * SECOND, 15 * SECOND), "of 5 seconds nobody knows");
    assert_eq!(ended.lost, 1500);
    assert_eq!(after.next, 1, "no number is taken");
}

#[test]
fn an_incident_that_is_over_after_a_restart_ended_when_the_process_before_did_as_far_as_is_known() {
    let before = down_for_ten_seconds();
    let (incident, until) = (before.account.incident().unwrap().clone(), before.at());
    let mut after = Driver::new("2026-11-27T12:00:25Z", &[]);
    after.account.resume(incident.clone(), Left { until, away: 5 * SECOND, ..LEFT }, after.now());
    after.run(&[(0, GOOD)], MINUTE);
    let [ended] = after.incidents() else { panic!("{:?}", after.incidents()) };
    assert_eq!((ended.ended, ended.is_cut, ended.lasted_ms), (Some(until), true, 10 * SECOND));
    assert_eq!((ended.down_ms, ended.lost), (incident.down_ms, incident.lost));
}

#[test]
fn an_incident_is_no_shorter_because_the_clock_was_set_back_before_a_restart() {
    let mut before = down_for_ten_seconds();
    before.run(&[(0, Event::Clock(-HOUR))], 10 * SECOND);
    let (incident, until) = (before.account.incident().unwrap().clone(), before.at());
    for (is_usable, lasted) in [(true, 20 * SECOND), (false, 50 * SECOND)] {
        let mut after = Driver::new("2026-11-27T11:00:30Z", &[]);
        after.account.resume(incident.clone(), Left { until, ..LEFT }, after.now());
        after.run(&[(0, Event::Usable(is_usable)), (30 * SECOND, Event::Usable(true))], MINUTE);
        assert_eq!(after.incidents()[0].lasted_ms, lasted);
    }
}

#[test]
fn a_process_that_was_replaced_counts_the_requests_that_end_and_no_time() {
    let mut driver = down_for_ten_seconds();
    let before = driver.total();
    driver.account.retire();
    assert_eq!(driver.account.incident(), None);
    let requests = Tally { good: 3, failed: 2, slow: 1, excluded: 4, ..Tally::default() };
    let look = Look { now: driver.now(), at: driver.at(), is_usable: Some(true), requests };
    let booked = driver.account.count_only(&look);
    assert_eq!((booked.tallies, booked.changes), (vec![(driver.at(), requests)], vec![]));
    assert_eq!(before.elapsed(), 20 * SECOND);
    let windows = vec![Planned::Once { from: driver.at(), to: driver.at().plus(MINUTE) }];
    driver.account.set(promise(), windows);
    let excluded = Tally { excluded: 10, ..Tally::default() };
    assert_eq!(driver.account.count_only(&look).tallies, vec![(driver.at(), excluded)], "in maintenance");
}

#[test]
fn maintenance_that_is_started_and_ended_amid_an_incident_is_planned() {
    let mut driver = down_for_ten_seconds();
    let windows = vec![Planned::Once { from: driver.at(), to: driver.at().plus(MINUTE) }];
    driver.account.set(promise(), windows);
    driver.run(&[], 30 * SECOND);
    assert!(driver.account.is_planned() && driver.account.is_down());
    driver.account.set(promise(), Vec::new());
    driver.run(&[(10 * SECOND, Event::Usable(true)), (10 * SECOND, GOOD)], MINUTE);
    let total = driver.total();
    assert_eq!([total.up, total.down, total.planned], [60 * SECOND, 20 * SECOND, 30 * SECOND]);
    // the look in which it ends is one of maintenance as well
    assert_eq!((total.failed, total.excluded), (1990, 3010));
    let [ended] = driver.incidents() else { panic!("{:?}", driver.incidents()) };
    assert_eq!((ended.lasted_ms, ended.down_ms, ended.lost), (20 * SECOND, 20 * SECOND, 1990));
}

#[test]
fn requests_between_the_beginning_of_maintenance_and_the_look_that_sees_it_do_not_count() {
    let mut driver = down_for_ten_seconds();
    let windows = vec![Planned::Once { from: driver.at(), to: driver.at().plus(MINUTE) }];
    driver.account.set(promise(), windows);
    let requests = Tally { failed: 5, ..Tally::default() };
    let look = Look {
        now: driver.now().plus(Duration::from_millis(300)),
        at: driver.at().plus(300),
        is_usable: Some(true),
        requests,
    };
    let booked = driver.account.look(&look, &mut 9);
    let mut tally = Tally::default();
    booked.tallies.iter().for_each(|(_, of)| tally += *of);
    assert_eq!((tally.failed, tally.excluded, tally.planned), (0, 5, 300));
}

#[test]
fn a_promise_that_changes_leaves_the_incident_under_way_its_own() {
    let mut driver = down_for_ten_seconds();
    let other = Promise { rto: Duration::from_secs(5), floor: 0.5, ..promise() };
    driver.account.set(other, Vec::new());
    driver.run(&[(10 * SECOND, Event::Usable(true)), (10 * SECOND, GOOD)], MINUTE);
    let [ended] = driver.incidents() else { panic!("{:?}", driver.incidents()) };
    assert_eq!((ended.lasted_ms, ended.rto_ms), (20 * SECOND, 60 * SECOND));
    // of 2 requests, 1 may fail now
    driver.run(&[(0, Event::Requests([60, 40, 0]))], MINUTE);
    assert!(!driver.account.is_down());
    driver.run(&[(0, Event::Requests([40, 60, 0]))], MINUTE);
    assert_eq!(driver.account.incident().map(|incident| incident.rto_ms), Some(5 * SECOND));
}

#[test]
fn a_service_that_goes_away_takes_its_incident_along() {
    let mut driver = down_for_ten_seconds();
    let closed = driver.account.close(driver.at()).unwrap();
    assert_eq!((closed.ended, closed.is_cut), (Some(driver.at()), true), "it was down");
    let mut driver = down_for_ten_seconds();
    driver.run(&[(0, Event::Usable(true)), (0, GOOD)], 5 * SECOND);
    let closed = driver.account.close(driver.at()).unwrap();
    assert_eq!((closed.ended, closed.is_cut), (Some(driver.at().plus(-5 * SECOND)), false), "it was up for 5 s");
    assert_eq!(driver.account.close(driver.at()), None);
}

#[test]
fn what_is_known_of_an_incident_is_kept_in_it() {
    let mut driver = down_for_ten_seconds();
    let incident = driver.account.incident().unwrap();
    assert_eq!((incident.cause.kind, incident.cause.text.as_str()), (CauseKind::Unknown, "no backend can be used"));
    let cause = Cause { kind: CauseKind::Check, text: "checks fail".to_owned() };
    driver.account.explain(cause.clone(), vec![Arc::from("a:1")]);
    for n in 0..60 {
        driver.account.acted(driver.at(), format!("act {n}"));
    }
    let incident = driver.account.incident().unwrap();
    assert_eq!((&incident.cause, incident.backends.len(), incident.actions.len()), (&cause, 1, MOST_ACTIONS));
    let mut driver = Driver::new("2026-11-27T12:00:00Z", &[]);
    driver.run(&[(0, FAILING)], 5 * SECOND);
    let incident = driver.account.incident().unwrap();
    assert_eq!(incident.cause.text, "100 of 100 requests failed");
}

#[test]
fn maintenance_is_told_when_it_begins_and_ends() {
    let mut driver = Driver::new("2026-11-27T11:59:00Z", &["Fri 12:00-12:02"]);
    driver.run(&[(0, Event::Requests([0, 100, 0])), (0, NONE)], 5 * MINUTE);
    let begin = "2026-11-27T12:02:00.000Z";
    let told: Vec<_> = driver.changes.iter().map(|change| format!("{change:?}")).collect();
    assert_eq!(driver.changes.len(), 2, "{told:?}");
    assert!(matches!(&driver.changes[0], Change::MaintenanceBegan(until) if until.to_string() == begin), "{told:?}");
    assert_eq!(driver.changes[1], Change::MaintenanceEnded);
}

#[test]
fn a_clock_that_runs_a_little_fast_makes_no_second_longer() {
    let mut driver = Driver::new("2026-11-27T12:00:00Z", &[]);
    // every second look is read 3 ms later than the one before
    let drift: Vec<_> = (1..600).map(|n| (n * 100, Event::Clock(if n % 2 == 0 { -3 } else { 3 }))).collect();
    driver.run(&drift, MINUTE);
    let wrong: Vec<_> = driver.rows.iter().filter(|(_, row)| row.up != 1000).collect();
    assert_eq!((driver.rows.len(), wrong), (60, vec![]));
}

#[test]
fn while_nobody_knows_time_is_unknown_and_nothing_begins() {
    let mut driver = Driver::new("2026-11-27T12:00:00Z", &[]);
    let look =
        |driver: &Driver, is_usable| Look { now: driver.now(), at: driver.at(), is_usable, requests: Tally::default() };
    let first = driver.account.look(&look(&driver, None), &mut 1);
    assert!(first.tallies.is_empty() && first.changes.is_empty());
    driver.run(&[], SECOND);
    let since = driver.account.look(&look(&driver, None), &mut 1);
    assert!(since.changes.is_empty() && !driver.account.is_down());
}
