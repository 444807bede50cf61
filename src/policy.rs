//! Plain values that the configuration sets and the data plane obeys: limits, time-outs, changes to fields.
//!
//! They stand below both, so that neither needs to know the other.

use std::time::Duration;

use http::header::{HeaderName, HeaderValue};

/// `[listener.limits]`
#[derive(Debug, Clone)]
pub struct Limits {
    /// From the first byte of a request to the end of its headers.
    pub header_timeout: Duration,
    /// Bytes of the whole head of a request.
    pub max_header_bytes: usize,
    /// Fields of a request.
    pub max_headers: usize,
    /// Bytes of a body; 0 = no limit.
    pub max_body: u64,
    /// Bytes a second that the sender of a body must keep up after 10 s; 0 = no limit.
    pub min_body_rate: u64,
    /// Requests on one connection; 0 = no limit.
    pub max_requests_per_connection: u64,
    /// HTTP/2 streams open at a time on one connection.
    pub max_concurrent_streams: u32,
}

/// `[service.NAME.timeout]`
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// To a connection, its TLS handshake included.
    pub connect: Duration,
    /// From the end of what was sent to the response's headers.
    pub response: Duration,
    /// Between two reads or writes of a body.
    pub idle: Duration,
    /// From the head of the request to the end of the response; `None` = no limit.
    pub total: Option<Duration>,
}

/// `timeout = { ... }` of a route: what is `None` is as in the service.
#[derive(Debug, Clone, Copy, Default)]
pub struct TimeoutOverride {
    /// As in [`Timeouts`].
    pub connect: Option<Duration>,
    /// As in [`Timeouts`].
    pub response: Option<Duration>,
    /// As in [`Timeouts`].
    pub idle: Option<Duration>,
    /// As in [`Timeouts`], `Some(None)` = no limit.
    pub total: Option<Option<Duration>>,
}

/// `[service.NAME.pool]`
#[derive(Debug, Clone, Copy)]
pub struct Pool {
    /// Idle connections kept for a backend by each worker.
    pub max_idle: usize,
    /// For how long.
    pub idle_timeout: Duration,
}

/// `request_headers`, `response_headers`: removed first, then set, then added.
#[derive(Debug, Clone, Default)]
pub struct HeaderChanges {
    /// Replaced, or added when missing.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Added beside what is there.
    pub add: Vec<(HeaderName, HeaderValue)>,
    /// Removed.
    pub remove: Vec<HeaderName>,
}

/// `rewrite = { ... }`
#[derive(Debug, Clone, Default)]
pub struct Rewrite {
    /// Replaces the part of the path that the route's `path` or `path_prefix` matched.
    pub prefix: Option<String>,
    /// Replaces the host.
    pub host: Option<HeaderValue>,
}

/// `protocol = "..."` of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: by prior knowledge, or by ALPN with TLS.
    Http2,
    /// With TLS what ALPN says, HTTP/1.1 without.
    Auto,
}
