//! Answers that a route has for itself: no backend is asked.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};

use super::request::changes::change;
use super::request::id::RequestId;
use crate::error::{Error, Kind, Result};
use crate::protocol::http::Request;
use crate::snapshot::{RedirectTemplate, Route};

/// A redirect.
///
/// # Errors
///
/// When what the request asks for can't stand in a `Location`.
pub fn redirect(to: &RedirectTemplate, status: StatusCode, request: &Request) -> Result<Response<Bytes>> {
    let host = request.host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default();
    let location = to.render(host, request.uri.path(), request.uri.query());
    let location = location.ok_or(Error::new(Kind::MalformedRequest, "its target can't be a Location"))?;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// A text that is the same for every request.
pub fn fixed(status: StatusCode, body: &Bytes, content_type: &HeaderValue) -> Response<Bytes> {
    let mut response = Response::new(body.clone());
    *response.status_mut() = status;
    if !body.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type.clone());
    }
    response
}

/// Says the request's id in such an answer, and makes the changes that the route wants.
pub fn complete(response: &mut Response<Bytes>, route: &Route, id: Option<&RequestId<'_>>) {
    if let Some(id) = id {
        id.put(response.headers_mut());
    }
    change(response.headers_mut(), &route.response_headers);
}
