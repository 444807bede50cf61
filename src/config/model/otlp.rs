//! `[otlp]`, checked.

use std::time::Duration;

use http::Uri;
use http::header::{HeaderName, HeaderValue};

use super::Authorities;
use crate::policy::Tracing;

/// `[otlp]`
#[derive(Debug, Clone, PartialEq)]
pub struct Otlp {
    /// Where the collector is: http or https, with a host.
    pub endpoint: Uri,
    /// How it is spoken to.
    pub protocol: OtlpProtocol,
    /// Headers that are sent with each message. Their values are marked as sensitive, so that a dump does not show them.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Authorities that verify its certificate.
    pub ca: Authorities,
    /// How long one message may take.
    pub timeout: Duration,
    /// Which exchanges are traced.
    pub tracing: Tracing,
    /// Bytes that may wait for it.
    pub queue: usize,
    /// `service.name`
    pub service_name: String,
    /// Further attributes of this process.
    pub resource: Vec<(String, String)>,
    /// How often metrics are sent; `None` = never.
    pub metrics_interval: Option<Duration>,
}

/// How a collector is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// gRPC over HTTP/2.
    Grpc,
    /// Protobuf over HTTP/1.1.
    Http,
}
