//! Attempts that wait for a person, and what people say of those under way.

use super::super::*;
use super::bench::*;
use crate::detect::fault::Fault;

fn asking() -> Bench {
    let mut bench = Bench::new(Plan { ask: true, ..plan(&[restart()]) });
    bench.dies("a");
    assert_eq!(bench.wait(Duration::from_millis(200)), ["proposed"]);
    bench
}

#[test]
fn an_attempt_waits_for_a_person_and_begins_when_it_is_approved() {
    let mut bench = asking();
    bench.pass(secs(600));
    assert!(bench.look().is_empty());
    bench.coordinator.approve(1, "ada").unwrap();
    assert_eq!(bench.look(), ["began restart"]);
    assert_eq!(bench.look(), ["run restart act a"]);
    assert_eq!(bench.record(1).who.as_deref(), Some("ada"));
    assert_eq!(bench.coordinator.approve(1, "bob").unwrap_err(), "attempt 1 does not wait for approval");
    assert_eq!(bench.coordinator.refuse(2, "bob").unwrap_err(), "attempt 2 is not under way");
}

#[test]
fn brakes_are_looked_at_again_when_it_is_approved() {
    let mut bench = asking();
    bench.dies("b");
    bench.wait(Duration::from_millis(100));
    let why = bench.coordinator.approve(1, "ada").unwrap_err();
    assert_eq!(why, "attempt 1 can't begin now: 2 of 3 backends are unhealthy, of 40 % at most (max_unhealthy)");
    bench.recovers("b");
    bench.wait(Duration::from_millis(100));
    assert!(bench.coordinator.approve(1, "ada").is_ok());
}

#[test]
fn a_proposal_ends_when_the_fault_passes_when_it_is_refused_and_after_an_hour() {
    let mut bench = asking();
    bench.recovers("a");
    assert_eq!(bench.wait(Duration::from_millis(100)), ["passed"]);
    let mut bench = asking();
    bench.coordinator.refuse(1, "ada").unwrap();
    assert_eq!(bench.look()[0], "refused");
    assert_eq!(bench.record(1).lesson, "ada refused it");
    let mut bench = asking();
    bench.pass(secs(3599));
    assert!(bench.look().is_empty());
    bench.pass(secs(1));
    assert_eq!(bench.look()[0], "refused");
    assert_eq!(bench.record(1).lesson, "nobody approved it");
}

#[test]
fn of_two_that_are_approved_together_only_as_many_begin_as_may() {
    let mut generous = plan(&[restart()]);
    (generous.ask, generous.limits.max_unhealthy) = (true, 1.0);
    let mut bench = Bench::new(generous);
    bench.dies("a");
    bench.dies("b");
    assert_eq!(bench.wait(secs(1)), ["proposed", "proposed"]);
    bench.coordinator.approve(1, "ada").unwrap();
    bench.coordinator.approve(2, "ada").unwrap();
    assert_eq!(bench.wait(secs(1)), ["began restart", "run restart act a"]);
    assert!(bench.coordinator.approve(2, "ada").unwrap_err().contains("max_at_once"));
}

#[test]
fn what_a_person_stops_is_killed_and_put_back() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.ails("a", Fault::HighErrorRate);
    bench.wait(secs(1));
    assert_eq!(
        bench.coordinator.undo(1, "ada").unwrap_err(),
        "attempt 1 can't be taken back: the configuration gives restart no `undo`"
    );
    bench.coordinator.stop(1, "ada").unwrap();
    assert_eq!(bench.look()[..3], ["kill", "return a", "stopped"]);
    assert_eq!(bench.record(1).lesson, "ada stopped it");
    assert!(bench.coordinator.stop(1, "ada").is_err());
}

#[test]
fn what_a_person_wants_back_is_taken_back_after_the_act_has_ended() {
    let mut restart = restart();
    restart.has_undo = true;
    let mut bench = Bench::new(plan(&[restart]));
    bench.dies("a");
    bench.wait(secs(1));
    bench.coordinator.undo(1, "ada").unwrap();
    assert_eq!(bench.look(), ["kill"]);
    assert_eq!(bench.wait(secs(1)), [""; 0], "the act is still dying");
    bench.finishes(1, Role::Act, false);
    assert_eq!(bench.look(), ["run restart undo a"]);
    bench.finishes(1, Role::Undo, true);
    assert_eq!(bench.look()[..2], ["stopped", "undone"]);
    assert!(!bench.record(1).in_force);
}
