//! What happens while this instance gives its work to another one.

use std::time::Duration;

use serde_json::{Value, json};
use tracing::{info, warn};

use super::{Level, seconds};

/// Something that happened in a hand-over.
#[derive(Debug, Clone, PartialEq)]
pub enum HandOverChange {
    /// Somebody has asked for it. Connections are closed after what is under way on them.
    Began {
        /// Who has asked for it.
        who: String,
        /// Why, in the operator's words.
        reason: Option<String>,
    },
    /// The work is elsewhere, and this instance drains.
    Ended {
        /// The addresses that have moved to another machine.
        addresses: Vec<String>,
        /// Connections that had not ended by then.
        connections: u64,
        /// How long it took.
        took: Duration,
    },
    /// The work stays, and this instance serves on.
    Failed {
        /// Why.
        reason: String,
        /// How long it was tried.
        took: Duration,
    },
}

impl HandOverChange {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Began { .. } => "hand_over_began",
            Self::Ended { .. } => "hand_over_ended",
            Self::Failed { .. } => "hand_over_failed",
        }
    }

    pub(super) fn level(&self) -> Level {
        match self {
            Self::Began { .. } | Self::Ended { .. } => Level::Info,
            Self::Failed { .. } => Level::Warn,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Began { who, reason: None } => format!("{who} said hand over"),
            Self::Began { who, reason: Some(reason) } => format!("{who} said hand over: {reason}"),
            Self::Ended { addresses, .. } if addresses.is_empty() => {
                "handed over: no new connections come any more".to_owned()
            }
            Self::Ended { addresses, .. } => format!("handed over: {} is elsewhere", addresses.join(", ")),
            Self::Failed { reason, .. } => format!("not handed over, and serving on: {reason}"),
        }
    }

    pub(super) fn cause(&self) -> Value {
        match self {
            Self::Began { who, reason } => json!({ "who": who, "reason": reason }),
            Self::Ended { addresses, connections, took } => {
                json!({ "addresses": addresses, "connections": connections, "took_s": seconds(*took) })
            }
            Self::Failed { reason, took } => json!({ "reason": reason, "took_s": seconds(*took) }),
        }
    }

    pub(super) fn log(&self) {
        match self {
            Self::Began { who, reason } => {
                info!(who, reason, "hand-over begins: connections are closed after their answers")
            }
            Self::Ended { addresses, connections, took } => info!(?addresses, connections, ?took, "handed over"),
            Self::Failed { reason, took } => warn!(reason, ?took, "not handed over, and serving on"),
        }
    }
}
