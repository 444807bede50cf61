//! The lengths of bodies as all versions of HTTP understand them. How HTTP/1 encodes a length in a head is in `h1/framing.rs`.

use http::header::{self, HeaderMap, HeaderName};
use http::{Method, StatusCode};
use http_body::Body;

use super::fields;

/// The largest length of a body or a chunk that is accepted, 2^63 - 1. Programs that keep lengths in signed 64-bit numbers would
/// read a larger one as negative.
pub const MAX_LENGTH: u64 = i64::MAX as u64;

/// The framing of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// The body has this many bytes; 0 means that there is no body.
    Fixed(u64),
    /// The length is not known in advance: the chunked coding in HTTP/1, DATA frames up to END_STREAM in HTTP/2.
    Chunked,
    /// The body is everything up to the end of the connection (HTTP/1 responses only).
    UntilClose,
}

impl Length {
    /// The length in bytes, where it is known in advance.
    pub fn known(self) -> Option<u64> {
        match self {
            Self::Fixed(length) => Some(length),
            Self::Chunked | Self::UntilClose => None,
        }
    }
}

/// What a response's head has to say about the length of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// The head says nothing: there is no body, or a `Content-Length` that is passed on says it already.
    Nothing,
    /// The body has this many bytes.
    Exact(u64),
    /// There is a body whose length is not known yet.
    Open,
}

/// What the head of a response to `method` has to say about the length of its body.
pub fn announced<B: Body>(body: &B, headers: &HeaderMap, method: &Method, status: StatusCode) -> Announced {
    let exact = body.size_hint().exact();
    if !is_bodiless(method, status) {
        return exact.map_or(Announced::Open, Announced::Exact);
    }
    // a response to HEAD may have the length that GET would have got, and a 304 that of the 200 (RFC 9110, section 8.6)
    let is_said = headers.contains_key(header::CONTENT_LENGTH) || *method != Method::HEAD;
    match exact {
        Some(length) if !is_said && length > 0 => Announced::Exact(length),
        _ => Announced::Nothing,
    }
}

/// Parses the value of `Content-Length`: digits (RFC 9110, section 8.6), at most [`MAX_LENGTH`]. Leading zeros are refused
/// although the grammar allows them, because nobody sends them and some programs would read the number as octal.
pub fn parse_length(digits: &[u8]) -> Option<u64> {
    let canonical = matches!(digits, [b'0'] | [b'1'..=b'9', ..]) && digits.iter().all(u8::is_ascii_digit);
    let length = std::str::from_utf8(digits).ok().filter(|_| canonical)?.parse().ok()?;
    (length <= MAX_LENGTH).then_some(length)
}

/// Whether a name is a framing field's name with `_` in place of `-`. Programs behind CGI and its successors, which get fields as
/// environment variables, can't tell the two apart.
pub fn looks_like_framing(name: &HeaderName) -> bool {
    const NAMES: [&str; 2] = ["content-length", "transfer-encoding"];
    let name = name.as_str();
    NAMES.iter().any(|of| name.len() == of.len() && name != *of && fields::alike(name, of))
}

/// Whether a response to `method` has no body whatever its fields say: RFC 9112, section 6.3, rule 1.
pub fn is_bodiless(method: &Method, status: StatusCode) -> bool {
    *method == Method::HEAD
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
}
