//! `Max-Forwards`: how many more servers a request may pass. RFC 9110, section 7.6.2, has every one of them count, for OPTIONS
//! and TRACE.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};

use crate::protocol::http::Request;
use crate::protocol::http::fields::PROXY_STATUS;

/// Whether hops of a request with this method are counted.
pub fn is_counted(method: &Method) -> bool {
    matches!(*method, Method::OPTIONS | Method::TRACE)
}

/// Counts this hop. Returns the answer to a request that may go no further.
pub fn count(request: &mut Request) -> Option<Response<Bytes>> {
    if !is_counted(&request.method) {
        return None;
    }
    let said = request.headers.get_mut(header::MAX_FORWARDS)?;
    match said.to_str().ok()?.parse::<u64>().ok()? {
        0 => Some(last(&request.method)),
        left => {
            *said = HeaderValue::from(left - 1);
            None
        }
    }
}

/// The answer of the last server. We don't send back what we got, as TRACE wants it: it may hold what the client should not see.
fn last(method: &Method) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    if *method == Method::TRACE {
        *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
    }
    response.headers_mut().insert(PROXY_STATUS, HeaderValue::from_static("evenkeel"));
    response
}
