//! What happens to the ledger, the file that the history of promises is kept in, and to the clock that stamps it.

use serde_json::{Value, json};
use tracing::{error, info, warn};

use super::Level;
use crate::clock::Stamp;

/// Something that happened to the ledger.
#[derive(Debug, Clone, PartialEq)]
pub enum LedgerChange {
    /// It can't be written. What happens meanwhile waits in memory.
    Failed {
        /// Why.
        reason: String,
    },
    /// It can be written again, and what has waited was written.
    Recovered {
        /// How long it could not.
        after_s: f64,
    },
    /// It can't be read. It was put aside, and another one was begun.
    SetAside {
        /// Why.
        reason: String,
        /// The name of the file that it has now.
        file: String,
    },
    /// Somebody has deleted the history before this.
    Pruned {
        /// The first time that is kept.
        before: Stamp,
    },
    /// Another process keeps it: this one writes nothing.
    KeptElsewhere {
        /// Which, in words.
        by: String,
    },
    /// The clock of the machine was set while the process ran.
    ClockJumped {
        /// By how many seconds it was set forward; negative = back.
        by_s: f64,
    },
}

impl LedgerChange {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Failed { .. } => "ledger_failed",
            Self::Recovered { .. } => "ledger_recovered",
            Self::SetAside { .. } => "ledger_set_aside",
            Self::Pruned { .. } => "ledger_pruned",
            Self::KeptElsewhere { .. } => "ledger_kept_elsewhere",
            Self::ClockJumped { .. } => "clock_jumped",
        }
    }

    pub(super) fn level(&self) -> Level {
        match self {
            Self::Failed { .. } | Self::SetAside { .. } | Self::KeptElsewhere { .. } => Level::Error,
            Self::Pruned { .. } | Self::ClockJumped { .. } => Level::Warn,
            Self::Recovered { .. } => Level::Info,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Failed { reason } => {
                format!("the ledger can't be written, and what happens is kept in memory until it can: {reason}")
            }
            Self::Recovered { after_s } => {
                format!("the ledger can be written again, after {after_s:.0} s")
            }
            Self::SetAside { reason, file } => {
                format!("the ledger can't be used and is now {file}; a new one has begun: {reason}")
            }
            Self::Pruned { before } => format!(
                "the history before {before} was deleted by hand (evenkeel state prune); reports of that time say that it is not known"
            ),
            Self::KeptElsewhere { by } => format!(
                "{by} keeps the ledger: this process serves, and has no history until the other one has ended; each needs a state_dir of its own"
            ),
            Self::ClockJumped { by_s } if *by_s < 0.0 => format!("the clock was set back by {:.1} s", -by_s),
            Self::ClockJumped { by_s } => format!("the clock was set forward by {by_s:.1} s"),
        }
    }

    pub(super) fn cause(&self) -> Value {
        match self {
            Self::Failed { reason } => json!({ "reason": reason }),
            Self::Recovered { after_s } => json!({ "after_s": after_s }),
            Self::SetAside { reason, file } => json!({ "reason": reason, "file": file }),
            Self::Pruned { before } => json!({ "before": before.to_string() }),
            Self::KeptElsewhere { by } => json!({ "by": by }),
            Self::ClockJumped { by_s } => json!({ "by_s": by_s }),
        }
    }

    pub(super) fn log(&self) {
        match self.level() {
            Level::Error => error!("{}", self.text()),
            Level::Warn => warn!("{}", self.text()),
            Level::Info => info!("{}", self.text()),
        }
    }
}
