//! What the access log says of a session.

use std::net::IpAddr;

use super::attempts::aborted;
use super::value::{Facts, Value};
use super::{AttemptLog, Ended, LineEnd, Lines, Names};
use crate::outcome::{End, SessionOutcome};
use crate::policy::ListenerProtocol;
use crate::policy::access_log::Field;

/// What a line says of a session's client; kept while the session lasts.
#[derive(Debug)]
pub struct SessionEntry {
    /// The lines of the access log when it began.
    pub lines: Lines,
    /// Who it is; `None` over a Unix socket.
    pub client: Option<IpAddr>,
    /// What the listener speaks.
    pub protocol: ListenerProtocol,
    /// What a PROXY header said of it beyond its address.
    pub proxy_header: Vec<(Box<str>, Box<str>)>,
    /// The name that it asked for in TLS.
    pub server_name: Option<Box<str>>,
    /// The backends that were tried.
    pub attempts: AttemptLog,
}

/// All that is known at the end of a session.
#[derive(Debug)]
pub(super) struct SessionFacts<'a> {
    pub(super) entry: &'a SessionEntry,
    pub(super) names: &'a Names<'a>,
    pub(super) outcome: &'a SessionOutcome,
    pub(super) ended: Ended,
    pub(super) end: LineEnd<'a>,
}

/// Whether nothing is remarkable about it but, maybe, how long it took to get a backend.
pub(super) fn is_good(outcome: &SessionOutcome, ended: &Ended) -> bool {
    outcome.failure.is_none() && outcome.attempts <= 1 && outcome.end != End::Cut && ended.is_as_promised()
}

impl Facts for SessionFacts<'_> {
    fn value(&self, field: Field) -> Value<'_> {
        let Self { entry, names, outcome, ended, end } = self;
        match field {
            Field::Aborted => aborted(outcome.failure),
            Field::Attempts => Value::Number(outcome.attempts.into()),
            Field::Bytes => Value::Number(outcome.sent),
            Field::BytesIn => Value::Number(outcome.received),
            Field::Client => entry.client.map_or(Value::Null, Value::Address),
            Field::Connect => Value::millis(outcome.connected),
            Field::Datagrams => Value::number_if(outcome.datagrams.map(|[_, sent]| sent)),
            Field::DatagramsReceived => Value::number_if(outcome.datagrams.map(|[received, _]| received)),
            Field::End => Value::Text(how(outcome).as_bytes()),
            Field::Failure => entry.attempts.failure(outcome.failure),
            Field::Protocol => Value::Text(protocol(entry.protocol).as_bytes()),
            Field::Proxy if entry.proxy_header.is_empty() => Value::Absent,
            Field::Proxy => Value::Pairs(&entry.proxy_header),
            Field::TlsServerName => Value::text(entry.server_name.as_deref()),
            Field::Tried => entry.attempts.backends(),
            _ => end.value(field, names, ended),
        }
    }
}

fn protocol(protocol: ListenerProtocol) -> &'static str {
    match protocol {
        ListenerProtocol::Http => "HTTP",
        ListenerProtocol::Tcp => "TCP",
        ListenerProtocol::Tls => "TLS",
        ListenerProtocol::Udp => "UDP",
    }
}

/// How it ended.
fn how(outcome: &SessionOutcome) -> &'static str {
    match (outcome.failure, outcome.end) {
        (Some(_), _) => "failed",
        (None, End::Closed) => "closed",
        (None, End::Idle) => "idle",
        (None, End::Cut) => "cut",
    }
}
