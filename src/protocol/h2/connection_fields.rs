//! Fields that HTTP/2 does not have, because they speak of one connection of HTTP/1 (RFC 9113, section 8.2.2).

use http::header::{self, HeaderName, HeaderValue};

/// What a field of HTTP/2 may not be (section 8.2.2).
pub(super) fn forbidden(name: &HeaderName, value: &HeaderValue) -> Option<&'static str> {
    if is_of_connection(name) {
        return Some("a field of one connection");
    }
    let other = *name == header::TE && !value.as_bytes().eq_ignore_ascii_case(b"trailers");
    other.then_some("TE other than trailers")
}

/// Whether a field says something of one connection of HTTP/1 only.
pub(super) fn is_of_connection(name: &HeaderName) -> bool {
    matches!(name.as_str(), "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade")
}
