//! What happens to the collector that traces and metrics are sent to.

use std::time::Duration;

use serde_json::{Value, json};
use tracing::{info, warn};

use super::{Level, seconds};

/// The collector takes what it is sent, or does not; this is so of traces and of metrics apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OtlpChange {
    /// It does not take what it is sent. What can wait does, and the rest is dropped.
    Failed {
        /// What is not taken: `traces` or `metrics`.
        signal: &'static str,
        /// Where it is.
        endpoint: String,
        /// Why.
        reason: String,
    },
    /// It takes what it is sent again.
    Recovered {
        /// What was not taken: `traces` or `metrics`.
        signal: &'static str,
        /// Where it is.
        endpoint: String,
        /// How long it did not.
        after: Duration,
    },
}

impl OtlpChange {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Failed { .. } => "otlp_failed",
            Self::Recovered { .. } => "otlp_recovered",
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
            Self::Failed { signal, reason, .. } => format!("the collector takes no {signal}: {reason}"),
            Self::Recovered { signal, after, .. } => {
                format!("the collector takes {signal} again, after {} s", after.as_secs())
            }
        }
    }

    pub(super) fn cause(&self) -> Value {
        match self {
            Self::Failed { signal, endpoint, reason } => {
                json!({ "signal": signal, "endpoint": endpoint, "reason": reason })
            }
            Self::Recovered { signal, endpoint, after } => {
                json!({ "signal": signal, "endpoint": endpoint, "after_s": seconds(*after) })
            }
        }
    }

    pub(super) fn log(&self) {
        match self {
            Self::Failed { endpoint, .. } => warn!(endpoint, "{}", self.text()),
            Self::Recovered { endpoint, .. } => info!(endpoint, "{}", self.text()),
        }
    }
}
