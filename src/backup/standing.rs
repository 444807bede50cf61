//! How the copies stand, for the status.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::clock::Stamp;

/// How they stand. The thread that makes them writes it, and the admin address reads it.
#[derive(Debug, Default)]
pub struct Standing(Mutex<Shown>);

/// What is known of them.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// Where they go; `None` = none are wanted.
    pub to: Option<String>,
    /// What this instance's are filed under.
    pub name: String,
    /// When the newest one was begun, and its size in bytes; `None` = none is known of.
    pub newest: Option<(Stamp, u64)>,
    /// What is wrong; `None` = nothing.
    pub failing: Option<Failing>,
}

/// No copy can be made.
#[derive(Debug, Clone)]
pub struct Failing {
    /// Since when.
    pub since: Instant,
    /// Why the last one could not be.
    pub reason: String,
}

impl Standing {
    /// What is known now.
    pub fn shown(&self) -> Shown {
        self.lock().clone()
    }

    /// Copies go there from now on; nothing is known of them so far.
    pub(super) fn begin(&self, to: Option<String>, name: String) {
        *self.lock() = Shown { to, name, ..Shown::default() };
    }

    /// The newest one in this place; another one may be wanted by now.
    pub(super) fn made(&self, to: &str, at: Stamp, size: u64) {
        let mut shown = self.lock();
        if shown.to.as_deref() == Some(to) {
            shown.newest = Some((at, size));
        }
    }

    /// One could not be made in this place; whether that is news.
    pub(super) fn failed(&self, to: &str, failing: Failing) -> bool {
        let mut shown = self.lock();
        if shown.to.as_deref() != Some(to) {
            return false;
        }
        match &mut shown.failing {
            Some(known) => known.reason = failing.reason,
            none => {
                *none = Some(failing);
                return true;
            }
        }
        false
    }

    /// One was made; what was wrong before.
    pub(super) fn recovered(&self) -> Option<Failing> {
        self.lock().failing.take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
