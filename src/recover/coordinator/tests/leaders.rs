//! What an instance does that is not the leader, and what becomes of an attempt when it loses the leadership.

use super::super::*;
use super::bench::{Bench, failover, plan, restart, scale_up, secs};
use crate::detect::fault::Fault;

const OTHER: Option<&str> = Some("another is the leader");
const NOTHING: [&str; 0] = [];

#[test]
fn an_instance_that_does_not_lead_restarts_nothing_until_it_leads() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.not_leader = OTHER;
    bench.dies("a");
    assert_eq!(bench.wait(secs(1)), ["braked by not_leader"]);
    assert_eq!(bench.wait(secs(600)), NOTHING, "that is told once");
    bench.not_leader = None;
    assert_eq!(bench.wait(Duration::from_millis(200)), ["began restart", "run restart act a"]);
}

#[test]
fn it_fails_over_all_the_same() {
    let mut bench = Bench::new(plan(&[restart(), failover()]));
    bench.joins("spare", true);
    bench.not_leader = OTHER;
    ["a", "b", "c"].iter().for_each(|id| bench.dies(id));
    let words = bench.wait(secs(1));
    assert!(words.contains(&"fail over to Backups".into()), "{words:?}");
}

#[test]
fn a_command_is_killed_when_leadership_is_lost_and_nobody_knows_what_it_has_done() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.dies("a");
    assert_eq!(bench.wait(Duration::from_millis(300)), ["began restart", "run restart act a"]);
    bench.not_leader = OTHER;
    let words = bench.look();
    assert_eq!(&words[..2], ["kill", "unknown"], "{words:?}");
    assert!(bench.record(1).lesson.contains("leadership was lost"), "{}", bench.record(1).lesson);
    assert!(bench.learned.all().iter().all(|(.., known)| known.attempts == 0), "nothing is learned from it");
}

#[test]
fn what_is_only_watched_is_watched_on() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.dies("a");
    bench.wait(Duration::from_millis(300));
    bench.finishes(1, Role::Act, true);
    bench.look();
    bench.not_leader = OTHER;
    assert_eq!(bench.wait(secs(1)), NOTHING);
    bench.recovers("a");
    assert_eq!(bench.wait(secs(2)), ["healed"]);
}

#[test]
fn an_attempt_that_has_done_nothing_yet_does_nothing_when_leadership_is_lost() {
    let mut bench = Bench::new(plan(&[restart()]));
    bench.ails("a", Fault::HighErrorRate);
    bench.backend("a").in_flight = 1;
    assert_eq!(bench.wait(secs(1)), ["began restart", "drain a"]);
    bench.not_leader = OTHER;
    let words = bench.look();
    assert_eq!(&words[..2], ["return a", "stopped"], "{words:?}");
    assert!(bench.record(1).lesson.contains("not_leader"), "{}", bench.record(1).lesson);
}

#[test]
fn an_instance_is_taken_away_by_who_has_started_it_and_when_it_leads() {
    let mut bench = Bench::new(plan(&[scale_up()]));
    bench.suffers(Fault::HighLatency);
    bench.wait(secs(1));
    bench.finishes(1, Role::Act, true);
    bench.joins("d", false);
    bench.scene.trouble = None;
    assert_eq!(bench.wait(secs(2)), ["acted", "healed"]);
    bench.not_leader = OTHER;
    assert_eq!(bench.wait(secs(600)), NOTHING);
    bench.not_leader = None;
    assert_eq!(bench.look(), ["run scale_up down -"]);
}
