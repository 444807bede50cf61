//! Active checks: what a backend is asked, how often, and what a good answer is.

use std::ops::RangeInclusive;
use std::time::Duration;

use http::Method;
use http::header::{HeaderName, HeaderValue};
use http::uri::PathAndQuery;

/// `[service.NAME.health]`
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// What is asked, and what is a good answer.
    pub kind: Check,
    /// The port that is asked; `None` = the one that requests go to.
    pub port: Option<u16>,
    /// The time from the start of one check to the start of the next.
    pub interval: Duration,
    /// The interval while the last check contradicts the health, or none has ended yet.
    pub fast_interval: Duration,
    /// The longest time that a check may take.
    pub timeout: Duration,
    /// Failed checks in a row after which a backend is down.
    pub fall: u32,
    /// Good checks in a row after which it is up.
    pub rise: u32,
    /// An interval is shortened at random by up to this share of it.
    pub jitter: f64,
    /// The health of a backend before its first check.
    pub initial: Initial,
}

/// `health.kind`, each with its own settings.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// A request, answered with one of some statuses.
    Http(HttpCheck),
    /// A connection over TCP; then, unless they are empty, bytes that are sent and bytes that have to come back.
    Tcp {
        /// The bytes that are sent at once.
        send: Vec<u8>,
        /// The bytes that have to come.
        expect: Vec<u8>,
    },
    /// `grpc.health.v1.Health/Check`
    Grpc {
        /// The gRPC service asked about; empty = the whole server.
        service: String,
    },
    /// A line of HAProxy's agent-check protocol.
    Agent,
}

/// A check by HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpCheck {
    /// The path, with the query.
    pub path: PathAndQuery,
    /// The method.
    pub method: Method,
    /// The host that is asked for; `None` = the backend's name.
    pub host: Option<HeaderValue>,
    /// Fields that are sent beside `Host`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The statuses of a healthy backend.
    pub expect_status: Vec<RangeInclusive<u16>>,
    /// A text that has to be found within the first 64 KiB of the body.
    pub expect_body: Option<String>,
    /// The lines of an answer's head may end in LF without CR.
    pub allow_bare_lf: bool,
}

/// `health.initial`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initial {
    /// Healthy until checks have failed.
    Up,
    /// Unhealthy until checks have succeeded.
    Down,
    /// Unknown until the first check has ended, which decides alone.
    CheckFirst,
}
