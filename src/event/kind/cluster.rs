//! What happens to the leadership among several instances.

use std::time::Duration;

use serde_json::{Value, json};
use tracing::{info, warn};

use super::{Level, seconds};

/// This instance leads or does not lead any more, or nobody can be elected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterChange {
    /// This instance leads: it does what may be done by one only.
    Gained {
        /// What it is called.
        name: String,
        /// The fencing token.
        token: i64,
    },
    /// It does not lead any more.
    Lost {
        /// What it is called.
        name: String,
        /// The fencing token that it had.
        token: i64,
        /// Why.
        reason: String,
    },
    /// etcd does not answer: what may be done by one only is done by nobody, as far as this instance knows.
    Unreachable {
        /// Why.
        reason: String,
    },
    /// It answers again.
    Reachable {
        /// How long it did not.
        after: Duration,
    },
}

impl ClusterChange {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Gained { .. } => "leadership_gained",
            Self::Lost { .. } => "leadership_lost",
            Self::Unreachable { .. } => "election_failed",
            Self::Reachable { .. } => "election_recovered",
        }
    }

    pub(super) fn level(&self) -> Level {
        match self {
            Self::Unreachable { .. } => Level::Warn,
            Self::Gained { .. } | Self::Lost { .. } | Self::Reachable { .. } => Level::Info,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Gained { name, token } => format!("{name} is the leader now, with the fencing token {token}"),
            Self::Lost { name, reason, .. } => format!("{name} is not the leader any more: {reason}"),
            Self::Unreachable { reason } => {
                format!("etcd does not answer, so nothing is done that may be done by one only: {reason}")
            }
            Self::Reachable { after } => format!("etcd answers again, after {} s", after.as_secs()),
        }
    }

    pub(super) fn cause(&self) -> Value {
        match self {
            Self::Gained { name, token } => json!({ "name": name, "token": token }),
            Self::Lost { name, token, reason } => json!({ "name": name, "token": token, "reason": reason }),
            Self::Unreachable { reason } => json!({ "reason": reason }),
            Self::Reachable { after } => json!({ "after_s": seconds(*after) }),
        }
    }

    pub(super) fn log(&self) {
        match self.level() {
            Level::Info => info!("{}", self.text()),
            Level::Warn | Level::Error => warn!("{}", self.text()),
        }
    }
}
