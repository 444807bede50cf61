//! November 2026 of three services, as it could have been.

use std::time::Duration;

use super::*;
use crate::recover::attempt::{ActReport, Said};
use crate::recover::{Attempt, Outcome, Phase};
use crate::sla::{Action, Cause, CauseKind, Incident, Promise, Tier, Unit, Window};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// 2026-11-01T00:00:00Z.
const START: Stamp = Stamp::from_millis(1_793_491_200_000);

/// The month, as it was on the day after.
pub(super) fn report() -> Report {
    let period = START..START.plus(30 * DAY);
    Report {
        made: period.end.plus(9 * HOUR),
        label: "November 2026".to_owned(),
        version: "0.2.0".to_owned(),
        services: vec![checkout(), search(), media()],
        gaps: vec![Gap {
            time: at(17, 3 * HOUR)..at(17, 3 * HOUR + 22 * MINUTE),
            reason: "stopped",
            why: "the process did not run".to_owned(),
        }],
        jumps: vec![ClockJump { at: at(17, 3 * HOUR + 23 * MINUTE), by_ms: -2 * SECOND }],
        head: Some("9f2c4e1ab07d5536e8c1940fb3a7d2285c06e91d7f4ab8830215ce66d94f71a3".to_owned()),
        maintenance: vec!["checkout was in maintenance, as token ci announced: new disks.".to_owned()],
        windows: windows(),
        remarks: vec![
            "search: its latency was promised since 2026-11-10; requests before could not be slow.".to_owned(),
        ],
        period,
    }
}

/// One that was started by hand, and one that the configuration planned.
fn windows() -> Vec<MaintenanceWindow> {
    vec![
        MaintenanceWindow {
            service: "checkout".to_owned(),
            time: at(15, 2 * HOUR)..at(15, 4 * HOUR),
            rule: None,
            reason: "new disks".to_owned(),
            who: "token ci".to_owned(),
        },
        MaintenanceWindow {
            service: "search".to_owned(),
            time: at(22, HOUR)..at(22, 5 * HOUR),
            rule: Some("Sun 02:00-06:00 Europe/Berlin".to_owned()),
            reason: String::new(),
            who: "configuration".to_owned(),
        },
    ]
}

/// One service with this name and an incident with this note.
pub(super) fn of_one(name: &str, note: &str) -> Report {
    let recorded = RecordedIncident {
        notes: vec![Note { at: at(3, HOUR), who: name.to_owned(), text: note.to_owned() }],
        ..incident(1, at(3, 0), 20 * SECOND, CauseKind::Unknown, note)
    };
    let period = START..START.plus(30 * DAY);
    let service = ServiceReport::new(name, promise(Tier::Standard), &period, days(1000, &[], &[]), vec![recorded]);
    Report {
        services: vec![service],
        label: name.to_owned(),
        remarks: vec![note.to_owned()],
        maintenance: vec![note.to_owned()],
        ..report()
    }
}

/// So late on the day of the month.
fn at(day: i64, time: i64) -> Stamp {
    START.plus((day - 1) * DAY + time)
}

fn promise(tier: Tier) -> Promise {
    Promise {
        tier: Some(tier),
        target: tier.target(),
        rto: Duration::from_secs(60),
        rpo: Duration::from_secs(1),
        mttr: Duration::from_mins(5),
        mtbf: Duration::from_hours(72),
        window: Window::Calendar(Unit::Month),
        latency: None,
        floor: 0.5,
        protect: false,
    }
}

/// What differs from a day without events, as (day, up to it is taken from uptime).
type Times<'a> = &'a [(i64, fn(&mut Tally) -> &mut i64, i64)];

/// Thirty days with about so many requests each. Of them, some failed (day, failed, slow).
fn days(requests: i64, times: Times, lost: &[(i64, i64, i64)]) -> Vec<Day> {
    let mut days: Vec<_> = (1..=30)
        .map(|day| {
            // fewer on weekends; the first of November 2026 is a Sunday
            let good = if matches!(day % 7, 0 | 1) { requests * 6 / 10 } else { requests + day * 13 % 97 };
            Day { start: at(day, 0), tally: Tally { up: DAY, good, excluded: good / 200, ..Tally::default() } }
        })
        .collect();
    for (day, kind, millis) in times {
        let tally = &mut days[*day as usize - 1].tally;
        tally.up -= millis;
        *kind(tally) += millis;
    }
    for (day, failed, slow) in lost {
        let tally = &mut days[*day as usize - 1].tally;
        tally.good -= failed + slow;
        tally.failed += failed;
        tally.slow += slow;
    }
    days
}

fn down(tally: &mut Tally) -> &mut i64 {
    &mut tally.down
}

fn planned(tally: &mut Tally) -> &mut i64 {
    &mut tally.planned
}

fn unknown(tally: &mut Tally) -> &mut i64 {
    &mut tally.unknown
}

fn incident(id: i64, began: Stamp, lasted: i64, kind: CauseKind, text: &str) -> RecordedIncident {
    let incident = Incident {
        id,
        service: "any".into(),
        began,
        detected: began.plus(2400),
        ended: Some(began.plus(lasted)),
        is_cut: false,
        lasted_ms: lasted,
        down_ms: lasted,
        rto_ms: MINUTE,
        cause: Cause { kind, text: text.to_owned() },
        backends: vec![],
        actions: vec![],
        lost: 0,
        good: 0,
    };
    RecordedIncident { incident, notes: Vec::new(), is_sealed: true }
}

fn checkout() -> ServiceReport {
    let mut first = incident(
        14,
        at(6, 14 * HOUR + 7 * MINUTE),
        41_300,
        CauseKind::Check,
        "3 of 3 backends failed their checks: connection refused",
    );
    first.incident.backends = ["checkout-1", "checkout-2", "checkout-3"].map(Into::into).to_vec();
    first.incident.lost = 612;
    let mut second = incident(
        17,
        at(23, 9 * HOUR + 31 * MINUTE),
        5 * MINUTE + 18_700,
        CauseKind::Verdict,
        "dependency failure: payments did not answer (confidence 0.85)",
    );
    second.incident.backends = ["checkout-1", "checkout-2"].map(Into::into).to_vec();
    second.incident.lost = 634;
    second.incident.good = 211;
    second.incident.actions = vec![
        Action { at: at(23, 9 * HOUR + 31 * MINUTE + 3100), text: "circuit opened towards checkout-1".to_owned() },
        Action { at: at(23, 9 * HOUR + 33 * MINUTE), text: "failed over to checkout-3".to_owned() },
    ];
    second.notes = vec![Note {
        at: at(23, 13 * HOUR + 5 * MINUTE),
        who: "ines".to_owned(),
        text: "The payment provider rotated its certificate without notice. Their post-mortem is expected on Friday."
            .to_owned(),
    }];
    let times: Times =
        &[(6, down, 41_300), (15, planned, 2 * HOUR), (17, unknown, 22 * MINUTE), (23, down, 5 * MINUTE + 18_700)];
    let lost = [(2, 9, 0), (6, 612, 0), (9, 31, 0), (12, 64, 0), (19, 22, 0), (23, 634, 0), (27, 17, 0)];
    let period = START..START.plus(30 * DAY);
    ServiceReport::new("checkout", promise(Tier::Enhanced), &period, days(412_000, times, &lost), vec![first, second])
        .with_attempts(attempts())
}

/// What was done about the faults of checkout: two restarts, and a failover that ended the second incident.
pub(super) fn attempts() -> Vec<Attempt> {
    let begun = |id, start: Stamp, strategy: &str, backend: Option<&str>| Attempt {
        id,
        service: "checkout".to_owned(),
        backend: backend.map(str::to_owned),
        fault: "unresponsive".to_owned(),
        confidence: 0.9,
        votes: vec![Said { by: "reachability".to_owned(), text: "connection refused, 5 times in a row".to_owned() }],
        strategy: strategy.to_owned(),
        why: "it has helped 3 times of 4".to_owned(),
        number: 1,
        brakes: vec![Said { by: "max_at_once".to_owned(), text: "0 of 1 under way".to_owned() }],
        phase: Phase::Ended,
        raised: start.as_millis() - 400,
        start: start.as_millis(),
        acted: Some(start.as_millis() + 150),
        end: Some(start.as_millis() + 35_000),
        ..Attempt::default()
    };
    let act = |code, output: &str| {
        let what = "systemctl restart checkout@1".to_owned();
        Some(ActReport {
            what,
            ok: code == 0,
            code: Some(code),
            took_ms: 1_200,
            output: output.to_owned(),
            ..ActReport::default()
        })
    };
    let incident = at(23, 9 * HOUR + 31 * MINUTE);
    vec![
        Attempt {
            outcome: Some(Outcome::Healed),
            recovery_ms: Some(2_900),
            credited: true,
            lesson: "its effectiveness rose to 0.78".to_owned(),
            act: act(0, ""),
            ..begun(4, at(12, 8 * HOUR), "restart", Some("checkout-1"))
        },
        Attempt {
            outcome: Some(Outcome::Failed),
            act: act(1, "Job for checkout@1.service failed.\nSee \"systemctl status\" for details.\n"),
            ..begun(5, incident.plus(3_000), "restart", Some("checkout-1"))
        },
        Attempt {
            outcome: Some(Outcome::Healed),
            recovery_ms: Some(5 * MINUTE + 12_000),
            in_force: true,
            ..begun(6, incident.plus(2 * MINUTE), "failover", None)
        },
    ]
}

fn search() -> ServiceReport {
    let mut reload = incident(15, at(10, 11 * HOUR), 8_200, CauseKind::Reload, "the reload left no backend");
    reload.incident.lost = 96;
    reload.incident.backends = vec!["search-2".into()];
    let mut cut = incident(16, at(17, 3 * HOUR - 42 * SECOND), 42 * SECOND, CauseKind::Unknown, "");
    cut.incident.is_cut = true;
    cut.incident.lost = 143;
    cut.is_sealed = false;
    let promise = Promise { latency: Some(Duration::from_millis(500)), floor: 0.95, ..promise(Tier::Standard) };
    let times: Times =
        &[(10, down, 8_200), (17, down, 42 * SECOND), (17, unknown, 22 * MINUTE), (22, planned, 4 * HOUR)];
    let lost = [(4, 3, 61), (10, 96, 40), (13, 0, 340), (17, 143, 12), (20, 6, 97), (26, 2, 251)];
    ServiceReport::new("search", promise, &(START..START.plus(30 * DAY)), days(96_000, times, &lost), vec![reload, cut])
}

fn media() -> ServiceReport {
    let times: Times =
        &[(1, unknown, DAY), (2, unknown, DAY), (3, unknown, 9 * HOUR), (17, unknown, 22 * MINUTE), (28, planned, DAY)];
    let mut days = days(7_300, times, &[(11, 1, 0)]);
    for day in [1, 2, 28] {
        days[day - 1].tally.good = 0;
    }
    ServiceReport::new("media", promise(Tier::Basic), &(START..START.plus(30 * DAY)), days, Vec::new())
}
