//! The head of a request on an HTTP/2 stream: making a [`Request`] from a field block, by the rules of RFC 9113, section 8.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{self, PathAndQuery, Uri};
use http::{Method, Version};

use crate::error::{Error, Kind};
use crate::policy::RequestLimits;
use crate::protocol::h2::connection_fields::forbidden;
use crate::protocol::h2::hpack::{Field, Pseudo};
use crate::protocol::http::fields;
use crate::protocol::http::length::{self, Length};
use crate::protocol::http::partial::Partial;
use crate::protocol::http::target::{self, MAX_METHOD, MAX_TARGET, is_host};
use crate::protocol::http::trailers;
use crate::protocol::http::{Request, RequestBody, Upgrade};

/// Collects the fields of a block.
#[derive(Debug)]
pub struct Fields {
    method: Option<HeaderValue>,
    scheme: Option<HeaderValue>,
    authority: Option<HeaderValue>,
    path: Option<HeaderValue>,
    protocol: Option<HeaderValue>,
    headers: HeaderMap,
    /// Whether a regular field has come, after which pseudo-header fields are not allowed.
    has_regular: bool,
    count: usize,
    malformed: Option<&'static str>,
    /// The size of the list in bytes, as RFC 9113, section 6.5.2, counts it.
    size: usize,
    limits: (usize, usize),
    /// What is wrong with the request, when that is answered with a 400 and not with a reset.
    refused: Option<&'static str>,
}

/// Why a field block did not become a request.
#[derive(Debug)]
pub enum Refused {
    /// The block violates HTTP/2, so its stream is reset.
    Malformed(Error),
    /// The request gets an error response.
    Answered(Error),
}

impl Fields {
    /// A collector without fields.
    pub fn new(limits: &RequestLimits) -> Self {
        Self {
            method: None,
            scheme: None,
            authority: None,
            path: None,
            protocol: None,
            headers: HeaderMap::with_capacity(8),
            has_regular: false,
            count: 0,
            malformed: None,
            size: 0,
            limits: (limits.max_header_bytes, limits.max_headers),
            refused: None,
        }
    }

    /// Adds the next field. `size` is what it counts in the size of the list. A field beyond the limits is not kept. Clients may
    /// send each cookie as a field of its own (RFC 9113, section 8.2.3); all of these count as one field, but with all their
    /// bytes.
    pub fn take(&mut self, field: Field, size: usize) {
        self.size = self.size.saturating_add(size);
        if let Field::Pseudo(Pseudo::Method, method) = &field
            && method.len() > MAX_METHOD
        {
            // checked before the limits, because this is an error within them, too
            self.refused = Some(":method is too long");
        }
        if self.malformed.is_some() || self.size > self.limits.0 {
            return;
        }
        match field {
            Field::Plain(name, value) => {
                self.has_regular = true;
                let is_crumb = name == header::COOKIE && self.headers.contains_key(header::COOKIE);
                self.count += usize::from(!is_crumb);
                if let Some(broken) = forbidden(&name, &value) {
                    self.malformed = Some(broken);
                } else if length::looks_like_framing(&name) {
                    self.refused = Some("a field's name differs from one of framing by an underscore");
                } else if self.count <= self.limits.1 {
                    self.headers.append(name, value);
                }
            }
            Field::Pseudo(name, value) => self.pseudo(name, value),
            Field::Malformed => self.malformed = Some("a field's name or value is malformed"),
        }
    }

    fn pseudo(&mut self, name: Pseudo, value: HeaderValue) {
        let place = match name {
            Pseudo::Method => &mut self.method,
            Pseudo::Scheme => &mut self.scheme,
            Pseudo::Authority => &mut self.authority,
            Pseudo::Path => &mut self.path,
            Pseudo::Protocol => &mut self.protocol,
            Pseudo::Status => {
                self.malformed = Some("a pseudo-header field of answers");
                return;
            }
        };
        if self.has_regular {
            self.malformed = Some("a pseudo-header field after others");
        } else if place.replace(value).is_some() {
            self.malformed = Some("a pseudo-header field twice");
        }
    }

    /// The fields as a trailer section; `None` when they are not a valid one.
    pub fn trailers(self) -> Option<HeaderMap> {
        let pseudo = [&self.method, &self.scheme, &self.authority, &self.path, &self.protocol];
        if self.malformed.is_some() || self.is_too_large() || pseudo.iter().any(|field| field.is_some()) {
            return None;
        }
        Some(trailers::as_trailers(self.headers))
    }

    /// The method that an error response to this block has to assume: a response to HEAD has no body, whatever else is wrong.
    pub fn method_for_refusal(&self) -> Method {
        match &self.method {
            Some(method) if method == "HEAD" => Method::HEAD,
            _ => Method::GET,
        }
    }

    /// The parts that can be logged when the request is refused.
    pub fn partial(&self) -> Partial<'_> {
        let field = |name| self.headers.get(name).map(HeaderValue::as_bytes);
        Partial {
            method: self.method.as_ref().map(HeaderValue::as_bytes),
            target: self.path.as_ref().map(HeaderValue::as_bytes),
            protocol: Some(b"HTTP/2"),
            host: self.authority.as_ref().map(HeaderValue::as_bytes).or_else(|| field(header::HOST)),
            referer: field(header::REFERER),
            user_agent: field(header::USER_AGENT),
            accept: field(header::ACCEPT),
        }
    }

    fn is_too_large(&self) -> bool {
        self.size > self.limits.0 || self.count > self.limits.1
    }

    /// The request without its body, and the value of `content-length`. `ended` says that there is no body.
    pub fn request(&mut self, limits: &RequestLimits, ended: bool) -> Result<(Box<Request>, Option<u64>), Refused> {
        if let Some(detail) = self.malformed {
            return Err(malformed(detail));
        }
        if let Some(detail) = self.refused {
            return Err(bad_request(detail));
        }
        if self.is_too_large() {
            let detail = "more fields than max_headers, or more bytes than max_header_bytes";
            return Err(Refused::Answered(Error::new(Kind::HeadersTooLarge, detail)));
        }
        let announced = self.announced(ended)?;
        let (method, uri) = self.target(limits)?;
        let upgrade = match (&method, self.protocol.take()) {
            (&Method::CONNECT, Some(protocol)) => Some(Upgrade::Connect(verify_protocol(protocol)?)),
            (&Method::CONNECT, None) => return Err(bad_request("CONNECT is not served")),
            (_, Some(_)) => return Err(malformed(":protocol without CONNECT")),
            (_, None) => None,
        };
        let host = self.host()?;
        let headers = &mut self.headers;
        fields::join_cookies(headers);
        headers.remove(header::PROXY_AUTHORIZATION);
        let te_trailers = headers.remove(header::TE).is_some();
        let expects = headers.remove(header::EXPECT);
        let length = match (ended || upgrade.is_some(), announced) {
            (true, _) => Length::Fixed(0),
            (false, Some(length)) => Length::Fixed(length),
            (false, None) => Length::Chunked,
        };
        if limits.max_body != 0 && matches!(length, Length::Fixed(length) if length > limits.max_body) {
            self.authority = Some(host);
            let error = Error::new(Kind::BodyTooLarge, "content-length is above limits.max_body");
            return Err(Refused::Answered(error));
        }
        let expect_continue = match expects {
            Some(expects) if expects.as_bytes().eq_ignore_ascii_case(b"100-continue") => length != Length::Fixed(0),
            Some(_) => {
                self.authority = Some(host);
                return Err(Refused::Answered(Error::new(Kind::UnknownExpectation, "")));
            }
            None => false,
        };
        let request = Request {
            method,
            uri,
            version: Version::HTTP_2,
            host: Some(host),
            headers: std::mem::take(&mut self.headers),
            body: RequestBody::Empty,
            length,
            upgrade,
            te_trailers,
            expect_continue,
            forwarded: None,
            interim: None,
            presence: None,
        };
        Ok((Box::new(request), announced))
    }

    /// Removes `content-length` and returns its value. All values must be the same number, and it must be 0 if there is no body
    /// (section 8.1.1).
    fn announced(&mut self, ended: bool) -> Result<Option<u64>, Refused> {
        let mut announced = None;
        for value in self.headers.get_all(header::CONTENT_LENGTH) {
            let number = length::parse_length(value.as_bytes());
            let number = number.ok_or_else(|| malformed("content-length is not a number"))?;
            if announced.replace(number).is_some_and(|before| before != number) {
                return Err(malformed("two different values of content-length"));
            }
        }
        if announced.is_some() {
            self.headers.remove(header::CONTENT_LENGTH);
        }
        if ended && announced.is_some_and(|length| length > 0) {
            return Err(malformed("content-length announces a body, and there is none"));
        }
        Ok(announced)
    }

    /// The method and URI from `:method`, `:scheme` and `:path` (section 8.3.1).
    fn target(&self, limits: &RequestLimits) -> Result<(Method, Uri), Refused> {
        let method = self.method.as_ref().ok_or_else(|| malformed("no :method"))?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| malformed(":method is malformed"))?;
        let (scheme, path) = match (&self.scheme, &self.path) {
            (Some(scheme), Some(path)) => (scheme, path),
            // section 8.5: a CONNECT without :protocol has neither
            (None, None) if method == Method::CONNECT && self.protocol.is_none() => {
                return Ok((method, Uri::default()));
            }
            _ => return Err(malformed("no :scheme, or no :path")),
        };
        if method == Method::CONNECT && self.protocol.is_none() {
            return Err(malformed("CONNECT with :scheme and :path"));
        }
        if !is_scheme(scheme.as_bytes()) {
            return Err(malformed(":scheme is malformed"));
        }
        if let Some(objection) = target::objection(path.as_bytes(), limits.allow_encoded_controls) {
            return Err(bad_request(objection));
        }
        Ok((method.clone(), parse_path(path, &method)?))
    }

    /// The host from `:authority`, or from `Host` when that is missing. If both are there they must be the same (section 8.3.1).
    fn host(&mut self) -> Result<HeaderValue, Refused> {
        let mut fields = self.headers.get_all(header::HOST).iter();
        if let (Some(_), Some(_)) = (fields.next(), fields.next()) {
            return Err(bad_request("more than one Host"));
        }
        let field = self.headers.remove(header::HOST);
        if let (Some(authority), Some(field)) = (&self.authority, &field)
            && !authority.as_bytes().eq_ignore_ascii_case(field.as_bytes())
        {
            return Err(bad_request("Host is not :authority"));
        }
        match self.authority.take().or(field) {
            Some(host) if !is_host(host.as_bytes()) => Err(bad_request("its host is malformed")),
            Some(host) if host.is_empty() => Err(bad_request("its host is empty")),
            Some(host) => Ok(host),
            None => Err(bad_request("neither :authority nor Host")),
        }
    }
}

/// Verifies `:protocol`. It is one token of the Upgrade registry (RFC 8441, section 4) and may be sent to a backend as `Upgrade`
/// over HTTP/1, where a list would mean several protocols. HTTP/2 in a tunnel is refused, because it would let a client speak to
/// the backend past our routes.
fn verify_protocol(protocol: HeaderValue) -> Result<HeaderValue, Refused> {
    let bytes = protocol.as_bytes();
    // the name of a field has the grammar of a token, so that type's parser is used
    if HeaderName::from_bytes(bytes).is_err() {
        return Err(malformed(":protocol is malformed"));
    }
    match bytes.eq_ignore_ascii_case(b"h2c") || bytes.eq_ignore_ascii_case(b"h2") {
        true => Err(bad_request("HTTP/2 within a stream is not served")),
        false => Ok(protocol),
    }
}

/// Whether this is a scheme: RFC 3986, section 3.1.
fn is_scheme(scheme: &[u8]) -> bool {
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// Parses a path and query, or the `*` of OPTIONS.
fn parse_path(path: &HeaderValue, method: &Method) -> Result<Uri, Refused> {
    let bytes = path.as_bytes();
    let whole = bytes.first() == Some(&b'/') || (bytes == b"*" && *method == Method::OPTIONS);
    if !whole || bytes.iter().any(|&b| b <= b' ' || b == b'#' || b == 0x7f) {
        return Err(malformed(":path is malformed"));
    }
    if bytes.len() > MAX_TARGET {
        return Err(Refused::Answered(Error::new(Kind::TargetTooLong, "the target is longer than 65,534 bytes")));
    }
    let broken = |_| malformed(":path is malformed");
    let path = match bytes {
        b"/" => PathAndQuery::from_static("/"),
        _ => PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(bytes)).map_err(broken)?,
    };
    let mut parts = uri::Parts::default();
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).map_err(|_| malformed(":path is malformed"))
}

fn malformed(detail: &'static str) -> Refused {
    Refused::Malformed(Error::new(Kind::MalformedRequest, detail))
}

fn bad_request(detail: &'static str) -> Refused {
    Refused::Answered(Error::new(Kind::MalformedRequest, detail))
}

#[cfg(test)]
mod tests;
