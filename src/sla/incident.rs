//! An incident: a time in which a service was down, from its first sign to the end of it.

use std::sync::Arc;

use crate::clock::Stamp;

/// One incident of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Its number, unique in the ledger.
    pub id: i64,
    /// The service.
    pub service: Arc<str>,
    /// When the service went down, as far as can be told afterwards.
    pub began: Stamp,
    /// When it was found to be down.
    pub detected: Stamp,
    /// When it was up again; `None` = it is under way.
    pub ended: Option<Stamp>,
    /// The end is that of what is known: the process stopped while the incident was under way.
    pub is_cut: bool,
    /// Milliseconds from its begin to its end, by the monotonic clock; until now where it is under way.
    pub lasted_ms: i64,
    /// Of these, the milliseconds that the service was down and that was not planned.
    pub down_ms: i64,
    /// Within how many milliseconds the service was to be back (the recovery time objective, RTO).
    pub rto_ms: i64,
    /// Why.
    pub cause: Cause,
    /// The ids of the backends that could not be used, or were accused, when it was found.
    pub backends: Vec<Arc<str>>,
    /// What was done about it, in order.
    pub actions: Vec<Action>,
    /// Requests that broke the promise meanwhile, or within the seconds after it in which it was not known to be over: those were under way.
    pub lost: i64,
    /// Requests that ended well meanwhile.
    pub good: i64,
}

/// Why a service is down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Who or what says so.
    pub kind: CauseKind,
    /// In words for people.
    pub text: String,
}

/// Who or what says why a service is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CauseKind {
    /// Detection has found a fault.
    Verdict,
    /// Active checks have failed.
    Check,
    /// An operator has taken the backends out.
    Operator,
    /// A reload, or discovery, has taken the backends away.
    Reload,
    /// Nothing but the requests themselves.
    Unknown,
}

/// Something that was done while an incident was under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// When.
    pub at: Stamp,
    /// What, in words for people.
    pub text: String,
}

impl Incident {
    /// Whether the service was back in time. An incident that is under way is in time until its time is over.
    pub fn is_within_rto(&self) -> bool {
        self.lasted_ms <= self.rto_ms
    }
}

impl CauseKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Verdict, Self::Check, Self::Operator, Self::Reload, Self::Unknown];

    /// The name in the ledger, the API and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verdict => "verdict",
            Self::Check => "check",
            Self::Operator => "operator",
            Self::Reload => "reload",
            Self::Unknown => "unknown",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}
