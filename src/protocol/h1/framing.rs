//! How long a message's body is: RFC 9112, section 6, to the letter where it says MUST, and the stricter choice where it
//! leaves one. Whoever disagrees with a backend about this can be made to smuggle requests.

use http::header::{self, HeaderMap, HeaderName};
use http::{Method, StatusCode, Version};

use crate::error::{Error, Kind, Result};
use crate::protocol::fields;

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

/// What the framing fields of a head said.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Fields {
    /// The one value of `Content-Length`.
    pub content_length: Option<u64>,
    coding: Coding,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Coding {
    #[default]
    None,
    Chunked,
    /// A coding that we do not decode stands before, or instead of, chunked.
    Unknown,
    /// Chunked is not last, or is there twice.
    Invalid,
}

impl Fields {
    /// Takes a framing field; `false` = it is not one.
    pub fn take(&mut self, name: &str, value: &[u8], kind: Kind) -> Result<bool> {
        match name {
            "content-length" => self.take_length(value, kind)?,
            "transfer-encoding" => self.take_codings(value),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn take_codings(&mut self, value: &[u8]) {
        for coding in value.split(|&b| b == b',') {
            self.coding = self.coding.then(coding.trim_ascii());
        }
    }

    /// Section 6.3, rule 5: a list of identical values counts as one; everything else but a plain number is refused.
    fn take_length(&mut self, value: &[u8], kind: Kind) -> Result<()> {
        for one in value.split(|&b| b == b',') {
            let length = parse_length(one.trim_ascii()).ok_or(Error::new(kind, "Content-Length is not a number"))?;
            if self.content_length.replace(length).is_some_and(|before| before != length) {
                return Err(Error::new(kind, "two different values of Content-Length"));
            }
        }
        Ok(())
    }
}

impl Coding {
    fn then(self, next: &[u8]) -> Self {
        match self {
            Self::None if next.eq_ignore_ascii_case(b"chunked") => Self::Chunked,
            Self::None | Self::Unknown if !next.is_empty() => Self::Unknown,
            _ => Self::Invalid,
        }
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

/// The length of a request's body.
pub fn request(fields: &Fields, version: Version) -> Result<Length> {
    let malformed = |detail| Err(Error::new(Kind::MalformedRequest, detail));
    match (fields.coding, fields.content_length) {
        (Coding::None, length) => Ok(Length::Fixed(length.unwrap_or(0))),
        _ if version == Version::HTTP_10 => malformed("Transfer-Encoding in HTTP/1.0"),
        (_, Some(_)) => malformed("both Transfer-Encoding and Content-Length"),
        (Coding::Chunked, None) => Ok(Length::Chunked),
        (Coding::Invalid, None) => malformed("Transfer-Encoding does not end in one chunked"),
        (Coding::Unknown, None) => Err(Error::new(Kind::UnknownTransferCoding, "")),
    }
}

/// The length of the body of a response to `method`.
pub fn response(fields: &Fields, method: &Method, status: StatusCode, version: Version) -> Result<Length> {
    let malformed = |detail| Err(Error::new(Kind::UpstreamMalformed, detail));
    match (fields.coding, fields.content_length) {
        (Coding::None, _) if is_bodiless(method, status) => Ok(Length::Fixed(0)),
        (Coding::None, Some(length)) => Ok(Length::Fixed(length)),
        (Coding::None, None) => Ok(Length::UntilClose),
        (_, Some(_)) => malformed("both Transfer-Encoding and Content-Length"),
        (Coding::Chunked, None) if version == Version::HTTP_10 => malformed("Transfer-Encoding in HTTP/1.0"),
        (Coding::Chunked, None) if is_bodiless(method, status) => Ok(Length::Fixed(0)),
        (Coding::Chunked, None) => Ok(Length::Chunked),
        _ => malformed("a transfer coding other than chunked"),
    }
}

/// Section 6.3, rule 1: these have no body whatever their fields say.
pub fn is_bodiless(method: &Method, status: StatusCode) -> bool {
    *method == Method::HEAD
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
}

/// What of these fields a trailer section may have.
pub fn as_trailers(fields: HeaderMap) -> HeaderMap {
    if fields.keys().all(allowed_in_trailer) {
        return fields;
    }
    let allowed = fields.iter().filter(|(name, _)| allowed_in_trailer(name));
    allowed.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// RFC 9110, section 6.5.1: fields for framing, routing, authentication and the like are ignored in a trailer section. So are
/// those that a program may take for one of them, and what a client says of where a request came from.
pub fn allowed_in_trailer(name: &HeaderName) -> bool {
    const REFUSED: [HeaderName; 16] = [
        header::AUTHORIZATION,
        header::CACHE_CONTROL,
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::CONTENT_TYPE,
        header::COOKIE,
        header::FORWARDED,
        header::HOST,
        header::SET_COOKIE,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::VIA,
    ];
    let stands_for = || REFUSED.iter().any(|refused| fields::alike(name.as_str(), refused.as_str()));
    !REFUSED.contains(name) && !(fields::is_suspect(name) && (fields::is_x_forwarded(name) || stands_for()))
}
