//! What happens to files that say who may come in.

use serde_json::{Value, json};
use tracing::{error, info};

use super::Level;

/// A file of networks, users or keys has changed, or what a URL has of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessFileChange {
    /// What it says is in force.
    Loaded {
        /// The file, or the URL.
        file: String,
        /// The networks, users or keys of the list that it belongs to.
        entries: usize,
    },
    /// Something is wrong with it: what it said before stays in force.
    Refused {
        /// The file, or the URL.
        file: String,
        /// The line, from 1; `None` = it is about the file as a whole.
        line: Option<usize>,
        /// What is wrong.
        reason: String,
    },
}

impl AccessFileChange {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Loaded { .. } => "access_file_loaded",
            Self::Refused { .. } => "access_file_refused",
        }
    }

    pub(super) fn level(&self) -> Level {
        match self {
            Self::Loaded { .. } => Level::Info,
            Self::Refused { .. } => Level::Error,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Loaded { file, entries } => format!("{file} has changed: {entries} entries are in force"),
            Self::Refused { file, line: Some(line), reason } => {
                format!("{file}, line {line}: {reason}; what it said before stays in force")
            }
            Self::Refused { file, line: None, reason } => {
                format!("{file}: {reason}; what it said before stays in force")
            }
        }
    }

    pub(super) fn cause(&self) -> Value {
        match self {
            Self::Loaded { file, entries } => json!({ "file": file, "entries": entries }),
            Self::Refused { file, line, reason } => json!({ "file": file, "line": line, "reason": reason }),
        }
    }

    pub(super) fn log(&self) {
        match self {
            Self::Loaded { file, entries } => info!(file, entries, "access file loaded"),
            Self::Refused { file, line, reason } => error!(file, line, reason, "access file refused"),
        }
    }
}
