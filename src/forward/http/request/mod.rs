//! The request that came is turned into the one that goes to a backend.

pub mod changes;
pub mod id;
pub mod max_forwards;
pub mod path;
pub mod sender;

use http::header::{self, HeaderValue};

use super::upgrade;
use crate::error::Result;
use crate::protocol::http::fields::{self, Client};
use crate::protocol::http::length::Length;
use crate::protocol::http::{Request, RequestLine};
use crate::route::meaning::Meaning;
use crate::snapshot::{Route, Service};
use crate::trace::TRACEPARENT;
use changes::{change, rewrite_path};

/// Takes out what a client may not say, adds who it is, and makes the changes that the route wants. `via`: this proxy names itself in
/// `Via`. `is_traced`: each attempt says itself which span of the trace asks. `meaning`: what its path means, where it has other spellings.
///
/// # Errors
///
/// When the path can't be rewritten as the route wants it.
pub fn prepare(
    request: &mut Request,
    client: &Client,
    route: &Route,
    (via, is_traced): (bool, bool),
    meaning: Option<&Meaning>,
) -> Result<()> {
    let changes = &route.request_headers;
    client.sift(&mut request.headers, changes.names());
    if changes.is_empty() {
        // nothing looks at the fields that say who the client is: they are written as they go out, from what its connection keeps
        let via = via.then_some(request.version);
        request.forwarded = client.forwarded(&request.headers, request.host.as_ref(), via);
    } else {
        request.body.refuse_in_trailers(changes.names());
    }
    if request.forwarded.is_none() {
        client.forward(&mut request.headers, request.host.as_ref());
        if via {
            fields::via(&mut request.headers, request.version);
        }
        change(&mut request.headers, changes);
        if is_traced {
            request.headers.remove(TRACEPARENT);
        }
        // in there only if the configuration has set it
        if let Some(host) = request.headers.remove(header::HOST) {
            request.host = Some(host);
        }
    }
    if let Some(rewrite) = &route.rewrite {
        if let Some(host) = &rewrite.host {
            request.host = Some(host.clone());
        }
        rewrite_path(&mut request.uri, rewrite, route.matched_prefix, meaning)?;
    }
    Ok(())
}

/// How its head begins for a backend of this service. `no_host` is an empty value: a request without a host gets the backend's own.
pub fn line<'r>(request: &'r Request, service: &Service, no_host: &'r HeaderValue) -> RequestLine<'r> {
    RequestLine {
        method: &request.method,
        uri: &request.uri,
        host: request.host.as_ref().unwrap_or(no_host),
        forwarded: request.forwarded.as_deref(),
        traceparent: None,
        length: request.length,
        upgrade: upgrade::to_ask_for(request, service),
        te_trailers: request.te_trailers,
        expect_continue: request.expect_continue && request.length != Length::Fixed(0),
    }
}
