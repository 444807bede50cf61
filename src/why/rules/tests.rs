use std::time::Duration;

use super::*;
use crate::detect::fault::{Detector, Fault};
use crate::endpoint::breaker::{Circuit, Figures as BreakerFigures};
use crate::endpoint::standing::{Health, Override};
use crate::endpoint::state::{Condition, State};
use crate::health::outlier::Reason;
use crate::policy::{Breaker, LatencyRule};
use crate::why::facts::{CheckLimits, Limits, PathFact, Vote};
use crate::why::testing::{at, facts, figures, limits, zones};
use crate::why::{brakes, sentences};

/// One that was ejected for seven failures in a row.
fn ejected() -> Facts {
    let mut facts = facts();
    facts.condition = Condition { state: State::Ejected, by: DecidedBy::Outlier };
    facts.reason = "7 failures in a row, for 10s".into();
    facts.since = at(50);
    (facts.ejected, facts.ejections) = (Some(Duration::from_secs(8)), 1);
    let mut shown = figures(7);
    shown.reason = Some(Reason::Consecutive(7));
    facts.traffic.as_mut().unwrap().figures = shown;
    facts
}

fn rule(facts: &Facts, name: &str) -> Rule {
    of(facts).into_iter().find(|rule| rule.rule == name).unwrap_or_else(|| panic!("no rule {name}"))
}

fn said(facts: &Facts) -> Vec<String> {
    sentences::of(facts, &of(facts), &brakes::of(facts), None, None)
}

#[test]
fn each_rule_has_its_figure_and_threshold_also_where_it_does_not_hold() {
    let facts = ejected();
    let row = rule(&facts, "failures_in_a_row");
    assert_eq!((&*row.figure, &*row.threshold, row.would, row.holds), ("7", "5", "eject", true));
    let rate = rule(&facts, "error_rate");
    assert_eq!((&*rate.figure, &*rate.threshold, rate.holds), ("18 % (7 of 40)", "50 %", false));
    let checks = rule(&facts, "checks");
    assert_eq!(
        (&*checks.figure, &*checks.threshold, checks.would, checks.holds),
        ("passed", "3 failed in a row", "mark_down", false)
    );
    let peers = rule(&facts, "peers");
    assert_eq!((&*peers.figure, peers.holds), ("0 % of the evidence that it takes", false));
    assert!(
        of(&facts).iter().all(|rule| !rule.figure.is_empty() && !rule.threshold.is_empty() && !rule.text.is_empty())
    );
}

#[test]
fn the_sentences_say_who_decided_with_which_figures_what_others_would_have_done_and_how_it_ends() {
    let said = said(&ejected());
    assert_eq!(said[0], "api/a is ejected since 2027-01-15 08:00:50 UTC (10 s): 7 failures in a row, for 10s.");
    assert_eq!(said[1], "What has decided it: failures in a row (7, threshold 5): counted since its last good answer.");
    assert_eq!(said[2], "No other rule would have taken it out; its active checks: passed.");
    assert!(said[3].starts_with("It comes back after 8 s"), "{said:?}");
    assert_eq!(said.len(), 4, "{said:?}");
}

#[test]
fn what_would_have_taken_it_out_as_well_is_told() {
    let mut facts = ejected();
    facts.health = Health::Down;
    facts.check.as_mut().unwrap().ok = false;
    facts.check.as_mut().unwrap().failed = 4;
    let said = said(&facts);
    assert!(
        said[2].contains("checks (4 failed in a row, threshold until 2 passed in a row) would mark down it"),
        "{said:?}"
    );
}

#[test]
fn one_that_takes_part_says_which_rule_is_nearest() {
    assert_eq!(said(&facts())[1], "It takes part, and no rule speaks against it.");
    let mut facts = facts();
    facts.traffic.as_mut().unwrap().figures = figures(3);
    assert_eq!(
        said(&facts)[1],
        "It takes part, and no rule speaks against it; the nearest to acting is failures in a row (3, threshold 5)."
    );
}

#[test]
fn the_word_of_an_operator_goes_before_the_configuration_and_the_agent() {
    let mut facts = facts();
    (facts.said.operator, facts.said.drains, facts.said.agent) = (Override::Disabled, true, Override::Drained);
    facts.condition = Condition { state: State::Disabled, by: DecidedBy::Operator };
    facts.reason = "a new disk (by ops)".into();
    assert_eq!((rule(&facts, "operator").holds, rule(&facts, "operator").would), (true, "disable"));
    assert!(!rule(&facts, "configuration").holds && !rule(&facts, "agent").holds);
    assert!(said(&facts).iter().any(|text| text.contains("until the command is taken back")), "{:?}", said(&facts));
}

#[test]
fn failures_that_the_peers_share_prove_nothing() {
    let mut facts = facts();
    let mut shown = figures(6);
    (shown.excused, shown.peers_failing) = (Some(Reason::Consecutive(6)), 0.4);
    facts.traffic.as_mut().unwrap().figures = shown;
    let row = rule(&facts, "failures_in_a_row");
    assert!(!row.holds && row.text.contains("peers fail as often"), "{row:?}");
}

#[test]
fn a_breaker_tells_its_position_and_what_opens_it() {
    let mut facts = facts();
    let breaker = Breaker { failures: 5, error_rate: 0.5, open_for: Duration::from_secs(30), half_open: 3 };
    facts.limits = Limits { breaker: Some(breaker), checks: None, ..limits() }.into();
    facts.breaker = Some(BreakerFigures {
        circuit: Circuit::Open,
        since: crate::clock::Moment::NEVER,
        failures: 5,
        requests: 30,
        failed: 12,
        trials: 0,
    });
    facts.condition = Condition { state: State::Broken, by: DecidedBy::Breaker };
    facts.reason = "its circuit breaker is open".into();
    assert!(rule(&facts, "breaker").holds && rule(&facts, "breaker_failures").holds);
    let rate = rule(&facts, "breaker_error_rate");
    assert_eq!((&*rate.figure, rate.holds), ("40 % (12 of 30)", false));
    assert!(
        said(&facts).iter().any(|text| text.starts_with("30 s after it was opened, up to 3 trials")),
        "{:?}",
        said(&facts)
    );
    assert_eq!(rule(&facts, "checks").threshold, "off");
}

#[test]
fn a_cap_holds_back_only_what_would_be_ejected() {
    let mut facts = ejected();
    facts.ejected = None;
    facts.condition = Condition { state: State::Up, by: DecidedBy::Checks };
    let held = |facts: &Facts| -> Vec<&str> {
        brakes::of(facts).into_iter().filter(|brake| brake.holds).map(|brake| brake.brake).collect()
    };
    assert!(held(&facts).is_empty(), "there is room");
    let figures = &mut facts.traffic.as_mut().unwrap().figures;
    (figures.room, figures.out) = (0, 1);
    assert_eq!(held(&facts), ["max_ejected"]);
    assert!(
        said(&facts)
            .iter()
            .any(|text| text.contains("Held back by max_ejected: 1 of 3 backends ejected; at most 50 %"))
    );
    facts.traffic.as_mut().unwrap().figures.working = 1;
    assert_eq!(held(&facts), ["last_one"]);
    facts.traffic.as_mut().unwrap().figures.reason = None;
    assert!(held(&facts).is_empty());
}

#[test]
fn latency_by_a_factor_has_a_rule_of_its_own() {
    let mut facts = facts();
    let mut limits = limits();
    limits.outlier.latency = LatencyRule::Factor(3.0);
    facts.limits = limits.into();
    facts.traffic.as_mut().unwrap().figures.mean = Some(Duration::from_millis(10));
    let latency = rule(&facts, "latency");
    assert_eq!((&*latency.figure, &*latency.threshold, latency.holds), ("2.0 times", "3.0 times its peers'", false));
    assert!(latency.text.starts_with("its answers take 10 ms, those of its peers 5.0 ms"), "{}", latency.text);
}

#[test]
fn of_one_that_is_alone_no_rule_speaks_of_what_its_peers_do() {
    let mut facts = facts();
    facts.fleet.total = 1;
    facts.traffic.as_mut().unwrap().figures.peers_mean = None;
    let peers = rule(&facts, "peers");
    assert_eq!((&*peers.figure, peers.holds), ("none: it has no peers", false));
    assert!(peers.text.ends_with("; its service has no other backend to compare it with"), "{}", peers.text);
    let mut limits = limits();
    limits.outlier.latency = LatencyRule::Factor(3.0);
    facts.limits = limits.into();
    for name in ["error_rate", "latency"] {
        let row = rule(&facts, name);
        assert!(row.text.contains("no other backend") && !row.text.contains("its peers"), "{}", row.text);
    }
}

#[test]
fn of_a_moment_of_the_past_it_says_which_moment_and_whose_figures() {
    let facts = Facts { at: at(50), ..ejected() };
    let said = sentences::of(&facts, &of(&facts), &[], Some(at(55)), None);
    assert_eq!(
        said[0],
        "At 2027-01-15 08:00:55 UTC api/a was ejected, since 2027-01-15 08:00:50 UTC (5 s): 7 failures in a row, for 10s."
    );
    assert!(said.last().unwrap().contains("The figures are those of 2027-01-15 08:00:50 UTC"), "{said:?}");
}

#[test]
fn votes_slow_start_panic_and_reserve_are_told() {
    let mut facts = facts();
    let limits = Limits {
        slow_start: Duration::from_secs(30),
        checks: Some(CheckLimits { fall: 3, rise: 2, interval: Duration::from_secs(2) }),
        ..limits()
    };
    (facts.limits, facts.joined) = (limits.into(), Duration::from_secs(12));
    (facts.fleet.panic, facts.fleet.usable_primaries) = (true, 1);
    (facts.is_backup, facts.is_picked) = (true, false);
    let vote = Vote {
        fault: Fault::HighLatency,
        detector: Detector::Peers,
        confidence: 0.91,
        of: Some("zone"),
        text: "slow".into(),
    };
    facts.votes = [vote].into();
    let said = said(&facts).join("\n");
    for piece in [
        "peers (its zone): answers slowly, 91 % sure: slow",
        "Slow start: ",
        "Panic: ",
        "Backup: ",
        "Held back by panic",
    ] {
        assert!(said.contains(piece), "{piece}:\n{said}");
    }
}

#[test]
fn a_backend_says_what_its_zone_gets_and_why() {
    let mut facts = facts();
    facts.fleet.zones = Some(std::sync::Arc::new(zones([(1, 4, 429), (3, 3, 286), (3, 3, 286)])));
    let away = rule(&Facts { zone: "b".into(), ..facts.clone() }, "zone");
    assert_eq!((&*away.figure, away.holds), ("zone b gets 29 % of the work", true));
    assert!(away.text.contains("zone a has 1 of 4 usable, less than its share"), "{away:?}");
    facts.fleet.zones = Some(std::sync::Arc::new(zones([(3, 3, 1000), (3, 3, 0), (3, 3, 0)])));
    let (home, away) = (rule(&facts, "zone"), rule(&Facts { zone: "b".into(), ..facts.clone() }, "zone"));
    assert_eq!((home.holds, away.holds, &*away.figure), (false, true, "zone b gets 0 % of the work"));
    facts.fleet.zones = None;
    assert!(of(&facts).iter().all(|rule| rule.rule != "zone" && rule.rule != "path"));
}

#[test]
fn a_backend_with_several_addresses_says_which_is_used_and_why_the_first_is_not() {
    let path = |address: &str, is_up: bool, is_chosen: bool| PathFact {
        address: address.parse().unwrap(),
        is_up,
        is_chosen,
        since: Duration::from_secs(12),
        rtt_ms: is_up.then_some(0.34),
        loss: if is_up { 0.0 } else { 1.0 },
        reason: if is_up { "status 200" } else { "connection refused" }.into(),
    };
    let mut facts = facts();
    facts.paths = [path("10.0.1.5:80", false, false), path("10.9.1.5:80", true, true)].into();
    let shown = rule(&facts, "path");
    assert_eq!((&*shown.figure, shown.holds), ("10.9.1.5:80 is used", true));
    assert_eq!(
        shown.text,
        "10.0.1.5:80 is down for 12 s (connection refused); 10.9.1.5:80 is up (0.3 ms to connect, 0 % of late failed)"
    );
    facts.paths = [path("10.0.1.5:80", true, true), path("10.9.1.5:80", true, false)].into();
    assert!(!rule(&facts, "path").holds);
}
