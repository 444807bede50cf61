//! Reads from the head of a refused request what it can, for the access log and for the form of the answer.

use http::header::{self, HeaderName};

use crate::protocol::http::partial::Partial;
use crate::protocol::http::target::MAX_METHOD;

/// The parts of an HTTP/1 request's head that can be read. The head may be malformed in any way, and may be incomplete.
pub fn of_head(head: &[u8]) -> Partial<'_> {
    let mut lines = head.split_inclusive(|&b| b == b'\n').map(|line| (line.trim_ascii_end(), line.ends_with(b"\n")));
    let first = lines.by_ref().map(|(line, _)| line).find(|line| !line.is_empty()).unwrap_or_default();
    let mut parts = first.split(|&b| b == b' ');
    let method = parts.next().filter(|method| method.len() <= MAX_METHOD && HeaderName::from_bytes(method).is_ok());
    let mut partial = Partial { method, ..Partial::default() };
    if method.is_none() {
        // this is not HTTP/1, so the rest may be anything
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
            (header::ACCEPT, &mut partial.accept),
        ];
        if let Some((_, place)) =
            known.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_str().as_bytes()))
        {
            place.get_or_insert(value);
        }
    }
    partial
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_head_tells_what_is_in_it() {
        let head = b"\r\nGET /a b HTTP/1.1\r\nHost : x\r\nuser-agent: \tcurl \r\nBad\r\nReferer: /r";
        let partial = of_head(head);
        assert_eq!((partial.method, partial.target), (Some(&b"GET"[..]), Some(&b"/a"[..])));
        assert_eq!((partial.protocol, partial.host), (Some(&b"HTTP/1.1"[..]), Some(&b"x"[..])));
        assert_eq!(partial.user_agent, Some(&b"curl"[..]));
        assert_eq!(partial.referer, None, "its line had not ended");
    }

    #[test]
    fn what_is_no_request_tells_nothing() {
        assert_eq!(of_head(b""), Partial::default());
        assert_eq!(of_head(b"\r\n\r\n"), Partial::default());
        assert_eq!(of_head(b"\x16\x03\x01\x02\x00\x01 /x HTTP/1.1\r\nHost: a\r\n"), Partial::default());
        assert_eq!(of_head(b"GET"), Partial { method: Some(b"GET"), ..Partial::default() });
    }

    #[test]
    fn fields_of_a_body_are_none_of_the_head() {
        let partial = of_head(b"POST / HTTP/1.1\r\n\r\nHost: a\r\n");
        assert_eq!(partial.host, None);
    }
}
