//! Answers that a route has for itself: no backend is asked.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};

use super::context::Context;
use super::error_page;
use crate::error::{Error, Kind, Result};
use crate::pages::{PageContent, PageFile};
use crate::policy::escape::Escape;
use crate::policy::template::AnswerBody;
use crate::protocol::http::Request;
use crate::snapshot::RedirectTemplate;

/// A redirect.
///
/// # Errors
///
/// When what the request asks for can't stand in a `Location`.
pub fn redirect(to: &RedirectTemplate, status: StatusCode, context: &Context<'_>) -> Result<Response<Bytes>> {
    let values = context.answering(None);
    let mut text = context.connection.worker.scratch.borrow_mut();
    let location = to.render(&mut text, |variable, out| values.put(variable, Escape::Nothing, out));
    let location = location.ok_or(Error::new(Kind::MalformedRequest, "its target can't be a Location"))?;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// A text.
pub fn text(
    status: StatusCode,
    body: &AnswerBody,
    content_type: &HeaderValue,
    (context, request): (&Context<'_>, &Request),
) -> Response<Bytes> {
    let values = context.answering(None);
    let mut response = Response::new(values.body(body));
    *response.status_mut() = status;
    match body.is_empty() {
        false => _ = response.headers_mut().insert(header::CONTENT_TYPE, content_type.clone()),
        // an error without a text of its own looks like all others
        true => error_page::tell_by_page(&mut response, &values, context.accept(&request.headers)),
    }
    response
}

/// A file, or that it is the one that the client has (RFC 9110, section 13).
pub fn file(status: StatusCode, file: &PageFile, request: &Request) -> Response<Bytes> {
    let content = file.content();
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if status == StatusCode::OK {
        headers.insert(header::ETAG, content.tag.clone());
        let modified = content.modified.map(|at| HeaderValue::try_from(httpdate::fmt_http_date(at)));
        if let Some(Ok(modified)) = modified {
            headers.insert(header::LAST_MODIFIED, modified);
        }
        if is_another(&request.headers, &content) {
            *response.status_mut() = StatusCode::PRECONDITION_FAILED;
            return response;
        }
        if matches!(request.method, Method::GET | Method::HEAD) && is_known(&request.headers, &content) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
    }
    headers.insert(header::CONTENT_TYPE, file.content_type().clone());
    // a file of `respond` has no variables
    if let AnswerBody::Fixed(bytes) = &content.body {
        *response.body_mut() = bytes.clone();
    }
    response
}

/// Whether the client wants another content than this one, or none that was changed since (RFC 9110, sections 13.1.1 and 13.1.4).
fn is_another(headers: &HeaderMap, content: &PageContent) -> bool {
    if let Some(names_it) = names_tag(headers, &header::IF_MATCH, |tag| tag == content.tag.as_bytes()) {
        return !names_it;
    }
    let since = date(headers, &header::IF_UNMODIFIED_SINCE);
    since.zip(content.modified).is_some_and(|(since, modified)| modified > since)
}

/// Whether the client has the same content already. Where it names tags, its date does not count (section 13.2.2).
fn is_known(headers: &HeaderMap, content: &PageContent) -> bool {
    // tags are compared weakly here (section 13.1.2): a cache may have made it a weak one
    let is_it = |tag: &[u8]| tag.strip_prefix(b"W/").unwrap_or(tag) == content.tag.as_bytes();
    if let Some(names_it) = names_tag(headers, &header::IF_NONE_MATCH, is_it) {
        return names_it;
    }
    let since = date(headers, &header::IF_MODIFIED_SINCE);
    since.zip(content.modified).is_some_and(|(since, modified)| modified <= since)
}

/// Whether one of the tags in this field is the one, or the field is `*`, which stands for all tags; `None` = the request has no such field.
fn names_tag(headers: &HeaderMap, field: &HeaderName, is_it: impl Fn(&[u8]) -> bool) -> Option<bool> {
    headers.contains_key(field).then(|| {
        let lines = headers.get_all(field).into_iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).map(str::trim).any(|tag| tag == "*" || is_it(tag.as_bytes()))
    })
}

/// The date in this field; `None` = there is none, or it can't be read.
fn date(headers: &HeaderMap, field: &HeaderName) -> Option<SystemTime> {
    let text = headers.get(field)?.to_str().ok()?;
    httpdate::parse_http_date(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(fields: &[(&'static str, &str)], of: fn(&HeaderMap, &PageContent) -> bool) -> bool {
        let modified = httpdate::parse_http_date("Wed, 21 Oct 2015 07:28:00 GMT").ok();
        let body = AnswerBody::Fixed(Bytes::from_static(b"x"));
        let content = PageContent { body, tag: HeaderValue::from_static("\"abc\""), modified };
        let fields =
            fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        of(&fields.collect(), &content)
    }

    fn known(fields: &[(&'static str, &str)]) -> bool {
        asked(fields, is_known)
    }

    #[test]
    fn who_wants_another_content_does_not_get_this_one() {
        for (name, value, wanted) in [
            ("if-match", "\"abc\"", false),
            ("if-match", "\"x\", \"abc\"", false),
            ("if-match", "*", false),
            ("if-match", "\"zz\"", true),
            ("if-match", "W/\"abc\"", true),
            ("if-unmodified-since", "Wed, 21 Oct 2015 07:28:00 GMT", false),
            ("if-unmodified-since", "Wed, 21 Oct 2015 07:27:59 GMT", true),
            ("if-unmodified-since", "yesterday", false),
            ("accept", "*/*", false),
        ] {
            assert_eq!(asked(&[(name, value)], is_another), wanted, "{name}: {value}");
        }
    }

    #[test]
    fn what_a_client_has_is_not_sent_again() {
        let (none_match, since) = ("if-none-match", "if-modified-since");
        for tags in ["\"abc\"", "W/\"abc\"", "*", "\"x\", \"abc\"", "\"x\",W/\"abc\""] {
            assert!(known(&[(none_match, tags)]), "{tags}");
        }
        assert!(!known(&[(none_match, "\"x\"")]) && !known(&[(none_match, "abc")]) && !known(&[]));
        assert!(known(&[(since, "Wed, 21 Oct 2015 07:28:00 GMT")]));
        assert!(known(&[(since, "Thu, 22 Oct 2015 07:28:00 GMT")]));
        assert!(!known(&[(since, "Wed, 21 Oct 2015 07:27:59 GMT")]) && !known(&[(since, "yesterday")]));
        // a tag that fits none outweighs a date that does
        assert!(!known(&[(none_match, "\"x\""), (since, "Thu, 22 Oct 2015 07:28:00 GMT")]));
    }
}
