//! `GET /api/v1/status` and `/metrics`: the state of everything, read at the moment of the request.

use serde_json::{Map, Value, json};

use super::State;
use super::window::{Sample, add_up};
use crate::endpoint::Endpoint;
use crate::metrics::Backend;
use crate::snapshot::Service;

/// The status, in the form that tools rely on. Members for which nothing is measured are null.
pub(super) fn status(state: &State) -> Value {
    let snapshot = state.store.load();
    let listeners: Vec<Value> = state
        .listeners
        .borrow()
        .iter()
        .map(|listener| {
            json!({
                "name": listener.name,
                "address": listener.address,
                "tls": listener.tls,
                "connections": listener.metrics.connections(),
            })
        })
        .collect();
    let services: Map<String, Value> =
        snapshot.services.iter().map(|service| (service.name.to_string(), self::service(state, service))).collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": state.started.elapsed().as_secs(),
        "config_generation": snapshot.generation,
        "listeners": listeners,
        "services": services,
    })
}

fn service(state: &State, service: &Service) -> Value {
    let now = sample(service);
    let recent = match state.windows.borrow().get(&*service.name) {
        Some(window) => window.up_to(now),
        None => now,
    };
    let backends: Vec<Value> =
        service.endpoints.iter().enumerate().map(|(at, endpoint)| backend(service, at, endpoint)).collect();
    json!({
        "balance": service.balance,
        "healthy": service.endpoints.iter().filter(|endpoint| endpoint.gets_new_work()).count(),
        "total": service.endpoints.len(),
        "panic": false,
        "stats_5m": stats(&recent),
        "backends": backends,
    })
}

fn stats(recent: &Sample) -> Value {
    let total = recent.succeeded + recent.failed;
    json!({
        "total": total,
        "succeeded": recent.succeeded,
        "failed": recent.failed,
        "success_rate": (total > 0).then(|| recent.succeeded as f64 / total as f64),
        "avg_ms": recent.durations.mean_ms().map(rounded),
        "p50_ms": recent.durations.quantile_ms(0.5).map(rounded),
        "p99_ms": recent.durations.quantile_ms(0.99).map(rounded),
    })
}

fn backend(service: &Service, at: usize, endpoint: &Endpoint) -> Value {
    let (_, failures, requests) = add_up(service.series.iter().map(|series| &*series.backends[at]));
    json!({
        "id": endpoint.id,
        "address": endpoint.name,
        "weight": endpoint.weight,
        "zone": endpoint.zone,
        "backup": false,
        "state": if endpoint.draining { "draining" } else { "up" },
        "in_flight": endpoint.live.in_flight(),
        "breaker": "closed",
        "ejected": false,
        "ewma_ms": null,
        "cpu": null,
        "memory": null,
        "requests": requests,
        "failures": failures,
        "last_check": null,
    })
}

/// To the microsecond: what is finer is not measured.
fn rounded(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

/// The counters of a service as they are now.
pub(super) fn sample(service: &Service) -> Sample {
    let series = service.series.iter().flat_map(|s| s.backends.iter().chain([&s.none]));
    let (succeeded, failed, _) = add_up(series.map(|requests| &**requests));
    Sample { succeeded, failed, durations: service.durations.read() }
}

/// The Prometheus page.
pub(super) fn metrics(state: &State) -> String {
    let snapshot = state.store.load();
    let endpoints = snapshot.services.iter().flat_map(|service| &service.endpoints);
    let backends: Vec<Backend<'_>> = endpoints
        .map(|endpoint| Backend {
            service: &endpoint.service,
            id: &endpoint.id,
            in_flight: endpoint.live.in_flight(),
            up: endpoint.gets_new_work(),
        })
        .collect();
    let mut page = String::new();
    state.registry.render(&backends, &mut page);
    page
}
