//! What stays in force: failovers, further instances, circuits; and how it ends.

use super::super::*;
use super::bench::*;
use crate::detect::fault::Fault;

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
    assert_eq!(bench.wait(Duration::from_millis(400)), ["healed"]);
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
fn a_failover_that_does_not_help_is_taken_back() {
    let mut bench = Bench::new(plan(&[failover()]));
    bench.joins("spare", true);
    bench.suffers(Fault::HighErrorRate);
    bench.fails(400);
    bench.wait(secs(1));
    assert_eq!(bench.wait(secs(30)), ["fail back 1000", "not_healed"]);
    assert!(!bench.record(1).in_force);
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
    assert_eq!(bench.wait(Duration::from_millis(1100)), ["healed"]);
    assert_eq!(bench.wait(secs(30)), ["mend a", "released", "braked by cool_down"]);
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
