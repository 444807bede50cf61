//! Cases that were calculated by hand.

use std::time::Duration;

use super::*;
use crate::sla::{Cause, CauseKind, Tier, Window};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// 30 days; times of the cases count from their begin.
const PERIOD: Range<Stamp> = Stamp::from_millis(0)..Stamp::from_millis(30 * DAY);

fn promise() -> Promise {
    Promise {
        tier: Some(Tier::Standard),
        target: 0.999,
        rto: Duration::from_secs(60),
        rpo: Duration::from_secs(1),
        mttr: Duration::from_secs(300),
        mtbf: Duration::from_hours(720),
        window: Window::Rolling(Duration::from_hours(720)),
        latency: None,
        floor: 0.5,
        protect: false,
    }
}

/// An incident from `began` that was found after two seconds and lasted for `lasted`.
fn incident(began: i64, lasted: i64) -> Incident {
    Incident {
        id: 1,
        service: "web".into(),
        began: Stamp::from_millis(began),
        detected: Stamp::from_millis(began + 2 * SECOND),
        ended: Some(Stamp::from_millis(began + lasted)),
        is_cut: false,
        lasted_ms: lasted,
        down_ms: lasted,
        rto_ms: MINUTE,
        cause: Cause { kind: CauseKind::Check, text: String::new() },
        backends: Vec::new(),
        actions: Vec::new(),
        lost: 0,
        good: 0,
    }
}

fn open(began: i64, lasted: i64) -> Incident {
    Incident { ended: None, ..incident(began, lasted) }
}

fn cut(began: i64, lasted: i64) -> Incident {
    Incident { is_cut: true, ..incident(began, lasted) }
}

fn time(up: i64, down: i64) -> Tally {
    Tally { up, down, ..Tally::default() }
}

/// A case: its name, what happened, and the figures of it.
struct Case {
    name: &'static str,
    tally: Tally,
    incidents: Vec<Incident>,
    /// Failures, recoveries, violations of the RTO.
    counts: [usize; 3],
    /// MTTD, MTTR, MTBF, longest.
    times: [Option<i64>; 4],
    left: Option<f64>,
    /// Compliant, MTTR met, MTBF met.
    met: [Option<bool>; 3],
}

fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "nothing happened",
            tally: time(30 * DAY, 0),
            incidents: vec![],
            counts: [0, 0, 0],
            times: [None; 4],
            left: Some(1.0),
            met: [Some(true), None, Some(true)],
        },
        Case {
            name: "nothing is known",
            tally: Tally { unknown: 30 * DAY, ..Tally::default() },
            incidents: vec![],
            counts: [0, 0, 0],
            times: [None; 4],
            left: None,
            met: [None; 3],
        },
        Case {
            name: "zero traffic, and down for a day: 86,400 s of 2,592 s allowed",
            tally: time(29 * DAY, DAY),
            incidents: vec![incident(3 * DAY, DAY)],
            counts: [1, 1, 1],
            times: [Some(2 * SECOND), Some(DAY), Some(29 * DAY), Some(DAY)],
            left: Some(1.0 - 86_400.0 / 2_592.0),
            met: [Some(false), Some(false), Some(false)],
        },
        Case {
            name: "never down, but 2 of 1,000 requests failed and 1 was slow",
            tally: Tally { good: 997, failed: 2, slow: 1, excluded: 50, ..time(30 * DAY, 0) },
            incidents: vec![],
            counts: [0, 0, 0],
            times: [None; 4],
            left: Some(-2.0),
            met: [Some(false), None, Some(true)],
        },
        Case {
            name: "one long incident among nine short ones: the average is fine, the long one is counted",
            tally: time(30 * DAY - 6 * MINUTE, 6 * MINUTE),
            incidents: (0..9)
                .map(|n| incident(n * DAY, 20 * SECOND))
                .chain([incident(9 * DAY, 180 * SECOND)])
                .collect(),
            counts: [10, 10, 1],
            times: [Some(2 * SECOND), Some(36 * SECOND), Some((30 * DAY - 6 * MINUTE) / 10), Some(180 * SECOND)],
            left: Some(1.0 - 360.0 / 2_592.0),
            met: [Some(true), Some(true), Some(false)],
        },
        Case {
            name: "an incident that began 10 minutes before the period and reaches 5 minutes into it",
            tally: time(30 * DAY - 5 * MINUTE, 5 * MINUTE),
            incidents: vec![incident(-10 * MINUTE, 15 * MINUTE)],
            counts: [0, 1, 1],
            times: [None, Some(15 * MINUTE), None, Some(15 * MINUTE)],
            left: Some(1.0 - 300.0 / 2_592.0),
            met: [Some(true), Some(false), Some(true)],
        },
        Case {
            name: "one incident is under way in its time, another beyond it",
            tally: time(DAY - 3 * MINUTE, 3 * MINUTE),
            incidents: vec![open(DAY - 150 * SECOND, 150 * SECOND), open(DAY - 30 * SECOND, 30 * SECOND)],
            counts: [2, 0, 1],
            times: [Some(2 * SECOND), None, Some((DAY - 3 * MINUTE) / 2), Some(150 * SECOND)],
            // a young service: 0.1 % of all the 30 days are allowed
            left: Some(1.0 - 180.0 / 2_592.0),
            met: [Some(false), None, Some(false)],
        },
        Case {
            name: "the process stopped while an incident was under way, and did not run for a day",
            tally: Tally { unknown: DAY, ..time(29 * DAY - 90 * SECOND, 90 * SECOND) },
            incidents: vec![cut(5 * DAY, 90 * SECOND)],
            counts: [1, 0, 1],
            times: [Some(2 * SECOND), None, Some(29 * DAY - 90 * SECOND), Some(90 * SECOND)],
            left: Some(1.0 - 90_000.0 / 2_505_600.0),
            met: [Some(true), None, Some(false)],
        },
        Case {
            name: "incidents that ended before the period or began after it are of other periods",
            tally: time(30 * DAY, 0),
            incidents: vec![incident(-HOUR, MINUTE), incident(30 * DAY, MINUTE)],
            counts: [0, 0, 0],
            times: [None; 4],
            left: Some(1.0),
            met: [Some(true), None, Some(true)],
        },
        Case {
            name: "maintenance for two days is no time that counts",
            tally: Tally { planned: 2 * DAY, ..time(28 * DAY - MINUTE, MINUTE) },
            incidents: vec![incident(DAY, MINUTE)],
            counts: [1, 1, 0],
            times: [Some(2 * SECOND), Some(MINUTE), Some(28 * DAY - MINUTE), Some(MINUTE)],
            left: Some(1.0 - 60_000.0 / 2_419_200.0),
            met: [Some(true), Some(true), Some(false)],
        },
    ]
}

#[test]
fn the_figures_are_those_of_a_calculation_by_hand() {
    for case in cases() {
        let summary = Summary::of(&promise(), &PERIOD, &case.tally, &case.incidents);
        let name = case.name;
        assert_eq!([summary.failures, summary.recoveries, summary.rto_violations], case.counts, "{name}");
        assert_eq!([summary.mttd_ms, summary.mttr_ms, summary.mtbf_ms, summary.longest_ms], case.times, "{name}");
        assert_eq!([summary.compliant, summary.mttr_met, summary.mtbf_met], case.met, "{name}");
        match (summary.budget.left(), case.left) {
            (Some(left), Some(expected)) => assert!((left - expected).abs() < 1e-9, "{name}: {left} for {expected}"),
            (left, expected) => assert_eq!(left, expected, "{name}"),
        }
    }
}

#[test]
fn two_months_that_meet_count_a_failure_once_and_its_breach_of_the_rto_in_both() {
    let across = [incident(30 * DAY - HOUR, 2 * HOUR)];
    let next = PERIOD.end..PERIOD.end.plus(30 * DAY);
    let [first, second] = [PERIOD, next].map(|month| Summary::of(&promise(), &month, &time(DAY, HOUR), &across));
    assert_eq!((first.failures, second.failures), (1, 0));
    assert_eq!((first.recoveries, second.recoveries), (0, 1));
    assert_eq!((first.rto_violations, second.rto_violations), (1, 1));
    assert_eq!((first.longest_ms, second.longest_ms), (Some(2 * HOUR), Some(2 * HOUR)));
}

#[test]
fn windows_that_overlap_each_hold_what_lies_in_them() {
    let incidents = [incident(10 * DAY, 30 * SECOND), incident(20 * DAY, 90 * SECOND)];
    let of = |from: i64, to: i64| {
        let window = Stamp::from_millis(from * DAY)..Stamp::from_millis(to * DAY);
        let summary = Summary::of(&promise(), &window, &time(DAY, MINUTE), &incidents);
        (summary.failures, summary.mttr_ms, summary.rto_violations)
    };
    assert_eq!(of(0, 15), (1, Some(30 * SECOND), 0));
    assert_eq!(of(5, 25), (2, Some(60 * SECOND), 1));
    assert_eq!(of(15, 30), (1, Some(90 * SECOND), 1));
}

#[test]
fn a_target_that_is_met_exactly_is_met() {
    for tier in Tier::ALL {
        let promise = Promise { target: tier.target(), ..promise() };
        let down = ((1.0 - tier.target()) * 1e6).round() as i64;
        let met = |down: i64| Summary::of(&promise, &PERIOD, &time(1_000_000 - down, down), []).compliant;
        assert_eq!((met(down), met(down + 1)), (Some(true), Some(false)), "{tier:?}");
    }
}

#[test]
fn nobody_meets_a_target_by_deleting_history() {
    let whole = Summary::of(&promise(), &PERIOD, &time(30 * DAY - HOUR, HOUR), []);
    assert_eq!(whole.compliant, Some(false));
    // the day with the outage is deleted
    let left = Tally { unknown: DAY, good: 10, ..time(29 * DAY, 0) };
    let rest = Summary::of(&promise(), &PERIOD, &left, []);
    assert_eq!((rest.compliant, rest.budget.left()), (Some(true), Some(1.0)));
    let told = rest.with_deleted(&promise(), DAY);
    assert_eq!((told.compliant, told.budget.left(), told.mtbf_met), (None, None, None));
    assert_eq!((told.deleted_ms, told.tally), (DAY, left));
}

#[test]
fn what_is_missed_whatever_the_deleted_part_held_stays_missed() {
    let summary = |down: i64| {
        let tally = Tally { unknown: DAY, ..time(29 * DAY - down, down) };
        Summary::of(&promise(), &PERIOD, &tally, []).with_deleted(&promise(), DAY)
    };
    // 0.1 % of 30 days are 43.2 minutes
    assert_eq!(summary(44 * MINUTE).compliant, Some(false));
    assert_eq!(summary(43 * MINUTE).compliant, None, "29 days alone would have 41.8 minutes");
    let summary = Summary::of(&promise(), &PERIOD, &time(29 * DAY, 0), []);
    assert_eq!(summary.clone().with_deleted(&promise(), 0), summary, "nothing was deleted");
}
