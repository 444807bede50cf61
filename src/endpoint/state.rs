//! The state of a backend, who decides it, and what of it has been announced.

use std::time::SystemTime;

use crate::clock::Moment;

/// The state of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It gets its share of new work.
    Up,
    /// It was added, or has recovered, a short time ago: slow start raises its share of the work step by step.
    Starting,
    /// It gets no new work, and where recovery does not repair it, it keeps the clients that stick to it.
    Draining,
    /// It gets no work at all.
    Disabled,
    /// Its checks fail, or it has no address.
    Down,
    /// Passive ejection has taken it out for a while, because of how it answered real traffic.
    Ejected,
    /// Its circuit is open: by its breaker, or because recovery holds it open.
    Broken,
    /// It has active checks and the first one has not ended yet; it gets work meanwhile.
    Unknown,
}

/// Who decides the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DecidedBy {
    /// An operator, through the admin address.
    Operator,
    /// The configuration.
    Configuration,
    /// Recovery: it repairs the backend, or holds its circuit open.
    Recovery,
    /// The agent that runs beside the backend.
    Agent,
    /// The resolver: the backend's name has no address.
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

/// A state, and who decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Condition {
    /// The state.
    pub state: State,
    /// Who decides the state.
    pub by: DecidedBy,
}

/// A condition that was announced; it holds until the next one is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// The condition.
    pub condition: Condition,
    /// The reason, for people; empty where there is nothing to say.
    pub reason: String,
    /// When it began, on the process's clock.
    pub since: Moment,
    /// When it began, on the wall clock.
    pub at: SystemTime,
}

impl State {
    /// All states, in the order of the API's documentation.
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

    /// The name in the API, the metrics and the events.
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

    /// Whether new work may go to it.
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Up | Self::Starting | Self::Unknown)
    }

    /// Whether an operator, the configuration, recovery or the agent wants it to get no new work, however healthy it is.
    pub fn is_taken_out(self) -> bool {
        matches!(self, Self::Draining | Self::Disabled)
    }
}

impl DecidedBy {
    /// The name in the API, the metrics and the events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Configuration => "configuration",
            Self::Recovery => "recovery",
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
    pub(super) const fn new(state: State, by: DecidedBy) -> Self {
        Self { state, by }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_a_word_of_its_own() {
        let words: std::collections::HashSet<_> = State::ALL.iter().map(|state| state.as_str()).collect();
        assert_eq!(words.len(), State::ALL.len());
        let usable: Vec<_> = State::ALL.iter().filter(|state| state.is_usable()).map(|state| state.as_str()).collect();
        assert_eq!(usable, ["up", "starting", "unknown"]);
    }
}
