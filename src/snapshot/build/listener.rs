//! Builds listeners with their routes.

use std::sync::Arc;

use super::super::{Action, Listener, RedirectTemplate, Route, Service, Split};
use super::BuildError;
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
    (listener, services): (&model::Listener, &[Arc<Service>]),
    registry: &Registry,
) -> Result<Listener, BuildError> {
    // a route is the same one after a reload, and goes on counting, while it is for the same requests
    let hits = |listener: &str, conditions: &str| registry.route_hits(listener, conditions);
    let mut routes = Vec::with_capacity(listener.routes.len());
    for (number, route) in listener.routes.iter().enumerate() {
        let hits = hits(&listener.name, &format!("{:?}", route.when));
        let built = build_route(number, route, services, hits).map_err(|reason| BuildError {
            subject: format!("listener `{}`, route {}", listener.name, number + 1),
            reason,
        })?;
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
            cors: None,
            timeout: TimeoutOverride::default(),
            hits: hits(&listener.name, ""),
            text: "all others".into(),
        })
    });
    let own = [&listener.request_headers, &listener.response_headers];
    let has_variables = own.into_iter().any(HeaderChanges::has_variables)
        || routes.iter().any(|(_, route)| route.has_variables())
        || services.iter().any(|service| service.has_variables());
    Ok(Listener {
        key,
        index,
        name: listener.name.as_str().into(),
        bind,
        protocol: listener.protocol,
        proxy_protocol: listener.proxy_protocol,
        hits: routes.iter().map(|(_, route): &(_, Arc<Route>)| Arc::clone(&route.hits)).collect(),
        splits: routes.iter().enumerate().filter_map(|(place, (_, route))| Some((place, split_of(route)?))).collect(),
        route_paths: routes.iter().map(|(when, _)| path_text(when)).collect(),
        routes: Table::new(routes),
        default,
        trusted_proxies: listener.trusted_proxies.clone(),
        limits: listener.limits.clone(),
        idle_timeout: listener.idle_timeout,
        max_connections: listener.max_connections,
        local: registry.requests(&listener.name, "", ""),
        request_id: listener.request_id.clone(),
        client_ip_header: listener.client_ip_header.clone(),
        request_headers: listener.request_headers.clone(),
        response_headers: listener.response_headers.clone(),
        has_variables,
    })
}

/// The split of a route that has one.
fn split_of(route: &Route) -> Option<Arc<Split>> {
    match &route.action {
        Action::Split(split) => Some(Arc::clone(split)),
        Action::Service(_) | Action::Redirect { .. } | Action::Respond { .. } => None,
    }
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
    services: &[Arc<Service>],
    hits: Arc<RouteHits>,
) -> Result<Route, String> {
    let action = match &route.action {
        model::Action::Service(id) => Action::Service(id.0),
        model::Action::Split(weights) => {
            let sides = weights.iter().map(|(id, weight)| (id.0, &*services[id.0].name, *weight));
            let split = Split::new(sides, route.split_by.clone());
            Action::Split(Arc::new(split.ok_or("the weights of its split are all 0")?))
        }
        model::Action::Redirect { to, status } => Action::Redirect { to: RedirectTemplate::new(to), status: *status },
        model::Action::Respond { status, body, content_type } => {
            Action::Respond { status: *status, body: body.clone(), content_type: content_type.clone() }
        }
    };
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
        cors: route.cors.clone(),
        timeout: route.timeout,
        hits,
        text: route.when.to_string().into(),
    })
}
