//! Answers that a route has for itself: no backend is asked.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};

use super::context::Context;
use crate::error::{Error, Kind, Result};
use crate::policy::template::{AnswerBody, Escape};
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
    context: &Context<'_>,
) -> Response<Bytes> {
    let mut response = Response::new(context.answering(None).body(body));
    *response.status_mut() = status;
    if !body.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type.clone());
    }
    response
}
