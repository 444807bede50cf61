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
    /// Parts of its answer can't be used, and the others are.
    Refused {
        /// Those that could be used before, or were not there, or could not be used for another reason.
        news: Vec<Refused>,
        /// How many there are altogether.
        refused: usize,
        /// How many backends there are now.
        backends: usize,
    },
    /// The backends have different weights, which the algorithm of their service does not heed.
    WeightsIgnored {
        /// The algorithm.
        balance: &'static str,
        /// In words, which algorithm heeds weights.
        heeding: &'static str,
    },
}

/// A part of an answer that can't be used, while the others are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What it is called: the key in which it stands.
    pub key: String,
    /// Why.
    pub reason: String,
    /// Whether its backend stays as it was; `false` = it is left out.
    pub is_kept: bool,
}

/// How many parts of an answer that can't be used one event names.
const MOST_NAMED: usize = 10;

impl DiscoveryChange {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Changed { .. } => "discovery_changed",
            Self::Failed { .. } => "discovery_failed",
            Self::Recovered { .. } => "discovery_recovered",
            Self::Refused { .. } => "discovery_refused",
            Self::WeightsIgnored { .. } => "discovery_weights_ignored",
        }
    }

    pub(super) fn level(&self) -> Level {
        match self {
            Self::Failed { .. } | Self::Refused { .. } | Self::WeightsIgnored { .. } => Level::Warn,
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
            Self::Refused { news, .. } => {
                let named = news.iter().take(MOST_NAMED).map(|Refused { key, reason, is_kept }| {
                    let what = if *is_kept { "its backend stays as it was" } else { "left out" };
                    format!("`{key}`: {reason} ({what})")
                });
                let mut named: Vec<String> = named.collect();
                if news.len() > named.len() {
                    named.push(format!("and {} more", news.len() - named.len()));
                }
                format!("what was discovered can't be used in part: {}", named.join("; "))
            }
            Self::WeightsIgnored { balance, heeding } => {
                format!("the discovered backends have different weights, which `{balance}` does not heed: {heeding}")
            }
        }
    }

    pub(super) fn cause(&self) -> Value {
        match self {
            Self::Changed { backends, added, removed } => {
                json!({ "backends": backends, "added": added, "removed": removed })
            }
            Self::Failed { reason, backends } => json!({ "reason": reason, "backends": backends }),
            Self::Recovered { backends } => json!({ "backends": backends }),
            Self::Refused { news, refused, backends } => {
                let named = news
                    .iter()
                    .take(MOST_NAMED)
                    .map(|Refused { key, reason, is_kept }| json!({ "key": key, "reason": reason, "kept": is_kept }));
                json!({ "keys": named.collect::<Vec<_>>(), "refused": refused, "backends": backends })
            }
            Self::WeightsIgnored { balance, .. } => json!({ "balance": balance }),
        }
    }

    pub(super) fn log(&self, service: Option<&str>) {
        match self {
            Self::Changed { backends, added, removed } => {
                info!(service, backends, added, removed, "the discovered backends have changed");
            }
            Self::Failed { backends, .. } | Self::Refused { backends, .. } => {
                warn!(service, backends, "{}", self.text());
            }
            Self::WeightsIgnored { .. } => warn!(service, "{}", self.text()),
            Self::Recovered { backends } => info!(service, backends, "{}", self.text()),
        }
    }
}
