//! The spans of an exchange that is exported, as OTLP has them (opentelemetry/proto/trace/v1/trace.proto), with the attributes of OpenTelemetry's
//! conventions for HTTP, and what only a proxy knows as `evenkeel.*`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::uri::Authority;
use http::{Method, Version};

use super::attributes::{Attributes, scrubbed};
use super::exchange::{Attempt, ExchangeTrace, RequestFacts};
use super::queue::Spans;
use crate::endpoint::{Endpoint, Target};
use crate::error::Kind;
use crate::protobuf::Writer;

/// `ScopeSpans.spans`
const SPANS: u32 = 2;

/// The fields of `Span`.
mod field {
    pub const TRACE_ID: u32 = 1;
    pub const SPAN_ID: u32 = 2;
    pub const TRACE_STATE: u32 = 3;
    pub const PARENT_SPAN_ID: u32 = 4;
    pub const NAME: u32 = 5;
    pub const KIND: u32 = 6;
    pub const START: u32 = 7;
    pub const END: u32 = 8;
    pub const ATTRIBUTES: u32 = 9;
    pub const STATUS: u32 = 15;
    pub const FLAGS: u32 = 16;
}

/// `SpanKind`
mod kind {
    pub const INTERNAL: u64 = 1;
    pub const SERVER: u64 = 2;
    pub const CLIENT: u64 = 3;
}

/// `SpanFlags`: what is said of the parent is known, and it is in another process.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;
/// `Status.StatusCode.STATUS_CODE_ERROR`
const ERROR: u64 = 2;

/// Why an exchange is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampledBy {
    /// It was decided when it began: by its parent, or by a draw.
    Head,
    /// It failed.
    Error,
    /// It was slow.
    Slow,
}

/// What is known of an exchange at its end.
#[derive(Debug)]
pub struct End<'a> {
    /// Its listener.
    pub listener: &'a str,
    /// The service that was asked.
    pub service: Option<&'a str>,
    /// The path of the route that took it, as in the configuration.
    pub route: Option<&'a str>,
    /// What the client was answered with.
    pub status: Option<u16>,
    /// Why it failed.
    pub failure: Option<Kind>,
    /// Whether it counts as a failure, which is not so of one that the client has broken off.
    pub is_error: bool,
    /// Bytes of the answer's body that were given to the connection.
    pub body_bytes: u64,
    /// How many attempts were made.
    pub attempts: u32,
    /// The status of a gRPC call.
    pub grpc: Option<u16>,
    /// Why it is exported.
    pub sampled_by: SampledBy,
    /// When it ended.
    pub ended: Instant,
    /// The same by the wall's clock, in nanoseconds since 1970.
    pub ended_unix: u64,
}

impl SampledBy {
    /// The word for it, as the attribute `evenkeel.sampled_by`.
    fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Error => "error",
            Self::Slow => "slow",
        }
    }
}

impl End<'_> {
    /// A moment of the exchange by the wall's clock. All of them are measured from its end, so that what lies within something else, or adds
    /// up to it, does so in the spans as well, even where the clock was set meanwhile.
    fn unix(&self, moment: Instant) -> u64 {
        let before = self.ended.saturating_duration_since(moment).as_nanos();
        self.ended_unix.saturating_sub(u64::try_from(before).unwrap_or(u64::MAX))
    }
}

impl ExchangeTrace {
    /// Why it is exported when it took so long; `None` = it is not. Of an answer that lasts (a tunnel, a stream, a long download) only the time to its
    /// head can be slow.
    pub fn why_sampled(&self, is_error: bool, elapsed: Duration) -> Option<SampledBy> {
        match () {
            () if self.sampled => Some(SampledBy::Head),
            () if is_error && self.tracing.errors => Some(SampledBy::Error),
            () if self.to_head.unwrap_or(elapsed) > self.tracing.slow => Some(SampledBy::Slow),
            () => None,
        }
    }

    /// Its spans: of the request, of what has found out whether its client may come in, of each wait for a place, and of each attempt. `backend` gives the backend at a place of the service, `new_id`
    /// the number of another span.
    pub fn spans<'e>(
        &mut self,
        end: &End<'_>,
        backend: impl Fn(usize) -> Option<&'e Arc<Endpoint>>,
        new_id: &mut dyn FnMut() -> u64,
    ) -> Spans {
        self.waited(end.ended);
        let mut writer = Writer::with_capacity(1024);
        self.request_span(end, &mut writer);
        if let Some((id, entry)) = &self.entry {
            let times = (entry.began, entry.ended.unwrap_or(end.ended));
            self.span(end, (*id, Some(self.span)), ("auth", kind::INTERNAL), times, &mut writer, |_| {});
        }
        for wait in &self.waits {
            let times = (wait.began, wait.ended.unwrap_or(end.ended));
            self.span(end, (new_id(), Some(self.span)), ("queue", kind::INTERNAL), times, &mut writer, |_| {});
        }
        for (number, attempt) in self.attempts.iter().enumerate() {
            let endpoint = attempt.endpoint.as_ref().or_else(|| backend(attempt.backend));
            self.attempt_span(end, number as u64, attempt, endpoint.map(|endpoint| &**endpoint), &mut writer);
        }
        Spans { bytes: writer.into_bytes(), count: u32::try_from(self.span_count()).unwrap_or(u32::MAX) }
    }

    /// How many spans it has.
    pub(super) fn span_count(&self) -> usize {
        1 + usize::from(self.entry.is_some()) + self.waits.len() + self.attempts.len()
    }

    /// Writes what all spans have; `ids` are its own number and that of its parent, `rest` writes what else it has.
    fn span(
        &self,
        end: &End<'_>,
        (id, parent): (u64, Option<u64>),
        (name, kind): (&str, u64),
        (began, ended): (Instant, Instant),
        writer: &mut Writer,
        rest: impl FnOnce(&mut Writer),
    ) {
        let is_remote = if kind == kind::SERVER && parent.is_some() { IS_REMOTE } else { 0 };
        writer.message(SPANS, |span| {
            span.bytes(field::TRACE_ID, &self.trace.0.to_be_bytes());
            span.bytes(field::SPAN_ID, &id.to_be_bytes());
            if let Some(parent) = parent {
                span.bytes(field::PARENT_SPAN_ID, &parent.to_be_bytes());
            }
            span.bytes(field::NAME, name.as_bytes());
            span.varint(field::KIND, kind);
            span.fixed64(field::START, end.unix(began));
            span.fixed64(field::END, end.unix(ended));
            rest(span);
            span.fixed32(field::FLAGS, u32::from(self.sampled) | HAS_IS_REMOTE | is_remote);
        });
    }

    fn request_span(&self, end: &End<'_>, writer: &mut Writer) {
        let Some(request) = &self.request else { return };
        let method = method(&request.method);
        let name = match end.route.filter(|route| !route.is_empty()) {
            Some(route) => format!("{method} {route}"),
            None => method.to_owned(),
        };
        let times = (request.began, end.ended);
        self.span(end, (self.span, self.parent), (&name, kind::SERVER), times, writer, |span| {
            // it is the same for all spans of the trace, so it is said once
            let state = String::from_utf8_lossy(self.state.as_deref().unwrap_or_default());
            span.bytes(field::TRACE_STATE, state.as_bytes());
            let attributes = &mut Attributes::new(span, field::ATTRIBUTES);
            request.describe(attributes);
            attributes.text_of("http.route", end.route.filter(|route| !route.is_empty()));
            if let Some(status) = end.status {
                attributes.integer("http.response.status_code", u64::from(status));
                attributes.integer("http.response.body.size", end.body_bytes);
            }
            if let Some(status) = end.grpc {
                attributes.text("rpc.system", "grpc");
                attributes.integer("rpc.grpc.status_code", u64::from(status));
            }
            attributes.text("evenkeel.listener", end.listener);
            attributes.text_of("evenkeel.service", end.service);
            attributes.integer("evenkeel.attempts", u64::from(end.attempts));
            attributes.text("evenkeel.sampled_by", end.sampled_by.as_str());
            result(span, end.status, end.failure, end.is_error);
        });
    }

    fn attempt_span(
        &self,
        end: &End<'_>,
        number: u64,
        attempt: &Attempt,
        endpoint: Option<&Endpoint>,
        writer: &mut Writer,
    ) {
        let method = self.request.as_ref().map_or("_OTHER", |request| method(&request.method));
        let times = (attempt.began, attempt.ended.unwrap_or(end.ended));
        self.span(end, (attempt.span, Some(self.span)), (method, kind::CLIENT), times, writer, |span| {
            let attributes = &mut Attributes::new(span, field::ATTRIBUTES);
            attributes.text("http.request.method", method);
            if let Some(endpoint) = endpoint {
                describe_backend(endpoint, attributes);
            }
            if let Some(status) = attempt.status {
                attributes.integer("http.response.status_code", u64::from(status));
            }
            if number > 0 {
                attributes.integer("http.request.resend_count", number);
            }
            if attempt.is_hedge {
                attributes.text("evenkeel.attempt.kind", "hedge");
            }
            if attempt.is_cancelled {
                attributes.text("evenkeel.attempt.end", "cancelled");
            }
            if let Some((began, connected)) = attempt.connecting {
                let took = connected.unwrap_or(times.1).saturating_duration_since(began);
                attributes.double("evenkeel.connect.duration", took.as_secs_f64());
            }
            let is_error = attempt.failure.is_some() || attempt.status.is_some_and(|status| status >= 400);
            result(span, attempt.status, attempt.failure, is_error);
        });
    }
}

impl RequestFacts {
    fn describe(&self, attributes: &mut Attributes<'_>) {
        let method = method(&self.method);
        attributes.text("http.request.method", method);
        if method == OTHER {
            attributes.text("http.request.method_original", self.method.as_str());
        }
        attributes.text("url.scheme", if self.is_tls { "https" } else { "http" });
        attributes.text("url.path", self.uri.path());
        if let Some(query) = self.uri.query() {
            attributes.text("url.query", &scrubbed(query));
        }
        if let Some(host) = self.host.as_ref().and_then(|host| Authority::try_from(host.as_bytes()).ok()) {
            attributes.text("server.address", host.host());
            if let Some(port) = host.port_u16() {
                attributes.integer("server.port", u64::from(port));
            }
        }
        if let Some(client) = self.client {
            attributes.text("client.address", &client.to_string());
        }
        attributes.text(
            "network.protocol.version",
            match self.version {
                Version::HTTP_10 => "1.0",
                Version::HTTP_2 => "2",
                _ => "1.1",
            },
        );
        if let Some(length) = self.length.filter(|length| *length > 0) {
            attributes.integer("http.request.body.size", length);
        }
    }
}

/// What an invented method is called: the conventions want few different values.
const OTHER: &str = "_OTHER";

fn method(method: &Method) -> &str {
    const KNOWN: [Method; 9] = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
        Method::CONNECT,
        Method::TRACE,
    ];
    if KNOWN.contains(method) { method.as_str() } else { OTHER }
}

fn describe_backend(endpoint: &Endpoint, attributes: &mut Attributes<'_>) {
    match &endpoint.target {
        Target::Tcp(address) => {
            attributes.text("server.address", &endpoint.host);
            attributes.integer("server.port", u64::from(address.port()));
        }
        Target::Unix(path) => attributes.text("server.address", &path.to_string_lossy()),
    }
    attributes.text("evenkeel.service", &endpoint.service);
    attributes.text("evenkeel.backend", &endpoint.id);
}

/// Writes whether a span failed, and why.
fn result(span: &mut Writer, status: Option<u16>, failure: Option<Kind>, is_error: bool) {
    let why = match (failure, status) {
        (Some(kind), _) => Some(kind.as_str().replace(' ', "_")),
        (None, Some(status)) if is_error => Some(status.to_string()),
        (None, _) => None,
    };
    Attributes::new(span, field::ATTRIBUTES).text_of("error.type", why.as_deref());
    if is_error {
        span.message(field::STATUS, |status| {
            status.bytes(2, failure.map_or("", Kind::as_str).as_bytes());
            status.varint(3, ERROR);
        });
    }
}

#[cfg(test)]
mod tests;
