//! The forms of answers: text, JSON, and problem details (RFC 9457) for errors.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use serde_json::{Value, json};

/// What the admin address answers with.
pub(super) type Answer = Response;

/// An answer with this body.
pub(super) fn text(content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Body::from(body.into()));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // what an answer says is true for a moment only
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// JSON with a line end behind it, for those who read it in a terminal.
pub(super) fn json(value: &Value) -> Answer {
    text("application/json", format!("{value}\n"))
}

/// An error. A handler returns it, or an extractor refuses with it.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    /// Members of the JSON beside those of the standard.
    members: Vec<(&'static str, Value)>,
    /// Further fields in the head of the answer.
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// An error with this status, and a sentence for people.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), members: Vec::new(), fields: Vec::new() }
    }

    /// The request can't be understood.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// The request shows no token, or (`is_wrong`) a wrong one. The challenge in the head is that of RFC 6750, section 3.
    pub(super) fn unauthorized(detail: impl Into<String>, is_wrong: bool) -> Self {
        let challenge = match is_wrong {
            true => "Bearer realm=\"evenkeel\", error=\"invalid_token\"",
            false => "Bearer realm=\"evenkeel\"",
        };
        Self::new(StatusCode::UNAUTHORIZED, detail).field(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// What is asked for is not there.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// The sentence for people.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// The same with one more member in the JSON.
    pub(super) fn member(mut self, name: &'static str, value: Value) -> Self {
        self.members.push((name, value));
        self
    }

    /// The same with one more field in the head.
    pub(super) fn field(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.fields.push((name, value.into()));
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Answer {
        let mut problem = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        for (name, value) in self.members {
            problem[name] = value;
        }
        let mut answer = text("application/problem+json", format!("{problem}\n"));
        *answer.status_mut() = self.status;
        answer.headers_mut().extend(self.fields);
        answer
    }
}
