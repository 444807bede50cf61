//! Heads of HTTP/1 messages: from bytes to fields, strictly.
//!
//! One vectorised scan finds the ends of the lines; names and values are then verified by the types that hold them. What
//! decides over framing and over the connection is taken out while the fields are read, so that no later code can look at it
//! in another way, and so that a head without hop-by-hop fields, which is nearly every head, needs no second pass. Stricter
//! than RFC 9112 demands where leniency is how requests are smuggled: a bare LF is refused (section 2.2 allows to take it), so
//! is obs-fold (5.2), and in requests white space before the colon (5.1), which is taken out of answers. What a target may hold is in `target.rs`.

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

/// Fields of a trailer section.
const MAX_TRAILERS: usize = 32;
/// The list of a head's lines is kept for the next head unless it has grown beyond this.
const KEEP_LINES: usize = 128;

/// The head of a request.
#[derive(Debug)]
pub struct RequestHead {
    /// The request, as yet without its body. Boxed: it is large, and is passed on by everyone who has to do with it.
    pub request: Box<Request>,
    /// Whether the client lets the connection stay open after it.
    pub persists: bool,
}

/// The head of a response.
#[derive(Debug)]
pub struct ResponseHead {
    /// Its status.
    pub status: StatusCode,
    /// 1.0 or 1.1.
    pub version: Version,
    /// The fields, without hop-by-hop ones and `Content-Length`.
    pub headers: HeaderMap,
    /// `Transfer-Encoding` and `Content-Length`; what they mean depends on the request too: [`framing::response`].
    pub fields: framing::Fields,
    /// What `Connection` said.
    pub hop: Hop,
}

/// How far a head has been looked through for its end, so that one that comes byte by byte is not scanned again and again.
#[derive(Debug, Default)]
pub struct Scan {
    looked: usize,
    /// Where its lines end, so far; without the empty one.
    lines: Vec<usize>,
}

/// Takes the head of a request from the front of `buf`; `None` = there is more to come. What is refused stays in `buf`.
pub fn request(buf: &mut BytesMut, scan: &mut Scan, limits: HeadLimits) -> Result<Option<RequestHead>> {
    while scan.lines.is_empty() && buf.starts_with(b"\r\n") {
        // section 2.2: at least one empty line before a request is to be ignored
        let _ = buf.split_to(2);
        scan.looked = 0;
    }
    let Some(end) = scan.end(buf, limits.bytes, Kind::MalformedRequest, false)? else {
        if is_no_method(buf) {
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
        let behind = std::mem::replace(buf, BytesMut::from(&head[..]));
        buf.extend_from_slice(&behind);
    }
    parsed.map(Some)
}

/// Takes the head of a response from the front of `buf`; `None` = there is more to come.
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

/// Reads a trailer section, its empty line included.
pub fn trailers(bytes: &Bytes, kind: Kind) -> Result<HeaderMap> {
    let mut scan = Scan::default();
    let end = scan.end(bytes, bytes.len(), kind, false)?;
    if end != Some(bytes.len()) || scan.lines.len() > MAX_TRAILERS {
        return Err(Error::new(kind, "its trailer section is malformed"));
    }
    let mut map = HeaderMap::with_capacity(scan.lines.len());
    for line in lines(bytes, &scan.lines) {
        let (named, said) = split(line);
        let named = if kind == Kind::UpstreamMalformed { mended(named) } else { named };
        let (name, value) = (name(named, kind)?, value(bytes, said, kind)?);
        if trailers::allowed_in_trailer(&name) {
            map.append(name, value);
        }
    }
    Ok(map)
}

impl Scan {
    /// Where the head ends, its empty line included, when that is within `limit`; `bare_lf` = a line may end without CR.
    fn end(&mut self, buf: &[u8], limit: usize, kind: Kind, bare_lf: bool) -> Result<Option<usize>> {
        let window = &buf[..buf.len().min(limit)];
        let from = self.looked;
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
        self.looked = window.len();
        Ok(None)
    }

    /// Makes it ready for the next head.
    fn clear(&mut self) {
        self.looked = 0;
        self.lines.clear();
        self.lines.shrink_to(KEEP_LINES);
    }
}

/// The lines of a head that end `at` these places, without their line ends.
fn lines<'a>(head: &'a [u8], at: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut start = 0;
    at.iter().map(move |&end| {
        let line = &head[start..end - 1];
        start = end;
        // without CR only where that is allowed
        line.strip_suffix(b"\r").unwrap_or(line)
    })
}

/// `field-name ":" OWS field-value OWS`, both still unverified. White space in a name, as before the colon or in a folded line,
/// is what no name may hold.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let colon = line.iter().position(|&b| b == b':').unwrap_or(0);
    let mut value = &line[colon + 1..];
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    (&line[..colon], value)
}

/// The name of a field of an answer without white space behind it, which a proxy has to remove (RFC 9112, section 5.1): it can't deceive
/// anybody behind us, because what we pass on is written anew. Of a request it is refused: somebody before us may have read it otherwise.
fn mended(name: &[u8]) -> &[u8] {
    let mut name = name;
    while let [rest @ .., b' ' | b'\t'] = name {
        name = rest;
    }
    name
}

/// The name of a field, verified.
fn name(name: &[u8], kind: Kind) -> Result<HeaderName> {
    HeaderName::from_bytes(name).map_err(|_| Error::new(kind, "a field's name is malformed"))
}

/// Fields that are taken out of every head.
const TAKEN: [&str; 9] = [
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

/// Which of these names it is, whatever its case: one that is taken out needs no [`HeaderName`], which costs more than to know it.
fn known(name: &[u8], among: &[&'static str]) -> Option<&'static str> {
    among.iter().copied().find(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// The value of a field, verified and without a copy.
fn value(head: &Bytes, value: &[u8], kind: Kind) -> Result<HeaderValue> {
    HeaderValue::from_maybe_shared(head.slice_ref(value)).map_err(|_| bad_value(kind))
}

/// What [`value`] verifies, for a value of which no more than its meaning is kept.
fn verify(value: &[u8], kind: Kind) -> Result<()> {
    let fits = value.iter().all(|&b| b == b'\t' || (b >= b' ' && b != 0x7f));
    if fits { Ok(()) } else { Err(bad_value(kind)) }
}

fn bad_value(kind: Kind) -> Error {
    Error::new(kind, "a field's value is malformed")
}

/// What is wrong with a head of which this much, the most that is taken, is not all; what else of it is here already says nothing.
fn too_large(head: &[u8]) -> Error {
    match memchr::memchr(b'\n', head) {
        Some(_) => Error::new(Kind::HeadersTooLarge, "the head is longer than max_header_bytes"),
        None => Error::new(Kind::TargetTooLong, "the request line is longer than max_header_bytes"),
    }
}

/// Whether what begins with these bytes begins with no method: it would have ended.
fn is_no_method(head: &[u8]) -> bool {
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
        let (named, said) = split(line);
        if let Some(taken) = known(named, &TAKEN) {
            take(taken, said, KIND, &mut framing, &mut hop)?;
        } else if named.eq_ignore_ascii_case(b"host") {
            if host.replace(value(head, said, KIND)?).is_some() {
                return Err(malformed("more than one Host"));
            }
        } else if named.eq_ignore_ascii_case(b"expect") {
            expect = Some(value(head, said, KIND)?);
        } else {
            add(&mut headers, name(named, KIND)?, value(head, said, KIND)?, KIND)?;
        }
    }
    hop.finish(&mut headers);
    let persists = hop.persists(version);
    // HTTP/2 from an HTTP/1 connection was taken out of the protocol (RFC 9113, section 3.1), and let through it would be a way
    // past the routes
    let upgrade = hop.upgrade.filter(|wanted| version == Version::HTTP_11 && !has_token(wanted.as_bytes(), b"h2c"));
    let request = Box::new(Request {
        host: effective_host(&uri, host, version)?,
        length: framing::request(&framing, version)?,
        expect_continue: expectation(expect, version)?,
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
        let (named, said) = split(line);
        let named = mended(named);
        match known(named, &TAKEN) {
            Some(taken) => take(taken, said, KIND, &mut framing, &mut hop)?,
            None => add(&mut headers, name(named, KIND)?, value(head, said, KIND)?, KIND)?,
        }
    }
    hop.finish(&mut headers);
    Ok(ResponseHead { status, version, headers, fields: framing, hop })
}

/// Adds a field that is passed on; one that a backend may take for a field of framing is refused.
fn add(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue, kind: Kind) -> Result<()> {
    if length::looks_like_framing(&name) {
        return Err(Error::new(kind, "a field's name differs from one of framing by an underscore"));
    }
    headers.append(name, value);
    Ok(())
}

/// Takes one of the fields of [`TAKEN`]: what it means is kept in its place.
fn take(name: &str, value: &[u8], kind: Kind, framing: &mut framing::Fields, hop: &mut Hop) -> Result<()> {
    if !framing.take(name, value, kind)? {
        hop.take(name, value);
    }
    verify(value, kind)
}

/// Section 3.2.2: the authority of an absolute target replaces `Host`; section 3.2: a request without a `Host`, or with an
/// invalid one, is refused.
fn effective_host(uri: &Uri, host: Option<HeaderValue>, version: Version) -> Result<Option<HeaderValue>> {
    if host.is_none() && version == Version::HTTP_11 {
        return Err(malformed("no Host"));
    }
    if host.as_ref().is_some_and(|host| !is_host(host.as_bytes())) {
        return Err(malformed("Host is malformed"));
    }
    match uri.authority() {
        // section 3.2: it has to be empty where the target names none. No origin that we could pass it to is meant by that, and
        // a backend must not be told another host's name instead
        None if host.as_ref().is_some_and(HeaderValue::is_empty) => Err(malformed("Host is empty")),
        None => Ok(host),
        Some(authority) if is_host(authority.as_str().as_bytes()) => {
            HeaderValue::from_str(authority.as_str()).map(Some).map_err(|_| malformed("the target's host is malformed"))
        }
        Some(_) => Err(malformed("the target's host is malformed")),
    }
}

/// RFC 9110, section 10.1.1: the only expectation there is; any other is answered with 417, and one in HTTP/1.0 is ignored.
fn expectation(expect: Option<HeaderValue>, version: Version) -> Result<bool> {
    match expect {
        Some(_) if version == Version::HTTP_10 => Ok(false),
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"100-continue") => Ok(true),
        Some(_) => Err(Error::new(Kind::UnknownExpectation, "")),
        None => Ok(false),
    }
}
