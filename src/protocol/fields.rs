//! Fields that a proxy writes: `Date`, `Via`, `Forwarded` and its older kin.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::SystemTime;

use bytes::BytesMut;
use http::Version;
use http::header::{self, Entry, HeaderMap, HeaderName, HeaderValue};

use super::h1::encode;
use crate::timer::Timers;

/// `X-Forwarded-For`
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// `X-Forwarded-Proto`
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// `X-Forwarded-Host`
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// `Proxy-Status` (RFC 9209)
pub const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// The worker's `Date`, made anew at most once a second.
#[derive(Debug, Clone, Default)]
pub struct Date(Rc<RefCell<CachedDate>>);

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

/// What is said to backends about a client; the same for all requests of a connection, so it is made once for it.
#[derive(Debug)]
pub struct Client {
    /// The client's address; `None` over a Unix socket.
    pub address: Option<IpAddr>,
    /// What it says about those before it is believed.
    pub trusted: bool,
    proto: &'static str,
    forwarded_for: HeaderValue,
    /// For the host that was asked for last.
    forwarded: RefCell<Option<Rc<Forwarded>>>,
}

/// What backends are told of where a request came from and by whom, when nobody before us has said anything of that.
#[derive(Debug)]
pub struct Forwarded {
    /// The fields.
    pub fields: HeaderMap,
    /// The same, as HTTP/1 has them in a head.
    pub lines: BytesMut,
    host: Option<HeaderValue>,
    version: Version,
}

impl Client {
    /// A client at `address`, over TLS or not.
    pub fn new(address: Option<IpAddr>, tls: bool, trusted: bool) -> Self {
        let address = address.map(|a| a.to_canonical());
        let text = address.map_or_else(|| "unknown".to_owned(), |a| a.to_string());
        Self {
            address,
            trusted,
            proto: if tls { "https" } else { "http" },
            forwarded_for: HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("unknown")),
            forwarded: RefCell::new(None),
        }
    }

    /// Whether it came over TLS.
    pub fn is_tls(&self) -> bool {
        self.proto == "https"
    }

    /// What to add to a request whose fields say nothing yet of where it came from; `None` = they do, so that
    /// [`forward`](Self::forward) and [`via`] must write into them. Most requests are told apart by
    /// nothing that matters here: what they get is made once, and written as a whole.
    pub fn forwarded(
        &self,
        headers: &HeaderMap,
        host: Option<&HeaderValue>,
        version: Version,
    ) -> Option<Rc<Forwarded>> {
        const SAID: [HeaderName; 5] =
            [header::FORWARDED, X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST, header::VIA];
        // through the fields rather than five searches by hash: names are compared as numbers
        if headers.keys().any(|name| SAID.contains(name)) {
            return None;
        }
        let mut cached = self.forwarded.borrow_mut();
        match &*cached {
            Some(made) if made.host.as_ref() == host && made.version == version => Some(Rc::clone(made)),
            _ => {
                let mut fields = HeaderMap::with_capacity(SAID.len());
                self.forward(&mut fields, host);
                via(&mut fields, version);
                let mut lines = BytesMut::new();
                encode::fields(&mut lines, &fields);
                let made = Rc::new(Forwarded { fields, lines, host: host.cloned(), version });
                *cached = Some(Rc::clone(&made));
                Some(made)
            }
        }
    }

    /// Writes `Forwarded` (RFC 7239) and `X-Forwarded-*`. What a client that is not trusted says there is dropped; a trusted
    /// one's is kept, and it is added to the list.
    pub fn forward(&self, headers: &mut HeaderMap, host: Option<&HeaderValue>) {
        let forwarded = self.render(host);
        if self.trusted {
            append_to_list(headers, header::FORWARDED, &forwarded);
            append_to_list(headers, X_FORWARDED_FOR, &self.forwarded_for);
            headers.entry(X_FORWARDED_PROTO).or_insert(HeaderValue::from_static(self.proto));
            if let Some(host) = host {
                headers.entry(X_FORWARDED_HOST).or_insert_with(|| host.clone());
            }
            return;
        }
        headers.insert(header::FORWARDED, forwarded);
        headers.insert(X_FORWARDED_FOR, self.forwarded_for.clone());
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(self.proto));
        match host {
            Some(host) => headers.insert(X_FORWARDED_HOST, host.clone()),
            None => headers.remove(X_FORWARDED_HOST),
        };
    }

    /// The value of `Forwarded`.
    fn render(&self, host: Option<&HeaderValue>) -> HeaderValue {
        let mut text = match self.address {
            Some(IpAddr::V6(address)) => format!("for=\"[{address}]\""),
            Some(IpAddr::V4(address)) => format!("for={address}"),
            None => "for=unknown".to_owned(),
        };
        if let Some(Ok(host)) = host.map(HeaderValue::to_str)
            && !host.is_empty()
        {
            // a port's colon and the brackets of IPv6 are no token characters: RFC 7239, section 4
            let quote = if host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) { "" } else { "\"" };
            let _ = write!(text, ";host={quote}{host}{quote}");
        }
        text.push_str(";proto=");
        text.push_str(self.proto);
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("for=unknown"))
    }
}

/// Adds `value` as the last element of a list field, in one line.
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

/// Adds ourselves to `Via` (RFC 9110, section 7.6.3), with the version that the request came by.
pub fn via(headers: &mut HeaderMap, version: Version) {
    let us = match version {
        Version::HTTP_10 => HeaderValue::from_static("1.0 evenkeel"),
        Version::HTTP_2 => HeaderValue::from_static("2 evenkeel"),
        _ => HeaderValue::from_static("1.1 evenkeel"),
    };
    match headers.entry(header::VIA) {
        Entry::Vacant(entry) => _ = entry.insert(us),
        Entry::Occupied(_) => append_to_list(headers, header::VIA, &us),
    }
}

/// Joins the `Cookie` fields into one: HTTP/2 may split them (RFC 9113, section 8.2.3), others do not know that.
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
            let made = client.forwarded(&HeaderMap::new(), host, version).unwrap();
            assert_eq!(made.fields, written);
            let lines: Vec<_> = written.iter().map(|(n, v)| format!("{n}: {}\r\n", v.to_str().unwrap())).collect();
            assert_eq!(made.lines, lines.concat().as_bytes());
        }
    }

    #[test]
    fn a_request_that_says_something_itself_gets_nothing_made_before() {
        let client = Client::new(None, false, true);
        for name in ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "via"] {
            let said = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static("1"))]);
            assert!(client.forwarded(&said, None, Version::HTTP_11).is_none(), "{name}");
        }
    }
}
