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
    /// Asked at this port; `None` = the backend's.
    pub port: Option<u16>,
    /// From the start of one check to that of the next.
    pub interval: Duration,
    /// The same while the state is in doubt.
    pub fast_interval: Duration,
    /// For a check as a whole.
    pub timeout: Duration,
    /// Failed checks in a row after which a backend is down.
    pub fall: u32,
    /// Good checks in a row after which it is up.
    pub rise: u32,
    /// An interval is shortened at random by up to this share of it.
    pub jitter: f64,
    /// What a backend is before its first check.
    pub initial: Initial,
}

/// `health.kind`, with what belongs to each.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// A request, answered with one of some statuses.
    Http(HttpCheck),
    /// A connection; then, unless they are empty, bytes sent and bytes to be found in what comes back.
    Tcp {
        /// Sent at once.
        send: Vec<u8>,
        /// Awaited.
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
    /// Asked for.
    pub path: PathAndQuery,
    /// With this method.
    pub method: Method,
    /// As this host; `None` = the backend's name.
    pub host: Option<HeaderValue>,
    /// Sent beside `Host`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Good statuses.
    pub expect_status: Vec<RangeInclusive<u16>>,
    /// To be found within the first 64 KiB of the body.
    pub expect_body: Option<String>,
    /// The lines of an answer's head may end in LF without CR.
    pub allow_bare_lf: bool,
}

/// `health.initial`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initial {
    /// Well until it is found not to be.
    Up,
    /// Not well until it has risen.
    Down,
    /// Unknown until the first check, which decides alone.
    CheckFirst,
}
