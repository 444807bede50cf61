//! What happens to a store of sessions that instances share.

use std::time::Duration;

use serde_json::{Value, json};
use tracing::{info, warn};

use super::{Level, seconds};

/// A store is asked for sessions, or is not because it does not answer in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreChange {
    /// It does not answer, or not in time. Each instance decides by the sessions that it knows.
    Unreachable {
        /// Where it is.
        store: String,
        /// Why it is not asked.
        reason: String,
    },
    /// It answers in time again, and has what was decided meanwhile.
    Reachable {
        /// Where it is.
        store: String,
        /// How long it was not asked.
        after: Duration,
    },
}

impl StoreChange {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "store_unreachable",
            Self::Reachable { .. } => "store_reachable",
        }
    }

    pub(super) fn level(&self) -> Level {
        match self {
            Self::Unreachable { .. } => Level::Warn,
            Self::Reachable { .. } => Level::Info,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Unreachable { reason, .. } => format!("the store of sessions is not asked: {reason}"),
            Self::Reachable { after, .. } => {
                format!("the store of sessions is asked again, after {} s", after.as_secs())
            }
        }
    }

    pub(super) fn cause(&self) -> Value {
        match self {
            Self::Unreachable { store, reason } => json!({ "store": store, "reason": reason }),
            Self::Reachable { store, after } => json!({ "store": store, "after_s": seconds(*after) }),
        }
    }

    pub(super) fn log(&self) {
        match self {
            Self::Unreachable { store, .. } => warn!(store, "{}", self.text()),
            Self::Reachable { store, .. } => info!(store, "{}", self.text()),
        }
    }
}
