//! What the body of an answer says that tells of an error: a page of the configuration, text, or problem details (RFC 9457), whichever its
//! client prefers.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::body::Content;
use super::context::Values;
use crate::pages::{Form, PageFile, choose};
use crate::policy::escape::Escape;
use crate::policy::variables::Variable;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// What is read at most of a backend's body that nobody gets, in bytes: more is not worth the connection that it is read from.
const DRAINED: usize = 64 << 10;

/// Fields that speak of a backend's body, and mean nothing beside another one.
const OF_BODY: [HeaderName; 14] = [
    header::ACCEPT_RANGES,
    header::AGE,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_LOCATION,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::TRAILER,
    HeaderName::from_static("digest"),
];
/// The same of RFC 9530, and an older one of RFC 1864.
const DIGESTS: [HeaderName; 3] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("content-md5"),
];

/// Gives the answer its body. `own`: the page that goes before those of `error_pages`; `detail`: what there is to say beyond the status.
pub fn tell<'a>(
    answer: &mut Response<Bytes>,
    own: Option<&Arc<PageFile>>,
    detail: Option<&'static str>,
    values: &Values<'_, '_>,
    accept: impl Iterator<Item = &'a [u8]>,
) {
    let pages = own.map_or_else(|| values.error_pages(answer.status()), std::slice::from_ref);
    tell_as(choose(pages, accept), answer, detail, values);
}

/// Gives the answer a body of this form.
fn tell_as(form: Form<'_>, answer: &mut Response<Bytes>, detail: Option<&'static str>, values: &Values<'_, '_>) {
    let (body, content_type) = match form {
        Form::Page(page) => filled_in(page, answer.status(), values),
        Form::Text => return text(answer, detail),
        Form::Problem => (problem(answer.status(), detail, values), PROBLEM),
    };
    *answer.body_mut() = body;
    answer.headers_mut().insert(header::CONTENT_TYPE, content_type);
}

/// The same for an answer that the configuration has no text for: one that tells of an error gets a body where there is a page for its status, and
/// for a client that prefers JSON. Else it stays without one.
pub fn tell_by_page<'a>(answer: &mut Response<Bytes>, values: &Values<'_, '_>, accept: impl Iterator<Item = &'a [u8]>) {
    if answer.status() < StatusCode::BAD_REQUEST {
        return;
    }
    let pages = values.error_pages(answer.status());
    match choose(pages, accept) {
        Form::Text if pages.is_empty() => {}
        form => {
            tell_as(form, answer, None, values);
            answer.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
        }
    }
}

/// The status as a line of text.
pub fn text(answer: &mut Response<Bytes>, detail: Option<&'static str>) {
    let status = answer.status();
    let mut text = format!("{} {}\n", status.as_str(), status.canonical_reason().unwrap_or_default());
    if let Some(detail) = detail {
        text.push_str(detail);
        text.push('\n');
    }
    *answer.body_mut() = text.into();
    answer.headers_mut().insert(header::CONTENT_TYPE, TEXT);
}

/// Replaces the body of a backend's answer where the configuration wants that; whether it has done so.
pub fn replace<'a>(
    response: &mut Response<Content>,
    values: &Values<'_, '_>,
    accept: impl Iterator<Item = &'a [u8]>,
) -> bool {
    let status = response.status();
    if !values.replaces(status) || values.error_pages(status).is_empty() {
        return false;
    }
    let mut page = Response::new(Bytes::new());
    *page.status_mut() = status;
    tell(&mut page, None, None, values, accept);
    let (page, body) = page.into_parts();
    let headers = response.headers_mut();
    OF_BODY.iter().chain(&DIGESTS).for_each(|name| _ = headers.remove(name));
    put(headers, page.headers);
    drain(std::mem::replace(response.body_mut(), Content::Own(body)));
    true
}

fn put(headers: &mut HeaderMap, of_page: HeaderMap) {
    headers.extend(of_page);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
}

/// Reads what has come of a body that nobody gets. If that is all of it, its connection can be used again; else the connection ends.
fn drain(mut content: Content) {
    let mut context = TaskContext::from_waker(Waker::noop());
    let mut read = 0;
    while let Poll::Ready(Some(Ok(frame))) = content.poll_frame(&mut context) {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > DRAINED {
            return;
        }
    }
}

fn filled_in(page: &PageFile, status: StatusCode, values: &Values<'_, '_>) -> (Bytes, HeaderValue) {
    (values.of_status(status).body(&page.content().body), page.content_type().clone())
}

/// Problem details: what the status says, and the id by which the request is found in logs.
fn problem(status: StatusCode, detail: Option<&'static str>, values: &Values<'_, '_>) -> Bytes {
    let title = status.canonical_reason().unwrap_or("Error");
    let mut out =
        format!("{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{}", status.as_u16()).into_bytes();
    if let Some(detail) = detail {
        out.extend_from_slice(b",\"detail\":\"");
        Escape::Json.put(&mut out, detail.as_bytes());
        out.push(b'"');
    }
    if values.has_request_id() {
        out.extend_from_slice(b",\"request_id\":\"");
        values.put(Variable::RequestId, Escape::Json, &mut out);
        out.push(b'"');
    }
    out.extend_from_slice(b"}\n");
    out.into()
}
