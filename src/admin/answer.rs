//! The answers' forms; errors are problem details (RFC 9457).

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

/// What the admin address answers with.
pub(super) type Answer = Response<Full<Bytes>>;

/// An answer with this body.
pub(super) fn text(content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // all of it is true for a moment only
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// JSON, ended with a line end for those who read it in a terminal.
pub(super) fn json(value: &Value) -> Answer {
    text("application/json", format!("{value}\n"))
}

/// An error; `more` are members beside those of the standard.
pub(super) fn problem(status: StatusCode, detail: &str, more: &[(&str, Value)]) -> Answer {
    let mut problem = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail,
    });
    for (name, value) in more {
        problem[name] = value.clone();
    }
    let mut answer = text("application/problem+json", format!("{problem}\n"));
    *answer.status_mut() = status;
    answer
}

/// The same with one field more.
pub(super) fn with(mut answer: Answer, name: HeaderName, value: &'static str) -> Answer {
    answer.headers_mut().insert(name, HeaderValue::from_static(value));
    answer
}
