//! What happens to a certificate that we show to others: a listener's, that of the admin address, a service's towards its backends.

use std::time::SystemTime;

use serde_json::{Value, json};
use tracing::{error, info, warn};

use super::Level;
use crate::clock::rfc3339;

/// A change of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateChange {
    /// It is shown from now on: since the start, or since a reload.
    Loaded(Certificate),
    /// The file holds another one than before, which is shown from now on.
    Changed {
        /// The new one.
        certificate: Certificate,
        /// Until when the one before is valid.
        was_valid_until: SystemTime,
    },
    /// It expires soon.
    Expiring {
        /// Which one.
        certificate: Certificate,
        /// How many whole days are left.
        days_left: u64,
    },
    /// It is not valid any more.
    Expired(Certificate),
    /// A reload found that it, or its key, or an authority can't be used: the reload is refused.
    Failed {
        /// The key in the configuration, such as `listener[0].tls.certificates[0].cert`.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// A file has changed and can't be used. What was read from it before stays in force.
    Refused {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

/// A certificate in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its file.
    pub path: String,
    /// The DNS names that it is for.
    pub names: Vec<String>,
    /// The last moment at which it is valid.
    pub not_after: SystemTime,
}

impl Certificate {
    fn cause(&self) -> Value {
        json!({ "path": self.path, "names": self.names, "not_after": rfc3339(self.not_after) })
    }
}

impl CertificateChange {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Loaded(_) => "certificate_loaded",
            Self::Changed { .. } => "certificate_changed",
            Self::Expiring { .. } => "certificate_expiring",
            Self::Expired(_) => "certificate_expired",
            Self::Failed { .. } => "certificate_failed",
            Self::Refused { .. } => "certificate_refused",
        }
    }

    pub(super) fn level(&self) -> Level {
        match self {
            Self::Loaded(_) | Self::Changed { .. } => Level::Info,
            Self::Expiring { .. } => Level::Warn,
            Self::Expired(_) | Self::Failed { .. } | Self::Refused { .. } => Level::Error,
        }
    }

    pub(super) fn text(&self) -> String {
        let until = |certificate: &Certificate| rfc3339(certificate.not_after);
        match self {
            Self::Loaded(one) => format!("the certificate {} is in force, until {}", one.path, until(one)),
            Self::Changed { certificate: one, .. } => {
                format!("the certificate {} is another one, until {}", one.path, until(one))
            }
            Self::Expiring { certificate: one, days_left } => {
                format!("the certificate {} expires {}: on {}", one.path, within(*days_left), until(one))
            }
            Self::Expired(one) => format!("the certificate {} expired on {}", one.path, until(one)),
            Self::Failed { key, reason } => format!("{key}: {reason}"),
            Self::Refused { path, reason } => format!("{path} is not taken, what it held before stays: {reason}"),
        }
    }

    pub(super) fn cause(&self) -> Value {
        match self {
            Self::Loaded(one) | Self::Expired(one) => one.cause(),
            Self::Expiring { certificate, days_left } => {
                let mut cause = certificate.cause();
                cause["days_left"] = json!(days_left);
                cause
            }
            Self::Changed { certificate, was_valid_until } => {
                let mut cause = certificate.cause();
                cause["was_valid_until"] = json!(rfc3339(*was_valid_until));
                cause
            }
            Self::Failed { key, reason } => json!({ "key": key, "reason": reason }),
            Self::Refused { path, reason } => json!({ "path": path, "reason": reason }),
        }
    }

    pub(super) fn log(&self, listener: Option<&str>, service: Option<&str>) {
        let certificate = match self {
            Self::Failed { key, reason } => return error!(key, reason, "certificate failed"),
            Self::Refused { path, reason } => {
                return error!(listener, service, path, reason, "certificate refused: what the file held before stays");
            }
            Self::Loaded(one) | Self::Expired(one) => one,
            Self::Changed { certificate, .. } | Self::Expiring { certificate, .. } => certificate,
        };
        let (path, names, not_after) = (&certificate.path, certificate.names.join(","), rfc3339(certificate.not_after));
        match self {
            Self::Expiring { days_left, .. } => {
                warn!(listener, service, path, names, not_after, days_left, "certificate expires soon");
            }
            Self::Expired(_) => error!(listener, service, path, names, not_after, "certificate expired"),
            Self::Changed { .. } => info!(listener, service, path, names, not_after, "certificate changed"),
            _ => info!(listener, service, path, names, not_after, "certificate loaded"),
        }
    }
}

/// "in 7 days", for people.
fn within(days: u64) -> String {
    match days {
        0 => "within a day".to_owned(),
        1 => "in a day".to_owned(),
        days => format!("in {days} days"),
    }
}
