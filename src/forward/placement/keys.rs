//! What ties an exchange, or a session, to a backend: a hash of something that its client sends, and the client's affinity.

use std::borrow::Cow;
use std::cell::Cell;
use std::net::IpAddr;

use http::header::{self, HeaderMap};
use percent_encoding::percent_decode_str;

use crate::affinity;
use crate::balance::hash_key;
use crate::policy::KeyFrom;
use crate::protocol::http::Request;

/// What ties an exchange, or a session, to a backend.
#[derive(Debug)]
pub struct Keys {
    /// What an algorithm with a hash ring goes by; 0 where the service has another algorithm.
    pub hash: u64,
    /// Which backend the client belongs to, where the service has affinity. Settled when one was picked.
    pub affinity: Option<Cell<affinity::Stickiness>>,
}

/// The hash of what `from` names, the same on every instance; `None` where the request has no such thing. `sender` gives the address of who
/// sent it.
pub fn find(from: &KeyFrom, request: &Request, sender: impl FnOnce() -> Option<IpAddr>) -> Option<u64> {
    match from {
        KeyFrom::ClientIp => sender().map(of_address),
        KeyFrom::Path => Some(hash_key(request.uri.path().as_bytes())),
        KeyFrom::Uri => request.uri.path_and_query().map(|target| hash_key(target.as_str().as_bytes())),
        KeyFrom::Header(name) if *name == header::HOST => request.host.as_ref().map(|host| hash_key(host.as_bytes())),
        KeyFrom::Header(name) => request.headers.get(name).map(|value| hash_key(value.as_bytes())),
        KeyFrom::Cookie(name) => cookie(&request.headers, name).map(hash_key),
        KeyFrom::Query(name) => query(request.uri.query()?, name).map(|value| hash_key(&value)),
    }
}

/// The same where the path is counted in another form than the one that goes to backends: spellings of one path have one hash.
pub fn find_at(path: &str, from: &KeyFrom, request: &Request, sender: impl FnOnce() -> Option<IpAddr>) -> Option<u64> {
    if !matches!(from, KeyFrom::Path | KeyFrom::Uri) || path == request.uri.path() {
        return find(from, request, sender);
    }
    match (from, request.uri.query()) {
        (KeyFrom::Uri, Some(query)) => Some(hash_key(format!("{path}?{query}").as_bytes())),
        _ => Some(hash_key(path.as_bytes())),
    }
}

/// The hash of a client's address.
pub fn of_address(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => hash_key(&address.octets()),
        IpAddr::V6(address) => hash_key(&address.octets()),
    }
}

/// The value of a cookie (RFC 6265, section 4.2).
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let fields = headers.get_all(header::COOKIE).into_iter();
    let mut pairs = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
    pairs.find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// The first value of a query parameter. Name and value are percent-decoded, or one key of an API would have a limit for each of its spellings. `+` is a plus, as in
/// the conditions of routes.
fn query<'a>(query: &'a str, name: &str) -> Option<Cow<'a, [u8]>> {
    let pairs = query.split('&');
    if memchr::memchr(b'%', query.as_bytes()).is_none() {
        let mut values = pairs.filter_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        return values.next().map(|value| value.as_bytes().into());
    }
    let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(its_name, _)| percent_decode_str(its_name).eq(name.bytes()))?;
    Some(percent_decode_str(value).into())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let headers = HeaderMap::from_iter([
            (header::COOKIE, HeaderValue::from_static("a=1; sid=x=y; sidx=2")),
            (header::COOKIE, HeaderValue::from_static("last=3")),
        ]);
        assert_eq!(cookie(&headers, "sid"), Some(&b"x=y"[..]));
        assert_eq!(cookie(&headers, "last"), Some(&b"3"[..]));
        assert_eq!(cookie(&headers, "si"), None);
    }

    #[test]
    fn a_parameter_is_found_by_its_whole_name() {
        assert_eq!(query("user=7&u=8", "u").as_deref(), Some(&b"8"[..]));
        assert_eq!(query("user=7", "use"), None);
    }

    #[test]
    fn spellings_of_a_parameter_are_one_key() {
        for spelled in
            ["key=ab+c", "key=%61b+c", "key=a%62%2Bc", "key=%61%62%2b%63", "%6bey=ab+c", "x=%zz&k%65%79=ab+c&key=2"]
        {
            assert_eq!(query(spelled, "key").as_deref(), Some(&b"ab+c"[..]), "{spelled}");
        }
        for other in ["key=a%20c", "key=ab%20c", "key=AB+c", "key=%2561b+c", "Key=ab+c", "k%45y=ab+c", "%key=ab+c"] {
            assert_ne!(query(other, "key").as_deref(), Some(&b"ab+c"[..]), "{other}");
        }
        assert_eq!(
            query("a=%31&key", "key"),
            query("key", "key"),
            "without a value it is not there, in both ways of looking"
        );
    }
}
