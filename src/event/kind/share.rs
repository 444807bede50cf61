//! What happens to that which instances of a cluster share.

use std::time::Duration;

use serde_json::{Value, json};
use tracing::{info, warn};

use super::{Level, seconds};
use crate::event::Subject;

/// Nothing can be shared, or a word holds at one instance only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShareChange {
    /// etcd does not answer: nobody else hears what is said here, nor is it heard here what is said elsewhere.
    Failed {
        /// Why.
        reason: String,
    },
    /// It answers again.
    Recovered {
        /// How long it did not.
        after: Duration,
        /// How many words have waited for it.
        waiting: usize,
    },
    /// A word holds at this instance only, until etcd answers.
    Local {
        /// Its key.
        what: String,
        /// Why.
        reason: String,
    },
    /// A key in etcd is not followed.
    Unreadable {
        /// The key.
        key: String,
        /// Why.
        reason: String,
    },
}

impl ShareChange {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Failed { .. } => "sharing_failed",
            Self::Recovered { .. } => "sharing_recovered",
            Self::Local { .. } => "word_not_shared",
            Self::Unreadable { .. } => "word_unreadable",
        }
    }

    pub(super) fn level(&self) -> Level {
        match self {
            Self::Recovered { .. } => Level::Info,
            _ => Level::Warn,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Failed { reason } => format!("what operators say stays at this instance: {reason}"),
            Self::Recovered { after, waiting } => {
                let after = after.as_secs();
                format!("what operators say is shared again, after {after} s; {waiting} words have waited")
            }
            Self::Local { reason, .. } => format!("what was said holds at this instance only, so far: {reason}"),
            Self::Unreadable { key, reason } => format!("the key {key} in etcd is not followed: {reason}"),
        }
    }

    pub(super) fn cause(&self) -> Value {
        match self {
            Self::Failed { reason } => json!({ "reason": reason }),
            Self::Recovered { after, waiting } => json!({ "after_s": seconds(*after), "waiting": waiting }),
            Self::Local { what, reason } => json!({ "key": what, "reason": reason }),
            Self::Unreadable { key, reason } => json!({ "key": key, "reason": reason }),
        }
    }

    pub(super) fn log(&self, subject: &Subject) {
        let (service, backend) = (subject.service.as_deref(), subject.backend.as_deref());
        match self.level() {
            Level::Info => info!(service, backend, "{}", self.text()),
            Level::Warn | Level::Error => warn!(service, backend, "{}", self.text()),
        }
    }
}
