//! Builds the next snapshot from the configuration and the snapshot before.
//!
//! What a backend keeps from one snapshot to the next, from the most lasting to the least:
//!
//! - its `Live`, and with it all that was learned, while service, id and address stay: it is the same process, whatever
//!   its other settings are now;
//! - its key as well, and with it the connections that workers keep, while a new connection would be made the same way
//!   (protocol, TLS settings, host);
//! - the `Arc<Endpoint>` itself while nothing has changed.

mod affinity;
mod client_limits;
mod handles;
mod rate_limits;
mod listener;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
mod tls;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;

pub use rate_limits::scope as rate_limit_scope;

use super::course::courses;
use super::service::{Detection, Promised, ServiceSettings};
use super::{ConcurrencyLimit, Hedges, Listener, Service, Snapshot, ZonePreference};
use crate::clock::Moment;
use crate::concurrency::AdaptiveLimit;
use crate::config::model;
use crate::detect::fault::Detector;
use crate::detect::service::Settings;
use crate::endpoint::addresses::Addresses;
use crate::endpoint::waiters::Waiters;
use crate::endpoint::{Endpoint, Live, Target};
use crate::metrics::{PromisedRequests, Registry};
use crate::policy::{Balance, KeyFrom, UpstreamProtocol};
use crate::protocol::http::{HeadLimits, Leniency};
use handles::Handles;

/// Makes the TLS settings towards a service's backends, which speak this protocol, or says why it can't.
pub type MakeTls<'a> = &'a mut dyn FnMut(&model::ClientTls, UpstreamProtocol) -> Result<Arc<ClientConfig>, String>;

/// Why no snapshot could be built. The one before stays in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildError {
    /// What it is about, such as ``service `api` ``.
    subject: String,
    reason: String,
}

/// Builds the snapshot that follows `previous`.
///
/// # Errors
///
/// When `make_tls` fails, when a backend has no name to verify its certificate by, or when the weights of a split are all 0.
pub fn build(
    config: &model::Config,
    previous: Option<&Snapshot>,
    make_tls: MakeTls<'_>,
    registry: &Registry,
) -> Result<Snapshot, BuildError> {
    let before: HashMap<&str, &Service> =
        previous.iter().flat_map(|snapshot| &snapshot.services).map(|service| (&*service.name, &**service)).collect();
    let mut services = Vec::with_capacity(config.services.len());
    for (index, service) in config.services.iter().enumerate() {
        let before = before.get(&*service.name).copied();
        services.push(Arc::new(build_service((index, service), (before, previous), (config, registry, make_tls))?));
    }
    let mut listeners = Vec::with_capacity(config.listeners.len());
    let is_mirroring = config.listeners.iter().flat_map(|l| &l.routes).any(|route| route.mirror.is_some());
    for (index, listener) in config.listeners.iter().enumerate() {
        let bind = target(&listener.bind);
        let known = previous
            .and_then(|before| before.listeners.iter().find(|l| l.is_at(&bind, listener.protocol, &listener.name)));
        let key = known.map_or_else(Listener::new_key, |known| known.key);
        listeners.push(Arc::new(listener::build(
            index,
            key,
            bind,
            (listener, &services, config.server.error_pages.as_ref(), is_mirroring),
            previous,
            registry,
        )?));
    }
    let generation = previous.map_or(0, |snapshot| snapshot.generation) + 1;
    let sends_proxy_headers = services.iter().any(|service| service.proxy_header.is_some());
    let access_lines = Arc::clone(&config.log.access_lines);
    let (courses, tracing) = (courses(&services), config.otlp.as_ref().map(|otlp| otlp.tracing));
    let canaries = listener::canaries(config, &listeners);
    Ok(Snapshot { generation, listeners, canaries, courses, services, sends_proxy_headers, access_lines, tracing })
}

fn build_service(
    (index, service): (usize, &model::Service),
    (before, previous): (Option<&Service>, Option<&Snapshot>),
    (config, registry, make_tls): (&model::Config, &Registry, MakeTls<'_>),
) -> Result<Service, BuildError> {
    let (same_way, tls) = connection(service, before, make_tls)?;
    let (name, places): (Arc<str>, _) = (service.name.as_str().into(), handles::places(service, before));
    let endpoints = endpoints(&name, (service, &places), before, same_way);
    let handles = Handles { registry, service, before: previous.zip(before), places: &places };
    let settings = ServiceSettings {
        index,
        name,
        balance: service.balance,
        shadow: handles.shadow(),
        hash_on: hash_on(service),
        affinity: affinity::build(service, before, &endpoints, registry).map_err(BuildError::of(service))?,
        sticky_by: service.affinity.as_ref().and_then(|affinity| affinity.policy.by.clone()),
        slow_start: service.slow_start,
        panic_threshold: service.panic_threshold,
        zones: zones(service, registry),
        heads: answer_heads(service),
        via: service.via,
        protocol: service.protocol,
        proxy_header: service.proxy_header,
        timeouts: service.timeout,
        pool: service.pool,
        retry: service.retry.clone(),
        breaker: service.breaker,
        health: service.health.clone(),
        outlier: service.outlier,
        detection: detection(service),
        failure_status: service.failure_status.clone(),
        fallback: service.fallback.clone(),
        error_pages: service.error_pages.clone(),
        maintenance: listener::maintenance(&service.maintenance),
        request_headers: service.request_headers.clone(),
        response_headers: service.response_headers.clone(),
        load_reports: service.load_reports.clone(),
        waiting: waiters(before, registry),
        abort_on_close: service.abort_on_close,
        totals: registry.totals(&service.name),
        durations: registry.durations(&service.name),
        retries: registry.retries(&service.name),
        hedges: hedges(service, before, registry),
        concurrency: concurrency(service, before, registry),
        grpc: registry.grpc(&service.name),
        promised: service.sla.as_ref().map(|sla| promised(sla, registry.promised(&service.name))),
        protection: before.map_or_else(Arc::default, |before| Arc::clone(&before.protection)),
        detour: before.map_or_else(Arc::default, |before| Arc::clone(&before.detour)),
        attempts: registry.attempts(&service.name),
        series: config.listeners.iter().map(|listener| handles.series(&listener.name)).collect(),
        upstream: handles.upstream(),
        endpoints,
        tls_http1: tls.as_ref().filter(|_| service.protocol == UpstreamProtocol::Auto).map(tls::only_http1),
        tls,
        tls_server_name: tls::check_server_names(service).map_err(BuildError::of(service))?,
        tls_fingerprint: tls::fingerprint(service.tls.as_ref(), service.protocol),
    };
    Ok(Service::new(Arc::new(settings), Moment::now()))
}

/// Whether connections to its backends are made in the same way as before, and the TLS in which they are made.
fn connection(
    service: &model::Service,
    before: Option<&Service>,
    make_tls: MakeTls<'_>,
) -> Result<(bool, Option<Arc<ClientConfig>>), BuildError> {
    let same_way = before.is_some_and(|before| is_connected_alike(service, before));
    let tls = tls::client_tls(service, before.filter(|_| same_way), make_tls).map_err(BuildError::of(service))?;
    Ok((same_way, tls))
}

/// The hedges of a service that hedges. The control plane says after which time that is, when the snapshot is in force.
fn hedges(service: &model::Service, before: Option<&Service>, registry: &Registry) -> Option<Arc<Hedges>> {
    service.retry.hedge?;
    let known = before.and_then(|before| before.hedges.clone());
    Some(known.unwrap_or_else(|| Arc::new(Hedges::new(registry.hedges(&service.name)))))
}

/// The adaptive limit of a service that has one. What was found before goes on.
fn concurrency(service: &model::Service, before: Option<&Service>, registry: &Registry) -> Option<ConcurrencyLimit> {
    let rule = service.concurrency?;
    let known = before.and_then(|before| before.concurrency.as_ref()).map(|limit| Arc::clone(&limit.state));
    let new = || Arc::new(AdaptiveLimit::new(registry.concurrency(&service.name)));
    Some(ConcurrencyLimit::new(rule, known.unwrap_or_else(new)))
}

/// What a consistent hash is taken of, where an algorithm needs one.
fn hash_on(service: &model::Service) -> Option<KeyFrom> {
    let mut algorithms = service.shadow.iter().chain([&service.balance]);
    algorithms.any(|by| matches!(by, Balance::ConsistentHash(_))).then(|| service.hash_on.clone())
}

/// The endpoints of a service's backends, each with its place in the service before.
fn endpoints(
    name: &Arc<str>,
    (service, places): (&model::Service, &[Option<usize>]),
    before: Option<&Service>,
    same_way: bool,
) -> Vec<Arc<Endpoint>> {
    let endpoint = |(backend, place): (&model::Backend, &Option<usize>)| {
        build_endpoint(
            service,
            name,
            backend,
            place.and_then(|at| before?.endpoints.get(at)),
            same_way,
            before.is_some(),
        )
    };
    service.backends.iter().zip(places).map(endpoint).collect()
}

/// What is promised of it.
fn promised(sla: &model::Sla, requests: Arc<PromisedRequests>) -> Arc<Promised> {
    let model::Sla { promise, maintenance } = sla.clone();
    Arc::new(Promised { promise, maintenance, requests })
}

/// What its detectors are told. Without a `detect` section there is one detector, which needs no settings: `peers`.
fn detection(service: &model::Service) -> Detection {
    match &service.detect {
        Some(model::Detect { settings, dependencies, record }) => {
            Detection { settings: settings.clone(), dependencies: dependencies.clone(), record: record.clone() }
        }
        None => {
            let off = Detector::ALL.into_iter().filter(|detector| *detector != Detector::Peers).collect();
            let settings = Settings { off, ..Settings::default() };
            Detection { settings, dependencies: Vec::new(), record: None }
        }
    }
}

/// Whether connections to its backends are still made in the same way as those of the service before.
fn is_connected_alike(service: &model::Service, before: &Service) -> bool {
    let tls_fingerprint = tls::fingerprint(service.tls.as_ref(), service.protocol);
    before.protocol == service.protocol
        && before.proxy_header == service.proxy_header
        && before.tls_fingerprint == tls_fingerprint
}

/// Who waits for a slot at its backends: they go on waiting through a reload.
fn waiters(before: Option<&Service>, registry: &Registry) -> Arc<Waiters> {
    before.map_or_else(|| Arc::new(Waiters::new(registry.workers())), |before| Arc::clone(&before.waiting))
}

/// The limits of the heads of its backends' answers.
fn answer_heads(service: &model::Service) -> HeadLimits {
    HeadLimits {
        bytes: service.limits.max_header_bytes,
        fields: service.limits.max_headers,
        leniency: Leniency { bare_lf: service.allow_bare_lf, ..Leniency::default() },
    }
}

/// Makes the endpoint of a backend. `known` is the endpoint that had its id in the snapshot before, `same_way` says
/// whether a connection to it is still made in the same way, and `joins` whether the service existed before.
fn build_endpoint(
    settings: &model::Service,
    service: &Arc<str>,
    backend: &model::Backend,
    known: Option<&Arc<Endpoint>>,
    same_way: bool,
    joins: bool,
) -> Arc<Endpoint> {
    let (target, addresses) = (target(&backend.address), addresses(backend));
    // a name with other addresses, but not only others, is the same backend; so is a name that had none before
    let is_same = |known: &Endpoint| {
        known.target == target
            || known.addresses.overlaps(&addresses)
            || known.is_unresolved() && known.host == backend.host
    };
    let namesake = known;
    let known = known.filter(|known| is_same(known));
    let live = known.map_or_else(|| new_live(joins, namesake), |known| Arc::clone(&known.live));
    match &backend.unresolved {
        Some(reason) => live.standing.set_unresolved(reason),
        None if known.is_some_and(|known| known.is_unresolved()) => live.standing.join(Moment::now()),
        None => {}
    }
    let is_alike = |known: &Endpoint| known.outbound == settings.outbound;
    let connected = known.filter(|known| {
        same_way && is_alike(known) && known.host == backend.host && known.addresses.same_as(&addresses)
    });
    let unchanged = connected.filter(|known| {
        known.name == backend.name
            && known.weight == backend.weight
            && known.max_connections == backend.max_connections
            && known.backup == backend.backup
            && known.zone == backend.zone
            && known.draining == backend.drain
    });
    if let Some(unchanged) = unchanged {
        return Arc::clone(unchanged);
    }
    Arc::new(Endpoint {
        key: connected.map_or_else(Endpoint::new_key, |known| known.key),
        id: backend.id.as_str().into(),
        service: Arc::clone(service),
        name: backend.name.clone(),
        target: connected.map_or(target, |known| known.target.clone()),
        addresses: connected.map_or_else(|| Arc::new(addresses), |known| Arc::clone(&known.addresses)),
        host: backend.host.clone(),
        weight: backend.weight,
        max_connections: backend.max_connections,
        backup: backend.backup,
        zone: backend.zone.clone(),
        draining: backend.drain,
        outbound: connected.map_or_else(|| settings.outbound.clone(), |known| known.outbound.clone()),
        live,
    })
}

/// The state of a new backend. One that joins an existing service begins with slow start. What was announced of the backend that had its id
/// before goes on, so that the events of this id tell one story.
fn new_live(joins: bool, namesake: Option<&Arc<Endpoint>>) -> Arc<Live> {
    let live = Live::default();
    if let Some(before) = namesake {
        live.standing.continue_announcements_of(&before.live.standing);
    }
    if joins {
        live.standing.join(Moment::now());
    }
    Arc::new(live)
}

fn addresses(backend: &model::Backend) -> Addresses {
    match &backend.address {
        _ if backend.unresolved.is_some() => Addresses::default(),
        model::Address::Tcp(first) => {
            let all = std::iter::once(first).chain(&backend.further).copied();
            if backend.are_paths { Addresses::of_paths(all) } else { Addresses::new(all) }
        }
        model::Address::Unix(_) => Addresses::default(),
    }
}

fn target(address: &model::Address) -> Target {
    match address {
        model::Address::Tcp(address) => Target::Tcp(*address),
        model::Address::Unix(path) => Target::Unix(path.clone()),
    }
}

impl BuildError {
    /// Makes of a reason the error for this service.
    fn of(service: &model::Service) -> impl Fn(String) -> Self {
        move |reason| Self { subject: format!("service `{}`", service.name), reason }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.reason)
    }
}

impl std::error::Error for BuildError {}

/// The zone that a service prefers, and what its picks are counted in.
fn zones(service: &model::Service, registry: &Registry) -> Option<ZonePreference> {
    service.zone.clone().map(|own| ZonePreference { own, picks: registry.zone_picks(&service.name) })
}
