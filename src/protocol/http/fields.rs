//! The fields that a proxy writes itself: `Date`, `Via`, `Forwarded` and its older relatives `X-Forwarded-*`.

use std::cell::{OnceCell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::SystemTime;

use bytes::{BufMut, Bytes, BytesMut};
use http::Version;
use http::header::{self, Entry, HeaderMap, HeaderName, HeaderValue};

use crate::timer::Timers;

/// `X-Forwarded-For`
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// `X-Forwarded-Proto`
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// `X-Forwarded-Host`
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// `Proxy-Status` (RFC 9209)
pub const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// `X-Evenkeel-Mirror`: tells a backend that the request is a copy, whose answer nobody reads.
pub const MIRROR: HeaderName = HeaderName::from_static("x-evenkeel-mirror");

/// `Client-Cert` and `Client-Cert-Chain` (RFC 9440)
pub const CLIENT_CERTIFICATE: [HeaderName; 2] =
    [HeaderName::from_static("client-cert"), HeaderName::from_static("client-cert-chain")];

/// The value of `Date`, shared by all connections of a worker and formatted anew once a timer tick at most.
#[derive(Debug, Clone, Default)]
pub struct Date(Rc<RefCell<CachedDate>>);

/// The formatted date, and the tick of the worker's timers at which it was formatted.
#[derive(Debug, Default)]
struct CachedDate {
    tick: Option<u64>,
    text: [u8; 29],
}

impl Date {
    /// The time as an HTTP date (RFC 9110, section 5.6.7).
    pub fn now(&self, timers: &Timers) -> [u8; 29] {
        let mut cached = self.0.borrow_mut();
        let tick = timers.now();
        if cached.tick != Some(tick) {
            cached.tick = Some(tick);
            let text = httpdate::fmt_http_date(SystemTime::now());
            if let Ok(text) = text.as_bytes().try_into() {
                cached.text = text;
            }
        }
        cached.text
    }
}

/// What is told to backends about a client. It is the same for all requests of a connection, so it is made once for each
/// connection.
#[derive(Debug)]
pub struct Client {
    /// The client's address; `None` over a Unix socket.
    pub address: Option<IpAddr>,
    /// Whether this client is itself a proxy that we trust, so that what it says about earlier hops is passed on.
    pub trusted: bool,
    proto: &'static str,
    /// The fields made for the host that was asked for last.
    forwarded: RefCell<Option<Rc<Forwarded>>>,
}

/// The fields that tell a backend where a request came from, for a request that arrived with none of them.
#[derive(Debug)]
pub struct Forwarded {
    /// The fields as HTTP/1 text, each line with its CRLF.
    pub lines: Bytes,
    /// The same fields as a map, for HTTP/2. It is made when first needed, because few backends speak HTTP/2.
    fields: OnceCell<Box<HeaderMap>>,
    host: Option<HeaderValue>,
    via: Option<Version>,
}

impl Client {
    /// A client at `address`, over TLS or not.
    pub fn new(address: Option<IpAddr>, tls: bool, trusted: bool) -> Self {
        Self {
            address: address.map(|a| a.to_canonical()),
            trusted,
            proto: if tls { "https" } else { "http" },
            forwarded: RefCell::new(None),
        }
    }

    /// Whether it came over TLS.
    pub fn is_tls(&self) -> bool {
        self.proto == "https"
    }

    /// Drops the fields by which a client could say what is the proxy's to say. These are `X-Forwarded-*` with any ending, unless
    /// the client is trusted. From any client they are also names that differ only by `_` in place of `-` (or the other way
    /// round) from one of `X-Forwarded-*`, or from one of `changed`, the fields that the route sets or removes. When no name
    /// looks suspect this costs one walk through the names.
    pub fn sift(&self, headers: &mut HeaderMap, changed: &[HeaderName]) {
        if !headers.keys().any(is_suspect) && !changed.iter().any(has_underscore) {
            return;
        }
        let foreign =
            |name: &&HeaderName| (!self.trusted && is_x_forwarded(name)) || is_variant_spelling(name, changed);
        let foreign: Vec<HeaderName> = headers.keys().filter(foreign).cloned().collect();
        for name in foreign {
            headers.remove(name);
        }
    }

    /// The fields to add to a request that does not say yet where it came from. `None` when it does say so; then
    /// [`forward`](Self::forward) and [`via`] have to extend the fields that are there. All requests of a connection that name
    /// the same host get the same fields, so these are made once and written as one block. `via` is the version to write into
    /// `Via`; `None` writes no `Via`.
    pub fn forwarded(
        &self,
        headers: &HeaderMap,
        host: Option<&HeaderValue>,
        via: Option<Version>,
    ) -> Option<Rc<Forwarded>> {
        static SAID: [HeaderName; 5] =
            [header::FORWARDED, X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST, header::VIA];
        // one walk through the fields is faster than five look-ups by hash, because names are compared as numbers
        if headers.keys().any(|name| SAID.contains(name)) {
            return None;
        }
        let mut cached = self.forwarded.borrow_mut();
        match &*cached {
            Some(made) if made.host.as_ref() == host && made.via == via => Some(Rc::clone(made)),
            _ => {
                let lines = self.lines(host, via);
                // copied, because it is a slice of the request's head: without the copy the whole head would stay in memory as
                // long as the connection
                let host = host.and_then(|host| HeaderValue::from_bytes(host.as_bytes()).ok());
                let made = Rc::new(Forwarded { lines, fields: OnceCell::new(), host, via });
                *cached = Some(Rc::clone(&made));
                Some(made)
            }
        }
    }

    /// The text of the fields that [`forward`](Self::forward) and [`via`] would write into an empty map, in the same order. It is
    /// written by hand because it is the most expensive step that is done once for each connection, which matters for connections
    /// with one request.
    fn lines(&self, host: Option<&HeaderValue>, via: Option<Version>) -> Bytes {
        let host_length = host.map_or(0, HeaderValue::len);
        let address = self.address_text();
        let mut lines = BytesMut::with_capacity(256 + 2 * host_length);
        lines.put_slice(b"forwarded: ");
        self.put_forwarded(&mut lines, &address, host);
        lines.put_slice(b"\r\nx-forwarded-for: ");
        lines.put_slice(address.as_bytes());
        lines.put_slice(b"\r\nx-forwarded-proto: ");
        lines.put_slice(self.proto.as_bytes());
        if let Some(host) = host {
            lines.put_slice(b"\r\nx-forwarded-host: ");
            lines.put_slice(host.as_bytes());
        }
        if let Some(version) = via {
            lines.put_slice(b"\r\nvia: ");
            lines.put_slice(via_element(version).as_bytes());
        }
        lines.put_slice(b"\r\n");
        // copied to its exact length, because it is kept as long as the connection
        Bytes::copy_from_slice(&lines)
    }

    /// Writes `Forwarded` (RFC 7239) and `X-Forwarded-*`. From an untrusted client the values that arrived are replaced; to those
    /// of a trusted client ours are appended.
    pub fn forward(&self, headers: &mut HeaderMap, host: Option<&HeaderValue>) {
        let address = self.address_text();
        let mut forwarded = BytesMut::with_capacity(128);
        self.put_forwarded(&mut forwarded, &address, host);
        let or_unknown =
            |value: Bytes| HeaderValue::from_maybe_shared(value).unwrap_or(HeaderValue::from_static("unknown"));
        let (forwarded, forwarded_for) = (or_unknown(forwarded.freeze()), or_unknown(address.into()));
        if self.trusted {
            append_to_list(headers, header::FORWARDED, &forwarded);
            append_to_list(headers, X_FORWARDED_FOR, &forwarded_for);
            headers.entry(X_FORWARDED_PROTO).or_insert(HeaderValue::from_static(self.proto));
            if let Some(host) = host {
                headers.entry(X_FORWARDED_HOST).or_insert_with(|| host.clone());
            }
            return;
        }
        headers.insert(header::FORWARDED, forwarded);
        headers.insert(X_FORWARDED_FOR, forwarded_for);
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(self.proto));
        match host {
            Some(host) => headers.insert(X_FORWARDED_HOST, host.clone()),
            None => headers.remove(X_FORWARDED_HOST),
        };
    }

    /// Writes the value of `Forwarded`.
    fn put_forwarded(&self, out: &mut BytesMut, address: &str, host: Option<&HeaderValue>) {
        // IPv6's brackets and colons are not allowed in a token, so the value is a quoted string (RFC 7239, section 4)
        let (before, after): (&[u8], &[u8]) = match self.address {
            Some(IpAddr::V6(_)) => (b"for=\"[", b"]\""),
            Some(IpAddr::V4(_)) | None => (b"for=", b""),
        };
        out.put_slice(before);
        out.put_slice(address.as_bytes());
        out.put_slice(after);
        if let Some(Ok(host)) = host.map(HeaderValue::to_str)
            && !host.is_empty()
        {
            let token = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
            let quote: &[u8] = if token { b"" } else { b"\"" };
            out.put_slice(b";host=");
            out.put_slice(quote);
            out.put_slice(host.as_bytes());
            out.put_slice(quote);
        }
        out.put_slice(b";proto=");
        out.put_slice(self.proto.as_bytes());
    }

    /// The client's address as text, equal to what `Display` writes. For IPv4 this takes a tenth of the time that `Display`
    /// needs.
    fn address_text(&self) -> String {
        match self.address {
            Some(IpAddr::V4(address)) => {
                let mut text = String::with_capacity(15);
                for octet in address.octets() {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    for (least, unit) in [(100, 100), (10, 10), (0, 1)] {
                        if octet >= least {
                            text.push(char::from(b'0' + octet / unit % 10));
                        }
                    }
                }
                text
            }
            Some(IpAddr::V6(address)) => address.to_string(),
            None => "unknown".to_owned(),
        }
    }
}

impl Forwarded {
    /// The fields as a map.
    pub fn fields(&self) -> &HeaderMap {
        self.fields.get_or_init(|| {
            let lines = self.lines.split(|&b| b == b'\n').filter_map(|line| line.strip_suffix(b"\r"));
            let fields = lines.filter_map(|line| {
                let colon = line.iter().position(|&b| b == b':')?;
                let name = HeaderName::from_bytes(&line[..colon]).ok()?;
                let value = self.lines.slice_ref(&line[colon + 2..]);
                Some((name, HeaderValue::from_maybe_shared(value).ok()?))
            });
            Box::new(fields.collect())
        })
    }
}

/// Appends `value` to a list field, and joins all lines of that field into one.
fn append_to_list(headers: &mut HeaderMap, name: HeaderName, value: &HeaderValue) {
    let mut all: Vec<u8> = Vec::new();
    for before in headers.get_all(&name) {
        all.extend_from_slice(before.as_bytes());
        all.extend_from_slice(b", ");
    }
    all.extend_from_slice(value.as_bytes());
    if let Ok(all) = HeaderValue::from_bytes(&all) {
        headers.insert(name, all);
    }
}

/// Whether two lower-case names are equal when `_` counts as `-`. They are equal to programs that get fields as environment
/// variables, whose names can't contain `-`: CGI (RFC 3875, section 4.1.18) and its successors FastCGI, WSGI, Rack and PHP.
pub fn alike(name: &str, other: &str) -> bool {
    let joined = |b: u8| if b == b'_' { b'-' } else { b };
    name.len() == other.len() && name.bytes().map(joined).eq(other.bytes().map(joined))
}

/// A cheap filter before the exact checks: whether a name has an underscore or begins like `X-Forwarded-*`. Hardly any name does.
#[inline]
pub fn is_suspect(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-forwarded") || has_underscore(name)
}

#[inline]
fn has_underscore(name: &HeaderName) -> bool {
    name.as_str().as_bytes().contains(&b'_')
}

/// Whether a name is `X-Forwarded` or begins with `X-Forwarded-`, with `_` counting as `-`.
pub fn is_x_forwarded(name: &HeaderName) -> bool {
    const NAME: &str = "x-forwarded";
    let split = name.as_str().split_at_checked(NAME.len());
    split.is_some_and(|(start, rest)| alike(start, NAME) && (rest.is_empty() || rest.starts_with(['-', '_'])))
}

/// Whether a name is a variant spelling of `X-Forwarded-*`, which the proxy writes, or of a field that the route sets or removes.
fn is_variant_spelling(name: &HeaderName, changed: &[HeaderName]) -> bool {
    (has_underscore(name) && is_x_forwarded(name))
        || changed.iter().any(|other| name != other && alike(name.as_str(), other.as_str()))
}

/// Removes the fields whose names differ from this one only by `_` in place of `-`, or the other way round.
pub fn remove_alike(headers: &mut HeaderMap, name: &HeaderName) {
    let is_other = |other: &&HeaderName| *other != name && alike(other.as_str(), name.as_str());
    // there is hardly ever one, so that nothing is collected
    while let Some(other) = headers.keys().find(is_other).cloned() {
        headers.remove(other);
    }
}

/// Drops from a trailer section the fields that are in `refused`, variant spellings with `_` for `-` included.
pub fn without(mut trailers: HeaderMap, refused: &[HeaderName]) -> HeaderMap {
    let is_refused = |name: &&HeaderName| refused.iter().any(|other| alike(name.as_str(), other.as_str()));
    let found: Vec<HeaderName> = trailers.keys().filter(is_refused).cloned().collect();
    for name in found {
        trailers.remove(name);
    }
    trailers
}

/// Adds this proxy to `Via` (RFC 9110, section 7.6.3). `version` is the version that the message came by.
pub fn via(headers: &mut HeaderMap, version: Version) {
    let us = HeaderValue::from_static(via_element(version));
    match headers.entry(header::VIA) {
        Entry::Vacant(entry) => _ = entry.insert(us),
        Entry::Occupied(_) => append_to_list(headers, header::VIA, &us),
    }
}

fn via_element(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0 evenkeel",
        Version::HTTP_2 => "2 evenkeel",
        _ => "1.1 evenkeel",
    }
}

/// Joins several `Cookie` fields into one. HTTP/2 allows a client to split them (RFC 9113, section 8.2.3); HTTP/1 backends expect
/// one.
pub fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(header::COOKIE).iter();
    if let (Some(first), Some(second)) = (crumbs.next(), crumbs.next()) {
        let mut all = first.as_bytes().to_vec();
        for crumb in std::iter::once(second).chain(crumbs) {
            all.extend_from_slice(b"; ");
            all.extend_from_slice(crumb.as_bytes());
        }
        if let Ok(all) = HeaderValue::from_bytes(&all) {
            headers.insert(header::COOKIE, all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_once_says_what_would_have_been_written_into_the_fields() {
        let client = Client::new("192.0.2.1".parse().ok(), true, false);
        let host = HeaderValue::from_static("a.example:8443");
        for (host, version) in
            [(Some(&host), Version::HTTP_11), (None, Version::HTTP_10), (Some(&host), Version::HTTP_2)]
        {
            let mut written = HeaderMap::new();
            client.forward(&mut written, host);
            via(&mut written, version);
            let made = client.forwarded(&HeaderMap::new(), host, Some(version)).unwrap();
            assert_eq!(*made.fields(), written);
            let lines: Vec<_> = written.iter().map(|(n, v)| format!("{n}: {}\r\n", v.to_str().unwrap())).collect();
            assert_eq!(made.lines, lines.concat().as_bytes());
        }
    }

    #[test]
    fn what_is_left_of_the_fields_that_a_client_sends() {
        let names = [
            "x-forwarded-for",
            "x-forwarded-port",
            "x-forwarded",
            "x_forwarded_for",
            "x-forwarded_proto",
            "x_forwarded-any",
            "x-forwardedness",
            "x-auth-user",
            "x_auth_user",
            "x_auth-user",
            "x-odd-name",
            "x_odd_name",
            "x_other",
        ];
        let field = |name| (HeaderName::from_static(name), HeaderValue::from_static("1"));
        let changed = ["x-auth-user", "x_odd_name"].map(HeaderName::from_static);
        let left = |trusted, changed: &[HeaderName]| {
            let mut headers: HeaderMap = names.into_iter().map(field).collect();
            Client::new(None, false, trusted).sift(&mut headers, changed);
            names.into_iter().filter(|name| headers.contains_key(*name)).collect::<Vec<_>>()
        };
        let route = ["x-forwardedness", "x-auth-user", "x_odd_name", "x_other"];
        assert_eq!(left(false, &changed), route);
        let believed = ["x-forwarded-for", "x-forwarded-port", "x-forwarded"];
        assert_eq!(left(true, &changed), [&believed[..], &route].concat());
        assert_eq!(left(false, &[]), names[6..]);
    }

    #[test]
    fn a_name_without_an_underscore_is_a_shadow_of_a_route_s_name_with_one() {
        let field = |name| (HeaderName::from_static(name), HeaderValue::from_static("1"));
        let mut headers = HeaderMap::from_iter([field("x-odd-name")]);
        Client::new(None, false, true).sift(&mut headers, &[HeaderName::from_static("x_odd_name")]);
        assert!(headers.is_empty());
        assert!(
            without([field("x-odd-name")].into_iter().collect(), &[HeaderName::from_static("x-odd-name")]).is_empty()
        );
    }

    #[test]
    fn an_address_is_written_as_std_writes_it() {
        for address in ["0.0.0.0", "1.10.100.255", "127.0.0.1", "192.0.2.99", "209.110.9.90", "2001:db8::1", "::"] {
            assert_eq!(Client::new(address.parse().ok(), false, false).address_text(), address);
        }
    }

    #[test]
    fn a_request_that_says_something_itself_gets_nothing_made_before() {
        let client = Client::new(None, false, true);
        for name in ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "via"] {
            let said = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static("1"))]);
            assert!(client.forwarded(&said, None, Some(Version::HTTP_11)).is_none(), "{name}");
        }
    }
}
