//! The heads of messages on a connection to a backend: writing requests (RFC 9113, section 8.3.1) and parsing responses (section
//! 8.3.2).

use bytes::{BufMut, BytesMut};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};

use super::Limits;
use super::table::Table;
use crate::protocol::h2::connection_fields::{forbidden, is_of_connection};
use crate::protocol::h2::hpack::{Field, Pseudo, encode};
use crate::protocol::h2::link::stream::{Cause, Head, RequestKind, Section};
use crate::protocol::http::{length, trailers};
use crate::trace::{TRACEPARENT, Traceparent};

/// The head of a request.
#[derive(Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// Whether the connection uses TLS, which decides `:scheme`.
    pub is_tls: bool,
    /// The host, and port if any, that the request is for.
    pub authority: &'a HeaderValue,
    /// The path and query.
    pub path: &'a str,
    /// The protocol that the stream is to carry. Then the method is CONNECT (RFC 8441, section 4).
    pub protocol: Option<&'a HeaderValue>,
    /// The fields.
    pub headers: &'a HeaderMap,
    /// Further fields.
    pub more: Option<&'a HeaderMap>,
    /// The span that asks, where exchanges are traced.
    pub traceparent: Option<&'a Traceparent>,
    /// The length of the body, when there is one and its length is known.
    pub length: Option<u64>,
    /// Whether to send `TE: trailers`.
    pub te_trailers: bool,
    /// Whether to send `Expect: 100-continue`.
    pub expect_continue: bool,
}

/// The indices of pseudo-header fields in the static table (RFC 7541, appendix A).
mod index {
    pub const AUTHORITY: u8 = 1;
    pub const GET: u8 = 2;
    pub const POST: u8 = 3;
    pub const PATH: u8 = 4;
    pub const HTTP: u8 = 6;
    pub const HTTPS: u8 = 7;
}

impl RequestHead<'_> {
    /// The kind of this request.
    pub(in crate::protocol::h2) fn kind(&self) -> RequestKind {
        match (self.protocol, self.method) {
            (Some(_), _) => RequestKind::Tunnel,
            (None, &Method::HEAD) => RequestKind::Head,
            (None, _) => RequestKind::Other,
        }
    }

    /// Writes the field block. `table` is the backend's dynamic table.
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
            // a literal whose name is not in the static table
            block.extend_from_slice(b"\x00\x09:protocol");
            encode::number(block, 0, 0x7F, protocol.len());
            block.extend_from_slice(protocol.as_bytes());
        }
        let more = self.more.into_iter().flatten();
        for (name, value) in self.headers.iter().chain(more) {
            // RFC 8441, section 5: the key of HTTP/1.1's handshake is not used
            if is_of_connection(name) || (self.protocol.is_some() && *name == header::SEC_WEBSOCKET_KEY) {
                continue;
            }
            table.field(block, name, value);
        }
        if let Some(traceparent) = self.traceparent {
            encode::field(block, &TRACEPARENT, traceparent.as_bytes(), false);
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

/// Writes a literal without indexing, whose name is the one at `index` in the static table.
fn pseudo(block: &mut BytesMut, index: u8, value: &[u8]) {
    block.put_u8(index);
    encode::number(block, 0, 0x7F, value.len());
    block.extend_from_slice(value);
}

/// Collects the fields of a block.
#[derive(Debug)]
pub struct Fields {
    status: Option<StatusCode>,
    headers: HeaderMap,
    /// Whether a regular field has come, after which pseudo-header fields are not allowed.
    has_regular: bool,
    count: usize,
    /// The size of the list in bytes, as section 6.5.2 counts it.
    pub size: usize,
    malformed: Option<&'static str>,
    limits: Limits,
}

impl Fields {
    /// A collector without fields.
    pub fn new(limits: Limits) -> Self {
        Self {
            status: None,
            headers: HeaderMap::with_capacity(8),
            has_regular: false,
            count: 0,
            size: 0,
            malformed: None,
            limits,
        }
    }

    /// Adds the next field. `size` is what it counts in the size of the list. A field beyond the limits is not kept.
    pub fn take(&mut self, field: Field, size: usize) {
        self.size = self.size.saturating_add(size);
        if self.malformed.is_some() || self.size > self.limits.bytes {
            return;
        }
        match field {
            Field::Plain(name, value) => {
                self.has_regular = true;
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
        if self.has_regular {
            self.malformed = Some("a pseudo-header field after others");
        } else if status.is_none() {
            self.malformed = Some(":status is malformed");
        } else if self.status.replace(status.unwrap_or_default()).is_some() {
            self.malformed = Some(":status twice");
        }
    }

    /// The fields as the head of a response.
    ///
    /// # Errors
    ///
    /// The head is malformed or too large.
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

    /// The fields as a trailer section.
    ///
    /// # Errors
    ///
    /// The section is malformed or too large.
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

/// The value of `content-length` in a response; all values must be the same number (RFC 9110, section 8.6).
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
