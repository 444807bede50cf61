//! Where an exchange, or a session, went, and what it failed of in words: what only the access log wants to know of its way.

use std::sync::Arc;

use serde_json::Value;

use crate::error::{Error, Kind};

/// Backends that a line names. More attempts than that are made only of a request that connections keep being closed under.
const MOST_TRIED: usize = 16;

/// Its way, as far as it is known.
#[derive(Debug, Default)]
pub struct Journey {
    /// The backends that were tried, in order.
    tried: Vec<Arc<str>>,
    /// What it failed of, where more is known than its kind says.
    reason: Option<String>,
}

impl Journey {
    /// It was tried with this backend.
    pub fn tried(&mut self, backend: &Arc<str>) {
        if self.tried.len() < MOST_TRIED {
            self.tried.push(Arc::clone(backend));
        }
    }

    /// It failed so. What has a cause from outside, such as the kernel's or TLS's word, is told with it.
    pub fn failed(&mut self, error: &Error) {
        self.reason = std::error::Error::source(error).map(|_| error.to_string());
    }

    /// It was refused so: what exactly was wrong with it is told nowhere else.
    pub fn refused(&mut self, error: &Error) {
        self.reason = Some(error.to_string());
    }

    /// Adds what there is to tell to a line in JSON; `failure` is the kind of it.
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
