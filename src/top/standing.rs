//! How the states of services and backends are to be understood.

use super::document::{Backend, Service};
use super::tone::Tone;

impl Service {
    /// Whether it is in maintenance, and not down: what happens does not count, and nobody has to look at it. The page shows the same.
    pub fn is_in_maintenance(&self) -> bool {
        self.maintenance && self.state != "down"
    }

    /// Its state in eight characters at most.
    pub fn word(&self) -> &str {
        if self.is_in_maintenance() { "maint." } else { &self.state }
    }

    /// Whether all of its error budget is spent. That is no trouble of this moment, and stays so until the window is over.
    pub fn has_spent_its_budget(&self) -> bool {
        self.budget_left.is_some_and(|left| left <= 0.0)
    }

    /// How its state is to be understood.
    pub fn tone(&self) -> Tone {
        match &*self.state {
            _ if self.is_in_maintenance() => Tone::Soft,
            "ok" => Tone::Good,
            "impaired" => Tone::Warn,
            "down" => Tone::Bad,
            _ => Tone::Soft,
        }
    }

    /// How badly it needs somebody to look at it: 0 = most.
    pub fn urgency(&self) -> u8 {
        match self.tone() {
            Tone::Bad => 0,
            Tone::Warn => 1,
            _ => 2,
        }
    }
}

impl Backend {
    /// How its state is to be understood.
    pub fn tone(&self) -> Tone {
        match &*self.state {
            "up" => Tone::Good,
            "down" | "ejected" | "broken" => Tone::Bad,
            "starting" | "draining" | "disabled" | "unknown" => Tone::Warn,
            _ => Tone::Soft,
        }
    }

    /// How badly it needs somebody to look at it: 0 = most. What an operator has taken out comes behind what broke by itself.
    pub fn urgency(&self) -> u8 {
        match &*self.state {
            "down" => 0,
            "broken" | "ejected" => 1,
            "unknown" | "starting" => 2,
            "draining" | "disabled" => 3,
            _ => 4,
        }
    }
}
