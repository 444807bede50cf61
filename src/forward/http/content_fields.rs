//! What the fields of messages say of the coding of their content, and what holds for one coding only: RFC 9110, sections 8.4, 8.8 and 12.5; RFC 9530 for digests.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Fields that hold for the bytes of an answer, and not for what becomes of them. `Accept-Ranges` is one: what a client has of compressed content can't be
/// completed by a range of what the backend has.
const OF_BYTES: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::ACCEPT_RANGES,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// The longest list of tags that is completed, in bytes.
const LONGEST_TAGS: usize = 4096;

/// Whether a message says that its content, or that of its answer, must not be transformed (RFC 9111, sections 5.2.1.6 and 5.2.2.6).
pub fn forbids(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::CACHE_CONTROL).into_iter();
    let mut directives = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    directives.any(|directive| directive.trim_ascii().eq_ignore_ascii_case(b"no-transform"))
}

/// Says that the answer depends on what the client accepts, once.
pub fn vary(headers: &mut HeaderMap) {
    let lines = headers.get_all(header::VARY).into_iter();
    let mut names = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    if !names.any(|name| name == b"*" || name.eq_ignore_ascii_case(b"accept-encoding")) {
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

/// The fields of an answer whose content has got another coding: what was said of its bytes is true no more, and two answers that mean the same don't have
/// the same bytes (RFC 9110, section 8.8.1).
pub fn recoded(headers: &mut HeaderMap) {
    OF_BYTES.iter().for_each(|name| _ = headers.remove(name));
    weaken(headers);
}

/// Takes what holds for the bytes of an answer out of its trailers.
pub fn clean_trailers(trailers: &mut HeaderMap) {
    OF_BYTES.iter().for_each(|name| _ = trailers.remove(name));
}

/// Makes a strong tag weak; returns whether it was one.
pub fn weaken(headers: &mut HeaderMap) -> bool {
    let Some(tag) = headers.get(header::ETAG).filter(|tag| tag.as_bytes().starts_with(b"\"")) else { return false };
    let weak = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat());
    weak.is_ok_and(|weak| headers.insert(header::ETAG, weak).is_some())
}

/// Clients ask by the weak tags that we have made of strong ones. A backend that compares tags to the letter knows only the strong ones, so it is told both.
pub fn pass_on_tags(headers: &mut HeaderMap) {
    for name in [header::IF_NONE_MATCH, header::IF_MATCH] {
        let header::Entry::Occupied(mut lines) = headers.entry(name) else { continue };
        for tags in lines.iter_mut().filter(|tags| tags.len() <= LONGEST_TAGS) {
            let strong = strong_forms(tags.as_bytes());
            if strong.is_empty() {
                continue;
            }
            if let Ok(both) = HeaderValue::from_bytes(&[tags.as_bytes(), &strong].concat()) {
                *tags = both;
            }
        }
    }
}

/// The strong forms of the weak tags in a list, each after a comma.
fn strong_forms(tags: &[u8]) -> Vec<u8> {
    let (mut strong, mut left) = (Vec::new(), tags);
    while let Some(at) = left.iter().position(|byte| *byte == b'"') {
        let is_weak = left[..at].ends_with(b"W/");
        let Some(length) = left[at + 1..].iter().position(|byte| *byte == b'"') else { break };
        let (tag, rest) = left[at..].split_at(length + 2);
        if is_weak {
            strong.extend_from_slice(b", ");
            strong.extend_from_slice(tag);
        }
        left = rest;
    }
    strong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn weak_tags_are_passed_on_with_their_strong_forms() {
        for (asked, passed_on) in [
            (r#"W/"a""#, r#"W/"a", "a""#),
            (r#"W/"a", "b", W/"c,W/d""#, r#"W/"a", "b", W/"c,W/d", "a", "c,W/d""#),
            (r#""a""#, r#""a""#),
            ("*", "*"),
            (r#"W/"a"#, r#"W/"a"#),
            ("W/", "W/"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(asked));
            headers.insert(header::IF_MATCH, HeaderValue::from_static(asked));
            pass_on_tags(&mut headers);
            assert_eq!(headers[header::IF_NONE_MATCH], passed_on);
            assert_eq!(headers[header::IF_MATCH], passed_on);
        }
    }

    #[test]
    fn tags_of_all_lines_are_passed_on() {
        let name = header::IF_NONE_MATCH;
        let mut headers = fields(&[(name.clone(), r#"W/"a""#), (name.clone(), r#""b""#), (name.clone(), r#"W/"c""#)]);
        pass_on_tags(&mut headers);
        let lines: Vec<_> = headers.get_all(name).iter().collect();
        assert_eq!(lines, [r#"W/"a", "a""#, r#""b""#, r#"W/"c", "c""#]);
    }

    #[test]
    fn vary_is_said_once() {
        let mut headers = fields(&[(header::VARY, "Origin, accept-encoding")]);
        vary(&mut headers);
        assert_eq!(headers.get_all(header::VARY).iter().count(), 1);
        let mut headers = fields(&[(header::VARY, "*")]);
        vary(&mut headers);
        assert_eq!(headers.get_all(header::VARY).iter().count(), 1);
        let mut headers = fields(&[(header::VARY, "Origin")]);
        vary(&mut headers);
        vary(&mut headers);
        let lines: Vec<_> = headers.get_all(header::VARY).iter().collect();
        assert_eq!(lines, ["Origin", "Accept-Encoding"]);
    }

    #[test]
    fn what_holds_for_the_bytes_is_not_said_of_others() {
        let digest = HeaderName::from_static("content-digest");
        let mut headers = fields(&[
            (header::CONTENT_LENGTH, "10"),
            (digest, "sha-256=:abc=:"),
            (header::ACCEPT_RANGES, "bytes"),
            (header::ETAG, "\"a\""),
            (header::CONTENT_TYPE, "text/html"),
        ]);
        recoded(&mut headers);
        assert_eq!(headers, fields(&[(header::ETAG, "W/\"a\""), (header::CONTENT_TYPE, "text/html")]));
        recoded(&mut headers);
        assert_eq!(headers[header::ETAG], "W/\"a\"");
    }

    #[test]
    fn no_transform_is_found_among_others() {
        assert!(forbids(&fields(&[
            (header::CACHE_CONTROL, "public"),
            (header::CACHE_CONTROL, "max-age=1, No-Transform")
        ])));
        assert!(!forbids(&fields(&[(header::CACHE_CONTROL, "no-transformers, no-store")])));
    }
}
