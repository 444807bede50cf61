//! How long bodies are, as all versions of HTTP mean it. How HTTP/1 says it in a head is in `h1/framing.rs`.

use http::header::{self, HeaderMap, HeaderName};
use http::{Method, StatusCode};
use http_body::Body;

use super::fields;

/// The largest length of a body or a chunk: what is above it is negative to programs that keep lengths in signed numbers.
pub const MAX_LENGTH: u64 = i64::MAX as u64;

/// The framing of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// This many bytes; 0 = no body.
    Fixed(u64),
    /// The chunked coding.
    Chunked,
    /// Everything until the connection closes (responses only).
    UntilClose,
}

/// What the head of an answer has to say of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// Nothing: there is no body, or a `Content-Length` that is passed on says it already.
    Nothing,
    /// That it has this many bytes.
    Exact(u64),
    /// That there is a body, whose length is not known yet.
    Open,
}

/// What the head of an answer to `method` has to say of its body.
pub fn announced<B: Body>(body: &B, headers: &HeaderMap, method: &Method, status: StatusCode) -> Announced {
    let exact = body.size_hint().exact();
    if !is_bodiless(method, status) {
        return exact.map_or(Announced::Open, Announced::Exact);
    }
    // an answer to HEAD may say what GET would have got, and a 304 what a 200 would have
    let is_said = headers.contains_key(header::CONTENT_LENGTH) || *method != Method::HEAD;
    match exact {
        Some(length) if !is_said && length > 0 => Announced::Exact(length),
        _ => Announced::Nothing,
    }
}

/// The value of `Content-Length`: digits (RFC 9110, section 8.6), up to [`MAX_LENGTH`]. Without leading zeros, which the grammar
/// allows, nobody sends, and some programs take for the sign of an octal number.
pub fn parse_length(digits: &[u8]) -> Option<u64> {
    let canonical = matches!(digits, [b'0'] | [b'1'..=b'9', ..]) && digits.iter().all(u8::is_ascii_digit);
    let length = std::str::from_utf8(digits).ok().filter(|_| canonical)?.parse().ok()?;
    (length <= MAX_LENGTH).then_some(length)
}

/// Whether a name is not one of the framing fields, but is to programs for which `_` is the same as `-`: those behind CGI and its
/// successors, which get fields as variables.
pub fn is_twin(name: &HeaderName) -> bool {
    const NAMES: [&str; 2] = ["content-length", "transfer-encoding"];
    let name = name.as_str();
    NAMES.iter().any(|of| name.len() == of.len() && name != *of && fields::alike(name, of))
}

/// RFC 9112, section 6.3, rule 1: these have no body whatever their fields say.
pub fn is_bodiless(method: &Method, status: StatusCode) -> bool {
    *method == Method::HEAD
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
}
