//! The fields that a line of the access log can have.

use http::header::{self, HeaderName};

/// One thing that a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Whether the client left before the end.
    Aborted,
    /// How many attempts were made with backends.
    Attempts,
    /// How long it took to find out whether the client may come in.
    Authorized,
    /// The last backend.
    Backend,
    /// Bytes of the answer's body, or to the client of a session.
    Bytes,
    /// Bytes of the request's body, or from the client of a session.
    BytesIn,
    /// The client's address.
    Client,
    /// How long the last attempt took until it had a connection.
    Connect,
    /// Datagrams to the client.
    Datagrams,
    /// Datagrams from the client.
    DatagramsReceived,
    /// How long it took, in milliseconds.
    Duration,
    /// How long it took, in microseconds.
    DurationMicros,
    /// How a session ended.
    End,
    /// Why it failed.
    Failure,
    /// How long it took until the head of the answer was there.
    FirstByte,
    /// The status of a gRPC call.
    GrpcStatus,
    /// What came of a second attempt beside one that was late.
    Hedge,
    /// The host that was asked for.
    Host,
    /// The rate limit that has refused the request, or would have.
    Limit,
    /// The listener.
    Listener,
    /// The method.
    Method,
    /// The version of HTTP, or the protocol of a session.
    Protocol,
    /// What a PROXY header said beyond the client's address.
    Proxy,
    /// How long it waited for a place at a backend.
    Queue,
    /// `Referer`
    Referer,
    /// The request's id.
    RequestId,
    /// The conditions of the route that took it.
    Route,
    /// The share that the line stands for.
    Sample,
    /// The service.
    Service,
    /// How it counts for the promise of its service.
    Sla,
    /// The status of the answer.
    Status,
    /// The status of the answer, and 499 where there was none, as nginx has it.
    StatusOr499,
    /// The target.
    Target,
    /// The time, as RFC 3339 has it.
    Time,
    /// The time, as Apache's logs have it.
    TimeClf,
    /// The name that the client asked for in TLS.
    TlsServerName,
    /// The client's version of TLS.
    TlsVersion,
    /// The id of the trace that the request belongs to.
    TraceId,
    /// The backends that were tried.
    Tried,
    /// Who has come in: the user, or the name by which a token or a certificate was let in.
    User,
    /// `User-Agent`
    UserAgent,
    /// The worker.
    Worker,
    /// A field of the request, by its place in [`AccessLines::request_headers`](super::AccessLines::request_headers).
    RequestHeader(usize),
    /// A field of the answer, by its place in [`AccessLines::response_headers`](super::AccessLines::response_headers).
    ResponseHeader(usize),
}

/// A field as the configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldName {
    /// One with a name of its own: as it is written, and what it is.
    Known(&'static str, Field),
    /// `request_header:NAME`
    RequestHeader(HeaderName),
    /// `response_header:NAME`
    ResponseHeader(HeaderName),
}

/// How the names of fields of requests and answers begin.
const REQUEST_HEADER: &str = "request_header:";
const RESPONSE_HEADER: &str = "response_header:";

/// The fields that carry what lets somebody in: whoever reads the log could use it.
const SECRET: [HeaderName; 4] =
    [header::AUTHORIZATION, header::COOKIE, header::SET_COOKIE, header::PROXY_AUTHORIZATION];

impl Field {
    /// All that have names. Some have two: lines of sessions have always said `bytes_received` and `server_name`.
    pub const KNOWN: [(&'static str, Self); 43] = [
        ("aborted", Self::Aborted),
        ("attempts", Self::Attempts),
        ("auth_ms", Self::Authorized),
        ("backend", Self::Backend),
        ("bytes", Self::Bytes),
        ("bytes_in", Self::BytesIn),
        ("bytes_received", Self::BytesIn),
        ("client", Self::Client),
        ("connect_ms", Self::Connect),
        ("datagrams", Self::Datagrams),
        ("datagrams_received", Self::DatagramsReceived),
        ("duration_ms", Self::Duration),
        ("duration_us", Self::DurationMicros),
        ("end", Self::End),
        ("failure", Self::Failure),
        ("first_byte_ms", Self::FirstByte),
        ("grpc_status", Self::GrpcStatus),
        ("hedge", Self::Hedge),
        ("host", Self::Host),
        ("limit", Self::Limit),
        ("listener", Self::Listener),
        ("method", Self::Method),
        ("protocol", Self::Protocol),
        ("proxy", Self::Proxy),
        ("queue_ms", Self::Queue),
        ("referer", Self::Referer),
        ("request_id", Self::RequestId),
        ("route", Self::Route),
        ("sample", Self::Sample),
        ("server_name", Self::TlsServerName),
        ("service", Self::Service),
        ("sla", Self::Sla),
        ("status", Self::Status),
        ("target", Self::Target),
        ("time", Self::Time),
        ("time_clf", Self::TimeClf),
        ("tls_sni", Self::TlsServerName),
        ("tls_version", Self::TlsVersion),
        ("trace_id", Self::TraceId),
        ("tried", Self::Tried),
        ("user", Self::User),
        ("user_agent", Self::UserAgent),
        ("worker", Self::Worker),
    ];
}

impl FieldName {
    /// Reads a name; `None` = there is no such field, or what follows the colon is no name of a header.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(header) = text.strip_prefix(REQUEST_HEADER) {
            return HeaderName::try_from(header).ok().map(Self::RequestHeader);
        }
        if let Some(header) = text.strip_prefix(RESPONSE_HEADER) {
            return HeaderName::try_from(header).ok().map(Self::ResponseHeader);
        }
        let known = Field::KNOWN.into_iter().find(|(name, _)| *name == text);
        known.map(|(name, field)| Self::Known(name, field))
    }

    /// As it is written.
    pub fn text(&self) -> String {
        match self {
            Self::Known(name, _) => (*name).to_owned(),
            Self::RequestHeader(header) => format!("{REQUEST_HEADER}{header}"),
            Self::ResponseHeader(header) => format!("{RESPONSE_HEADER}{header}"),
        }
    }

    /// The header that it says, where that carries what lets somebody in.
    pub fn secret(&self) -> Option<&HeaderName> {
        match self {
            Self::RequestHeader(header) | Self::ResponseHeader(header) => Some(header).filter(|h| SECRET.contains(h)),
            Self::Known(..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_as_it_is_written() {
        for (name, field) in Field::KNOWN {
            assert_eq!(FieldName::parse(name), Some(FieldName::Known(name, field)));
        }
        for name in ["request_header:x-a", "response_header:etag"] {
            assert_eq!(FieldName::parse(name).unwrap().text(), name);
        }
        assert_eq!(FieldName::parse("request_header:X-A").unwrap().text(), "request_header:x-a");
        for unknown in ["", "Time", "request_header:", "request_header:a b", "header:a"] {
            assert_eq!(FieldName::parse(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn names_stand_in_their_order() {
        assert!(Field::KNOWN.is_sorted_by_key(|(name, _)| name));
    }

    #[test]
    fn what_lets_somebody_in_is_a_secret() {
        let is_secret = |text: &str| FieldName::parse(text).unwrap().secret().is_some();
        assert!(is_secret("request_header:Cookie") && is_secret("response_header:set-cookie"));
        assert!(is_secret("request_header:authorization") && is_secret("request_header:proxy-authorization"));
        assert!(!is_secret("request_header:x-forwarded-for") && !is_secret("host"));
    }
}
