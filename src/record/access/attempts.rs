//! The backends that an exchange, or a session, was tried with, and why it failed, in words. Only the access log wants to know that.

use std::sync::Arc;

use serde_json::Value;

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

    /// It failed with this error. Where that has a cause from outside, such as the kernel or TLS, the cause is part of the reason.
    pub fn failed(&mut self, error: &Error) {
        self.reason = std::error::Error::source(error).map(|_| error.to_string());
    }

    /// It was refused with this error. What exactly was wrong with a request is said nowhere else.
    pub fn refused(&mut self, error: &Error) {
        self.reason = Some(error.to_string());
    }

    /// Adds the attempts to a line in JSON. `failure` is the kind of failure, where it failed.
    pub(super) fn add(&self, line: &mut Value, attempts: u32, failure: Option<Kind>) {
        line["attempts"] = attempts.into();
        line["tried"] = self.tried.iter().map(|backend| &**backend).collect();
        line["failure"] = match (failure, &self.reason) {
            (None, _) => Value::Null,
            (Some(_), Some(reason)) => reason.as_str().into(),
            (Some(kind), None) => kind.as_str().into(),
        };
        if failure == Some(Kind::ClientGone) {
            line["aborted"] = true.into();
        }
    }
}
