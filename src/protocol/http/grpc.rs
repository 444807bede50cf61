//! The little of gRPC that a proxy has to know (gRPC over HTTP/2, `PROTOCOL-HTTP2.md`; gRPC-Web, `PROTOCOL-WEB.md`): which
//! requests are gRPC calls, and how a call ended.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// The field with the status code of a call.
pub const STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// The field with a description of that status for people.
pub const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The gRPC status codes (`statuscodes.md`) that the proxy uses for errors of its own, and for calls whose status never arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The caller cancelled the call.
    Cancelled = 1,
    /// The time for the call was over.
    DeadlineExceeded = 4,
    /// The caller may not call this.
    PermissionDenied = 7,
    /// A limit was exceeded, such as a size or a rate.
    ResourceExhausted = 8,
    /// Nothing serves this method.
    Unimplemented = 12,
    /// An internal error, or a message that can't be parsed.
    Internal = 13,
    /// The service can't answer now; a later attempt may succeed.
    Unavailable = 14,
    /// Nobody knows who the caller is.
    Unauthenticated = 16,
}

/// The content type of a gRPC request; `None` when the request is not a gRPC call. `application/grpc`, `application/grpc-web` and
/// `application/grpc-web-text` count, each with or without a suffix for the message format.
pub fn call(headers: &HeaderMap) -> Option<&HeaderValue> {
    const PREFIX: &[u8] = b"application/grpc";
    headers.get(header::CONTENT_TYPE).filter(|kind| {
        let (kind, rest) = kind.as_bytes().split_at_checked(PREFIX.len()).unwrap_or_default();
        kind.eq_ignore_ascii_case(PREFIX) && matches!(rest.first(), None | Some(b'+' | b'-' | b';' | b' '))
    })
}

/// The status code in a response's fields or trailers, when there is one.
pub fn status(fields: &HeaderMap) -> Option<u16> {
    fields.get(STATUS)?.to_str().ok()?.parse().ok()
}

/// Encodes a text for `grpc-message`: all but printable ASCII is percent-encoded.
pub fn message(text: &str) -> HeaderValue {
    const PLAIN: percent_encoding::AsciiSet = percent_encoding::CONTROLS.add(b'%');
    let encoded = percent_encoding::utf8_percent_encode(text, &PLAIN).to_string();
    HeaderValue::try_from(encoded).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_known_by_their_content_type() {
        let is_call = |kind: &'static str| {
            call(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))])).is_some()
        };
        for kind in
            ["application/grpc", "application/grpc+proto", "Application/gRPC;x=1", "application/grpc-web-text+json"]
        {
            assert!(is_call(kind), "{kind}");
        }
        for kind in ["application/json", "application/grpcx", "application/grp", "", "text/plain"] {
            assert!(!is_call(kind), "{kind}");
        }
        assert!(call(&HeaderMap::new()).is_none());
    }

    #[test]
    fn a_status_is_a_number() {
        let said = |value| status(&HeaderMap::from_iter([(STATUS, HeaderValue::from_static(value))]));
        assert_eq!(
            (said("0"), said("14"), said("-1"), said("x"), said("99999")),
            (Some(0), Some(14), None, None, None)
        );
    }

    #[test]
    fn a_message_is_one_line_of_printable_ascii() {
        assert_eq!(message("no backend: 100 %\nä"), "no backend: 100 %25%0A%C3%A4");
    }
}
