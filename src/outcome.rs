//! What happened in one exchange.

use std::time::Instant;

use http::StatusCode;

use crate::error::Kind;

/// The outcome of an exchange, complete once it has ended.
#[derive(Debug)]
pub struct Outcome {
    /// When its head had been read.
    pub began: Instant,
    /// What the client was answered with; `None` when it went away before.
    pub status: Option<StatusCode>,
    /// Why it failed, where it did: before the answer, or within its body.
    pub failure: Option<Kind>,
    /// Bytes of the answer's body that were given to the connection.
    pub body_bytes: u64,
}

impl Outcome {
    /// Nothing has happened yet.
    pub fn begun(began: Instant) -> Self {
        Self { began, status: None, failure: None, body_bytes: 0 }
    }
}
