//! What happened in one exchange, or in one session of Layer 4.

use std::time::{Duration, Instant};

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
    /// How often it was tried with a backend.
    pub attempts: u32,
    /// Bytes of the answer's body that were given to the connection.
    pub body_bytes: u64,
    /// How it ended as a gRPC call, where it is one.
    pub grpc: Option<Grpc>,
}

/// How a gRPC call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grpc {
    /// Nothing was said of that.
    Unsaid,
    /// With this status.
    Status(u16),
}

impl Grpc {
    /// Its status, where one was said.
    pub fn status(self) -> Option<u16> {
        match self {
            Self::Unsaid => None,
            Self::Status(status) => Some(status),
        }
    }
}

impl Outcome {
    /// Nothing has happened yet.
    pub fn begun(began: Instant) -> Self {
        Self { began, status: None, failure: None, attempts: 0, body_bytes: 0, grpc: None }
    }
}

/// What happened in a session, complete once it has ended.
#[derive(Debug)]
pub struct Session {
    /// When the client came.
    pub began: Instant,
    /// How long after that it had a backend.
    pub connected: Option<Duration>,
    /// Why it failed, where it did.
    pub failure: Option<Kind>,
    /// How often it was tried with a backend.
    pub attempts: u32,
    /// How it ended, where it did not fail.
    pub end: End,
    /// Bytes from the client.
    pub received: u64,
    /// Bytes to the client.
    pub sent: u64,
    /// Where they came in datagrams: those from the client, and those to it.
    pub datagrams: Option<[u64; 2]>,
}

/// How a session ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// In its own time.
    Closed,
    /// Nothing was said for `idle_timeout`.
    Idle,
    /// It was cut off: what it went through is no more.
    Cut,
}

impl Session {
    /// Nothing has happened yet; when nothing is said of its end, it was cut off.
    pub fn begun(began: Instant) -> Self {
        Self {
            began,
            connected: None,
            failure: None,
            attempts: 0,
            end: End::Cut,
            received: 0,
            sent: 0,
            datagrams: None,
        }
    }
}
