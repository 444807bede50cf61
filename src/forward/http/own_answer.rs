//! Answers that a route has for itself: no backend is asked.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};

use super::request::changes::change;
use crate::error::{Error, Kind, Result};
use crate::protocol::http::Request;
use crate::snapshot::{RedirectTemplate, Route};

/// A redirect.
///
/// # Errors
///
/// When what the request asks for can't stand in a `Location`.
pub fn redirect(
    to: &RedirectTemplate,
    status: StatusCode,
    request: &Request,
    route: &Route,
) -> Result<Response<Bytes>> {
    let host = request.host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default();
    let location = to.render(host, request.uri.path(), request.uri.query());
    let location = location.ok_or(Error::new(Kind::MalformedRequest, "its target can't be a Location"))?;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response.headers_mut().insert(header::LOCATION, location);
    change(response.headers_mut(), &route.response_headers);
    Ok(response)
}

/// A text that is the same for every request.
pub fn fixed(status: StatusCode, body: &Bytes, content_type: &HeaderValue, route: &Route) -> Response<Bytes> {
    let mut response = Response::new(body.clone());
    *response.status_mut() = status;
    if !body.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type.clone());
    }
    change(response.headers_mut(), &route.response_headers);
    response
}
