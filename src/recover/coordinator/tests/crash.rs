//! The process is killed, and another one goes on from what the ledger knows.

use super::super::*;
use super::bench::*;
use crate::detect::fault::Fault;
use crate::recover::plan::StrategyPlan;

fn restart_with_undo() -> StrategyPlan {
    StrategyPlan { has_undo: true, ..restart() }
}

#[test]
fn an_attempt_that_was_interrupted_is_closed_and_not_repeated_blindly() {
    for phase in 0..4 {
        let mut bench = Bench::new(plan(&[restart_with_undo()]));
        bench.ails("a", Fault::HighErrorRate);
        bench.backend("a").in_flight = 1;
        bench.wait(Duration::from_millis([200, 500, 11_000, 11_000][phase]));
        if phase == 3 {
            bench.finishes(1, Role::Act, true);
            bench.look();
        }
        assert_eq!(bench.outcome(1), None);
        assert_eq!(bench.crash(plan(&[restart_with_undo()])), ["unknown"]);
        assert!(bench.record(1).in_force, "it can be taken back");
        assert_eq!(bench.wait(secs(59)), ["braked by cool_down"]);
        assert_eq!(bench.wait(secs(2)), ["began restart", "drain a"], "it is another attempt");
        assert_eq!(bench.ledger.last().unwrap().id, 2);
    }
}

#[test]
fn what_was_interrupted_can_be_taken_back() {
    let mut bench = Bench::new(plan(&[restart_with_undo()]));
    bench.dies("a");
    bench.wait(secs(1));
    bench.crash(plan(&[restart_with_undo()]));
    bench.coordinator.undo(1, "ada").unwrap();
    assert_eq!(bench.look()[0], "run restart undo a");
    bench.finishes(1, Role::Undo, true);
    assert_eq!(bench.look(), ["undone"]);
    assert!(!bench.record(1).in_force);
}

#[test]
fn a_proposal_was_nothing_that_could_be_taken_back() {
    let asking = || Plan { ask: true, ..plan(&[restart_with_undo()]) };
    let mut bench = Bench::new(asking());
    bench.dies("a");
    bench.wait(secs(1));
    assert_eq!(bench.crash(asking()), ["unknown"]);
    assert!(!bench.record(1).in_force);
}

#[test]
fn a_failover_goes_on_and_comes_home_later() {
    let mut bench = Bench::new(plan(&[failover()]));
    bench.joins("spare", true);
    bench.suffers(Fault::HighErrorRate);
    bench.wait(secs(1));
    bench.scene.trouble = None;
    bench.wait(secs(5));
    assert_eq!(bench.outcome(1), Some(Outcome::Healed));
    assert_eq!(bench.crash(plan(&[failover()])), ["fail over to Backups"]);
    assert_eq!(bench.wait(secs(29)), [""; 0]);
    assert_eq!(bench.wait(secs(8)).last().unwrap(), "released");
}

#[test]
fn a_process_that_has_served_without_a_failover_does_not_do_it_anew() {
    let mut bench = Bench::new(plan(&[failover()]));
    bench.joins("spare", true);
    bench.suffers(Fault::HighErrorRate);
    bench.wait(secs(1));
    bench.scene.trouble = None;
    bench.wait(secs(5));
    assert!(bench.record(1).in_force);
    assert_eq!(bench.begins_late(plan(&[failover()])), ["released"]);
    assert!(!bench.record(1).in_force);
    assert_eq!(bench.wait(secs(100)), [""; 0]);
}

#[test]
fn what_was_refused_before_a_crash_does_not_count_for_the_hour() {
    let asking = || {
        let mut plan = Plan { ask: true, ..plan(&[restart()]) };
        plan.limits.per_hour = 1;
        plan
    };
    let mut bench = Bench::new(asking());
    bench.dies("a");
    bench.wait(secs(1));
    bench.coordinator.refuse(1, "ada").unwrap();
    assert_eq!(bench.look()[0], "refused");
    bench.crash(asking());
    bench.pass(secs(100));
    assert_eq!(bench.wait(secs(1)), ["proposed"]);
}

#[test]
fn after_a_defect_what_is_under_way_is_ended_what_is_in_force_stays_and_brakes_count_it() {
    let mut plan = plan(&[restart(), failover()]);
    plan.limits.max_unhealthy = 1.0;
    let mut bench = Bench::new(plan);
    bench.joins("spare", true);
    ["a", "b", "c"].into_iter().for_each(|id| bench.dies(id));
    bench.wait(secs(10));
    let in_force: Vec<_> = bench.coordinator.in_force().map(|attempt| attempt.id).collect();
    assert_eq!((bench.coordinator.running().count(), in_force.len()), (1, 1));
    let orders = bench.coordinator.begin_anew(bench.now, bench.at);
    assert_eq!(bench.obey(orders), ["kill", "stopped"]);
    assert_eq!(bench.coordinator.in_force().map(|attempt| attempt.id).collect::<Vec<_>>(), in_force);
    let words = bench.wait(secs(1));
    assert!(!words.contains(&"run restart act a".to_owned()), "it cools down: {words:?}");
}

#[test]
fn an_open_circuit_is_not_opened_again_and_a_failover_without_its_strategy_ends() {
    let mut bench = Bench::new(plan(&[circuit_break(None)]));
    bench.ails("a", Fault::HighErrorRate);
    bench.wait(secs(6));
    assert!(bench.record(1).in_force);
    assert_eq!(bench.crash(plan(&[circuit_break(None)])), ["released"]);
    assert!(!bench.record(1).in_force);
}

#[test]
fn attempts_of_the_last_hour_count_after_a_crash_and_a_clock_set_back_makes_none_younger_than_now() {
    let limited = || {
        let mut plan = plan(&[restart()]);
        (plan.limits.per_hour, plan.limits.cool_down) = (2, secs(1));
        plan
    };
    for back in [0, 600_000] {
        let mut bench = Bench::new(limited());
        for id in 1..=2 {
            bench.dies("a");
            bench.wait(secs(2));
            bench.finishes(id, Role::Act, true);
            bench.recovers("a");
            bench.wait(secs(2));
        }
        bench.dies("a");
        assert_eq!(bench.wait(secs(5)), ["braked by per_hour"]);
        bench.at = bench.at.plus(-back);
        bench.crash(limited());
        assert_eq!(bench.wait(secs(1)), ["braked by per_hour"]);
        bench.pass(secs(3589));
        assert_eq!(bench.wait(secs(1)).is_empty(), back > 0, "an hour after the first, and not yet after the crash");
        bench.pass(secs(10));
        assert_eq!(bench.wait(secs(1)).is_empty(), back == 0);
    }
}
