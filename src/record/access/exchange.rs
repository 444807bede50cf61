//! What the access log says of an exchange.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::header::HeaderValue;
use http::{Method, Uri, Version};

use super::attempts::aborted;
use super::value::{Facts, Value};
use super::{AttemptLog, Ended, LineEnd, Lines, Names};
use crate::outcome::{Grpc, Outcome, TunnelEnd};
use crate::policy::access_log::Field;

/// What a line says of a request; kept while the exchange lasts.
#[derive(Debug)]
pub struct ExchangeEntry {
    /// The lines of the access log when it began: a reload may change what they say, and what was collected is for these.
    pub lines: Lines,
    /// Who sent it; `None` over a Unix socket.
    pub client: Option<IpAddr>,
    /// Its first line.
    pub line: FirstLine,
    /// The backends that were asked.
    pub attempts: AttemptLog,
    /// What a PROXY header said of the client beyond its address.
    pub proxy_header: Vec<(Box<str>, Box<str>)>,
    /// The host that was asked for.
    pub host: Option<HeaderValue>,
    /// `Referer`
    pub referer: Option<HeaderValue>,
    /// `User-Agent`
    pub user_agent: Option<HeaderValue>,
    /// Its id, where the listener gives ids.
    pub request_id: Option<HeaderValue>,
    /// The id of the trace that it belongs to, where there are traces.
    pub trace_id: Option<u128>,
    /// What is collected only where lines say it.
    pub chosen: Chosen,
}

/// What is collected only where the lines of the access log say it.
#[derive(Debug, Default)]
pub struct Chosen {
    /// Fields of the request, in the order of the lines' `request_headers`; empty = they were not looked at.
    pub request_headers: Vec<Option<HeaderValue>>,
    /// Fields of the answer that the client got, in the order of the lines' `response_headers`; empty = there was none.
    pub response_headers: Vec<Option<HeaderValue>>,
    /// Counts the bytes of the request's body.
    pub bytes_in: Option<Rc<Cell<u64>>>,
    /// The conditions of the route that took it.
    pub route: Option<Arc<str>>,
    /// The rate limit that has refused it, or would have.
    pub limit: Option<Box<str>>,
    /// Who has come in, where the route asks for that.
    pub user: Option<Box<str>>,
    /// The client's version of TLS.
    pub tls_version: Option<&'static str>,
    /// The name that the client asked for in TLS.
    pub server_name: Option<Box<str>>,
}

/// The first line of a request.
#[derive(Debug)]
pub enum FirstLine {
    /// It was read.
    Read(Method, Uri, Version),
    /// It was refused: its method, its target, and its version, as far as they are known.
    Refused([Option<Box<str>>; 3]),
}

impl FirstLine {
    fn method(&self) -> Value<'_> {
        match self {
            // a token (RFC 9110, section 5.6.2) has no quotes
            Self::Read(method, ..) => Value::Plain(method.as_str().as_bytes()),
            Self::Refused([method, ..]) => Value::text(method.as_deref()),
        }
    }

    fn target(&self) -> Option<&str> {
        match self {
            Self::Read(_, target, _) => target.path_and_query().map(|target| target.as_str()),
            Self::Refused([_, target, _]) => target.as_deref(),
        }
    }

    fn protocol(&self) -> Value<'_> {
        match self {
            Self::Read(.., version) => Value::Plain(self::version(*version).as_bytes()),
            Self::Refused([.., version]) => Value::text(version.as_deref()),
        }
    }
}

/// All that is known at the end of an exchange.
#[derive(Debug)]
pub(super) struct ExchangeFacts<'a> {
    pub(super) entry: &'a ExchangeEntry,
    pub(super) names: &'a Names<'a>,
    pub(super) outcome: &'a Outcome,
    pub(super) ended: Ended,
    pub(super) end: LineEnd<'a>,
}

/// Whether nothing is remarkable about it but, maybe, how long it took.
pub(super) fn is_good(entry: &ExchangeEntry, outcome: &Outcome, ended: &Ended) -> bool {
    let is_good_call = matches!(outcome.grpc, None | Some(Grpc::Status(0)));
    let is_answered = outcome.status.is_some_and(|status| status.as_u16() < 400);
    let is_within_limits = entry.chosen.limit.is_none();
    outcome.failure.is_none()
        && outcome.end.is_none_or(TunnelEnd::is_usual)
        && is_answered
        && is_good_call
        && is_within_limits
        && outcome.attempts <= 1
        && ended.is_as_promised()
}

impl Facts for ExchangeFacts<'_> {
    fn value(&self, field: Field) -> Value<'_> {
        let Self { entry, names, outcome, ended, end } = self;
        let chosen = &entry.chosen;
        match field {
            Field::Aborted => aborted(outcome.failure),
            Field::Attempts => Value::Number(outcome.attempts.into()),
            Field::Authorized => Value::millis(outcome.authorized),
            Field::Bytes => Value::Number(outcome.body_bytes),
            Field::BytesIn => Value::Number(chosen.bytes_in.as_ref().map_or(0, |bytes| bytes.get())),
            Field::Client => entry.client.map_or(Value::Null, Value::Address),
            Field::Connect => Value::millis(outcome.connected),
            Field::Failure => entry.attempts.failure(outcome.failure),
            Field::FirstByte => Value::millis(outcome.answered),
            Field::GrpcStatus => match outcome.grpc {
                None => Value::Absent,
                Some(call) => call.status().map_or(Value::Null, |status| Value::Number(status.into())),
            },
            Field::Hedge => Value::text(outcome.hedge),
            Field::Host => Value::header(entry.host.as_ref()),
            Field::Limit => Value::text_if(chosen.limit.as_deref().map(str::as_bytes)),
            Field::Method => entry.line.method(),
            Field::Protocol => entry.line.protocol(),
            Field::Proxy if entry.proxy_header.is_empty() => Value::Absent,
            Field::Proxy => Value::Pairs(&entry.proxy_header),
            Field::Queue => Value::millis(outcome.queued),
            Field::Referer => Value::header(entry.referer.as_ref()),
            Field::RequestId => Value::text_if(entry.request_id.as_ref().map(HeaderValue::as_bytes)),
            Field::Route => Value::text(chosen.route.as_deref()),
            Field::Status => outcome.status.map_or(Value::Null, |status| Value::Number(status.as_u16().into())),
            Field::StatusOr499 => Value::Number(outcome.status.map_or(499, |status| status.as_u16().into())),
            Field::Target => Value::text(entry.line.target()),
            Field::TlsServerName => Value::text(chosen.server_name.as_deref()),
            Field::TlsVersion => Value::text(chosen.tls_version),
            Field::TraceId => entry.trace_id.map_or(Value::Absent, Value::Trace),
            Field::Tried => entry.attempts.backends(),
            Field::User => chosen.user.as_deref().map_or(Value::Absent, |user| Value::Word(user.as_bytes())),
            Field::UserAgent => Value::header(entry.user_agent.as_ref()),
            Field::RequestHeader(at) => Value::header(chosen.request_headers.get(at).and_then(Option::as_ref)),
            Field::ResponseHeader(at) => Value::header(chosen.response_headers.get(at).and_then(Option::as_ref)),
            Field::End => outcome.end.map_or(Value::Absent, |end| Value::Plain(end.as_str().as_bytes())),
            Field::Datagrams | Field::DatagramsReceived => Value::Absent,
            _ => end.value(field, names, ended),
        }
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}
