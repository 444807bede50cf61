//! Whether checks bear out what a backend is taken for.

use std::sync::atomic::Ordering;

use super::Standing;

/// What checks have shown of a backend since the process began, beside what it is taken for: `initial` takes it for something before any check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// No check has ended.
    Nothing,
    /// Checks have ended, and contradict what it is taken for; so few that it is still taken for it.
    Doubt,
    /// It was taken for what checks said, at least once.
    Health,
}

impl Standing {
    /// What checks have shown of it so far.
    pub fn shown(&self) -> Shown {
        match self.shown.load(Ordering::Relaxed) {
            0 => Shown::Nothing,
            1 => Shown::Doubt,
            _ => Shown::Health,
        }
    }

    /// A check has ended; whether it agrees with what the backend is taken for now.
    pub fn note_check(&self, agrees: bool) {
        let shown = if agrees { Shown::Health } else { Shown::Doubt };
        self.shown.fetch_max(shown as u8, Ordering::Relaxed);
    }
}
