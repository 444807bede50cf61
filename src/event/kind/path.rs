//! What happens to the paths to a backend that has several addresses.

use serde_json::{Value, json};
use tracing::{info, warn};

use super::Level;

/// A change of a path, or of which one is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathChange {
    /// A path has failed, while another one works or for as many checks as take a backend down.
    Down {
        /// Its address.
        address: String,
        /// Why.
        reason: String,
    },
    /// A path works again.
    Up {
        /// Its address.
        address: String,
    },
    /// Another path is used than before.
    Chosen {
        /// Its address.
        address: String,
        /// The path before.
        was: String,
        /// Why.
        reason: String,
    },
}

impl PathChange {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Down { .. } => "path_down",
            Self::Up { .. } => "path_up",
            Self::Chosen { .. } => "path_chosen",
        }
    }

    pub(super) fn level(&self) -> Level {
        match self {
            Self::Down { .. } => Level::Warn,
            _ => Level::Info,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Down { address, reason } => format!("the path by {address} is down: {reason}"),
            Self::Up { address } => format!("the path by {address} is up"),
            Self::Chosen { address, was, reason } => format!("goes by {address}, no longer by {was}: {reason}"),
        }
    }

    pub(super) fn cause(&self) -> Value {
        match self {
            Self::Down { address, reason } => json!({ "address": address, "reason": reason }),
            Self::Up { address } => json!({ "address": address }),
            Self::Chosen { address, was, reason } => json!({ "address": address, "was": was, "reason": reason }),
        }
    }

    pub(super) fn log(&self, service: Option<&str>, backend: Option<&str>) {
        match self {
            Self::Down { address, reason } => warn!(service, backend, address, reason, "a path is down"),
            Self::Up { address } => info!(service, backend, address, "a path is up"),
            Self::Chosen { address, was, reason } => {
                info!(service, backend, address, was, reason, "another path is used");
            }
        }
    }
}
