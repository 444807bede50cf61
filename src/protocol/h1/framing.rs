//! How long a message's body is: RFC 9112, section 6, followed to the letter where it says MUST, and with the stricter choice
//! where it leaves one. A proxy that disagrees with a backend about this can be made to smuggle requests.

use http::{Method, StatusCode, Version};

use crate::error::{Error, Kind, Result};
use crate::protocol::http::length::{Length, is_bodiless, parse_length};

/// What the framing fields of a head say.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Fields {
    /// The value of `Content-Length`.
    pub content_length: Option<u64>,
    coding: Coding,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Coding {
    #[default]
    None,
    Chunked,
    /// A coding that we do not decode comes before chunked, or instead of it.
    Unknown,
    /// Chunked is not the last coding, or occurs twice.
    Invalid,
}

impl Fields {
    /// Takes in a field if it is a framing field. Returns whether it is one.
    ///
    /// # Errors
    ///
    /// An error of `kind` when `Content-Length` is malformed or has several values.
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

    /// Section 6.3, rule 5: a list of identical values counts as one; anything else that is not a plain number is refused.
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

/// The length of a request's body.
///
/// # Errors
///
/// The framing is ambiguous or malformed (400), or has an unknown transfer coding (501).
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
///
/// # Errors
///
/// The framing is ambiguous or malformed, or has a transfer coding other than chunked.
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
