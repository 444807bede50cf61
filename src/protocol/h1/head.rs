//! Heads of HTTP/1 messages: from bytes to fields, strictly.
//!
//! httparse does the vectorised scan. What decides over framing and over the connection is taken out while the fields are
//! read, so that no later code can look at it in another way, and so that a head without hop-by-hop fields, which is nearly
//! every head, needs no second pass. Stricter than RFC 9112 demands where leniency is how requests are smuggled: a bare LF
//! is refused (section 2.2 allows to take it), so is obs-fold (5.2) and white space before the colon (5.1).

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Uri};
use http::{Method, StatusCode, Version};

use super::framing::{self, Length};
use crate::error::{Error, Kind, Result};

/// The end of a head.
const END: &[u8] = b"\r\n\r\n";
/// Fields that fit without an allocation; a higher `max_headers` is served from the heap.
const INLINE_FIELDS: usize = 100;
/// The longest target that `http::Uri` takes.
const MAX_TARGET: usize = u16::MAX as usize - 1;

/// What `Connection` and its kin said; the fields themselves are not in the map any more.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Hop {
    /// `Connection: close`.
    pub close: bool,
    /// `Connection: keep-alive`.
    pub keep_alive: bool,
    /// The protocols of `Upgrade`, when `Connection` names it.
    pub upgrade: Option<HeaderValue>,
    /// `TE: trailers`.
    pub te_trailers: bool,
    /// Fields that `Connection` named beyond the known ones.
    named: Vec<HeaderName>,
    /// There was an `Upgrade` field, and `Connection` named it.
    names_upgrade: bool,
}

/// The head of a request.
#[derive(Debug)]
pub struct RequestHead {
    /// Its method.
    pub method: Method,
    /// The target, as sent.
    pub uri: Uri,
    /// 1.0 or 1.1.
    pub version: Version,
    /// The fields, without hop-by-hop ones, `Content-Length`, `Host` and `Expect`.
    pub headers: HeaderMap,
    /// The host (and port) that it is for: of the target when that is absolute, else of `Host`.
    pub host: Option<HeaderValue>,
    /// How long its body is.
    pub length: Length,
    /// What `Connection` said.
    pub hop: Hop,
    /// `Expect: 100-continue`.
    pub expect_continue: bool,
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

/// How far a head has been looked for its end, so that one that comes byte by byte is not scanned again and again.
#[derive(Debug, Default)]
pub struct Scan(usize);

/// What a head may be at most.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// Bytes of the whole head.
    pub bytes: usize,
    /// Number of fields.
    pub fields: usize,
}

/// Takes the head of a request from the front of `buf`; `None` = there is more to come.
pub fn request(buf: &mut BytesMut, scan: &mut Scan, limits: HeadLimits) -> Result<Option<RequestHead>> {
    while scan.0 == 0 && buf.starts_with(b"\r\n") {
        // section 2.2: at least one empty line before a request is to be ignored
        let _ = buf.split_to(2);
    }
    let Some(end) = scan.end(buf, limits.bytes, Kind::MalformedRequest)? else {
        if buf.len() >= limits.bytes {
            return Err(too_large(buf));
        }
        return Ok(None);
    };
    if end > limits.bytes {
        return Err(too_large(&buf[..end]));
    }
    let bytes = buf.split_to(end).freeze();
    *scan = Scan::default();
    with_fields(limits.fields, |fields| parse_request(&bytes, fields)).map(Some)
}

/// Takes the head of a response from the front of `buf`; `None` = there is more to come.
pub fn response(buf: &mut BytesMut, scan: &mut Scan, limits: HeadLimits) -> Result<Option<ResponseHead>> {
    let Some(end) = scan.end(buf, limits.bytes, Kind::UpstreamMalformed)? else {
        if buf.len() >= limits.bytes {
            return Err(Error::new(Kind::UpstreamHeadersTooLarge, "its head does not end within the limit"));
        }
        if !b"HTTP/1.".starts_with(&buf[..buf.len().min(7)]) {
            return Err(Error::new(Kind::UpstreamMalformed, "its answer does not start with HTTP/1."));
        }
        return Ok(None);
    };
    let bytes = buf.split_to(end).freeze();
    *scan = Scan::default();
    with_fields(limits.fields, |fields| parse_response(&bytes, fields)).map(Some)
}

/// Takes a trailer section, up to its empty line, from the front of `buf`.
pub fn trailers(bytes: &Bytes, kind: Kind) -> Result<HeaderMap> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    match httparse::parse_headers(bytes, &mut fields) {
        Ok(httparse::Status::Complete((_, fields))) => {
            let mut map = HeaderMap::with_capacity(fields.len());
            for field in fields {
                let (name, value) = convert(bytes, field, kind)?;
                if framing::allowed_in_trailer(&name) {
                    map.append(name, value);
                }
            }
            Ok(map)
        }
        _ => Err(Error::new(kind, "its trailer section is malformed")),
    }
}

impl Scan {
    fn end(&mut self, buf: &[u8], limit: usize, kind: Kind) -> Result<Option<usize>> {
        let window = &buf[..buf.len().min(limit)];
        let from = self.0.saturating_sub(END.len() - 1);
        let found = memchr::memmem::find(&window[from..], END).map(|at| from + at + END.len());
        let head = &window[from..found.unwrap_or(window.len())];
        // a line feed without its carriage return (at the very start of the window it has been looked at before)
        let bare = memchr::memchr_iter(b'\n', head).any(|at| if at == 0 { from == 0 } else { head[at - 1] != b'\r' });
        if bare {
            return Err(Error::new(kind, "a line ends in LF without CR"));
        }
        self.0 = window.len();
        Ok(found)
    }
}

fn too_large(head: &[u8]) -> Error {
    match memchr::memchr(b'\n', head) {
        Some(_) => Error::new(Kind::HeadersTooLarge, "the head is longer than max_header_bytes"),
        None => Error::new(Kind::TargetTooLong, "the request line is longer than max_header_bytes"),
    }
}

/// Runs `parse` with room for `max` fields.
fn with_fields<'a, T>(max: usize, parse: impl FnOnce(&mut [MaybeUninit<httparse::Header<'a>>]) -> T) -> T {
    if max <= INLINE_FIELDS {
        let mut fields = [const { MaybeUninit::uninit() }; INLINE_FIELDS];
        parse(&mut fields[..max])
    } else {
        let mut fields = vec![MaybeUninit::uninit(); max];
        parse(&mut fields)
    }
}

fn parse_request<'a>(bytes: &'a Bytes, fields: &mut [MaybeUninit<httparse::Header<'a>>]) -> Result<RequestHead> {
    let mut parsed = httparse::Request::new(&mut []);
    let parser = httparse::ParserConfig::default();
    match parser.parse_request_with_uninit_headers(&mut parsed, bytes, fields) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(malformed("the head ends early")),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Error::new(Kind::HeadersTooLarge, "more fields than max_headers"));
        }
        Err(httparse::Error::Version) => return Err(wrong_version(bytes)),
        Err(httparse::Error::HeaderName) => return Err(malformed("a field's name is malformed")),
        Err(httparse::Error::HeaderValue) => return Err(malformed("a field's value is malformed")),
        Err(_) => return Err(malformed("the request line is malformed")),
    }
    let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(malformed("the request line is malformed"));
    };
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| malformed("the method is malformed"))?;
    let version = if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    let uri = parse_target(bytes, target, &method)?;

    let mut hop = Hop::default();
    let mut framing = framing::Fields::default();
    let mut host: Option<HeaderValue> = None;
    let mut expect = None;
    let mut headers = HeaderMap::with_capacity(parsed.headers.len() + OURS);
    for field in parsed.headers.iter() {
        let (name, value) = convert(bytes, field, Kind::MalformedRequest)?;
        if name == header::HOST {
            if host.replace(value).is_some() {
                return Err(malformed("more than one Host"));
            }
        } else if name == header::EXPECT {
            expect = Some(value);
        } else if !framing.take(&name, &value, Kind::MalformedRequest)? && !hop.take(&name, &value) {
            headers.append(name, value);
        }
    }
    hop.finish(&mut headers);
    Ok(RequestHead {
        host: effective_host(&uri, host, version)?,
        length: framing::request(&framing, version)?,
        expect_continue: expectation(expect, version)?,
        method,
        uri,
        version,
        headers,
        hop,
    })
}

/// Fields that we add to a request ourselves: room for them, so that the map does not grow twice.
const OURS: usize = 8;

fn parse_response<'a>(bytes: &'a Bytes, fields: &mut [MaybeUninit<httparse::Header<'a>>]) -> Result<ResponseHead> {
    let broken = |detail| Error::new(Kind::UpstreamMalformed, detail);
    let mut parsed = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    match parser.parse_response_with_uninit_headers(&mut parsed, bytes, fields) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Error::new(Kind::UpstreamHeadersTooLarge, "it sent too many fields"));
        }
        _ => return Err(broken("the head of its answer is malformed")),
    }
    let status =
        parsed.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(broken("its status is malformed"))?;
    let version = if parsed.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    let mut hop = Hop::default();
    let mut framing = framing::Fields::default();
    let mut headers = HeaderMap::with_capacity(parsed.headers.len() + 2);
    for field in parsed.headers.iter() {
        let (name, value) = convert(bytes, field, Kind::UpstreamMalformed)?;
        if !framing.take(&name, &value, Kind::UpstreamMalformed)? && !hop.take(&name, &value) {
            headers.append(name, value);
        }
    }
    hop.finish(&mut headers);
    Ok(ResponseHead { status, version, headers, fields: framing, hop })
}

fn malformed(detail: &'static str) -> Error {
    Error::new(Kind::MalformedRequest, detail)
}

/// A version that is well formed but not ours is 505; anything else (HTTP/0.9 has none at all) is malformed.
fn wrong_version(bytes: &[u8]) -> Error {
    let line = bytes.split(|&b| b == b'\r').next().unwrap_or_default();
    let version = line.rsplit(|&b| b == b' ').next().unwrap_or_default();
    match version {
        // ours, so it is what stands before it that is wrong
        b"HTTP/1.0" | b"HTTP/1.1" => malformed("the request line is malformed"),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Error::new(Kind::UnsupportedVersion, "only HTTP/1.0, 1.1 and 2 are spoken")
        }
        _ => malformed("the request line has no HTTP version"),
    }
}

/// The four forms of RFC 9112, section 3.2: origin, absolute, and asterisk; authority is for CONNECT, which a reverse proxy
/// does not serve.
fn parse_target(bytes: &Bytes, target: &str, method: &Method) -> Result<Uri> {
    if target.len() > MAX_TARGET {
        return Err(Error::new(Kind::TargetTooLong, "the target is longer than 65,534 bytes"));
    }
    if *method == Method::CONNECT {
        return Err(malformed("CONNECT is not served"));
    }
    if target.contains('#') {
        return Err(malformed("a fragment in the target"));
    }
    let bytes = bytes.slice_ref(target.as_bytes());
    let target_error = |_| malformed("the target is malformed");
    if target.starts_with('/') {
        let path = PathAndQuery::from_maybe_shared(bytes).map_err(target_error)?;
        let mut parts = http::uri::Parts::default();
        parts.path_and_query = Some(path);
        return Uri::from_parts(parts).map_err(|_| malformed("the target is malformed"));
    }
    let uri = Uri::from_maybe_shared(bytes).map_err(target_error)?;
    let absolute = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|h| !h.is_empty());
    if absolute || (target == "*" && *method == Method::OPTIONS) {
        return Ok(uri);
    }
    Err(malformed("the target is neither a path nor an http URI"))
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
        None => Ok(host),
        Some(authority) if is_host(authority.as_str().as_bytes()) => {
            HeaderValue::from_str(authority.as_str()).map(Some).map_err(|_| malformed("the target's host is malformed"))
        }
        Some(_) => Err(malformed("the target's host is malformed")),
    }
}

/// `uri-host [ ":" port ]` of RFC 9110, section 7.2: a registered name, an IPv4 address, or an IP literal in brackets. Empty is
/// allowed.
pub fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host {
        [b'[', ..] => match host.iter().position(|&b| b == b']') {
            Some(end) => (&host[..=end], &host[end + 1..]),
            None => return false,
        },
        _ => host.split_at(host.iter().position(|&b| b == b':').unwrap_or(host.len())),
    };
    let name_fits = match name {
        [b'[', inner @ .., b']'] => {
            !inner.is_empty() && inner.iter().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'))
        }
        _ => name.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(b)),
    };
    name_fits && (port.is_empty() || (port[0] == b':' && port[1..].iter().all(u8::is_ascii_digit) && port.len() <= 6))
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

fn convert(bytes: &Bytes, field: &httparse::Header<'_>, kind: Kind) -> Result<(HeaderName, HeaderValue)> {
    let name =
        HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Error::new(kind, "a field's name is malformed"))?;
    let value = HeaderValue::from_maybe_shared(bytes.slice_ref(field.value))
        .map_err(|_| Error::new(kind, "a field's value is malformed"))?;
    Ok((name, value))
}

impl Hop {
    /// Takes a hop-by-hop field (RFC 9110, section 7.6.1); `false` = it is not one.
    fn take(&mut self, name: &HeaderName, value: &HeaderValue) -> bool {
        if name == header::CONNECTION {
            self.connection(value.as_bytes());
        } else if name == header::UPGRADE {
            self.upgrade = Some(value.clone());
        } else if name == header::TE {
            self.te_trailers |= has_token(value.as_bytes(), b"trailers");
        } else {
            return name == header::PROXY_AUTHORIZATION
                || name == header::PROXY_AUTHENTICATE
                || name.as_str() == "keep-alive"
                || name.as_str() == "proxy-connection";
        }
        true
    }

    fn connection(&mut self, value: &[u8]) {
        for token in tokens(value) {
            if token.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if token.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if token.eq_ignore_ascii_case(b"upgrade") {
                self.names_upgrade = true;
            } else if !token.eq_ignore_ascii_case(b"te")
                && let Ok(name) = HeaderName::from_bytes(token)
            {
                self.named.push(name);
            }
        }
    }

    /// After the last field: removes what `Connection` named.
    fn finish(&mut self, headers: &mut HeaderMap) {
        for name in self.named.drain(..) {
            headers.remove(name);
        }
        if !self.names_upgrade {
            self.upgrade = None;
        }
    }

    /// Whether the connection stays open after this message, as far as its sender is concerned (RFC 9112, section 9.3).
    pub fn persists(&self, version: Version) -> bool {
        !self.close && (version == Version::HTTP_11 || self.keep_alive)
    }
}

/// The comma-separated elements of a field's value.
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// Whether `wanted` is among the elements, parameters aside.
pub fn has_token(value: &[u8], wanted: &[u8]) -> bool {
    tokens(value).any(|t| t.split(|&b| b == b';').next().is_some_and(|t| t.trim_ascii().eq_ignore_ascii_case(wanted)))
}
