//! Heads of messages: requests as they are written (RFC 9113, section 8.3.1), answers as they are understood (section 8.3.2).

use bytes::{BufMut, BytesMut};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};

use super::Limits;
use super::table::Table;
use crate::protocol::h2::connection_fields::{forbidden, is_of_connection};
use crate::protocol::h2::hpack::{Field, Pseudo, encode};
use crate::protocol::h2::link::stream::{Asked, Cause, Head, Section};
use crate::protocol::http::{length, trailers};

/// The head of a request.
#[derive(Debug)]
pub struct RequestHead<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Over TLS.
    pub is_tls: bool,
    /// The host, and port, that it is for.
    pub authority: &'a HeaderValue,
    /// Path and query.
    pub path: &'a str,
    /// The protocol that the stream is to speak: then the method is CONNECT (RFC 8441, section 4).
    pub protocol: Option<&'a HeaderValue>,
    /// Its fields.
    pub headers: &'a HeaderMap,
    /// More of them.
    pub more: Option<&'a HeaderMap>,
    /// How long its body is, where there is one and that is known.
    pub length: Option<u64>,
    /// `TE: trailers`.
    pub te_trailers: bool,
    /// `Expect: 100-continue`.
    pub expect_continue: bool,
}

/// Indices of pseudo-header fields in the static table (RFC 7541, appendix A).
mod index {
    pub const AUTHORITY: u8 = 1;
    pub const GET: u8 = 2;
    pub const POST: u8 = 3;
    pub const PATH: u8 = 4;
    pub const HTTP: u8 = 6;
    pub const HTTPS: u8 = 7;
}

impl RequestHead<'_> {
    /// What it asks for.
    pub(in crate::protocol::h2) fn asked(&self) -> Asked {
        match (self.protocol, self.method) {
            (Some(_), _) => Asked::Tunnel,
            (None, &Method::HEAD) => Asked::Head,
            (None, _) => Asked::Other,
        }
    }

    /// Writes it; `table` is the backend's.
    pub(super) fn write(&self, block: &mut BytesMut, table: &Table) {
        match (self.protocol, self.method) {
            (None, &Method::GET) => block.put_u8(0x80 | index::GET),
            (None, &Method::POST) => block.put_u8(0x80 | index::POST),
            (None, method) => pseudo(block, index::GET, method.as_str().as_bytes()),
            (Some(_), _) => pseudo(block, index::GET, b"CONNECT"),
        }
        block.put_u8(0x80 | if self.is_tls { index::HTTPS } else { index::HTTP });
        pseudo(block, index::AUTHORITY, self.authority.as_bytes());
        match self.path {
            "/" => block.put_u8(0x80 | index::PATH),
            path => pseudo(block, index::PATH, path.as_bytes()),
        }
        if let Some(protocol) = self.protocol {
            // a literal whose name is none of the static table's
            block.extend_from_slice(b"\x00\x09:protocol");
            encode::number(block, 0, 0x7F, protocol.len());
            block.extend_from_slice(protocol.as_bytes());
        }
        let more = self.more.into_iter().flatten();
        for (name, value) in self.headers.iter().chain(more) {
            // RFC 8441, section 5: the key of HTTP/1.1's handshake has no meaning here
            if is_of_connection(name) || (self.protocol.is_some() && *name == header::SEC_WEBSOCKET_KEY) {
                continue;
            }
            table.field(block, name, value);
        }
        if let Some(length) = self.length {
            encode::field(block, &header::CONTENT_LENGTH, HeaderValue::from(length).as_bytes(), false);
        }
        if self.te_trailers {
            encode::field(block, &header::TE, b"trailers", false);
        }
        if self.expect_continue {
            encode::field(block, &header::EXPECT, b"100-continue", false);
        }
    }
}

/// Writes a literal, not to be indexed, whose name is that of an entry of the static table.
fn pseudo(block: &mut BytesMut, index: u8, value: &[u8]) {
    block.put_u8(index);
    encode::number(block, 0, 0x7F, value.len());
    block.extend_from_slice(value);
}

/// The fields of a block as they come.
#[derive(Debug)]
pub struct Fields {
    status: Option<StatusCode>,
    headers: HeaderMap,
    /// Pseudo-header fields may come no more.
    regular: bool,
    count: usize,
    /// Of the list, as section 6.5.2 counts.
    pub size: usize,
    malformed: Option<&'static str>,
    limits: Limits,
}

impl Fields {
    /// None yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            status: None,
            headers: HeaderMap::with_capacity(8),
            regular: false,
            count: 0,
            size: 0,
            malformed: None,
            limits,
        }
    }

    /// Takes the next field, which counts with this size. What is above the limits is not kept.
    pub fn take(&mut self, field: Field, size: usize) {
        self.size = self.size.saturating_add(size);
        if self.malformed.is_some() || self.size > self.limits.bytes {
            return;
        }
        match field {
            Field::Plain(name, value) => {
                self.regular = true;
                self.count += 1;
                if let Some(broken) = forbidden(&name, &value) {
                    self.malformed = Some(broken);
                } else if self.count <= self.limits.fields {
                    self.headers.append(name, value);
                }
            }
            Field::Pseudo(Pseudo::Status, value) => self.take_status(&value),
            Field::Pseudo(..) => self.malformed = Some("a pseudo-header field of requests"),
            Field::Malformed => self.malformed = Some("a field's name or value is malformed"),
        }
    }

    fn take_status(&mut self, value: &HeaderValue) {
        let status = match value.as_bytes() {
            [b'1'..=b'9', _, _] => StatusCode::from_bytes(value.as_bytes()).ok(),
            _ => None,
        };
        if self.regular {
            self.malformed = Some("a pseudo-header field after others");
        } else if status.is_none() {
            self.malformed = Some(":status is malformed");
        } else if self.status.replace(status.unwrap_or_default()).is_some() {
            self.malformed = Some(":status twice");
        }
    }

    /// The fields as the head of an answer.
    pub fn head(self) -> Result<Head, Cause> {
        if let Some(detail) = self.malformed {
            return Err(Cause::Malformed(detail));
        }
        if self.is_too_large() {
            return Err(Cause::TooLarge(Section::Head));
        }
        match self.status {
            // section 8.6
            Some(StatusCode::SWITCHING_PROTOCOLS) => Err(Cause::Malformed("101, which HTTP/2 has not")),
            Some(status) => Ok(Head { status, headers: self.headers }),
            None => Err(Cause::Malformed("no :status")),
        }
    }

    /// The fields as trailers.
    pub fn trailers(self) -> Result<HeaderMap, Cause> {
        if let Some(detail) = self.malformed {
            return Err(Cause::Malformed(detail));
        }
        if self.is_too_large() {
            return Err(Cause::TooLarge(Section::Trailers));
        }
        match self.status {
            Some(_) => Err(Cause::Malformed("a pseudo-header field in trailers")),
            None => Ok(trailers::as_trailers(self.headers)),
        }
    }

    fn is_too_large(&self) -> bool {
        self.size > self.limits.bytes || self.count > self.limits.fields
    }
}

/// The length that an answer's fields announce; all values must be one number (RFC 9110, section 8.6).
pub fn announced(headers: &HeaderMap) -> Result<Option<u64>, Cause> {
    let mut announced = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        let number = length::parse_length(value.as_bytes());
        let number = number.ok_or(Cause::Malformed("content-length is not a number"))?;
        if announced.replace(number).is_some_and(|before| before != number) {
            return Err(Cause::Malformed("two different values of content-length"));
        }
    }
    Ok(announced)
}
