//! How a backend stands, who says so, and why: the one place that knows in which order those who have a say are heard.
//!
//! An operator's word goes before the configuration, that before the backend's own agent, then come its name (without an address
//! nobody can go there), its checks, its ejection, its circuit breaker, a weight of 0, and last its slow start. The snapshot, the API, the page, the metrics, the log and the events all ask here, so
//! that they can't tell different stories.

use std::time::{Duration, SystemTime};

use super::Endpoint;
use super::breaker;
use super::standing::{Health, Wanted};
use crate::clock::Moment;
use crate::policy;

/// How a backend stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It takes part.
    Up,
    /// It has come, or come back, a short time ago: its share of the work grows.
    Starting,
    /// It keeps its sessions and gets no new ones.
    Draining,
    /// It gets nothing.
    Disabled,
    /// Its checks fail, or it has no address.
    Down,
    /// What real traffic showed has taken it out for a while.
    Ejected,
    /// Its circuit breaker is open.
    Broken,
    /// It is to be checked and was not yet; it takes part meanwhile.
    Unknown,
}

/// Who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    /// Somebody at the admin address.
    Operator,
    /// The configuration.
    Configuration,
    /// The agent beside the backend.
    Agent,
    /// Its name, which can't be looked up.
    Names,
    /// Active checks.
    Checks,
    /// Passive ejection.
    Outlier,
    /// Its circuit breaker.
    Breaker,
    /// A weight of 0, whoever has set it.
    Weight,
    /// Slow start.
    SlowStart,
}

/// The rules of its service that a backend's state depends on.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// When its breaker opens; `None` = never.
    pub breaker: Option<&'a policy::Breaker>,
    /// How long slow start takes; zero = there is none.
    pub slow_start: Duration,
    /// It is checked.
    pub is_checked: bool,
}

/// A state, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Condition {
    /// How it stands.
    pub state: State,
    /// Who says so.
    pub by: By,
}

/// A condition that was made known: what everybody is told until the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What.
    pub condition: Condition,
    /// Why, for people; may be empty where there is nothing to say.
    pub reason: String,
    /// Since when, on the process's clock.
    pub since: Moment,
    /// Since when, on the wall's.
    pub at: SystemTime,
}

impl State {
    /// All of them, in the order of the API's documentation.
    pub const ALL: [Self; 8] = [
        Self::Up,
        Self::Starting,
        Self::Draining,
        Self::Disabled,
        Self::Down,
        Self::Ejected,
        Self::Broken,
        Self::Unknown,
    ];

    /// As the API calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Starting => "starting",
            Self::Draining => "draining",
            Self::Disabled => "disabled",
            Self::Down => "down",
            Self::Ejected => "ejected",
            Self::Broken => "broken",
            Self::Unknown => "unknown",
        }
    }

    /// What a backend is in that somebody wants this of.
    pub(super) fn of_wanted(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Drained => Self::Draining,
            Wanted::Disabled => Self::Disabled,
            Wanted::Configured | Wanted::Enabled => Self::Up,
        }
    }

    /// Whether new work may go to it.
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Up | Self::Starting | Self::Unknown)
    }

    /// Whether somebody wants it to take no new work, however well it is.
    pub fn is_taken_out(self) -> bool {
        matches!(self, Self::Draining | Self::Disabled)
    }
}

impl By {
    /// As the API calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Configuration => "configuration",
            Self::Agent => "agent",
            Self::Names => "names",
            Self::Checks => "checks",
            Self::Outlier => "outlier",
            Self::Breaker => "breaker",
            Self::Weight => "weight",
            Self::SlowStart => "slow_start",
        }
    }
}

impl Condition {
    const fn new(state: State, by: By) -> Self {
        Self { state, by }
    }
}

/// Whether it would get work by what its checks say and everybody wants: what the passive ejection compares with each other.
pub fn takes_part(endpoint: &Endpoint) -> bool {
    let standing = &endpoint.live.standing;
    wanted(endpoint).is_none()
        && weightless(endpoint).is_none()
        && !endpoint.is_unknown()
        && standing.health() != Health::Down
}

/// How a backend stands at `now`.
pub fn condition(endpoint: &Endpoint, rules: Rules<'_>, now: Moment) -> Condition {
    wanted(endpoint)
        .or_else(|| unwell(endpoint, rules, now))
        .or_else(|| weightless(endpoint))
        .unwrap_or_else(|| well(endpoint, rules, now))
}

/// What somebody wants of it, whatever it could do.
fn wanted(endpoint: &Endpoint) -> Option<Condition> {
    let standing = &endpoint.live.standing;
    let of = |wanted: Wanted, by| match wanted {
        Wanted::Drained => Some(Condition::new(State::Draining, by)),
        Wanted::Disabled => Some(Condition::new(State::Disabled, by)),
        Wanted::Configured | Wanted::Enabled => None,
    };
    match standing.operator() {
        Wanted::Configured if endpoint.draining => Some(Condition::new(State::Draining, By::Configuration)),
        Wanted::Configured => of(standing.agent(), By::Agent),
        operator => of(operator, By::Operator),
    }
}

/// What keeps it from working.
fn unwell(endpoint: &Endpoint, rules: Rules<'_>, now: Moment) -> Option<Condition> {
    let live = &endpoint.live;
    if endpoint.is_unknown() {
        return Some(Condition::new(State::Down, By::Names));
    }
    if live.standing.health() == Health::Down {
        return Some(Condition::new(State::Down, By::Checks));
    }
    if live.standing.is_ejected(now) {
        return Some(Condition::new(State::Ejected, By::Outlier));
    }
    let is_open = |policy| live.breaker.state(policy, now) == breaker::State::Open;
    rules.breaker.is_some_and(is_open).then_some(Condition::new(State::Broken, By::Breaker))
}

/// One without a weight is well, gets no new work, and keeps its sessions: as if it had been drained.
fn weightless(endpoint: &Endpoint) -> Option<Condition> {
    let weight = endpoint.live.standing.weight(endpoint.weight);
    (weight == 0).then_some(Condition::new(State::Draining, By::Weight))
}

/// How well it is.
fn well(endpoint: &Endpoint, rules: Rules<'_>, now: Moment) -> Condition {
    let standing = &endpoint.live.standing;
    if rules.is_checked && standing.health() == Health::Unknown {
        return Condition::new(State::Unknown, By::Checks);
    }
    if now.since(standing.joined()) < rules.slow_start {
        return Condition::new(State::Starting, By::SlowStart);
    }
    let by = match (standing.operator(), rules.is_checked) {
        (Wanted::Enabled, _) => By::Operator,
        (_, true) => By::Checks,
        (_, false) => By::Configuration,
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
        standing.eject(NOW.plus(Duration::from_secs(1)), "5 failures in a row");
        assert_eq!(stands(&endpoint, rules), ("ejected", "outlier"));
        standing.set_health(Health::Down, "connection refused");
        assert_eq!(stands(&endpoint, rules), ("down", "checks"));
        let addresses = std::mem::take(&mut endpoint.addresses);
        assert_eq!(stands(&endpoint, rules), ("down", "names"));
        assert!(!takes_part(&endpoint));
        standing.set_agent(Wanted::Disabled, "maint");
        assert_eq!(stands(&endpoint, rules), ("disabled", "agent"));
        endpoint.addresses = addresses;
        endpoint.draining = true;
        assert_eq!(stands(&endpoint, rules), ("draining", "configuration"));
        standing.set_operator(Wanted::Disabled, "a new disk");
        assert_eq!(stands(&endpoint, rules), ("disabled", "operator"));
        standing.set_operator(Wanted::Enabled, "");
        assert_eq!(stands(&endpoint, rules), ("down", "checks"), "who is wanted may still be unwell");
    }

    #[test]
    fn whom_nobody_checks_is_up_because_the_configuration_has_it() {
        let endpoint = testing::endpoint();
        assert_eq!(stands(&endpoint, Rules { is_checked: false, ..RULES }), ("up", "configuration"));
        endpoint.live.standing.set_operator(Wanted::Enabled, "");
        assert_eq!(stands(&endpoint, Rules { is_checked: false, ..RULES }), ("up", "operator"));
    }

    #[test]
    fn each_state_has_a_word_of_its_own() {
        let words: std::collections::HashSet<_> = State::ALL.iter().map(|state| state.as_str()).collect();
        assert_eq!(words.len(), State::ALL.len());
        let usable: Vec<_> = State::ALL.iter().filter(|state| state.is_usable()).map(|state| state.as_str()).collect();
        assert_eq!(usable, ["up", "starting", "unknown"]);
    }
}
