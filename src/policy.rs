//! Plain values that the configuration sets and the data plane obeys: limits, time-outs, changes to fields.
//!
//! They stand below both rooms, so that neither needs to know the other.

pub mod access_log;
mod admin;
mod balancing;
pub mod compression;
mod cors;
mod dependency;
pub mod escape;
mod headers;
mod health;
mod markup;
mod mirroring;
mod resilience;
pub mod template;
mod tracing;
pub mod variables;

use std::time::Duration;

use http::header::HeaderValue;

pub use admin::{Access, AdminToken, TokenSecret};
pub use balancing::{Affinity, Balance, KeyFrom, LoadReports, Ring, SplitBy, weights_differ};
pub use cors::{Cors, Origin, Origins};
pub use dependency::{Dependency, DependencyEndpoint, Question};
pub use headers::{Field, HeaderChanges};
pub use health::{Check, Health, HttpCheck, Initial};
pub use mirroring::Mirroring;
pub use resilience::{Breaker, Concurrency, Fallback, Hedge, LatencyRule, Outlier, Priority, Retry, Statuses};
pub use tracing::Tracing;

/// The most paths to one backend: their order is one word, with four bits for each.
pub const MOST_PATHS: usize = 16;

/// `[listener.limits]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLimits {
    /// The longest time from the first byte of a request to the end of its headers.
    pub header_timeout: Duration,
    /// The most bytes of a request's head.
    pub max_header_bytes: usize,
    /// The most fields of a request.
    pub max_headers: usize,
    /// The most bytes of a body; 0 = no limit.
    pub max_body: u64,
    /// The least bytes a second that the sender of a body has to keep up after 10 s; 0 = no limit.
    pub min_body_rate: u64,
    /// The most requests on one connection; 0 = no limit.
    pub max_requests_per_connection: u64,
    /// The most HTTP/2 streams that may be open at a time on one connection.
    pub max_concurrent_streams: u32,
    /// Whether `%00`, `%0a` and `%0d` may stand in paths.
    pub allow_encoded_controls: bool,
}

/// `[service.NAME.timeout]`
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// The longest time until a connection is made, its TLS handshake included.
    pub connect: Duration,
    /// The longest time from the end of the request to the end of the response's headers.
    pub response: Duration,
    /// The longest time between two reads or writes of a body.
    pub idle: Duration,
    /// The longest time from the head of the request to the end of the response; `None` = no limit.
    pub total: Option<Duration>,
    /// The longest wait for a backend that is below its `max_connections`.
    pub queue: Duration,
    /// The most exchanges that may wait like that, for each worker and service.
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
    /// The most idle connections that each worker keeps for a backend.
    pub max_idle: usize,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
    /// A connection that is older carries no other exchange; `None` = no limit.
    pub max_age: Option<Duration>,
}

/// How the paths of requests are treated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PathRules {
    /// Backends get them as they were sent, and not in their normal form.
    pub passes_as_sent: bool,
    /// Those that programs read in different ways are refused.
    pub refuses_ambiguous: bool,
}

/// What backends are told of a client's certificate (RFC 9440).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CertificateHeader {
    /// Nothing.
    #[default]
    Off,
    /// The certificate.
    Certificate,
    /// The certificate, and those that lead to its authority.
    Chain,
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
    /// With TLS, what ALPN chooses; HTTP/1.1 without.
    Auto,
}

impl UpstreamProtocol {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http1 => "http1",
            Self::Http2 => "h2",
            Self::Auto => "auto",
        }
    }
}

/// `[service.NAME.limits]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerLimits {
    /// The most bytes of a head, and of a trailer section.
    pub max_header_bytes: usize,
    /// The most fields of either.
    pub max_headers: usize,
}

/// `listener.protocol`: what is spoken on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListenerProtocol {
    /// HTTP/1.1 and HTTP/2.
    Http,
    /// Any bytes.
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
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Udp => "udp",
        }
    }
}
