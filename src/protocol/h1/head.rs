//! Parses the heads of HTTP/1 messages strictly.
//!
//! One vectorised scan finds the ends of the lines; names and values are then verified by the types that hold them. Fields that
//! decide over framing and over the connection are taken out while the head is read, so that no later code can interpret them
//! differently, and so that a head without hop-by-hop fields, as nearly all are, needs no second pass. We are stricter than RFC
//! 9112 demands where leniency allows request smuggling: a bare LF is refused (section 2.2 allows to accept it), and so are
//! obs-fold (5.2) and, in requests, white space before the colon (5.1), which is removed from responses. What a target may
//! contain is in `target.rs`.

#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::Uri;
use http::{StatusCode, Version};

use super::framing;
use super::hop::{Hop, has_token};
use super::{malformed, start_line};
use crate::error::{Error, Kind, Result};
use crate::protocol::http::target::{MAX_METHOD, is_host};
use crate::protocol::http::{HeadLimits, Leniency, Request, RequestBody, Upgrade, length, trailers};

/// The most fields of a trailer section.
const MAX_TRAILERS: usize = 32;
/// The list of line ends is kept for the next head, unless its capacity has grown beyond this number.
const KEEP_LINES: usize = 128;

/// The head of a request.
#[derive(Debug)]
pub struct RequestHead {
    /// The request, without its body. Boxed, because it is large and is moved many times.
    pub request: Box<Request>,
    /// Whether the connection may stay open after the request, as far as the client is concerned.
    pub persists: bool,
}

/// The head of a response.
#[derive(Debug)]
pub struct ResponseHead {
    /// The status.
    pub status: StatusCode,
    /// The version, 1.0 or 1.1.
    pub version: Version,
    /// The fields, without hop-by-hop ones and `Content-Length`.
    pub headers: HeaderMap,
    /// What `Transfer-Encoding` and `Content-Length` say. The length of the body depends on the request too: see
    /// [`framing::response`].
    pub fields: framing::Fields,
    /// What the hop-by-hop fields say.
    pub hop: Hop,
}

/// How far a head was searched for its end, so that a head which arrives byte by byte is not scanned again and again.
#[derive(Debug, Default)]
pub struct Scan {
    searched: usize,
    /// The offsets after each line that was found so far; the empty line is not among them.
    lines: Vec<usize>,
}

/// Removes the head of a request from the front of `buf`; `None` when it is not complete. A head that is refused stays in `buf`,
/// for the access log.
///
/// # Errors
///
/// The head is malformed, or larger than `limits` allows.
pub fn request(buf: &mut BytesMut, scan: &mut Scan, limits: HeadLimits) -> Result<Option<RequestHead>> {
    while scan.lines.is_empty() && buf.starts_with(b"\r\n") {
        // section 2.2: a server should ignore at least one empty line before a request
        let _ = buf.split_to(2);
        scan.searched = 0;
    }
    let Some(end) = scan.end(buf, limits.bytes, Kind::MalformedRequest, false)? else {
        if has_no_method(buf) {
            return Err(malformed("the method does not end"));
        }
        if buf.len() >= limits.bytes {
            return Err(too_large(&buf[..limits.bytes]));
        }
        return Ok(None);
    };
    if scan.lines.len() > limits.fields + 1 {
        return Err(Error::new(Kind::HeadersTooLarge, "more fields than max_headers"));
    }
    let head = buf.split_to(end).freeze();
    let parsed = parse_request(&head, &scan.lines, limits.leniency);
    scan.clear();
    if parsed.is_err() {
        let following = std::mem::replace(buf, BytesMut::from(&head[..]));
        buf.extend_from_slice(&following);
    }
    parsed.map(Some)
}

/// Removes the head of a response from the front of `buf`; `None` when it is not complete.
///
/// # Errors
///
/// The head is malformed, or larger than `limits` allows.
pub fn response(buf: &mut BytesMut, scan: &mut Scan, limits: HeadLimits) -> Result<Option<ResponseHead>> {
    let Some(end) = scan.end(buf, limits.bytes, Kind::UpstreamMalformed, limits.leniency.bare_lf)? else {
        if buf.len() >= limits.bytes {
            return Err(Error::new(Kind::UpstreamHeadersTooLarge, "its head does not end within the limit"));
        }
        if !b"HTTP/1.".starts_with(&buf[..buf.len().min(7)]) {
            return Err(Error::new(Kind::UpstreamMalformed, "its answer does not start with HTTP/1."));
        }
        return Ok(None);
    };
    if scan.lines.len() > limits.fields + 1 {
        return Err(Error::new(Kind::UpstreamHeadersTooLarge, "it sent too many fields"));
    }
    let head = parse_response(&buf.split_to(end).freeze(), &scan.lines);
    scan.clear();
    head.map(Some)
}

/// Parses a trailer section, which ends with its empty line.
///
/// # Errors
///
/// An error of `kind` when it is malformed.
pub fn trailers(bytes: &Bytes, kind: Kind) -> Result<HeaderMap> {
    let mut scan = Scan::default();
    let end = scan.end(bytes, bytes.len(), kind, false)?;
    if end != Some(bytes.len()) || scan.lines.len() > MAX_TRAILERS {
        return Err(Error::new(kind, "its trailer section is malformed"));
    }
    let mut map = HeaderMap::with_capacity(scan.lines.len());
    for line in lines(bytes, &scan.lines) {
        let (named, text) = split(line);
        let named = if kind == Kind::UpstreamMalformed { trim_name(named) } else { named };
        let (name, value) = (name(named, kind)?, value(bytes, text, kind)?);
        if trailers::allowed_in_trailer(&name) {
            map.append(name, value);
        }
    }
    Ok(map)
}

impl Scan {
    /// The offset after the head's empty line, when that is within `limit`. With `bare_lf` a line may end without CR.
    fn end(&mut self, buf: &[u8], limit: usize, kind: Kind, bare_lf: bool) -> Result<Option<usize>> {
        let window = &buf[..buf.len().min(limit)];
        let from = self.searched;
        if from == window.len() {
            return Ok(None);
        }
        for at in memchr::memchr_iter(b'\n', &window[from..]) {
            let at = from + at;
            let start = self.lines.last().copied().unwrap_or(0);
            let bare = at == start || window[at - 1] != b'\r';
            if bare && !bare_lf {
                return Err(Error::new(kind, "a line ends in LF without CR"));
            }
            if at + usize::from(bare) == start + 1 {
                return Ok(Some(at + 1));
            }
            self.lines.push(at + 1);
        }
        self.searched = window.len();
        Ok(None)
    }

    /// Prepares for the next head.
    fn clear(&mut self) {
        self.searched = 0;
        self.lines.clear();
        self.lines.shrink_to(KEEP_LINES);
    }
}

/// The lines of a head, without their line ends. `at` has the offset after each.
fn lines<'a>(head: &'a [u8], at: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut start = 0;
    at.iter().map(move |&end| {
        let line = &head[start..end - 1];
        start = end;
        // a line without CR gets here only when that is allowed
        line.strip_suffix(b"\r").unwrap_or(line)
    })
}

/// Splits a line into name and value, both still unverified: `field-name ":" OWS field-value OWS`. White space that belongs to
/// the name, before the colon or in a folded line, is refused later because no name may contain it.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let colon = line.iter().position(|&b| b == b':').unwrap_or(0);
    let mut value = &line[colon + 1..];
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    (&line[..colon], value)
}

/// Removes white space from the end of a name, as a proxy has to do in responses (RFC 9112, section 5.1). This can't mislead
/// programs behind us, because what we pass on is written anew. In requests such a name is refused, because a program before us
/// may have read it differently.
fn trim_name(name: &[u8]) -> &[u8] {
    let mut name = name;
    while let [rest @ .., b' ' | b'\t'] = name {
        name = rest;
    }
    name
}

/// The verified name of a field.
fn name(name: &[u8], kind: Kind) -> Result<HeaderName> {
    HeaderName::from_bytes(name).map_err(|_| Error::new(kind, "a field's name is malformed"))
}

/// The fields that are taken out of every head.
const TAKEN_OUT: [&str; 9] = [
    "connection",
    "content-length",
    "transfer-encoding",
    "keep-alive",
    "upgrade",
    "te",
    "proxy-connection",
    "proxy-authorization",
    "proxy-authenticate",
];

/// Which of the names in `among` this is, ignoring case. A field that is taken out does not need a [`HeaderName`], which costs
/// more than this comparison.
fn known(name: &[u8], among: &[&'static str]) -> Option<&'static str> {
    among.iter().copied().find(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// The verified value of a field, without a copy.
fn value(head: &Bytes, value: &[u8], kind: Kind) -> Result<HeaderValue> {
    HeaderValue::from_maybe_shared(head.slice_ref(value)).map_err(|_| bad_value(kind))
}

/// The same check as [`value`] makes, for a value that is not kept as it is.
fn verify(value: &[u8], kind: Kind) -> Result<()> {
    let fits = value.iter().all(|&b| b == b'\t' || (b >= b' ' && b != 0x7f));
    if fits { Ok(()) } else { Err(bad_value(kind)) }
}

fn bad_value(kind: Kind) -> Error {
    Error::new(kind, "a field's value is malformed")
}

/// The error for a head that is not complete within the limit, of which `head` are the first bytes. It depends on whether the
/// request line alone is too long.
fn too_large(head: &[u8]) -> Error {
    match memchr::memchr(b'\n', head) {
        Some(_) => Error::new(Kind::HeadersTooLarge, "the head is longer than max_header_bytes"),
        None => Error::new(Kind::TargetTooLong, "the request line is longer than max_header_bytes"),
    }
}

/// Whether these first bytes of a head don't begin with a method, because a method would have ended by now.
fn has_no_method(head: &[u8]) -> bool {
    head.len() > MAX_METHOD && memchr::memchr(b' ', &head[..=MAX_METHOD]).is_none()
}

fn parse_request(head: &Bytes, at: &[usize], leniency: Leniency) -> Result<RequestHead> {
    const KIND: Kind = Kind::MalformedRequest;
    let mut lines = lines(head, at);
    let (method, uri, version) = start_line::request(head, lines.next().unwrap_or_default(), leniency)?;
    let mut hop = Hop::default();
    let mut framing = framing::Fields::default();
    let mut host: Option<HeaderValue> = None;
    let mut expect = None;
    let mut headers = HeaderMap::with_capacity(at.len());
    for line in lines {
        let (named, text) = split(line);
        if let Some(taken) = known(named, &TAKEN_OUT) {
            take(taken, text, KIND, &mut framing, &mut hop)?;
        } else if named.eq_ignore_ascii_case(b"host") {
            if host.replace(value(head, text, KIND)?).is_some() {
                return Err(malformed("more than one Host"));
            }
        } else if named.eq_ignore_ascii_case(b"expect") {
            expect = Some(value(head, text, KIND)?);
        } else {
            add(&mut headers, name(named, KIND)?, value(head, text, KIND)?, KIND)?;
        }
    }
    hop.finish(&mut headers);
    let persists = hop.persists(version);
    // a switch to HTTP/2 by Upgrade was taken out of the protocol (RFC 9113, section 3.1); passed on, it would let a client speak
    // to the backend past our routes
    let upgrade = hop.upgrade.filter(|wanted| version == Version::HTTP_11 && !has_token(wanted.as_bytes(), b"h2c"));
    let request = Box::new(Request {
        host: effective_host(&uri, host, version)?,
        length: framing::request(&framing, version)?,
        expect_continue: expects_continue(expect, version)?,
        method,
        uri,
        version,
        headers,
        body: RequestBody::Empty,
        upgrade: upgrade.map(Upgrade::Field),
        te_trailers: hop.te_trailers,
        forwarded: None,
        interim: None,
        presence: None,
    });
    Ok(RequestHead { request, persists })
}

fn parse_response(head: &Bytes, at: &[usize]) -> Result<ResponseHead> {
    const KIND: Kind = Kind::UpstreamMalformed;
    let mut lines = lines(head, at);
    let (status, version) = start_line::status(lines.next().unwrap_or_default())
        .ok_or(Error::new(KIND, "the first line of its answer is malformed"))?;
    let mut hop = Hop::default();
    let mut framing = framing::Fields::default();
    let mut headers = HeaderMap::with_capacity(at.len());
    for line in lines {
        let (named, text) = split(line);
        let named = trim_name(named);
        match known(named, &TAKEN_OUT) {
            Some(taken) => take(taken, text, KIND, &mut framing, &mut hop)?,
            None => add(&mut headers, name(named, KIND)?, value(head, text, KIND)?, KIND)?,
        }
    }
    hop.finish(&mut headers);
    Ok(ResponseHead { status, version, headers, fields: framing, hop })
}

/// Adds a field that is passed on. A name that a backend may take for a framing field is refused.
fn add(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue, kind: Kind) -> Result<()> {
    if length::looks_like_framing(&name) {
        return Err(Error::new(kind, "a field's name differs from one of framing by an underscore"));
    }
    headers.append(name, value);
    Ok(())
}

/// Takes in one of the fields of [`TAKEN_OUT`], and keeps what it means.
fn take(name: &str, value: &[u8], kind: Kind, framing: &mut framing::Fields, hop: &mut Hop) -> Result<()> {
    if !framing.take(name, value, kind)? {
        hop.take(name, value);
    }
    verify(value, kind)
}

/// The host that a request is for. Section 3.2.2: the authority of an absolute target replaces `Host`. Section 3.2: a request
/// without `Host`, or with an invalid one, is refused.
fn effective_host(uri: &Uri, host: Option<HeaderValue>, version: Version) -> Result<Option<HeaderValue>> {
    if host.is_none() && version == Version::HTTP_11 {
        return Err(malformed("no Host"));
    }
    if host.as_ref().is_some_and(|host| !is_host(host.as_bytes())) {
        return Err(malformed("Host is malformed"));
    }
    match uri.authority() {
        // section 3.2: Host has to be empty when the target has no authority. We have no backend for such a request, and must not
        // give it another host's name
        None if host.as_ref().is_some_and(HeaderValue::is_empty) => Err(malformed("Host is empty")),
        None => Ok(host),
        Some(authority) if is_host(authority.as_str().as_bytes()) => {
            HeaderValue::from_str(authority.as_str()).map(Some).map_err(|_| malformed("the target's host is malformed"))
        }
        Some(_) => Err(malformed("the target's host is malformed")),
    }
}

/// Whether the client expects a 100. That is the only expectation that RFC 9110, section 10.1.1, defines; any other is answered
/// with 417. In HTTP/1.0 the field is ignored.
fn expects_continue(expect: Option<HeaderValue>, version: Version) -> Result<bool> {
    match expect {
        Some(_) if version == Version::HTTP_10 => Ok(false),
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"100-continue") => Ok(true),
        Some(_) => Err(Error::new(Kind::UnknownExpectation, "")),
        None => Ok(false),
    }
}
