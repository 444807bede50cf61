//! Plain values that the configuration sets and the data plane obeys: limits, time-outs, changes to fields.
//!
//! They stand below both, so that neither needs to know the other.

mod admin;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, StatusCode};

pub use admin::{Access, AdminToken, TokenSecret};

/// `[listener.limits]`
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// `%00`, `%0a` and `%0d` may stand in paths.
    pub allow_encoded_controls: bool,
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
    /// Waiting for a backend below its `max_connections`.
    pub queue: Duration,
    /// Exchanges that may wait so, for each worker and service.
    pub queue_length: usize,
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
    /// As in [`Timeouts`].
    pub queue: Option<Duration>,
    /// As in [`Timeouts`].
    pub queue_length: Option<usize>,
}

/// `[service.NAME.pool]`
#[derive(Debug, Clone, Copy)]
pub struct Pool {
    /// Idle connections kept for a backend by each worker.
    pub max_idle: usize,
    /// For how long.
    pub idle_timeout: Duration,
    /// A connection that is older carries no other exchange; `None` = no limit.
    pub max_age: Option<Duration>,
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
    /// The names of all these. A body keeps them, which must not keep the whole route.
    names: Arc<[HeaderName]>,
}

impl HeaderChanges {
    /// These changes.
    pub fn new(
        set: Vec<(HeaderName, HeaderValue)>,
        add: Vec<(HeaderName, HeaderValue)>,
        remove: Vec<HeaderName>,
    ) -> Self {
        let names = set.iter().chain(&add).map(|(name, _)| name).chain(&remove).cloned().collect();
        Self { set, add, remove, names }
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The names of what is changed.
    pub fn names(&self) -> &Arc<[HeaderName]> {
        &self.names
    }
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

/// `balance = "..."`
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Balance {
    /// Next available backend in turn.
    RoundRobin,
    /// In turn, by weight, evenly mixed.
    WeightedRoundRobin,
    /// Fewest exchanges in flight.
    LeastConnections,
    /// Fewest exchanges in flight for its weight.
    WeightedLeastConnections,
    /// Lowest load, as reported.
    ResourceBased,
    /// Lowest expected response time.
    ResponseTime,
    /// By the hash of something in the request.
    ConsistentHash(Ring),
    /// The less loaded of two.
    PowerOfTwo,
}

impl Balance {
    /// As written in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::WeightedRoundRobin => "weighted_round_robin",
            Self::LeastConnections => "least_connections",
            Self::WeightedLeastConnections => "weighted_least_connections",
            Self::ResourceBased => "resource_based",
            Self::ResponseTime => "response_time",
            Self::ConsistentHash(_) => "consistent_hash",
            Self::PowerOfTwo => "power_of_two",
        }
    }
}

/// What of `[service.NAME.hash]` shapes the ring.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ring {
    /// Points on the ring for each unit of weight.
    pub virtual_nodes: u32,
    /// No backend above this many times the mean of exchanges in flight; 0 = off, otherwise above 1.
    pub bounded_load: f64,
}

/// Where a key is taken from: `hash.on`, `affinity.by`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyFrom {
    /// The client's address.
    ClientIp,
    /// The path, without the query.
    Path,
    /// The path with the query.
    Uri,
    /// The value of a field.
    Header(HeaderName),
    /// The value of a cookie.
    Cookie(String),
    /// The value of a query parameter.
    Query(String),
}

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

/// `[service.NAME.circuit_breaker]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breaker {
    /// Failures in a row that open it.
    pub failures: u32,
    /// Share of failures over the last 10 s, with at least 20 exchanges, that opens it; 0 = off.
    pub error_rate: f64,
    /// How long it stays open.
    pub open_for: Duration,
    /// Trials at a time once that time is over.
    pub half_open: u32,
}

/// `[service.NAME.outlier]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlier {
    /// Failures in a row that eject; 0 = off.
    pub consecutive_failures: u32,
    /// Share of failures over `window` that ejects; 0 = off.
    pub error_rate: f64,
    /// Ejected when slower than this many times the peers' median; 0 = off.
    pub latency_factor: f64,
    /// Over what time.
    pub window: Duration,
    /// With fewer exchanges in `window` no rate and no latency is judged.
    pub min_requests: u32,
    /// For how long, times the number of ejections so far.
    pub eject_for: Duration,
    /// For how long at most.
    pub max_eject_for: Duration,
    /// Share of the backends that may be out.
    pub max_ejected: f64,
}

/// `[service.NAME.limits]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerLimits {
    /// Bytes of a head, and of a trailer section.
    pub max_header_bytes: usize,
    /// Fields of either.
    pub max_headers: usize,
}

/// `[service.NAME.retry]`
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// Attempts beyond the first.
    pub attempts: u32,
    /// Share of the exchanges of late that attempts beyond the first may be.
    pub budget: f64,
    /// No connection could be made.
    pub on_connect: bool,
    /// A connection ended before a whole answer.
    pub on_reset: bool,
    /// Answers with these statuses.
    pub on_status: Vec<StatusCode>,
    /// Before the second retry; it doubles, and is drawn at random from zero upwards.
    pub back_off: Duration,
    /// An answer whose length is known and at most this is passed on only when it is whole.
    pub hold: usize,
}

/// `[service.NAME.affinity]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affinity {
    /// What a session is told by; `None` = the cookie that Evenkeel sets.
    pub by: Option<KeyFrom>,
    /// The name of the cookie that Evenkeel sets.
    pub cookie: String,
    /// A session that is not used for this long is forgotten.
    pub ttl: Duration,
    /// Sessions remembered, for all but the cookie.
    pub max_entries: usize,
}

/// `[service.NAME.load_reports]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadReports {
    /// `endpoint-load-metrics` is read from responses.
    pub orca: bool,
    /// An agent beside each backend: its port, and how often it is asked.
    pub agent: Option<(u16, Duration)>,
    /// A report is forgotten after this time.
    pub expire: Duration,
}

/// `listener.protocol`: what is spoken on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListenerProtocol {
    /// HTTP/1.1 and HTTP/2.
    Http,
    /// Bytes of whatever kind.
    Tcp,
    /// TLS that ends at the backend: routed by the name that the client asks for, not decrypted.
    Tls,
    /// Datagrams.
    Udp,
}

/// `service.send_proxy_protocol`: the version of the PROXY header that connections to backends begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyHeader {
    /// One line of text.
    V1,
    /// Binary, with what is known of the client's TLS.
    V2,
}

impl ListenerProtocol {
    /// The word for it in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Udp => "udp",
        }
    }
}

/// `fallback = { ... }`: the answer when no backend can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: bytes::Bytes,
    /// The type of the body.
    pub content_type: HeaderValue,
    /// `Retry-After`, in whole seconds.
    pub retry_after: Option<u64>,
}

/// Statuses, as ranges of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses(pub Vec<RangeInclusive<u16>>);

impl Statuses {
    /// Whether this is one of them.
    pub fn contain(&self, status: StatusCode) -> bool {
        self.0.iter().any(|range| range.contains(&status.as_u16()))
    }
}
