//! The words for how a backend stands: its state, who says so, and what everybody was announced of it.

use std::time::SystemTime;

use crate::clock::Moment;

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
pub enum DecidedBy {
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
    /// FailureStreak ejection.
    Outlier,
    /// Its circuit breaker.
    Breaker,
    /// Slow start.
    SlowStart,
}

/// A state, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Condition {
    /// How it stands.
    pub state: State,
    /// Who says so.
    pub by: DecidedBy,
}

/// A condition that was made known: what everybody is announced until the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
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

    /// Whether new work may go to it.
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Up | Self::Starting | Self::Unknown)
    }

    /// Whether somebody wants it to take no new work, however well it is.
    pub fn is_taken_out(self) -> bool {
        matches!(self, Self::Draining | Self::Disabled)
    }
}

impl DecidedBy {
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
