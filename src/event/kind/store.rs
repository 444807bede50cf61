//! What happens to a store through which instances share sessions, or rate limits.

use std::time::Duration;

use serde_json::{Value, json};
use tracing::{info, warn};

use super::{Level, seconds};

/// What a store is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreUse {
    /// Sessions that affinity binds to backends.
    Sessions,
    /// What is known of rate limits.
    Limits,
}

/// A store is asked, or is not because it does not answer in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreChange {
    /// It does not answer, or not in time. Each instance decides by the sessions that it knows, and enforces its share of limits.
    Unreachable {
        /// Where it is.
        store: String,
        /// What for.
        used_for: StoreUse,
        /// Why it is not asked.
        reason: String,
    },
    /// It answers in time again, and has what was decided meanwhile.
    Reachable {
        /// Where it is.
        store: String,
        /// What for.
        used_for: StoreUse,
        /// How long it was not asked.
        after: Duration,
    },
}

impl StoreUse {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Limits => "rate limits",
        }
    }
}

impl StoreChange {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Unreachable { used_for: StoreUse::Sessions, .. } => "store_unreachable",
            Self::Reachable { used_for: StoreUse::Sessions, .. } => "store_reachable",
            Self::Unreachable { used_for: StoreUse::Limits, .. } => "limit_store_unreachable",
            Self::Reachable { used_for: StoreUse::Limits, .. } => "limit_store_reachable",
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
            Self::Unreachable { used_for, reason, .. } => {
                format!("the store of {} is not asked: {reason}", used_for.as_str())
            }
            Self::Reachable { used_for, after, .. } => {
                format!("the store of {} is asked again, after {} s", used_for.as_str(), after.as_secs())
            }
        }
    }

    pub(super) fn cause(&self) -> Value {
        match self {
            Self::Unreachable { store, reason, .. } => json!({ "store": store, "reason": reason }),
            Self::Reachable { store, after, .. } => json!({ "store": store, "after_s": seconds(*after) }),
        }
    }

    pub(super) fn log(&self) {
        match self {
            Self::Unreachable { store, .. } => warn!(store, "{}", self.text()),
            Self::Reachable { store, .. } => info!(store, "{}", self.text()),
        }
    }
}
