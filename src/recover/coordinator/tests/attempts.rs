//! Attempts from the fault to what came of them.

use super::super::*;
use super::bench::*;
use crate::detect::fault::Fault;
use crate::recover::attempt::Phase;

const AT_ONCE: [&str; 0] = [];

#[test]
fn a_dead_backend_is_restarted_at_once_and_the_success_is_what_is_seen() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.dies("a");
    assert_eq!(bench.wait(Duration::from_millis(100)), AT_ONCE, "it may be a blip");
    assert_eq!(bench.wait(Duration::from_millis(100)), ["began restart"]);
    assert_eq!(bench.record(1).phase, Phase::Draining, "it is entered first");
    assert_eq!(bench.look(), ["run restart act a"], "it gets no work, so it is not drained");
    assert_eq!(bench.wait(secs(2)), AT_ONCE);
    bench.finishes(1, Role::Act, true);
    assert_eq!(bench.look(), ["return a, restarted", "hurry a", "acted"]);
    assert_eq!(bench.wait(secs(1)), AT_ONCE, "that the command has succeeded is no success");
    bench.recovers("a");
    assert_eq!(bench.wait(Duration::from_millis(900)), AT_ONCE, "it may fail again at once");
    assert_eq!(bench.wait(Duration::from_millis(100)), ["healed"]);
    let record = bench.record(1);
    assert_eq!((record.recovery_ms, record.credited), (Some(3200), true));
    assert!(record.lesson.contains("credited for now"), "{}", record.lesson);
    assert_eq!(record.brakes.len(), 18);
}

#[test]
fn a_backend_that_still_works_is_drained_first_and_gets_its_work_back_after_the_act() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.ails("a", Fault::ResourceExhaustion);
    bench.backend("a").in_flight = 7;
    assert_eq!(bench.wait(secs(2)), ["began restart", "drain a"]);
    bench.backend("a").in_flight = 0;
    assert_eq!(bench.wait(secs(1)), ["run restart act a"]);
    bench.finishes(1, Role::Act, true);
    assert_eq!(bench.look(), ["return a, restarted", "hurry a", "acted"]);
}

#[test]
fn a_backend_that_gets_another_address_while_it_is_drained_is_left_alone() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.ails("a", Fault::HighErrorRate);
    bench.backend("a").in_flight = 7;
    assert_eq!(bench.wait(secs(2)), ["began restart", "drain a"]);
    bench.recovers("a");
    let now = bench.now;
    (bench.backend("a").known_since, bench.backend("a").in_flight) = (now, 0);
    assert_eq!(bench.look(), ["return a", "passed"]);
    assert!(bench.record(1).acted.is_none());
}

#[test]
fn a_drain_has_an_end() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.ails("a", Fault::ResourceExhaustion);
    bench.backend("a").in_flight = 7;
    bench.wait(secs(10));
    assert_eq!(bench.record(1).phase, Phase::Draining);
    assert_eq!(bench.wait(secs(1)), ["run restart act a"]);
}

#[test]
fn nothing_is_done_when_the_ledger_can_not_keep_it() {
    for (keeps, time) in [(Some(false), 1), (None, 11)] {
        let mut bench = Bench::new(plan(&[restart()]));
        bench.keeps = keeps;
        bench.dies("a");
        assert_eq!(bench.wait(secs(time)), ["began restart", "stopped", "braked by cool_down"]);
    }
}

#[test]
fn a_ledger_that_can_not_be_written_holds_as_a_brake_before_an_attempt_begins_and_before_it_acts() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.unkept = Some("the disk is full");
    bench.dies("a");
    assert_eq!(bench.wait(secs(1)), ["braked by ledger"]);
    let braked = bench.coordinator.braked().next();
    let why = "the service: restart: the ledger can't be written: the disk is full (ledger)";
    assert_eq!((braked.as_deref(), bench.ledger.len()), (Some(why), 0));
    bench.unkept = None;
    assert_eq!(bench.look(), ["began restart"]);
    bench.unkept = Some("the disk is full");
    assert_eq!(bench.look()[0], "stopped");
    assert!(bench.runs.is_empty());
}

#[test]
fn the_next_best_is_tried_when_one_fails_and_all_are_tried_again_later_when_all_have() {
    let mut restart = restart();
    let mut custom = strategy(StrategyKind::Custom { drain: None });
    (restart.attempts, custom.attempts) = (2, 1);
    let mut bench = Bench::new(plan(&[restart, custom]));
    bench.dies("a");
    let (mut tried, mut told) = (Vec::new(), Vec::new());
    for id in 1..=3 {
        let words = bench.wait(secs(21));
        assert!(words.iter().any(|word| word.starts_with("run ")), "{words:?}");
        tried.push(bench.record(id).strategy.clone());
        bench.finishes(id, Role::Act, false);
        told = bench.look();
        assert_eq!(told[0], "failed");
        assert!(bench.record(id).lesson.starts_with("exit code 1; "), "{}", bench.record(id).lesson);
    }
    assert!(tried[..2].contains(&"restart".into()) && tried[..2].contains(&"custom".into()), "{tried:?}");
    assert_eq!(tried[2], "restart");
    assert_eq!(told, ["failed", "exhausted for 60 s"]);
    assert_eq!(bench.wait(secs(59)), ["braked by cool_down"]);
    assert_eq!(bench.wait(secs(2)).len(), 2, "they are tried again");
}

#[test]
fn all_are_tried_again_after_a_quarter_of_the_time_while_the_error_budget_burns_too_fast() {
    let mut restart = restart();
    restart.attempts = 1;
    let mut bench = Bench::new(plan(&[restart]));
    bench.scene.is_protected = true;
    bench.dies("a");
    bench.wait(Duration::from_millis(300));
    bench.finishes(1, Role::Act, false);
    assert_eq!(bench.look(), ["failed", "exhausted for 15 s"]);
    assert_eq!(bench.wait(Duration::from_millis(14_800)), ["braked by cool_down"]);
    assert_eq!(bench.wait(Duration::from_millis(300))[0], "began restart");
}

#[test]
fn a_further_attempt_waits_for_a_pause_that_doubles() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.dies("a");
    bench.wait(Duration::from_millis(300));
    for (id, pause) in [(1, 5), (2, 10)] {
        bench.finishes(id, Role::Act, false);
        bench.wait(secs(pause) - Duration::from_millis(100));
        assert_eq!(bench.coordinator.running().count(), 0);
        assert!(bench.coordinator.braked().next().unwrap().ends_with("(delay)"));
        bench.wait(Duration::from_millis(300));
        assert_eq!(bench.coordinator.running().count(), 1);
    }
}

#[test]
fn a_fault_that_comes_back_after_a_success_cools_down() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.dies("a");
    bench.wait(secs(1));
    bench.finishes(1, Role::Act, true);
    bench.wait(secs(1));
    bench.recovers("a");
    assert_eq!(bench.wait(secs(1)), ["healed"]);
    bench.dies("a");
    assert_eq!(bench.wait(secs(59)), ["braked by cool_down"]);
    assert_eq!(bench.wait(secs(2)), ["began restart", "run restart act a"]);
}

#[test]
fn a_command_that_hangs_is_killed_and_what_it_printed_is_still_entered() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.dies("a");
    bench.wait(secs(1));
    assert_eq!(bench.wait(secs(60)), AT_ONCE, "whoever runs it has a time-out");
    let words = (0..3600).map(|_| bench.wait(secs(1))).find(|words| !words.is_empty());
    assert_eq!(words.unwrap()[..2], ["kill", "failed"]);
    assert_eq!(bench.record(1).act, None);
    bench.finishes(1, Role::Act, false);
    bench.look();
    assert!(bench.record(1).act.is_some());
}

#[test]
fn a_service_that_is_not_seen_well_in_time_is_not_healed_whatever_the_command_says() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.dies("a");
    bench.wait(secs(1));
    bench.finishes(1, Role::Act, true);
    bench.wait(secs(30));
    assert_eq!(bench.outcome(1), None);
    assert_eq!(bench.wait(secs(1)), ["not_healed"]);
}

/// The backend `a` fails often, is restarted, and has had its work back for a moment.
fn restarted_for_its_errors() -> Bench {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.ails("a", Fault::HighErrorRate);
    bench.wait(secs(1));
    bench.finishes(1, Role::Act, true);
    bench.wait(secs(3));
    bench.recovers("a");
    bench
}

#[test]
fn errors_that_only_requests_show_are_gone_when_enough_requests_have_shown_it_for_a_while() {
    let mut bench = restarted_for_its_errors();
    assert_eq!(bench.wait(Duration::from_millis(4900)), AT_ONCE, "a verdict may be due");
    assert_eq!(bench.wait(Duration::from_millis(200)), ["healed"]);
    assert_eq!((bench.record(1).recovery_ms, bench.record(1).credited), (Some(4000), true));
}

#[test]
fn errors_that_are_not_seen_for_want_of_requests_are_no_credit() {
    let mut bench = restarted_for_its_errors();
    bench.asks(0);
    assert_eq!(bench.wait(secs(26)), AT_ONCE);
    assert_eq!(bench.wait(secs(2)), ["healed"]);
    let record = bench.record(1);
    let text = "not credited: too few requests have shown that it is well; effectiveness 0.50";
    assert!(!record.credited && record.lesson.starts_with(text), "{}", record.lesson);
}

#[test]
fn silence_without_checks_is_over_when_requests_have_shown_it() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.backend("a").is_checked = false;
    bench.dies("a");
    bench.wait(secs(1));
    bench.finishes(1, Role::Act, true);
    bench.wait(secs(1));
    bench.recovers("a");
    assert_eq!(bench.wait(Duration::from_millis(4900)), AT_ONCE);
    assert_eq!(bench.wait(Duration::from_millis(200)), ["healed"]);
}

#[test]
fn what_makes_it_worse_is_taken_back() {
    let mut custom = strategy(StrategyKind::Custom { drain: None });
    custom.has_undo = true;
    let mut bench = Bench::new(plan(&[custom]));
    bench.ails("a", Fault::HighErrorRate);
    bench.fails(30);
    bench.wait(secs(1));
    bench.finishes(1, Role::Act, true);
    bench.wait(Duration::from_millis(2100));
    bench.fails(190);
    assert_eq!(bench.wait(Duration::from_millis(200)), AT_ONCE, "it is looked at three times");
    assert_eq!(bench.wait(secs(2)), ["run custom undo a"]);
    assert_eq!(bench.record(1).phase, Phase::Undoing);
    bench.finishes(1, Role::Undo, true);
    assert_eq!(bench.look()[..2], ["worse", "undone"]);
    let record = bench.record(1);
    assert!(record.lesson.contains("3.0 % did before; it was taken back"), "{}", record.lesson);
    assert!(!record.in_force);
}

#[test]
fn what_the_fault_itself_does_to_the_figures_is_not_worse() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.dies("a");
    bench.wait(Duration::from_millis(300));
    bench.fails(300);
    bench.wait(secs(1));
    bench.fails(0);
    bench.wait(secs(5));
    assert_eq!(bench.outcome(1), None);
}

#[test]
fn in_a_dry_run_nothing_is_done_and_it_is_judged_all_the_same() {
    let mut bench = Bench::new(Plan { dry_run: true, ..plan(&[restart()]) });
    bench.ails("a", Fault::HighErrorRate);
    assert_eq!(bench.wait(secs(3)), ["began restart"]);
    bench.recovers("a");
    assert_eq!(bench.wait(secs(5)), ["healed"]);
    assert!(bench.record(1).dry_run && !bench.record(1).credited && bench.record(1).acted.is_none());
    assert!(bench.learned.all().is_empty(), "nothing is learned of the strategy");
}

#[test]
fn a_restart_during_which_its_backend_is_not_discovered_goes_on() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.dies("a");
    bench.wait(secs(1));
    let backend = bench.scene.backends.remove(0);
    assert_eq!(bench.wait(secs(10)), AT_ONCE);
    bench.finishes(1, Role::Act, true);
    assert_eq!(bench.wait(secs(10)), ["return a, restarted", "hurry a", "acted"]);
    bench.scene.backends.insert(0, backend);
    bench.recovers("a");
    assert_eq!(bench.wait(secs(2)), ["healed"]);
}

#[test]
fn a_backend_that_does_not_come_back_after_its_restart_is_gone() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.dies("a");
    bench.wait(secs(1));
    bench.scene.backends.remove(0);
    bench.finishes(1, Role::Act, true);
    assert_eq!(bench.wait(secs(31)).last().unwrap(), "gone");
    assert!(bench.learned.all().is_empty(), "it was not seen whether it helps");
}

#[test]
fn a_backend_that_is_gone_before_its_restart_has_begun_is_not_restarted() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.ails("a", Fault::HighErrorRate);
    bench.backend("a").in_flight = 1;
    bench.wait(secs(1));
    bench.scene.backends.remove(0);
    assert_eq!(bench.look(), ["return a", "gone"]);
}

#[test]
fn what_the_configuration_has_no_strategy_for_any_more_ends_and_is_put_back() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.ails("a", Fault::HighErrorRate);
    bench.backend("a").in_flight = 1;
    bench.wait(secs(1));
    bench.coordinator.set_plan(Arc::new(plan(&[failover()])));
    assert_eq!(bench.look()[..2], ["return a", "gone"]);
}

#[test]
fn a_pause_ends_all_at_once_and_begins_nothing() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.ails("a", Fault::HighErrorRate);
    bench.wait(secs(1));
    bench.paused = true;
    assert_eq!(bench.look(), ["kill", "return a", "stopped"]);
    assert_eq!(bench.wait(secs(1000)), AT_ONCE);
    bench.paused = false;
    assert_eq!(bench.look(), ["began restart"]);
}

#[test]
fn a_fault_that_passes_by_itself_is_told_to_what_learns() {
    let mut bench = Bench::new(plan(&[]));
    bench.dies("a");
    bench.wait(secs(4));
    bench.recovers("a");
    bench.look();
    assert_eq!(bench.learned.take_changes().len(), 1);
}

#[test]
fn a_fault_that_has_passed_and_come_back_between_two_looks_may_be_a_blip_again() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.dies("a");
    bench.wait(Duration::from_millis(100));
    bench.dies("a");
    assert_eq!(bench.wait(Duration::from_millis(100)), AT_ONCE);
    assert_eq!(bench.wait(Duration::from_millis(100)), ["began restart"]);
}

#[test]
fn what_would_be_run_is_known_before_it_is_and_where_nothing_is() {
    for (dry_run, ask) in [(true, false), (false, true), (false, false)] {
        let mut bench = Bench::new(Plan { dry_run, ask, ..plan(&[restart()]) });
        bench.dies("a");
        bench.wait(Duration::from_millis(300));
        let record = bench.record(1);
        assert_eq!((record.what.as_deref(), &record.act), (Some("act a"), &None), "dry_run {dry_run}, ask {ask}");
    }
    let mut bench = Bench::new(plan(&[circuit_break(None)]));
    bench.ails("a", Fault::HighErrorRate);
    bench.wait(secs(1));
    assert_eq!(bench.record(1).what, None);
}
