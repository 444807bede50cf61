//! How the states of services and backends are to be understood.

use super::document::{Backend, Service};
use super::tone::Tone;

impl Service {
    /// How its state is to be understood.
    pub fn tone(&self) -> Tone {
        match &*self.state {
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
