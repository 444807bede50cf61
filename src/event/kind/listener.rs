//! What happens to a listener.

use serde_json::{Value, json};
use tracing::{error, info};

use super::Level;

/// A change of what is listened on; addresses are as people read them, ports filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenerChange {
    /// It accepts clients: at the start, or since a reload.
    Added {
        /// Where it listens.
        address: String,
        /// What is spoken there.
        protocol: &'static str,
        /// Whether TLS ends there.
        tls: bool,
    },
    /// It is the same by name, and its address or its settings are others.
    Changed {
        /// Where it listens.
        address: String,
        /// Where it listened before; `None` = at the same address.
        was: Option<String>,
    },
    /// It accepts no more; connections that it has may end.
    Removed {
        /// Where it listened.
        address: String,
    },
    /// A reload asked for it, and it can't be had: the reload is refused.
    Failed {
        /// Where it was to listen.
        address: String,
        /// Why it can't.
        reason: String,
    },
}

impl ListenerChange {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Added { .. } => "listener_added",
            Self::Changed { .. } => "listener_changed",
            Self::Removed { .. } => "listener_removed",
            Self::Failed { .. } => "listener_failed",
        }
    }

    pub(super) fn level(&self) -> Level {
        match self {
            Self::Failed { .. } => Level::Error,
            _ => Level::Info,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Added { address, .. } => format!("listening at {address}"),
            Self::Changed { address, was: None } => format!("the listener at {address} has other settings"),
            Self::Changed { address, was: Some(was) } => format!("listening at {address}, no longer at {was}"),
            Self::Removed { address } => format!("no longer listening at {address}"),
            Self::Failed { address, reason } => {
                format!(
                    "a reload wants to listen at {address}, which can't be opened: {reason}; what is open stays open"
                )
            }
        }
    }

    pub(super) fn cause(&self) -> Value {
        match self {
            Self::Added { address, protocol, tls } => json!({ "address": address, "protocol": protocol, "tls": tls }),
            Self::Changed { address, was } => json!({ "address": address, "was": was }),
            Self::Removed { address } => json!({ "address": address }),
            Self::Failed { address, reason } => json!({ "address": address, "reason": reason }),
        }
    }

    pub(super) fn log(&self, listener: Option<&str>) {
        match self {
            Self::Added { address, protocol, tls } => info!(listener, address, protocol, tls, "listening"),
            Self::Changed { address, was } => info!(listener, address, was, "listener changed"),
            Self::Removed { address } => info!(listener, address, "listener removed"),
            Self::Failed { address, reason } => error!(
                listener,
                address, reason, "a reload wants a listener that can't be opened: what is open stays open"
            ),
        }
    }
}
