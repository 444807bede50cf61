//! What is set in a standing, and what follows from it in time.

use std::time::{Duration, SystemTime};

use super::*;

#[test]
fn what_is_set_is_read_back() {
    let standing = Standing::default();
    assert_eq!((standing.health(), standing.operator(), standing.agent()), Default::default());
    for health in [Health::Up, Health::Down, Health::Unknown] {
        standing.set_health(health, "");
        assert_eq!(standing.health(), health);
    }
    for wanted in [Override::Drained, Override::Disabled, Override::Enabled, Override::Configured] {
        standing.set_operator(wanted, "");
        standing.set_agent(wanted, "");
        assert_eq!((standing.operator(), standing.agent()), (wanted, wanted));
    }
}

#[test]
fn a_condition_is_told_once_with_the_reason_of_who_says_so() {
    let (standing, now, at) = (Standing::default(), Moment::now(), SystemTime::UNIX_EPOCH);
    let up = Condition { state: State::Up, by: DecidedBy::Checks };
    standing.set_health(Health::Up, "status 200");
    let (before, announced) = standing.announce(up, now, at).unwrap();
    assert_eq!((before, &*announced.reason, announced.since), (None, "status 200", now));
    assert_eq!(standing.announce(up, now.plus(Duration::from_secs(1)), at), None);
    standing.set_operator(Override::Drained, "a new disk");
    let draining = Condition { state: State::Draining, by: DecidedBy::Operator };
    let (before, announced) = standing.announce(draining, now.plus(Duration::from_secs(2)), at).unwrap();
    assert_eq!((before.map(|announced| announced.condition), &*announced.reason), (Some(up), "a new disk"));
    assert_eq!(standing.announced(), Some(announced));
    standing.set_operator(Override::Drained, "a new controller");
    assert_eq!(standing.announce(draining, now.plus(Duration::from_secs(3)), at), None, "it is the same state");
    assert_eq!(standing.announced().unwrap().reason, "a new controller");
    standing.set_health(Health::Down, "connection refused");
    assert_eq!(standing.announced().unwrap().reason, "a new controller", "that is not why");
}

#[test]
fn a_repair_takes_the_backend_out_at_once_whatever_operators_say() {
    let standing = Standing::default();
    for said in [Override::Configured, Override::Enabled, Override::Drained, Override::Disabled] {
        standing.set_operator(said, "");
        let by_operator = standing.is_taken_out_by_operator();
        assert_eq!((standing.is_under_repair(), standing.is_taken_out()), (false, by_operator));
        standing.set_repair(Some("it is restarted"));
        assert_eq!((standing.operator(), standing.is_taken_out_by_operator()), (said, by_operator));
        assert!(standing.is_under_repair() && standing.is_taken_out());
        standing.set_operator(Override::Configured, "");
        assert!(standing.is_taken_out(), "what operators take back is not the repair");
        standing.set_repair(None);
        assert!(!standing.is_under_repair() && !standing.is_taken_out());
    }
    assert!(!standing.has_operator_override());
}

#[test]
fn a_circuit_that_is_held_open_closes_by_itself_or_early() {
    let (standing, now, second) = (Standing::default(), Moment::now(), Duration::from_secs(1));
    let changes = changes();
    standing.break_for(now.plus(second), "half of its answers failed");
    assert!(self::changes() > changes);
    assert!(standing.is_held_open(now) && !standing.is_held_open(now.plus(second)));
    assert!(!standing.is_ejected(now) && standing.ejections() == 0, "that is no ejection");
    standing.mend();
    assert!(!standing.is_held_open(now));
}

#[test]
fn what_recovery_does_is_announced_with_its_reason() {
    let (standing, now, at) = (Standing::default(), Moment::now(), SystemTime::UNIX_EPOCH);
    standing.set_repair(Some("it is restarted"));
    standing.break_for(now, "half of its answers failed");
    let reason = |state| {
        let condition = Condition { state, by: DecidedBy::Recovery };
        standing.announce(condition, now, at).map(|(_, announced)| announced.reason)
    };
    assert_eq!(reason(State::Draining).as_deref(), Some("it is restarted"));
    standing.set_repair(Some("it is restarted again"));
    assert_eq!(standing.announced().unwrap().reason, "it is restarted again");
    assert_eq!(reason(State::Broken).as_deref(), Some("half of its answers failed"));
}

#[test]
fn weights_of_operators_replace_and_those_of_agents_scale() {
    let standing = Standing::default();
    assert_eq!(standing.weight(7), 7);
    standing.set_weight(Some(20), "");
    standing.set_agent_weight(500);
    assert_eq!(standing.weight(7), 10);
    standing.set_weight(None, "");
    standing.set_agent_weight(1);
    assert_eq!(standing.weight(7), 1, "a share above nothing never rounds to nothing");
    standing.set_agent_weight(0);
    assert_eq!(standing.weight(7), 0);
}

#[test]
fn an_agent_can_lower_what_a_backend_takes_and_not_raise_it() {
    let standing = Standing::default();
    assert_eq!((standing.limit(0), standing.limit(7)), (0, 7));
    standing.set_agent_limit(Some(5));
    assert_eq!((standing.limit(0), standing.limit(7), standing.limit(3)), (5, 5, 3));
    assert_eq!(standing.agent_limit(), Some(5));
    standing.set_agent_limit(None);
    assert_eq!((standing.limit(0), standing.limit(7), standing.agent_limit()), (0, 7, None));
}

#[test]
fn an_ejection_ends_by_itself_or_early_and_is_counted() {
    let (standing, now) = (Standing::default(), Moment::now());
    assert!(!standing.is_ejected(now));
    assert_eq!(standing.eject(now.plus(Duration::from_secs(10)), ""), 1);
    assert!(standing.is_ejected(now.plus(Duration::from_millis(9_999))));
    assert!(!standing.is_ejected(now.plus(Duration::from_secs(10))));
    standing.readmit();
    assert!(!standing.is_ejected(now));
    assert_eq!(standing.eject(now, ""), 2);
    standing.forget_ejections();
    assert_eq!(standing.ejections(), 0);
}
