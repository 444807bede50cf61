//! What a replay tells.

use std::sync::Arc;
use std::time::Duration;

use crate::detect::fault::{Detector, Subject, Verdict, Vote};
use crate::detect::service::Backend;

/// Something that would have happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When, since 1970.
    pub time: Duration,
    /// In which service; may be empty.
    pub service: Arc<str>,
    /// To whom.
    pub whom: Whom,
    /// What.
    pub what: What,
}

/// Whom an event is about, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// The service as a whole.
    Service,
    /// This backend.
    Backend(Arc<str>),
    /// All backends of this host.
    Host(Arc<str>),
    /// All backends of this zone.
    Zone(Arc<str>),
    /// A single series of values; its name may be empty.
    Series(Arc<str>),
}

/// What would have happened.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// The detectors have agreed on a fault.
    Raised(Verdict),
    /// A fault holds no more; how long it held.
    Cleared(Verdict, Duration),
    /// The `peers` detector would have had the backend ejected.
    Accused(Vote),
    /// A detector panicked or took too long.
    LeftOut(Detector, String),
    /// A value of a series is anomalous, so much so (from 0 to 1).
    Unusual {
        /// The value.
        value: f64,
        /// How anomalous it is.
        score: f64,
    },
}

impl Whom {
    /// The name behind a subject.
    pub fn of(subject: &Subject, backends: &[Backend]) -> Self {
        match subject {
            Subject::Service => Self::Service,
            Subject::Backend(at) => {
                backends.get(*at).map_or(Self::Service, |backend| Self::Backend(Arc::clone(&backend.id)))
            }
            Subject::Host(host) => Self::Host(Arc::clone(host)),
            Subject::Zone(zone) => Self::Zone(Arc::clone(zone)),
        }
    }
}
