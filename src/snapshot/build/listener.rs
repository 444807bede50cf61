//! Builds listeners with their routes.

use std::sync::Arc;

use bytes::Bytes;

use super::super::{Action, Listener, RateLimit, RedirectTemplate, Route, Snapshot, Split};
use super::BuildError;
use super::limits::{self, Of};
use crate::config::model;
use crate::endpoint::Target;
use crate::metrics::{Registry, RouteHits};
use crate::policy::{HeaderChanges, TimeoutOverride};
use crate::route::{Conditions, Path, Table};

/// Builds the listener at this place, which is bound to `bind`.
pub(super) fn build(
    index: usize,
    key: u32,
    bind: Target,
    listener: &model::Listener,
    previous: Option<&Snapshot>,
    registry: &Registry,
) -> Result<Listener, BuildError> {
    // a route is the same one after a reload, and goes on counting, while it is for the same requests
    let hits = |listener: &str, conditions: &str| registry.route_hits(listener, conditions);
    let limits =
        |of: Of<'_>, wanted: &[model::RateLimit]| limits::build(of, &listener.name, wanted, previous, registry);
    let mut routes = Vec::with_capacity(listener.routes.len());
    for (number, route) in listener.routes.iter().enumerate() {
        let built = build_route(number, route, hits(&listener.name, &format!("{:?}", route.when)), &limits).map_err(
            |reason| BuildError { subject: format!("listener `{}`, route {}", listener.name, number + 1), reason },
        )?;
        routes.push((route.when.clone(), Arc::new(built)));
    }
    let default = listener.service.map(|service| {
        Arc::new(Route {
            place: None,
            action: Action::Service(service.0),
            rewrite: None,
            matched_prefix: None,
            request_headers: HeaderChanges::default(),
            response_headers: HeaderChanges::default(),
            rate_limits: Box::default(),
            timeout: TimeoutOverride::default(),
            hits: hits(&listener.name, ""),
            text: "all others".into(),
        })
    });
    Ok(Listener {
        key,
        index,
        name: listener.name.as_str().into(),
        bind,
        protocol: listener.protocol,
        proxy_protocol: listener.proxy_protocol,
        hits: routes.iter().map(|(_, route): &(_, Arc<Route>)| Arc::clone(&route.hits)).collect(),
        route_paths: routes.iter().map(|(when, _)| path_text(when)).collect(),
        limited: routes
            .iter()
            .filter(|(_, route)| !route.rate_limits.is_empty())
            .map(|(_, route)| Arc::clone(route))
            .collect(),
        routes: Table::new(routes),
        default,
        trusted_proxies: listener.trusted_proxies.clone(),
        limits: listener.limits.clone(),
        rate_limits: limits(Of::Listener, &listener.rate_limits),
        idle_timeout: listener.idle_timeout,
        max_connections: listener.max_connections,
        local: registry.requests(&listener.name, "", ""),
        request_id: listener.request_id.clone(),
    })
}

/// The path of a route as its condition has it.
fn path_text(when: &Conditions) -> Arc<str> {
    match &when.path {
        Some(Path::Exact(text) | Path::Prefix(text)) => text.as_str().into(),
        Some(Path::Regex(regex)) => regex.as_str().into(),
        None => "".into(),
    }
}

fn build_route(
    place: usize,
    route: &model::Route,
    hits: Arc<RouteHits>,
    limits: impl Fn(Of<'_>, &[model::RateLimit]) -> Box<[RateLimit]>,
) -> Result<Route, String> {
    let action = match &route.action {
        model::Action::Service(id) => Action::Service(id.0),
        model::Action::Split(weights) => {
            let split = Split::new(weights.iter().map(|(id, weight)| (id.0, *weight)));
            Action::Split(split.ok_or("the weights of its split are all 0")?)
        }
        model::Action::Redirect { to, status } => Action::Redirect { to: RedirectTemplate::new(to), status: *status },
        model::Action::Respond { status, body, content_type } => Action::Respond {
            status: *status,
            body: Bytes::copy_from_slice(body.as_bytes()),
            content_type: content_type.clone(),
        },
    };
    let text = route.when.to_string();
    Ok(Route {
        place: Some(place),
        action,
        rewrite: route.rewrite.clone(),
        matched_prefix: match &route.when.path {
            Some(Path::Exact(text) | Path::Prefix(text)) => Some(text.len()),
            Some(Path::Regex(_)) | None => None,
        },
        request_headers: route.request_headers.clone(),
        response_headers: route.response_headers.clone(),
        rate_limits: limits(Of::Route(&hits, &text), &route.rate_limits),
        timeout: route.timeout,
        hits,
        text: text.into(),
    })
}
