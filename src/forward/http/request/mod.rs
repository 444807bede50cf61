//! The request that came is turned into the one that goes to a backend.

pub mod changes;
pub mod client_ip;
pub mod id;
pub mod max_forwards;
pub mod path;
pub mod sender;

use std::sync::Arc;

use http::header::{self, HeaderName, HeaderValue};

use super::content_fields;
use super::context::Context;
use super::upgrade;
use crate::error::Result;
use crate::policy::HeaderChanges;
use crate::protocol::http::fields;
use crate::protocol::http::length::Length;
use crate::protocol::http::{Request, RequestBody, RequestLine};
use crate::route::meaning::Meaning;
use crate::snapshot::{Route, Service};
use crate::trace::TRACEPARENT;
use changes::{Message, change, rewrite_path};

/// Takes out what a client may not say, adds who it is, and makes the changes that listener, service and route want. `is_traced`: each attempt
/// says itself which span of the trace asks. `meaning`: what its path means, where it has other spellings.
///
/// # Errors
///
/// When the path can't be rewritten as the route wants it.
pub fn prepare(
    request: &mut Request,
    context: &Context<'_>,
    route: &Route,
    service: &Service,
    is_traced: bool,
    meaning: Option<&Meaning>,
) -> Result<()> {
    let (client, listener) = (&context.connection.client, context.listener);
    let layers = [&listener.request_headers, &service.request_headers, &route.request_headers];
    for (at, layer) in layers.into_iter().enumerate() {
        if at == 0 || !layer.names().is_empty() {
            client.sift(&mut request.headers, layer.names());
        }
    }
    refuse_in_trailers(&mut request.body, layers);
    if let Some(name) = &listener.client_ip_header {
        let sender = context.connection.sender(listener, request);
        client_ip::put(&mut request.headers, name, sender);
    }
    if layers.iter().all(|layer| layer.is_empty()) {
        // nothing looks at the fields that say who the client is: they are written as they go out, from what its connection keeps
        let via = service.via.then_some(request.version);
        request.forwarded = client.forwarded(&request.headers, request.host.as_ref(), via);
    }
    if request.forwarded.is_none() {
        client.forward(&mut request.headers, request.host.as_ref());
        if service.via {
            fields::via(&mut request.headers, request.version);
        }
        let values = context.asking(service);
        for layer in layers {
            change(&mut request.headers, layer, Message::Regular, |template| values.field(template));
        }
        if is_traced {
            request.headers.remove(TRACEPARENT);
        }
        // in there only if the configuration has set it
        if let Some(host) = request.headers.remove(header::HOST) {
            request.host = Some(host);
        }
    }
    if route.recoding.is_some() {
        content_fields::pass_on_tags(&mut request.headers);
    }
    if let Some(rewrite) = &route.rewrite {
        if let Some(host) = &rewrite.host {
            request.host = Some(host.clone());
        }
        rewrite_path(&mut request.uri, rewrite, route.matched_prefix, meaning)?;
    }
    Ok(())
}

/// What the configuration writes, a client can't say behind the body either.
fn refuse_in_trailers(body: &mut RequestBody, layers: [&HeaderChanges; 3]) {
    let mut named = layers.into_iter().map(HeaderChanges::names).filter(|names| !names.is_empty());
    match (named.next(), named.next()) {
        (None, _) => {}
        (Some(names), None) => body.refuse_in_trailers(names),
        (Some(_), Some(_)) if matches!(body, RequestBody::Empty) => {}
        (Some(_), Some(_)) => {
            let all: Arc<[HeaderName]> = layers.into_iter().flat_map(|layer| layer.names().iter().cloned()).collect();
            body.refuse_in_trailers(&all);
        }
    }
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
