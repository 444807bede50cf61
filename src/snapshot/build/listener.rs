//! Builds listeners with their routes.

use std::sync::Arc;

use http::header::{self, HeaderName};

use super::super::{
    Action, Canary, Guard, Listener, Maintenance, Mirror, RateLimit, Recoding, RedirectTemplate, Route, Service,
    Snapshot, Split,
};
use super::BuildError;
use super::client_limits;
use super::rate_limits::{self, Of};
use crate::auth::{AccessList, Auth};
use crate::config::model;
use crate::endpoint::Target;
use crate::metrics::{Denials, Mirrored, Registry, RouteHits};
use crate::pages::ErrorPages;
use crate::policy::compression;
use crate::policy::{CertificateHeader, HeaderChanges, KeyFrom, Priority, TimeoutOverride};
use crate::protocol::http::fields;
use crate::route::{Conditions, Path, Table};

/// Builds the listener at this place, which is bound to `bind`. `all_pages`: the pages by status of all listeners. `is_mirroring`: some listener has a
/// route that sends copies of requests somewhere.
pub(super) fn build(
    index: usize,
    key: u32,
    bind: Target,
    (listener, services, all_pages, is_mirroring): (&model::Listener, &[Arc<Service>], Option<&Arc<ErrorPages>>, bool),
    previous: Option<&Snapshot>,
    registry: &Registry,
) -> Result<Listener, BuildError> {
    let own_fields = own_fields(listener, is_mirroring);
    let limits =
        |of: Of<'_>, wanted: &[model::RateLimit]| rate_limits::build(of, &listener.name, wanted, previous, registry);
    let routes = routes((listener, &own_fields), services, limits, registry)?;
    let default = default(listener, &own_fields, registry).map(Arc::new);
    let name: Arc<str> = listener.name.as_str().into();
    Ok(Listener {
        key,
        index,
        client_limits: client_limits::build(&name, listener.client_limits.as_ref(), previous, registry),
        name,
        bind,
        protocol: listener.protocol,
        proxy_protocol: listener.proxy_protocol,
        hits: routes.iter().map(|(_, route): &(_, Arc<Route>)| Arc::clone(&route.hits)).collect(),
        splits: routes.iter().enumerate().filter_map(|(place, (_, route))| Some((place, split_of(route)?))).collect(),
        asks: asks(routes.iter().map(|(_, route)| route).chain(&default), services),
        route_paths: routes.iter().map(|(when, _)| path_text(when)).collect(),
        limited: those(&routes, |route| !route.rate_limits.is_empty()),
        guarded: those(&routes, |route| route.guard.is_some()),
        mirroring: those(&routes, |route| route.mirror.is_some()),
        has_variables: has_variables((listener, all_pages), &routes, services),
        routes: Table::new(routes),
        default,
        trusted_proxies: Arc::clone(&listener.trusted_proxies),
        guard: guard(
            listener.access.as_ref(),
            None,
            || registry.denials(&listener.name, ""),
            listener.paths.refuses_ambiguous,
        ),
        paths: listener.paths,
        certificate_header: certificate_header(listener),
        own_fields,
        guards_methods: listener.routes.iter().any(guards_methods),
        limits: listener.limits.clone(),
        rate_limits: limits(Of::Listener, &listener.rate_limits),
        idle_timeout: listener.idle_timeout,
        max_connections: listener.max_connections,
        local: registry.requests(&listener.name, "", ""),
        unrouted: registry.totals(""),
        request_id: listener.request_id.clone(),
        client_ip_header: listener.client_ip_header.clone(),
        request_headers: listener.request_headers.clone(),
        response_headers: listener.response_headers.clone(),
        error_pages: [listener.error_pages.clone(), all_pages.cloned()],
        maintenance: maintenance(&listener.maintenance),
        recoding: recoding(&listener.recoding, listener, registry),
    })
}

/// All routes of a listener, by their conditions.
fn routes(
    (listener, own_fields): (&model::Listener, &[HeaderName]),
    services: &[Arc<Service>],
    limits: impl Fn(Of<'_>, &[model::RateLimit]) -> Box<[RateLimit]>,
    registry: &Registry,
) -> Result<Vec<(Conditions, Arc<Route>)>, BuildError> {
    let denials = |route: &str| registry.denials(&listener.name, route);
    let mut routes = Vec::with_capacity(listener.routes.len());
    for (number, route) in listener.routes.iter().enumerate() {
        // a route is the same one after a reload, and goes on counting, while it is for the same requests
        let hits = registry.route_hits(&listener.name, &format!("{:?}", route.when));
        let built = build_route(number, (route, own_fields), services, (hits, denials), &limits);
        let subject = || format!("listener `{}`, route {}", listener.name, number + 1);
        let mut built = built.map_err(|reason| BuildError { subject: subject(), reason })?;
        built.recoding = recoding(&route.recoding, listener, registry);
        built.mirror = mirror(route, services, |to| registry.mirrored(&listener.name, to));
        routes.push((route.when.clone(), Arc::new(built)));
    }
    Ok(routes)
}

/// What is done with the content of answers, if anything is.
fn recoding(policy: &compression::Recoding, listener: &model::Listener, registry: &Registry) -> Option<Recoding> {
    policy.is_on().then(|| Recoding { policy: policy.clone(), counts: registry.recoded(&listener.name) })
}

/// What clients are shown during the maintenance of a listener, or of a service.
pub(super) fn maintenance(of: &model::Maintenance) -> Maintenance {
    let model::Maintenance { enabled, page, allow, status, retry_after } = of.clone();
    Maintenance::new(enabled, (status, page), allow, retry_after)
}

/// The routes that are like this.
fn those(routes: &[(Conditions, Arc<Route>)], are: impl Fn(&Route) -> bool) -> Vec<Arc<Route>> {
    routes.iter().map(|(_, route)| route).filter(|route| are(route)).cloned().collect()
}

/// Whether something of what a request says when it comes is needed later: by a value with variables, of the listener, of one of its routes or of a
/// service, or by a page that tells of it; or because what it accepts is changed on the way, by which the form of an error is chosen.
fn has_variables(
    (listener, all_pages): (&model::Listener, Option<&Arc<ErrorPages>>),
    routes: &[(Conditions, Arc<Route>)],
    services: &[Arc<Service>],
) -> bool {
    let own = [&listener.request_headers, &listener.response_headers];
    let changes_accept = |changes: &HeaderChanges| changes.names().contains(&header::ACCEPT);
    let mut requests = std::iter::once(&listener.request_headers)
        .chain(routes.iter().map(|(_, route)| &route.request_headers))
        .chain(services.iter().map(|service| &service.request_headers));
    own.into_iter().any(HeaderChanges::has_variables)
        || listener.error_pages.iter().chain(all_pages).any(|pages| pages.tell_of_request())
        || listener.maintenance.page.as_ref().is_some_and(|page| page.tells_of_request())
        || requests.any(changes_accept)
        || routes.iter().any(|(_, route)| route.has_variables())
        || services.iter().any(|service| service.has_variables())
}

/// Whether a route is protected for some methods only.
fn guards_methods(route: &model::Route) -> bool {
    !route.when.methods.is_empty() && (route.auth.is_some() || route.access.is_some())
}

/// The canaries that routes lead to, each with all of their splits.
pub(super) fn canaries(config: &model::Config, listeners: &[Arc<Listener>]) -> Vec<Canary> {
    let mut all: Vec<Canary> = Vec::new();
    for (configured, listener) in config.listeners.iter().zip(listeners) {
        for (place, split) in &listener.splits {
            let Some(canary) = &configured.routes[*place].canary else { continue };
            let split = Arc::clone(split);
            match all.iter_mut().find(|known| known.service == canary.service.0) {
                Some(known) => known.splits.push(split),
                None => all.push(Canary {
                    service: canary.service.0,
                    stable: canary.stable.0,
                    plan: canary.plan.clone(),
                    splits: vec![split],
                }),
            }
        }
    }
    all
}

/// The service that gets copies of a route's requests, if one does.
fn mirror(
    route: &model::Route,
    services: &[Arc<Service>],
    counts: impl FnOnce(&str) -> Arc<Mirrored>,
) -> Option<Mirror> {
    let (service, rule) = route.mirror?;
    let name = &services[service.0].name;
    Some(Mirror::new(service.0, name, rule, counts(name)))
}

/// The split of a route that has one.
fn split_of(route: &Route) -> Option<Arc<Split>> {
    match &route.action {
        Action::Split(split) => Some(Arc::clone(split)),
        Action::Service(_) | Action::Redirect { .. } | Action::File { .. } | Action::Respond { .. } => None,
    }
}

/// By its place, whether each of the services may be asked by one of these routes: to answer requests, or who may come in.
fn asks<'a>(routes: impl Iterator<Item = &'a Arc<Route>>, services: &[Arc<Service>]) -> Vec<bool> {
    let mut asks = vec![false; services.len()];
    for route in routes {
        match &route.action {
            Action::Service(service) => asks[*service] = true,
            Action::Split(split) => split.services().for_each(|service| asks[service] = true),
            Action::Redirect { .. } | Action::File { .. } | Action::Respond { .. } => {}
        }
        if let Some(Auth::Forward(forward)) = route.guard.as_ref().and_then(|guard| guard.auth.as_deref()) {
            asks[forward.service] = true;
        }
    }
    asks
}

/// The route that takes what no other takes, where the listener has a service.
fn default(listener: &model::Listener, own_fields: &[HeaderName], registry: &Registry) -> Option<Route> {
    Some(Route {
        place: None,
        action: Action::Service(listener.service?.0),
        mirror: None,
        rewrite: None,
        matched_prefix: None,
        request_headers: HeaderChanges::default().guarding(own_fields),
        response_headers: HeaderChanges::default(),
        cors: None,
        error_pages: None,
        recoding: recoding(&listener.recoding, listener, registry),
        rate_limits: Box::default(),
        priority: Priority::default(),
        priority_header: None,
        timeout: TimeoutOverride::default(),
        hits: registry.route_hits(&listener.name, ""),
        text: "all others".into(),
        guard: None,
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

/// What guards a listener or a route. `counts`: it has something to count though everybody may come in.
fn guard(
    access: Option<&Arc<AccessList>>,
    auth: Option<&Arc<Auth>>,
    denied: impl FnOnce() -> Arc<Denials>,
    counts: bool,
) -> Option<Guard> {
    let is_needed = counts || access.is_some() || auth.is_some();
    is_needed.then(|| Guard { access: access.cloned(), auth: auth.cloned(), denied: denied() })
}

/// What backends are told of clients' certificates.
fn certificate_header(listener: &model::Listener) -> CertificateHeader {
    listener.tls.as_ref().map_or_else(Default::default, |tls| tls.certificate_header)
}

/// The fields that tell backends of a client's certificate.
fn certificate_fields(header: CertificateHeader) -> &'static [HeaderName] {
    static BOTH: [HeaderName; 2] = fields::CLIENT_CERTIFICATE;
    match header {
        CertificateHeader::Off => &[],
        // a chain that a client makes up is as bad as a certificate
        CertificateHeader::Certificate | CertificateHeader::Chain => &BOTH,
    }
}

/// The fields that only the proxy writes, whichever route takes a request: backends may be asked by several.
fn own_fields(listener: &model::Listener, is_mirroring: bool) -> Vec<HeaderName> {
    let header = certificate_header(listener);
    let of_route = |route: &model::Route| match route.auth.as_deref() {
        Some(Auth::Basic(basic)) => basic.user_header.iter().cloned().collect(),
        Some(Auth::Jwt(jwt)) => jwt.claims.iter().map(|(name, _)| name.clone()).collect(),
        Some(Auth::Forward(forward)) => forward.own_fields().cloned().collect(),
        Some(Auth::ClientCertificate(_)) | None => Vec::new(),
    };
    // whatever way leads to a service: who could say that a request is a copy could have it treated as one
    let of_copies = is_mirroring.then_some(fields::MIRROR);
    let of_routes = listener.routes.iter().flat_map(of_route);
    certificate_fields(header).iter().cloned().chain(of_copies).chain(of_routes).collect()
}

/// The field in which a client shows a route who it is, and which backends get as well. What was verified is that field's value: so it is told to nobody in
/// another spelling of its name, nor in trailers.
fn credentials(auth: Option<&Arc<Auth>>) -> Option<HeaderName> {
    match auth.map(|auth| &**auth) {
        Some(Auth::Basic(basic)) if basic.passes_on => Some(header::AUTHORIZATION),
        Some(Auth::Jwt(jwt)) => match &jwt.from {
            KeyFrom::Header(name) => Some(name.clone()),
            KeyFrom::Cookie(_) => Some(header::COOKIE),
            KeyFrom::Query(_) | KeyFrom::ClientIp | KeyFrom::Path | KeyFrom::Uri => None,
        },
        Some(Auth::Basic(_) | Auth::ClientCertificate(_) | Auth::Forward(_)) | None => None,
    }
}

fn build_route(
    place: usize,
    (route, own_fields): (&model::Route, &[HeaderName]),
    services: &[Arc<Service>],
    (hits, denials): (Arc<RouteHits>, impl Fn(&str) -> Arc<Denials>),
    limits: impl Fn(Of<'_>, &[model::RateLimit]) -> Box<[RateLimit]>,
) -> Result<Route, String> {
    let auth = route.auth.as_ref();
    let action = match &route.action {
        model::Action::Service(id) => Action::Service(id.0),
        model::Action::Split(weights) => {
            let sides = weights.iter().map(|(id, weight)| (id.0, &*services[id.0].name, *weight));
            let split = Split::new(sides, route.split_by.clone());
            Action::Split(Arc::new(split.ok_or("the weights of its split are all 0")?))
        }
        model::Action::Redirect { to, status } => Action::Redirect { to: RedirectTemplate::new(to), status: *status },
        model::Action::File { status, file } => Action::File { status: *status, file: Arc::clone(file) },
        model::Action::Respond { status, body, content_type } => {
            Action::Respond { status: *status, body: body.clone(), content_type: content_type.clone() }
        }
    };
    let text = route.when.to_string();
    Ok(Route {
        place: Some(place),
        action,
        mirror: None,
        rewrite: route.rewrite.clone(),
        matched_prefix: match &route.when.path {
            Some(Path::Exact(text) | Path::Prefix(text)) => Some(text.len()),
            Some(Path::Regex(_)) | None => None,
        },
        request_headers: route.request_headers.clone().guarding(own_fields).guarding(credentials(auth).as_slice()),
        response_headers: route.response_headers.clone(),
        cors: route.cors.clone(),
        error_pages: route.error_pages.clone(),
        recoding: None,
        rate_limits: limits(Of::Route(&hits, &route.when), &route.rate_limits),
        priority: route.priority,
        priority_header: route.priority_header.clone(),
        timeout: route.timeout,
        hits,
        guard: guard(route.access.as_ref(), auth, || denials(&text), false),
        text: text.into(),
    })
}
