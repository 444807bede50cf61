//! What happens to a new version of a service that gets a growing share of the requests.

use serde_json::{Value, json};
use tracing::{info, warn};

use super::Level;
use crate::canary::plan::percent;
use crate::canary::{Change, WHOLE};

/// A canary has another share, or has come to the end of its plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanaryChange {
    /// The version in use, which gets the rest.
    pub stable: String,
    /// What has happened.
    pub change: Change,
}

impl CanaryChange {
    pub(super) fn name(&self) -> &'static str {
        match self.change {
            Change::Stepped { .. } => "canary_step",
            Change::Back { .. } => "canary_back",
            Change::Arrived { .. } => "canary_arrived",
        }
    }

    pub(super) fn level(&self) -> Level {
        match self.change {
            Change::Back { .. } => Level::Warn,
            _ => Level::Info,
        }
    }

    pub(super) fn text(&self) -> String {
        let stable = &self.stable;
        match &self.change {
            Change::Stepped { from, to, requests } => {
                let (from, to) = (percent(*from), percent(*to));
                format!("the canary gets {to} % of the requests to {stable}, after {from} % ({requests} requests)")
            }
            Change::Back { from, requests, reason } => {
                let from = percent(*from);
                format!(
                    "the canary gets no requests to {stable} any more, after {from} % ({requests} requests): {reason}"
                )
            }
            Change::Arrived { share } => {
                format!("the canary has arrived: it keeps {} % of the requests to {stable}", percent(*share))
            }
        }
    }

    pub(super) fn cause(&self) -> Value {
        let share = |parts: u32| f64::from(parts) / f64::from(WHOLE);
        let stable = &self.stable;
        match &self.change {
            Change::Stepped { from, to, requests } => {
                json!({ "stable": stable, "share": share(*to), "was": share(*from), "requests": requests })
            }
            Change::Back { from, requests, reason } => {
                json!({ "stable": stable, "share": 0.0, "was": share(*from), "requests": requests, "reason": reason })
            }
            Change::Arrived { share: at } => json!({ "stable": stable, "share": share(*at) }),
        }
    }

    pub(super) fn log(&self, service: Option<&str>) {
        let stable = &*self.stable;
        match self.level() {
            Level::Info => info!(service, stable, "{}", self.text()),
            _ => warn!(service, stable, "{}", self.text()),
        }
    }
}
