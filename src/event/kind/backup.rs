//! What happens to the copies of the ledger (`state.backup`).

use std::time::Duration;

use serde_json::{Value, json};
use tracing::{info, warn};

use super::{Level, seconds};

/// Copies can be made, or can't.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupChange {
    /// One could not be made. It is tried again.
    Failed {
        /// Where it was to go.
        to: String,
        /// Why.
        reason: String,
    },
    /// One was made again, and read back.
    Recovered {
        /// Where it is.
        to: String,
        /// For how long none could be made.
        after: Duration,
    },
}

impl BackupChange {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Failed { .. } => "ledger_backup_failed",
            Self::Recovered { .. } => "ledger_backup_recovered",
        }
    }

    pub(super) fn level(&self) -> Level {
        match self {
            Self::Failed { .. } => Level::Warn,
            Self::Recovered { .. } => Level::Info,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Failed { reason, .. } => format!("the ledger can't be copied: {reason}; it is tried again"),
            Self::Recovered { after, .. } => format!("the ledger is copied again, after {} s", after.as_secs()),
        }
    }

    pub(super) fn cause(&self) -> Value {
        match self {
            Self::Failed { to, reason } => json!({ "to": to, "reason": reason }),
            Self::Recovered { to, after } => json!({ "to": to, "after_s": seconds(*after) }),
        }
    }

    pub(super) fn log(&self) {
        match self {
            Self::Failed { to, .. } => warn!(to, "{}", self.text()),
            Self::Recovered { to, .. } => info!(to, "{}", self.text()),
        }
    }
}
