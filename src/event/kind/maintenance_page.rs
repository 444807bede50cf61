//! What clients are shown during maintenance.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tracing::info;

use super::seconds;
use crate::clock::rfc3339;

/// The clients of a listener, or of a service, are shown the page of maintenance, or no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MaintenancePageChange {
    /// They are, and those who were shown it already are so for another reason, or until another time.
    Shown {
        /// `configuration`, or who has said so.
        who: String,
        /// Why, in the operator's words.
        reason: Option<String>,
        /// Until when; `None` = until it is ended.
        until: Option<SystemTime>,
    },
    /// They get what they ask for again.
    Ended {
        /// Who has ended it.
        who: String,
        /// How long it lasted.
        after: Duration,
    },
}

impl MaintenancePageChange {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Shown { .. } => "maintenance_page_shown",
            Self::Ended { .. } => "maintenance_page_ended",
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Shown { who, reason: Some(reason), .. } => {
                format!("clients are shown the page of maintenance: {reason} (by {who})")
            }
            Self::Shown { who, reason: None, .. } => format!("clients are shown the page of maintenance (by {who})"),
            Self::Ended { who, .. } => format!("clients get through again (by {who})"),
        }
    }

    pub(super) fn cause(&self) -> Value {
        match self {
            Self::Shown { who, reason, until } => {
                json!({ "who": who, "reason": reason, "until": until.map(rfc3339) })
            }
            Self::Ended { who, after } => json!({ "who": who, "after_s": seconds(*after) }),
        }
    }

    pub(super) fn log(&self, listener: Option<&str>, service: Option<&str>) {
        match self {
            Self::Shown { who, reason, until } => {
                let until = until.map(rfc3339);
                info!(listener, service, who, reason, until, "clients are shown the page of maintenance");
            }
            Self::Ended { who, after } => info!(listener, service, who, ?after, "clients get through again"),
        }
    }
}
