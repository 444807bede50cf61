//! What of gRPC a proxy says and understands itself (gRPC over HTTP/2, `PROTOCOL-HTTP2.md`; gRPC-Web, `PROTOCOL-WEB.md`): which requests
//! are calls, and how a call ended.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// How a call ended.
pub const STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// Why, for people.
pub const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The codes that a call of which nobody heard an end, or a failure of ours, has (`statuscodes.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The caller left.
    Cancelled = 1,
    /// Time was over.
    DeadlineExceeded = 4,
    /// Something is larger than is taken, or there is more of it.
    ResourceExhausted = 8,
    /// Nobody is there for that.
    Unimplemented = 12,
    /// A defect, or what is no message.
    Internal = 13,
    /// Nobody can answer now; who tries again later may have an answer.
    Unavailable = 14,
}

/// The content type of a request that is a call, in whatever form: `application/grpc`, `application/grpc-web`, `application/grpc-web-text`,
/// each with or without the format of its messages.
pub fn call(headers: &HeaderMap) -> Option<&HeaderValue> {
    const PREFIX: &[u8] = b"application/grpc";
    headers.get(header::CONTENT_TYPE).filter(|kind| {
        let (kind, rest) = kind.as_bytes().split_at_checked(PREFIX.len()).unwrap_or_default();
        kind.eq_ignore_ascii_case(PREFIX) && matches!(rest.first(), None | Some(b'+' | b'-' | b';' | b' '))
    })
}

/// What fields, or trailers, say of how a call ended.
pub fn status(fields: &HeaderMap) -> Option<u16> {
    fields.get(STATUS)?.to_str().ok()?.parse().ok()
}

/// A message as `grpc-message` has it: percent-encoded but for printable ASCII.
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
