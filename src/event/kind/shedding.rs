//! What happens to a service that has more to do than its backends can.

use std::time::Duration;

use serde_json::{Value, json};
use tracing::{info, warn};

use super::{Level, seconds};

/// Requests above its adaptive limit are refused, or no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SheddingChange {
    /// The first were refused.
    Began {
        /// How many exchanges may be in flight.
        limit: u32,
        /// How long the service takes to answer without load; `None` = that is not known yet.
        unloaded: Option<Duration>,
    },
    /// None was for 10 s.
    Ended {
        /// How many exchanges may be in flight.
        limit: u32,
        /// How many were refused, of high, normal and low priority.
        shed: [u64; 3],
        /// How long it took, from the first to the last of them.
        took: Duration,
    },
}

impl SheddingChange {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Began { .. } => "shedding_began",
            Self::Ended { .. } => "shedding_ended",
        }
    }

    pub(super) fn level(&self) -> Level {
        match self {
            Self::Began { .. } => Level::Warn,
            Self::Ended { .. } => Level::Info,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Began { limit, .. } => {
                format!("has more to do than it can: no more than {limit} at a time are let in")
            }
            Self::Ended { shed: [high, normal, low], .. } => {
                format!(
                    "all requests are let in again; refused were {high} of high, {normal} of normal and {low} of low priority"
                )
            }
        }
    }

    pub(super) fn cause(&self) -> Value {
        match self {
            Self::Began { limit, unloaded } => {
                json!({ "limit": limit, "unloaded_ms": unloaded.map(|latency| seconds(latency * 1000)) })
            }
            Self::Ended { limit, shed: [high, normal, low], took } => json!({
                "limit": limit,
                "shed": { "high": high, "normal": normal, "low": low },
                "took_s": seconds(*took),
            }),
        }
    }

    pub(super) fn log(&self, service: Option<&str>) {
        match self {
            Self::Began { limit, .. } => {
                warn!(service, limit, "requests are refused: the backends have too much to do")
            }
            Self::Ended { limit, shed: [high, normal, low], took } => {
                info!(service, limit, high, normal, low, ?took, "requests are no longer refused");
            }
        }
    }
}
