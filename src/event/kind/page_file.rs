//! What happens to files that clients are shown.

use serde_json::{Value, json};
use tracing::{info, warn};

use super::Level;

/// A file of `respond`, `error_pages` or `maintenance` has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageFileChange {
    /// What it holds is shown.
    Loaded {
        /// The file.
        file: String,
        /// How many bytes it has.
        bytes: usize,
    },
    /// It can't be used: what it held before is shown.
    Refused {
        /// The file.
        file: String,
        /// Why not.
        reason: String,
    },
}

impl PageFileChange {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Loaded { .. } => "page_file_loaded",
            Self::Refused { .. } => "page_file_refused",
        }
    }

    pub(super) fn level(&self) -> Level {
        match self {
            Self::Loaded { .. } => Level::Info,
            Self::Refused { .. } => Level::Warn,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Loaded { file, bytes } => format!("{file} has changed: clients are shown its {bytes} bytes"),
            Self::Refused { file, reason } => format!("{file}: {reason}; clients are shown what it held before"),
        }
    }

    pub(super) fn cause(&self) -> Value {
        match self {
            Self::Loaded { file, bytes } => json!({ "file": file, "bytes": bytes }),
            Self::Refused { file, reason } => json!({ "file": file, "reason": reason }),
        }
    }

    pub(super) fn log(&self) {
        match self {
            Self::Loaded { file, bytes } => info!(file, bytes, "page file loaded"),
            Self::Refused { file, reason } => warn!(file, reason, "page file refused"),
        }
    }
}
