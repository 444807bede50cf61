//! What can be told of a request that was refused before it was one: for the access log, and for nothing else.

use http::header::{self, HeaderName};

use super::Request;
use super::h1::head::MAX_METHOD;

/// Pieces of a head as the client sent them. Nothing is copied before it is known that somebody wants them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Partial<'a> {
    /// The method, where what stands in its place could be one.
    pub method: Option<&'a [u8]>,
    /// The target, as far as it came.
    pub target: Option<&'a [u8]>,
    /// The version, such as `HTTP/1.1`.
    pub protocol: Option<&'a [u8]>,
    /// `Host`, or `:authority`.
    pub host: Option<&'a [u8]>,
    /// `Referer`
    pub referer: Option<&'a [u8]>,
    /// `User-Agent`
    pub user_agent: Option<&'a [u8]>,
}

impl<'a> Partial<'a> {
    /// What there is in the head of an HTTP/1 request, which may be malformed in any way, and may not have come to its end.
    pub fn of_head(head: &'a [u8]) -> Self {
        let mut lines =
            head.split_inclusive(|&b| b == b'\n').map(|line| (line.trim_ascii_end(), line.ends_with(b"\n")));
        let first = lines.by_ref().map(|(line, _)| line).find(|line| !line.is_empty()).unwrap_or_default();
        let mut parts = first.split(|&b| b == b' ');
        let method = parts.next().filter(|method| method.len() <= MAX_METHOD && HeaderName::from_bytes(method).is_ok());
        let mut partial = Self { method, ..Self::default() };
        if method.is_none() {
            // not HTTP/1 at all: what follows may be anything
            return partial;
        }
        partial.target = parts.next().filter(|target| !target.is_empty());
        partial.protocol = parts.next_back().filter(|version| version.starts_with(b"HTTP/") && version.len() <= 8);
        for (line, _) in lines.take_while(|(line, is_whole)| *is_whole && !line.is_empty()) {
            let Some(colon) = line.iter().position(|&b| b == b':') else { continue };
            let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
            let known = [
                (header::HOST, &mut partial.host),
                (header::REFERER, &mut partial.referer),
                (header::USER_AGENT, &mut partial.user_agent),
            ];
            if let Some((_, place)) =
                known.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_str().as_bytes()))
            {
                place.get_or_insert(value);
            }
        }
        partial
    }

    /// What there is in a request that came whole, and is refused for what it announces.
    pub fn of_request(request: &'a Request) -> Self {
        let field = |name| request.headers.get(name).map(http::HeaderValue::as_bytes);
        Self {
            method: Some(request.method.as_str().as_bytes()),
            target: request.uri.path_and_query().map(|target| target.as_str().as_bytes()),
            protocol: Some(match request.version {
                http::Version::HTTP_10 => b"HTTP/1.0",
                _ => b"HTTP/1.1",
            }),
            host: request.host.as_ref().map(http::HeaderValue::as_bytes),
            referer: field(header::REFERER),
            user_agent: field(header::USER_AGENT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_head_tells_what_is_in_it() {
        let head = b"\r\nGET /a b HTTP/1.1\r\nHost : x\r\nuser-agent: \tcurl \r\nBad\r\nReferer: /r";
        let partial = Partial::of_head(head);
        assert_eq!((partial.method, partial.target), (Some(&b"GET"[..]), Some(&b"/a"[..])));
        assert_eq!((partial.protocol, partial.host), (Some(&b"HTTP/1.1"[..]), Some(&b"x"[..])));
        assert_eq!(partial.user_agent, Some(&b"curl"[..]));
        assert_eq!(partial.referer, None, "its line had not ended");
    }

    #[test]
    fn what_is_no_request_tells_nothing() {
        assert_eq!(Partial::of_head(b""), Partial::default());
        assert_eq!(Partial::of_head(b"\r\n\r\n"), Partial::default());
        assert_eq!(Partial::of_head(b"\x16\x03\x01\x02\x00\x01 /x HTTP/1.1\r\nHost: a\r\n"), Partial::default());
        assert_eq!(Partial::of_head(b"GET"), Partial { method: Some(b"GET"), ..Partial::default() });
    }

    #[test]
    fn fields_of_a_body_are_none_of_the_head() {
        let partial = Partial::of_head(b"POST / HTTP/1.1\r\n\r\nHost: a\r\n");
        assert_eq!(partial.host, None);
    }
}
