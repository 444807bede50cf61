//! What pages of other origins may do with a route's answers (the Fetch standard, section 3.3). Backends are not asked: preflights are answered
//! here, and what backends say of it is replaced.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};

use crate::policy::{Cors, Origins};
use crate::protocol::http::Request;

/// What answers say of it.
const SAID: [HeaderName; 6] = [
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];

/// The value of `Access-Control-Allow-Origin` for a request; `None` = the page that sends it may not read the answer.
pub fn allowed(cors: &Cors, request: &Request) -> Option<HeaderValue> {
    match &cors.origins {
        Origins::Any => Some(HeaderValue::from_static("*")),
        Origins::Listed(_) => {
            let mut origins = request.headers.get_all(header::ORIGIN).iter();
            let origin = origins.next().filter(|origin| cors.origins.contain(origin.as_bytes()))?;
            origins.next().is_none().then(|| origin.clone())
        }
    }
}

/// The answer to a browser that asks whether a page may send what it wants to send; `None` = the request is none of those. `Vary` and who is
/// allowed come with what all answers say.
pub fn preflight(cors: &Cors, request: &Request, is_allowed: bool) -> Option<Response<Bytes>> {
    let asks = [header::ORIGIN, header::ACCESS_CONTROL_REQUEST_METHOD];
    if request.method != Method::OPTIONS || !asks.iter().all(|name| request.headers.contains_key(name)) {
        return None;
    }
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if is_allowed {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, cors.methods.clone());
        if let Some(names) = &cors.headers {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, cors.max_age.clone());
    }
    Some(response)
}

/// Says in an answer who may read it. `is_preflight`: it is one that [`preflight`] has made.
pub fn put(headers: &mut HeaderMap, cors: &Cors, allowed: Option<&HeaderValue>, is_preflight: bool) {
    if !is_preflight {
        // what a backend says would be beside what the configuration says
        SAID.iter().for_each(|name| _ = headers.remove(name));
    }
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if cors.credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if let Some(names) = cors.expose.as_ref().filter(|_| !is_preflight) {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, names.clone());
        }
    }
    // a cache must not give the answer for one origin to a page of another one, nor one without an origin to any
    if cors.origins != Origins::Any && !varies_by_origin(headers) {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
}

fn varies_by_origin(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::VARY).into_iter();
    let mut names = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    names.any(|name| name == b"*" || name.eq_ignore_ascii_case(b"origin"))
}
