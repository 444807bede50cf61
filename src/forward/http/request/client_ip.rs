//! The field that tells a backend the client's address, such as `X-Real-IP`.

use std::net::IpAddr;

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Says in this field who sent the request, in place of what the request says there.
pub fn put(headers: &mut HeaderMap, name: &HeaderName, sender: Option<IpAddr>) {
    match sender.and_then(|address| HeaderValue::try_from(address.to_string()).ok()) {
        Some(value) => _ = headers.insert(name, value),
        None => _ = headers.remove(name),
    }
}
