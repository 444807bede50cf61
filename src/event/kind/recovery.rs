//! What is done about faults: attempts to repair something, and what keeps recovery from it.

mod told;

use std::sync::Arc;

use serde_json::{Value, json};
use tracing::{error, info, warn};

use super::Level;
use crate::event::Subject;
use crate::recover::{Attempt, Outcome};

/// Something that happened in the recovery of a service, or of all.
#[derive(Debug, Clone, PartialEq)]
pub enum RecoveryChange {
    /// An attempt waits for a person who approves it.
    Proposed(Arc<Attempt>),
    /// An attempt has begun.
    Began(Arc<Attempt>),
    /// Its act is done; the service is to be seen well.
    Acted(Arc<Attempt>),
    /// The service was seen well in time.
    Succeeded(Arc<Attempt>),
    /// It was not, or the act itself failed, or nobody knows.
    Failed(Arc<Attempt>),
    /// The attempt is over without having shown anything: nothing was to be done, the fault passed before, or a person stopped it.
    Ended(Arc<Attempt>),
    /// What it did was taken back.
    Undone(Arc<Attempt>),
    /// What it did is not needed any more and was ended: a failover, a further instance.
    Released(Arc<Attempt>),
    /// A brake keeps a repair from beginning.
    Braked(Held),
    /// Every strategy against a fault has been tried.
    Exhausted(Given),
    /// An operator has paused the recovery of all services.
    Paused {
        /// Who.
        who: String,
        /// Why.
        reason: Option<String>,
    },
    /// An operator has resumed it.
    Resumed {
        /// Who.
        who: String,
    },
}

/// A repair that was not begun.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// The service.
    pub service: String,
    /// The backend; `None` = the service as a whole.
    pub backend: Option<String>,
    /// The fault, by its name in the API.
    pub fault: String,
    /// The brake that holds it, by its name.
    pub brake: String,
    /// Why it does, in words.
    pub why: String,
}

/// A fault that no strategy has healed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Given {
    /// The service.
    pub service: String,
    /// The backend; `None` = the service as a whole.
    pub backend: Option<String>,
    /// The fault, by its name in the API.
    pub fault: String,
    /// The strategies that were tried, in order.
    pub tried: Vec<String>,
    /// In how many seconds they are tried once more.
    pub again_after_s: f64,
}

impl Given {
    fn text(&self) -> String {
        let tried =
            if self.tried.is_empty() { String::new() } else { format!(": {} did not help", self.tried.join(", ")) };
        let fault = words(&self.fault);
        format!("{fault} lasts, and nothing is left to be tried{tried}; next in {:.0} s", self.again_after_s)
    }
}

impl RecoveryChange {
    /// What is told of an attempt that is over, by what it came to.
    pub fn over(attempt: Arc<Attempt>) -> Self {
        match attempt.outcome {
            _ if attempt.dry_run => Self::Ended(attempt),
            Some(Outcome::Healed) => Self::Succeeded(attempt),
            Some(Outcome::Passed | Outcome::Refused | Outcome::Stopped | Outcome::Gone) => Self::Ended(attempt),
            Some(Outcome::NotHealed | Outcome::Worse | Outcome::Failed | Outcome::Unknown) | None => {
                Self::Failed(attempt)
            }
        }
    }

    /// What the event is about.
    pub fn subject(&self) -> Subject {
        let (service, backend) = match self {
            Self::Braked(held) => (&held.service, &held.backend),
            Self::Exhausted(given) => (&given.service, &given.backend),
            Self::Paused { .. } | Self::Resumed { .. } => return Subject::default(),
            _ => match self.attempt() {
                Some(attempt) => (&attempt.service, &attempt.backend),
                None => return Subject::default(),
            },
        };
        let (service, backend) = (Some(service.as_str().into()), backend.as_deref().map(Arc::from));
        Subject { service, backend, listener: None }
    }

    fn attempt(&self) -> Option<&Attempt> {
        match self {
            Self::Proposed(attempt)
            | Self::Began(attempt)
            | Self::Acted(attempt)
            | Self::Succeeded(attempt)
            | Self::Failed(attempt)
            | Self::Ended(attempt)
            | Self::Undone(attempt)
            | Self::Released(attempt) => Some(attempt),
            Self::Braked(_) | Self::Exhausted(_) | Self::Paused { .. } | Self::Resumed { .. } => None,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Proposed(_) => "recovery_proposed",
            Self::Began(_) => "recovery_began",
            Self::Acted(_) => "recovery_acted",
            Self::Succeeded(_) => "recovery_succeeded",
            Self::Failed(_) => "recovery_failed",
            Self::Ended(_) => "recovery_ended",
            Self::Undone(_) => "recovery_undone",
            Self::Released(_) => "recovery_released",
            Self::Braked(_) => "recovery_braked",
            Self::Exhausted(_) => "recovery_exhausted",
            Self::Paused { .. } => "recovery_paused",
            Self::Resumed { .. } => "recovery_resumed",
        }
    }

    pub(super) fn level(&self) -> Level {
        match self {
            Self::Failed(_) | Self::Exhausted(_) => Level::Error,
            Self::Ended(attempt) if told::is_cut_off(attempt) => Level::Warn,
            Self::Proposed(attempt) | Self::Began(attempt) if attempt.dry_run => Level::Info,
            Self::Proposed(_) | Self::Began(_) | Self::Undone(_) | Self::Braked(_) | Self::Paused { .. } => Level::Warn,
            Self::Acted(_) | Self::Succeeded(_) | Self::Ended(_) | Self::Released(_) | Self::Resumed { .. } => {
                Level::Info
            }
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Braked(Held { fault, why, .. }) => format!("nothing is done about {}: {why}", words(fault)),
            Self::Exhausted(given) => given.text(),
            Self::Paused { who, reason } => {
                let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                format!("recovery is paused by {who}{reason}; nothing is repaired until it is resumed")
            }
            Self::Resumed { who } => format!("recovery is resumed by {who}"),
            _ => self.attempt().map(|attempt| told::line(self, attempt)).unwrap_or_default(),
        }
    }

    pub(super) fn cause(&self) -> Value {
        match self {
            Self::Braked(held) => json!({
                "fault": held.fault,
                "backend": held.backend,
                "brake": held.brake,
                "why": held.why,
            }),
            Self::Exhausted(given) => {
                json!({ "fault": given.fault, "backend": given.backend, "tried": given.tried,
                        "again_after_s": given.again_after_s })
            }
            Self::Paused { who, reason } => json!({ "who": who, "reason": reason }),
            Self::Resumed { who } => json!({ "who": who }),
            _ => self.attempt().map(told::json).unwrap_or_default(),
        }
    }

    pub(super) fn log(&self, subject: &Subject) {
        let (service, backend) = (subject.service.as_deref(), subject.backend.as_deref());
        let attempt = self.attempt();
        let (id, dry_run) = (attempt.map(|attempt| attempt.id), attempt.map(|attempt| attempt.dry_run));
        let (strategy, fault) = match (self, attempt) {
            (Self::Braked(held), _) => (None, Some(held.fault.as_str())),
            (Self::Exhausted(given), _) => (None, Some(given.fault.as_str())),
            (_, Some(attempt)) => (Some(attempt.strategy.as_str()), Some(attempt.fault.as_str())),
            _ => (None, None),
        };
        match self.level() {
            Level::Error => error!(service, backend, attempt = id, strategy, fault, dry_run, "{}", self.text()),
            Level::Warn => warn!(service, backend, attempt = id, strategy, fault, dry_run, "{}", self.text()),
            Level::Info => info!(service, backend, attempt = id, strategy, fault, dry_run, "{}", self.text()),
        }
    }
}

/// The name of a fault as people say it: `high error rate`.
fn words(fault: &str) -> String {
    fault.replace('_', " ")
}

fn seconds(millis: i64) -> f64 {
    millis as f64 / 1e3
}
