//! Fields that HTTP/2 does not allow, because they are about a connection of HTTP/1 (RFC 9113, section 8.2.2).

use http::header::{self, HeaderName, HeaderValue};

/// The reason why HTTP/2 does not allow a field (section 8.2.2); `None` when it does.
pub(super) fn forbidden(name: &HeaderName, value: &HeaderValue) -> Option<&'static str> {
    if is_of_connection(name) {
        return Some("a field of one connection");
    }
    let other = *name == header::TE && !value.as_bytes().eq_ignore_ascii_case(b"trailers");
    other.then_some("TE other than trailers")
}

/// Whether a field is about a connection of HTTP/1.
pub(super) fn is_of_connection(name: &HeaderName) -> bool {
    matches!(name.as_str(), "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade")
}
