//! Which state a backend is in: the one place that knows in which order those who have a say are heard.
//!
//! An operator goes before the configuration, the configuration before recovery, and that before the backend's own agent. Then come the
//! backend's name (nobody can connect without an address), its checks, its ejection, its circuit, a weight of 0, and
//! last its slow start. The snapshot, the API, the page, the metrics, the log and the events all ask here, so that they can't
//! contradict each other.

use std::time::Duration;

use super::Endpoint;
use super::breaker;
use super::standing::{Health, Override};
use super::state::{Condition, DecidedBy, State};
use crate::clock::Moment;
use crate::policy;

/// The settings of its service that a backend's state depends on.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// When its breaker opens; `None` = never.
    pub breaker: Option<&'a policy::Breaker>,
    /// How long slow start takes; zero = there is none.
    pub slow_start: Duration,
    /// Whether the service has active checks.
    pub is_checked: bool,
}

/// Whether the backend would get work but for ejection and breaker. Passive ejection compares such backends with each
/// other.
pub fn takes_part(endpoint: &Endpoint) -> bool {
    let standing = &endpoint.live.standing;
    !is_withdrawn(endpoint) && !endpoint.is_unresolved() && standing.health() != Health::Down
}

/// Whether somebody wants it to get no new work, however healthy it is.
pub fn is_withdrawn(endpoint: &Endpoint) -> bool {
    taken_out(endpoint).or_else(|| repaired(endpoint)).or_else(|| weightless(endpoint)).is_some()
}

/// The state of a backend at `now`.
pub fn condition(endpoint: &Endpoint, rules: Rules<'_>, now: Moment) -> Condition {
    ordered(endpoint).or_else(|| repaired(endpoint)).unwrap_or_else(|| condition_but_for_repair(endpoint, rules, now))
}

/// The state that a backend would be in at `now` if recovery did not repair it.
pub fn condition_but_for_repair(endpoint: &Endpoint, rules: Rules<'_>, now: Moment) -> Condition {
    taken_out(endpoint)
        .or_else(|| unwell(endpoint, rules, now))
        .or_else(|| weightless(endpoint))
        .unwrap_or_else(|| well(endpoint, rules, now))
}

/// What an operator, the configuration or the agent has decided, however healthy the backend is.
pub fn taken_out(endpoint: &Endpoint) -> Option<Condition> {
    ordered(endpoint).or_else(|| {
        let standing = &endpoint.live.standing;
        let may_say = standing.operator() == Override::Configured;
        may_say.then(|| out(standing.agent(), DecidedBy::Agent)).flatten()
    })
}

/// What an operator or the configuration has decided.
fn ordered(endpoint: &Endpoint) -> Option<Condition> {
    match endpoint.live.standing.operator() {
        Override::Configured if endpoint.draining => Some(Condition::new(State::Draining, DecidedBy::Configuration)),
        operator => out(operator, DecidedBy::Operator),
    }
}

/// The state of a backend that recovery repairs.
fn repaired(endpoint: &Endpoint) -> Option<Condition> {
    let is_repaired = endpoint.live.standing.is_under_repair();
    is_repaired.then_some(Condition::new(State::Draining, DecidedBy::Recovery))
}

/// The state in which an override takes a backend out.
fn out(wanted: Override, by: DecidedBy) -> Option<Condition> {
    match wanted {
        Override::Drained => Some(Condition::new(State::Draining, by)),
        Override::Disabled => Some(Condition::new(State::Disabled, by)),
        Override::Configured | Override::Enabled => None,
    }
}

/// What is wrong with the backend, if anything is.
fn unwell(endpoint: &Endpoint, rules: Rules<'_>, now: Moment) -> Option<Condition> {
    let live = &endpoint.live;
    if endpoint.is_unresolved() {
        return Some(Condition::new(State::Down, DecidedBy::Names));
    }
    if live.standing.health() == Health::Down {
        return Some(Condition::new(State::Down, DecidedBy::Checks));
    }
    if live.standing.is_ejected(now) {
        return Some(Condition::new(State::Ejected, DecidedBy::Outlier));
    }
    if live.standing.is_held_open(now) {
        return Some(Condition::new(State::Broken, DecidedBy::Recovery));
    }
    let is_open = |policy| live.breaker.state(policy, now) == breaker::Circuit::Open;
    rules.breaker.is_some_and(is_open).then_some(Condition::new(State::Broken, DecidedBy::Breaker))
}

/// The state of a healthy backend whose weight is 0: it gets no new work and keeps its sessions, as if it had been drained.
fn weightless(endpoint: &Endpoint) -> Option<Condition> {
    let weight = endpoint.live.standing.weight(endpoint.weight);
    (weight == 0).then_some(Condition::new(State::Draining, DecidedBy::Weight))
}

/// The state of a backend with which nothing is wrong.
fn well(endpoint: &Endpoint, rules: Rules<'_>, now: Moment) -> Condition {
    let standing = &endpoint.live.standing;
    if rules.is_checked && standing.health() == Health::Unknown {
        return Condition::new(State::Unknown, DecidedBy::Checks);
    }
    if now.since(standing.joined()) < rules.slow_start {
        return Condition::new(State::Starting, DecidedBy::SlowStart);
    }
    let by = match (standing.operator(), rules.is_checked) {
        (Override::Enabled, _) => DecidedBy::Operator,
        (_, true) => DecidedBy::Checks,
        (_, false) => DecidedBy::Configuration,
    };
    Condition::new(State::Up, by)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::testing;

    const NOW: Moment = Moment::from_millis(1_100_000_000_000);
    const RULES: Rules<'_> = Rules { breaker: None, slow_start: Duration::ZERO, is_checked: true };

    fn stands(endpoint: &Endpoint, rules: Rules<'_>) -> (&'static str, &'static str) {
        let Condition { state, by } = condition(endpoint, rules, NOW);
        (state.as_str(), by.as_str())
    }

    #[test]
    fn those_who_have_a_say_are_heard_in_one_order() {
        let policy = policy::Breaker { failures: 1, error_rate: 0.0, ..testing::breaker() };
        let rules = Rules { breaker: Some(&policy), slow_start: Duration::from_secs(30), is_checked: true };
        let mut endpoint = testing::endpoint();
        let live = std::sync::Arc::clone(&endpoint.live);
        let standing = &live.standing;
        assert_eq!(stands(&endpoint, rules), ("unknown", "checks"));
        standing.set_health(Health::Up, "status 200");
        assert_eq!(stands(&endpoint, rules), ("up", "checks"));
        standing.join(NOW);
        assert_eq!(stands(&endpoint, rules), ("starting", "slow_start"));
        standing.set_weight(Some(0), "");
        assert_eq!(stands(&endpoint, rules), ("draining", "weight"));
        assert!(!takes_part(&endpoint));
        let permit = live.breaker.admit(&policy, NOW);
        permit.and_then(|permit| live.breaker.record(permit, true, &policy, NOW)).unwrap();
        assert_eq!(stands(&endpoint, rules), ("broken", "breaker"));
        standing.break_for(NOW.plus(Duration::from_secs(1)), "half of its answers failed");
        assert_eq!(stands(&endpoint, rules), ("broken", "recovery"));
        standing.eject(NOW.plus(Duration::from_secs(1)), "5 failures in a row");
        assert_eq!(stands(&endpoint, rules), ("ejected", "outlier"));
        standing.set_health(Health::Down, "connection refused");
        assert_eq!(stands(&endpoint, rules), ("down", "checks"));
        let addresses = std::mem::take(&mut endpoint.addresses);
        assert_eq!(stands(&endpoint, rules), ("down", "names"));
        assert!(!takes_part(&endpoint));
        standing.set_agent(Override::Disabled, "maint");
        assert_eq!(stands(&endpoint, rules), ("disabled", "agent"));
        standing.set_repair(Some("it is restarted"));
        assert_eq!(stands(&endpoint, rules), ("draining", "recovery"));
        endpoint.addresses = addresses;
        endpoint.draining = true;
        assert_eq!(stands(&endpoint, rules), ("draining", "configuration"));
        standing.set_operator(Override::Disabled, "a new disk");
        assert_eq!(stands(&endpoint, rules), ("disabled", "operator"));
        standing.set_operator(Override::Enabled, "");
        assert_eq!(stands(&endpoint, rules), ("draining", "recovery"), "who is wanted may be repaired");
        let but_for_repair = condition_but_for_repair(&endpoint, rules, NOW);
        assert_eq!((but_for_repair.state, but_for_repair.by), (State::Down, DecidedBy::Checks));
        standing.set_repair(None);
        assert_eq!(stands(&endpoint, rules), ("down", "checks"), "who is wanted may still be unwell");
    }

    #[test]
    fn whom_nobody_checks_is_up_because_the_configuration_has_it() {
        let endpoint = testing::endpoint();
        assert_eq!(stands(&endpoint, Rules { is_checked: false, ..RULES }), ("up", "configuration"));
        endpoint.live.standing.set_operator(Override::Enabled, "");
        assert_eq!(stands(&endpoint, Rules { is_checked: false, ..RULES }), ("up", "operator"));
    }
}
