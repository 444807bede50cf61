//! The backends that an exchange, or a session, was tried with, and why it failed, in words. Only the access log wants to know that.

use std::sync::Arc;

use super::value::Value;
use crate::error::{Error, Kind};

/// How many backends a line names. More attempts are made only for a request whose connections are closed again and again as it is sent.
const MOST_TRIED: usize = 16;

/// The attempts, as far as they are known.
#[derive(Debug, Default)]
pub struct AttemptLog {
    /// The backends that were tried, in order.
    tried: Vec<Arc<str>>,
    /// Why it failed, where more is known than the kind of the failure says.
    reason: Option<String>,
}

impl AttemptLog {
    /// An attempt was made with this backend.
    pub fn tried(&mut self, backend: &Arc<str>) {
        if self.tried.len() < MOST_TRIED {
            self.tried.push(Arc::clone(backend));
        }
    }

    /// It failed with this error. Where that has a cause from outside, such as the kernel or TLS, the cause is part of the reason; and where a client may not come in, why.
    pub fn failed(&mut self, error: &Error) {
        let is_denied = matches!(error.kind(), Kind::Denied | Kind::Unauthenticated);
        let says_more = is_denied || std::error::Error::source(error).is_some();
        self.reason = says_more.then(|| error.to_string());
    }

    /// It was refused with this error. What exactly was wrong with a request is said nowhere else.
    pub fn refused(&mut self, error: &Error) {
        self.reason = Some(error.to_string());
    }

    /// The backends, in order.
    pub(super) fn backends(&self) -> Value<'_> {
        Value::List(&self.tried)
    }

    /// Why it failed, where it did with this kind of failure.
    pub(super) fn failure(&self, failure: Option<Kind>) -> Value<'_> {
        Value::text(failure.map(|kind| self.reason.as_deref().unwrap_or(kind.as_str())))
    }
}

/// Whether the client left before the end.
pub(super) fn aborted(failure: Option<Kind>) -> Value<'static> {
    if failure == Some(Kind::ClientGone) { Value::Flag(true) } else { Value::Absent }
}
