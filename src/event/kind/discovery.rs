//! What happens to the source that a service's backends are discovered from.

use serde_json::{Value, json};
use tracing::{info, warn};

use super::Level;

/// A change of what a source answers. Numbers count backends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiscoveryChange {
    /// It has answered with another set of backends than before; the first answer is one.
    Changed {
        /// How many there are now.
        backends: usize,
        /// Those that were not there before, by id.
        added: usize,
        /// Those that are not there any more, by id.
        removed: usize,
    },
    /// It does not answer, or its answer can't be used, or for another reason than before. The last good answer stays in force.
    Failed {
        /// Why.
        reason: String,
        /// How many the last good answer has.
        backends: usize,
    },
    /// It had failed, and its last answer was good.
    Recovered {
        /// How many there are now.
        backends: usize,
    },
}

impl DiscoveryChange {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Changed { .. } => "discovery_changed",
            Self::Failed { .. } => "discovery_failed",
            Self::Recovered { .. } => "discovery_recovered",
        }
    }

    pub(super) fn level(&self) -> Level {
        match self {
            Self::Failed { .. } => Level::Warn,
            _ => Level::Info,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Changed { backends, added, removed } => {
                format!("the discovered backends have changed: {backends} now, {added} added, {removed} removed")
            }
            Self::Failed { reason, .. } => format!("discovery fails, the last good answer stays in force: {reason}"),
            Self::Recovered { .. } => "discovery works again".to_owned(),
        }
    }

    pub(super) fn cause(&self) -> Value {
        match self {
            Self::Changed { backends, added, removed } => {
                json!({ "backends": backends, "added": added, "removed": removed })
            }
            Self::Failed { reason, backends } => json!({ "reason": reason, "backends": backends }),
            Self::Recovered { backends } => json!({ "backends": backends }),
        }
    }

    pub(super) fn log(&self, service: Option<&str>) {
        match self {
            Self::Changed { backends, added, removed } => {
                info!(service, backends, added, removed, "the discovered backends have changed");
            }
            Self::Failed { backends, .. } => warn!(service, backends, "{}", self.text()),
            Self::Recovered { backends } => info!(service, backends, "{}", self.text()),
        }
    }
}
