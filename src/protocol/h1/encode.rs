//! Writes the heads of HTTP/1 messages. Framing fields are written here and nowhere else.

use bytes::{BufMut, BytesMut};
use http::header::{self, HeaderMap};
use http::{Method, StatusCode};

use crate::protocol::http::RequestLine;
use crate::protocol::http::length::Length;

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// The body is written as it is. Its length was announced, or it ends with the connection.
    Plain,
    /// The body is written in the chunked coding.
    Chunked,
}

/// What happens to the connection after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The connection stays open, which is the default of HTTP/1.1.
    Open,
    /// The connection stays open, which has to be said to an HTTP/1.0 client.
    KeepAlive,
    /// The connection is closed.
    Close,
    /// The connection is used for another protocol.
    Upgrade,
}

/// Writes the head of a request, and returns how the body has to be encoded.
pub fn request(out: &mut BytesMut, line: &RequestLine<'_>, headers: &HeaderMap) -> Coding {
    out.reserve(512);
    out.put_slice(line.method.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(line.uri.path_and_query().map_or("/", |p| p.as_str()).as_bytes());
    out.put_slice(b" HTTP/1.1\r\nhost: ");
    out.put_slice(line.host.as_bytes());
    out.put_slice(b"\r\n");
    fields(out, headers);
    if let Some(forwarded) = line.forwarded {
        out.extend_from_slice(&forwarded.lines);
    }
    if let Some(traceparent) = line.traceparent {
        out.put_slice(b"traceparent: ");
        out.put_slice(traceparent.as_bytes());
        out.put_slice(b"\r\n");
    }
    match (line.upgrade, line.te_trailers) {
        (Some(protocol), _) => {
            out.put_slice(b"connection: upgrade\r\nupgrade: ");
            out.put_slice(protocol.as_bytes());
            out.put_slice(b"\r\n");
        }
        (None, true) => out.put_slice(b"connection: te\r\nte: trailers\r\n"),
        (None, false) => {}
    }
    if line.expect_continue {
        out.put_slice(b"expect: 100-continue\r\n");
    }
    let coding = match line.length {
        // RFC 9110, section 8.6: no Content-Length for methods whose requests usually have no body
        Length::Fixed(0) if !matches!(*line.method, Method::POST | Method::PUT | Method::PATCH) => Coding::Plain,
        Length::Fixed(length) => {
            content_length(out, length);
            Coding::Plain
        }
        Length::Chunked | Length::UntilClose => {
            out.put_slice(b"transfer-encoding: chunked\r\n");
            Coding::Chunked
        }
    };
    out.put_slice(b"\r\n");
    coding
}

/// Writes the head of a response. `length` is `None` when nothing has to be said about a body.
pub fn response(
    out: &mut BytesMut,
    status: StatusCode,
    headers: &HeaderMap,
    date: Option<&[u8]>,
    length: Option<Length>,
    after: After,
) {
    out.reserve(512);
    status_line(out, status);
    let dated = fields(out, headers);
    if let Some(date) = date
        && !dated
    {
        out.put_slice(b"date: ");
        out.put_slice(date);
        out.put_slice(b"\r\n");
    }
    match length {
        Some(Length::Fixed(length)) => content_length(out, length),
        Some(Length::Chunked) => out.put_slice(b"transfer-encoding: chunked\r\n"),
        Some(Length::UntilClose) | None => {}
    }
    match after {
        After::Open => {}
        After::KeepAlive => out.put_slice(b"connection: keep-alive\r\n"),
        After::Close => out.put_slice(b"connection: close\r\n"),
        After::Upgrade => out.put_slice(b"connection: upgrade\r\n"),
    }
    out.put_slice(b"\r\n");
}

/// Writes an interim (1xx) response.
pub fn interim(out: &mut BytesMut, status: StatusCode, headers: &HeaderMap) {
    status_line(out, status);
    fields(out, headers);
    out.extend_from_slice(b"\r\n");
}

/// Writes the status line. We respond as HTTP/1.1 whatever the client speaks (RFC 9110, section 6.2). The reason phrase is
/// optional, but the space before it is not (RFC 9112, section 4).
fn status_line(out: &mut BytesMut, status: StatusCode) {
    if status == StatusCode::OK {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.extend_from_slice(b" ");
    out.extend_from_slice(status.canonical_reason().unwrap_or("").as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes fields, each with its CRLF. Returns whether `Date` is among them.
pub fn fields(out: &mut BytesMut, headers: &HeaderMap) -> bool {
    let mut dated = false;
    for (name, value) in headers {
        dated |= *name == header::DATE;
        let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
        out.reserve(name.len() + value.len() + 4);
        out.put_slice(name);
        out.put_slice(b": ");
        out.put_slice(value);
        out.put_slice(b"\r\n");
    }
    dated
}

fn content_length(out: &mut BytesMut, length: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut left = length;
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.put_slice(b"content-length: ");
    out.put_slice(&digits[at..]);
    out.put_slice(b"\r\n");
}
