//! What was said of one backend.

use std::time::SystemTime;

use super::{Command, Note};
use crate::endpoint::Endpoint;
use crate::endpoint::standing::Override;

/// The commands that hold for one backend.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) wanted: Option<(Command, Note)>,
    pub(super) weight: Option<(u32, Note)>,
}

impl Said {
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_none() && self.weight.is_none()
    }

    /// Puts these commands into the standing of a backend.
    pub(super) fn apply(&self, endpoint: &Endpoint) {
        let standing = &endpoint.live.standing;
        let (wanted, text) = match &self.wanted {
            None => (Override::Configured, String::new()),
            Some((Command::Drain, note)) => (Override::Drained, note.text()),
            Some((Command::Disable, note)) => (Override::Disabled, note.text()),
            Some((_, note)) => (Override::Enabled, note.text()),
        };
        standing.set_operator(wanted, &text);
        let (weight, text) = self.weight.as_ref().map(|(weight, note)| (*weight, note.text())).unzip();
        standing.set_weight(weight, &text.unwrap_or_default());
    }

    /// Takes out the commands whose time is over, and gives them back with the names of those who gave them.
    pub(super) fn take_over(&mut self, now: SystemTime) -> impl Iterator<Item = (Command, String)> + use<> {
        let wanted = self.wanted.take_if(|(_, note)| note.is_over(now)).map(|(command, note)| (command, note.who));
        let weight = self.weight.take_if(|(_, note)| note.is_over(now));
        let weight = weight.map(|(weight, note)| (Command::Weight(Some(weight)), note.who));
        wanted.into_iter().chain(weight)
    }
}
