//! What stays in force: failovers, further instances, circuits; and how it ends.

use super::super::*;
use super::bench::*;
use crate::detect::fault::Fault;
use crate::recover::plan::{Destination, StrategyPlan};

const NOTHING: [&str; 0] = [];

/// The primaries have died, and the work goes to the backup.
fn failed_over() -> Bench {
    let mut bench = Bench::new(plan(&[failover()]));
    bench.joins("spare", true);
    for id in ["a", "b", "c"] {
        bench.dies(id);
    }
    let words = bench.wait(secs(1));
    assert_eq!(words, ["began failover", "fail over to Backups", "acted"]);
    assert_eq!(bench.wait(secs(5)), ["healed"]);
    bench
}

#[test]
fn a_failover_needs_a_destination_and_primaries_that_are_mostly_unwell() {
    let mut bench = Bench::new(plan(&[failover()]));
    bench.dies("a");
    assert_eq!(bench.wait(secs(1)), ["braked by precondition"]);
    assert_eq!(
        bench.coordinator.braked().next().as_deref(),
        Some("the service: failover: no backup can be used (precondition)")
    );
    bench.joins("spare", true);
    bench.wait(secs(1));
    assert_eq!(
        bench.coordinator.braked().next().as_deref(),
        Some("the service: failover: 2 of the 3 backends that would lose their work are well (precondition)")
    );
    bench.dies("b");
    assert_eq!(bench.wait(secs(1))[..2], ["began failover", "fail over to Backups"], "however many are unhealthy");
}

#[test]
fn a_failover_does_not_wait_for_the_repair_of_what_has_failed_first() {
    let mut bench = Bench::new(plan(&[restart(), failover()]));
    bench.joins("spare", true);
    bench.dies("a");
    assert_eq!(bench.wait(Duration::from_millis(400)), ["began restart", "run restart act a"]);
    bench.dies("b");
    bench.dies("c");
    let words = bench.wait(secs(1));
    assert!(words.contains(&"fail over to Backups".into()), "{words:?}");
    let why = &bench.record(2).why;
    assert!(why.contains("; not restart: "), "{why}");
}

#[test]
fn the_work_comes_home_by_a_ramp_when_the_primaries_have_been_well_for_a_while() {
    let mut bench = failed_over();
    bench.wait(secs(60));
    bench.recovers("a");
    assert_eq!(bench.wait(secs(40)), NOTHING, "one of three is not enough");
    bench.recovers("b");
    bench.recovers("c");
    assert_eq!(bench.wait(secs(29)), NOTHING);
    let words = bench.wait(secs(7));
    let shares = [50, 100, 200, 400, 800, 1000].map(|share| format!("fail back {share}"));
    assert_eq!(words[..6], shares);
    assert_eq!(words[6..], ["released"]);
    assert!(!bench.record(1).in_force);
    assert_eq!(bench.coordinator.in_force().count(), 0);
}

#[test]
fn primaries_that_fail_again_meanwhile_have_to_be_well_for_twice_as_long() {
    let mut bench = failed_over();
    for (round, patience) in [(0, 30), (1, 60), (2, 120)] {
        for id in ["a", "b", "c"] {
            bench.recovers(id);
        }
        let words = bench.wait(secs(patience) - Duration::from_millis(100));
        assert_eq!(words, NOTHING, "round {round}");
        assert_eq!(bench.wait(secs(1))[0], "fail back 50");
        for id in ["a", "b"] {
            bench.ails(id, Fault::HighErrorRate);
        }
        let words = bench.wait(Duration::from_millis(100));
        assert!(words.contains(&"fail over to Backups".into()), "round {round}: {words:?}");
    }
}

#[test]
fn a_failover_stays_in_force_in_a_pause_and_a_person_may_end_it() {
    let mut bench = failed_over();
    bench.paused = true;
    for id in ["a", "b", "c"] {
        bench.recovers(id);
    }
    assert_eq!(bench.wait(secs(100)), NOTHING);
    bench.coordinator.undo(1, "ada").unwrap();
    assert_eq!(bench.look(), ["fail back 1000", "undone"]);
    assert_eq!(bench.record(1).who.as_deref(), Some("ada"));
    assert!(bench.coordinator.undo(1, "ada").is_err());
}

#[test]
fn what_a_person_has_taken_back_is_not_done_again_while_the_fault_is_there() {
    let mut bench = failed_over();
    bench.wait(secs(600));
    bench.coordinator.undo(1, "ada").unwrap();
    assert_eq!(bench.look()[..3], ["fail back 1000", "undone", "braked by taken_back"]);
    assert_eq!(bench.wait(secs(600)), NOTHING);
    ["a", "b", "c"].into_iter().for_each(|id| bench.recovers(id));
    bench.wait(secs(1));
    ["a", "b", "c"].into_iter().for_each(|id| bench.dies(id));
    assert_eq!(bench.wait(secs(1)), ["began failover", "fail over to Backups", "acted"], "that is another fault");
}

#[test]
fn a_failover_that_does_not_help_is_taken_back() {
    let mut bench = Bench::new(plan(&[failover()]));
    bench.joins("spare", true);
    bench.suffers(Fault::HighErrorRate);
    bench.fails(400);
    bench.wait(secs(1));
    assert_eq!(bench.wait(secs(30)), ["fail back 1000", "not_healed"]);
    assert!(!bench.record(1).in_force);
}

/// A failover to a zone, by the name of the one to backups.
fn to_zone() -> Plan {
    let to = Destination::Zone("far".into());
    let kind = StrategyKind::Failover { to, back_after: secs(30) };
    plan(&[StrategyPlan { name: "failover".into(), ..strategy(kind) }])
}

#[test]
fn a_reload_that_leads_a_failover_elsewhere_sends_the_work_there_at_once() {
    let mut bench = failed_over();
    bench.backend("spare").zone = "far".into();
    bench.coordinator.set_plan(Arc::new(to_zone()));
    assert_eq!(bench.look(), ["fail over to Zone(\"far\")"]);
    assert_eq!(bench.wait(secs(100)), NOTHING, "once");
    let record = bench.record(1);
    assert!(record.in_force && record.why.ends_with("; a reload has changed where it leads"), "{}", record.why);
    bench.coordinator.undo(1, "ada").unwrap();
    assert_eq!(bench.look()[..2], ["fail back 1000", "undone"]);
}

#[test]
fn a_failover_that_a_reload_leads_elsewhere_is_judged_by_what_comes_of_that() {
    let mut bench = Bench::new(plan(&[failover()]));
    bench.joins("spare", true);
    bench.joins("last", true);
    bench.backend("last").zone = "far".into();
    bench.suffers(Fault::HighErrorRate);
    bench.fails(400);
    bench.wait(secs(20));
    bench.coordinator.set_plan(Arc::new(to_zone()));
    assert_eq!(bench.look(), ["fail over to Zone(\"far\")", "acted"]);
    bench.fails(0);
    assert_eq!(bench.wait(secs(4)), NOTHING);
    assert_eq!(bench.wait(secs(1)), ["healed"]);
}

#[test]
fn the_end_of_the_service_and_of_the_strategy_end_a_failover() {
    let mut bench = failed_over();
    bench.coordinator.set_plan(Arc::new(plan(&[])));
    assert_eq!(bench.look(), ["fail back 1000", "released"]);
    let mut bench = failed_over();
    let orders = bench.coordinator.retire(bench.now, bench.at);
    assert_eq!(bench.obey(orders), ["fail back 1000", "released"]);
}

#[test]
fn instances_are_added_and_taken_away_again_one_after_the_other() {
    let mut bench = Bench::new(plan(&[scale_up()]));
    bench.suffers(Fault::HighLatency);
    for (id, name, rest) in [(1, "d", 1), (2, "e", 60)] {
        let words = bench.wait(secs(rest));
        assert!(words.contains(&"run scale_up act -".into()), "{words:?}");
        bench.finishes(id, Role::Act, true);
        bench.joins(name, false);
        bench.scene.trouble = None;
        assert_eq!(bench.wait(secs(2)), ["acted", "healed"]);
        bench.suffers(Fault::HighLatency);
    }
    bench.scene.trouble = None;
    for id in [2, 1] {
        assert_eq!(bench.wait(secs(59)), NOTHING);
        assert_eq!(bench.wait(secs(2)), ["run scale_up down -"]);
        bench.finishes(id, Role::Down, true);
        bench.scene.backends.pop();
        assert_eq!(bench.look(), ["released"], "{id}");
    }
    assert_eq!(bench.wait(secs(300)), NOTHING, "there are as many as before");
}

#[test]
fn an_instance_that_comes_although_its_start_has_failed_is_taken_away_all_the_same() {
    let mut bench = Bench::new(plan(&[scale_up()]));
    bench.suffers(Fault::HighLatency);
    bench.wait(secs(1));
    bench.finishes(1, Role::Act, false);
    assert_eq!(bench.look(), ["failed"]);
    bench.joins("d", false);
    bench.scene.trouble = None;
    assert_eq!(bench.wait(secs(59)), NOTHING);
    assert_eq!(bench.wait(secs(2)), ["run scale_up down -"]);
}

#[test]
fn a_start_that_has_failed_without_an_instance_leaves_nothing_to_be_taken_away() {
    let mut bench = Bench::new(plan(&[scale_up()]));
    bench.suffers(Fault::HighLatency);
    bench.wait(secs(1));
    bench.finishes(1, Role::Act, false);
    bench.look();
    bench.scene.trouble = None;
    assert_eq!(bench.wait(secs(70)), ["released"]);
}

#[test]
fn scaling_up_does_not_help_when_the_fault_stays() {
    let mut bench = Bench::new(plan(&[scale_up()]));
    bench.ails("a", Fault::HighLatency);
    bench.wait(secs(1));
    bench.finishes(1, Role::Act, true);
    bench.joins("d", false);
    assert_eq!(bench.wait(secs(31)), ["acted", "not_healed"]);
    assert!(bench.record(1).in_force, "the instance is there, and taken away later");
}

#[test]
fn a_broken_circuit_closes_by_itself() {
    let mut bench = Bench::new(plan(&[circuit_break(None)]));
    bench.ails("a", Fault::HighErrorRate);
    bench.fails(200);
    assert_eq!(bench.wait(secs(1)), ["began circuit_break", "break a", "acted"]);
    bench.fails(2);
    assert_eq!(bench.wait(secs(5)), ["healed"]);
    assert!(bench.record(1).credited);
    assert_eq!(bench.wait(secs(30)), ["mend a", "released", "braked by cool_down"]);
}

#[test]
fn a_restart_closes_the_circuit_of_its_backend_that_it_may_be_seen_well() {
    let on = |kind: StrategyPlan, fault| StrategyPlan { on: vec![fault], ..kind };
    let circuit = on(circuit_break(None), Fault::HighErrorRate);
    let mut bench = Bench::new(plan(&[circuit, on(restart(), Fault::Unresponsive)]));
    bench.ails("a", Fault::HighErrorRate);
    bench.fails(200);
    bench.wait(secs(1));
    bench.fails(0);
    assert_eq!(bench.wait(secs(5)), ["healed"]);
    bench.dies("a");
    assert_eq!(bench.wait(secs(1)), ["began restart", "run restart act a"]);
    bench.finishes(2, Role::Act, true);
    assert_eq!(bench.look(), ["return a, restarted", "hurry a", "acted", "mend a", "released"]);
    assert!(!bench.record(1).in_force && bench.coordinator.in_force().next().is_none());
}

#[test]
fn a_circuit_that_is_broken_while_hardly_any_request_fails_is_no_credit() {
    let mut bench = Bench::new(plan(&[circuit_break(None)]));
    bench.ails("a", Fault::HighErrorRate);
    bench.fails(30);
    bench.wait(secs(1));
    bench.fails(0);
    assert_eq!(bench.wait(secs(5)), ["healed"]);
    let record = bench.record(1);
    let text = "not credited: the work was done as well before the act; effectiveness 0.50";
    assert!(!record.credited && record.lesson.starts_with(text), "{}", record.lesson);
}

#[test]
fn a_failover_to_backups_that_have_the_work_already_is_no_credit() {
    let bench = failed_over();
    assert!(!bench.record(1).credited, "{}", bench.record(1).lesson);
}

#[test]
fn a_failover_has_not_helped_while_nothing_has_ended_since() {
    let mut bench = Bench::new(plan(&[failover()]));
    bench.joins("spare", true);
    bench.suffers(Fault::HighErrorRate);
    bench.fails(400);
    assert_eq!(bench.wait(secs(1)), ["began failover", "fail over to Backups", "acted"]);
    bench.asks(0);
    bench.fails(0);
    assert_eq!(bench.wait(secs(10)), NOTHING, "the backup hangs");
    bench.dies("spare");
    bench.wait(secs(21));
    assert_eq!(bench.outcome(1), Some(Outcome::NotHealed));
}

#[test]
fn a_failover_is_judged_by_the_requests_after_it() {
    let mut bench = Bench::new(plan(&[failover()]));
    bench.joins("spare", true);
    bench.suffers(Fault::HighErrorRate);
    bench.fails(400);
    bench.wait(secs(1));
    bench.fails(0);
    assert_eq!(bench.wait(secs(5)), ["healed"]);
    assert!(bench.record(1).credited, "{}", bench.record(1).lesson);
}

/// How many faults are known to have passed by themselves.
fn passed(bench: &mut Bench) -> f64 {
    let passed = |json: String| -> f64 {
        let known: serde_json::Value = serde_json::from_str(&json).unwrap();
        known["course"].as_array().unwrap().iter().map(|cell| cell[1].as_f64().unwrap()).sum()
    };
    bench.learned.take_changes().into_iter().map(|(_, json)| passed(json)).sum()
}

#[test]
fn what_is_not_seen_any_more_while_the_work_is_elsewhere_has_not_passed_by_itself() {
    let mut bench = failed_over();
    for id in ["a", "b", "c"] {
        bench.recovers(id);
    }
    bench.wait(secs(32));
    bench.ails("a", Fault::HighErrorRate);
    bench.ails("b", Fault::HighErrorRate);
    assert!(bench.wait(secs(1)).contains(&"fail over to Backups".into()));
    bench.recovers("a");
    bench.recovers("b");
    bench.look();
    assert_eq!(passed(&mut bench), 0.0);
}

#[test]
fn what_is_not_seen_any_more_since_its_path_is_cut_or_its_circuit_open_has_not_passed_by_itself() {
    for circuit in [circuit_break(Some("/search")), circuit_break(None)] {
        let by_path = matches!(&circuit.kind, StrategyKind::CircuitBreak { path: Some(_), .. });
        let mut bench = Bench::new(plan(&[circuit]));
        bench.ails("a", Fault::HighErrorRate);
        bench.wait(secs(1));
        bench.recovers("a");
        bench.ails(if by_path { "b" } else { "a" }, Fault::HighLatency);
        bench.wait(secs(1));
        bench.recovers("a");
        bench.recovers("b");
        bench.look();
        assert_eq!(passed(&mut bench), 0.0, "{by_path}");
    }
}

#[test]
fn what_is_not_seen_any_more_of_a_backend_that_is_drained_has_not_passed_by_itself() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.ails("a", Fault::HighErrorRate);
    bench.backend("a").in_flight = 1;
    assert_eq!(bench.wait(secs(1)), ["began restart", "drain a"]);
    bench.recovers("a");
    bench.wait(secs(1));
    assert_eq!(passed(&mut bench), 0.0);
}

#[test]
fn a_circuit_that_is_broken_in_vain_is_mended() {
    let mut bench = Bench::new(plan(&[circuit_break(None)]));
    bench.ails("a", Fault::HighErrorRate);
    bench.fails(200);
    bench.wait(secs(1));
    assert_eq!(bench.wait(secs(30)), ["mend a", "not_healed"]);
}

#[test]
fn a_path_is_cut_for_a_fault_of_the_service_and_without_a_path_that_is_refused() {
    let mut bench = Bench::new(plan(&[circuit_break(None)]));
    bench.suffers(Fault::DependencyFailure);
    assert_eq!(bench.wait(secs(1)), ["braked by precondition"]);
    let text = bench.coordinator.braked().next().unwrap();
    assert!(text.contains("no `path` says what part of it to cut"), "{text}");
    bench.coordinator.set_plan(Arc::new(plan(&[circuit_break(Some("/search"))])));
    assert_eq!(bench.wait(secs(1)), ["began circuit_break", "cut /search", "acted"]);
}

#[test]
fn what_a_killed_command_reports_late_is_not_taken_for_what_its_successor_came_to() {
    let mut bench = Bench::new(plan(&[StrategyPlan { has_undo: true, ..restart() }]));
    bench.dies("a");
    bench.wait(secs(1));
    bench.finishes(1, Role::Act, true);
    bench.recovers("a");
    assert_eq!(bench.wait(secs(2))[3..], ["healed"]);
    bench.coordinator.undo(1, "ada").unwrap();
    assert_eq!(bench.look(), ["run restart undo a"]);
    bench.paused = true;
    assert_eq!(bench.look(), ["kill"]);
    bench.coordinator.undo(1, "bob").unwrap();
    assert_eq!(bench.look(), ["run restart undo a"], "a person may have it taken back in a pause");
    let [.., killed, successor] = &bench.runs[..] else { unreachable!("two were run") };
    let (killed, successor) = (killed.clone(), successor.clone());
    bench.reports(&killed, true);
    assert_eq!(bench.look(), NOTHING);
    assert!(bench.record(1).in_force, "the second one has not ended");
    bench.reports(&successor, false);
    bench.look();
    assert!(bench.record(1).in_force && !bench.record(1).undo.as_ref().unwrap().ok);
    bench.reports(&killed, true);
    bench.look();
    assert!(!bench.record(1).undo.as_ref().unwrap().ok, "the record has what the last one came to");
}
