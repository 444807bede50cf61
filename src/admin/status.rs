//! `GET /api/v1/status`, `/api/v1/config` and `/metrics`. All of it is read at the moment of the request.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract;
use serde_json::{Map, Value, json};

use super::Shared;
use super::answer::{self, Answer};
use super::recovery;
use super::window::{Sample, add_up};
use crate::clock::{Moment, rfc3339};
use crate::endpoint::state::{Announced, Condition};
use crate::endpoint::{Endpoint, breaker, standing};
use crate::metrics::{self, BackendReading};
use crate::shortage;
use crate::snapshot::{Cut, Service, Snapshot};

/// `GET /api/v1/status`
pub(super) async fn show(extract::State(shared): extract::State<Arc<Shared>>) -> Answer {
    answer::json(&status(&shared))
}

/// `GET /api/v1/config`
pub(super) async fn show_config(extract::State(shared): extract::State<Arc<Shared>>) -> Answer {
    answer::json(&(shared.effective.load())())
}

/// `GET /metrics`
pub(super) async fn show_metrics(extract::State(shared): extract::State<Arc<Shared>>) -> Answer {
    answer::text("text/plain; version=0.0.4; charset=utf-8", metrics(&shared))
}

/// The status, in the form that tools rely on. A member is null where nothing was measured.
fn status(shared: &Shared) -> Value {
    let snapshot = shared.store.load();
    let listeners: Vec<Value> = shared
        .listeners
        .load()
        .iter()
        .map(|listener| {
            json!({
                "name": listener.name,
                "address": listener.address,
                "protocol": listener.protocol,
                "tls": listener.tls,
                "connections": listener.metrics.connections(),
            })
        })
        .collect();
    let mut recoveries = recovery::in_short(shared);
    let services: Map<String, Value> = snapshot
        .services
        .iter()
        .map(|service| {
            let mut shown = self::service(shared, &snapshot, service);
            shown["recovery"] = recoveries.remove(&service.name).unwrap_or_default();
            (service.name.to_string(), shown)
        })
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": shared.started.elapsed().as_secs(),
        "config_generation": snapshot.generation,
        "listeners": listeners,
        "services": services,
    })
}

fn service(shared: &Shared, snapshot: &Snapshot, service: &Service) -> Value {
    let now = Moment::now();
    let counted = sample(service);
    let recent = match shared.windows().get(&*service.name) {
        Some(window) => window.up_to(counted),
        None => counted,
    };
    let backends: Vec<Value> = (0..service.endpoints.len()).map(|at| backend(shared, service, at, now)).collect();
    json!({
        "balance": service.balance.as_str(),
        "healthy": (0..service.endpoints.len()).filter(|&at| told(service, at, now).condition.state.is_usable()).count(),
        "total": service.endpoints.len(),
        "panic": service.available.panic,
        "detour": service.detour.way().map(|way| json!({
            "to": way.to_string(),
            "share": f64::from(snapshot.diverted(service)) / f64::from(standing::WHOLE),
        })),
        "cuts": cuts(service, now),
        "waiting": service.waiting.len(),
        "stats_5m": stats(&recent),
        "backends": backends,
    })
}

/// The paths that recovery has cut off, and for how much longer.
fn cuts(service: &Service, now: Moment) -> Vec<Value> {
    let shown = |cut: &Cut| json!({ "path": &*cut.path, "left_s": rounded(cut.until.since(now).as_secs_f64()) });
    service.detour.cuts().iter().filter(|cut| cut.until > now).map(shown).collect()
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

fn backend(shared: &Shared, service: &Service, at: usize, now: Moment) -> Value {
    let endpoint = &*service.endpoints[at];
    let live = &endpoint.live;
    let standing = &live.standing;
    let Announced { condition: Condition { state, by }, reason, at: since, .. } = told(service, at, now);
    let (_, _, requests) = add_up(service.series.iter().map(|series| &*series.backends[at]));
    let report = live.load.last().filter(|(_, when)| now.since(*when) < service.load_reports.expire);
    json!({
        "id": &*endpoint.id,
        "address": endpoint.name,
        "weight": standing.weight(endpoint.weight),
        "zone": endpoint.zone,
        "backup": endpoint.backup,
        "state": state.as_str(),
        "reason": reason,
        "since": rfc3339(since),
        "by": by.as_str(),
        "in_flight": live.in_flight(),
        "max_connections": endpoint.limit(),
        "agent_max_connections": standing.agent_limit(),
        "breaker": service.breaker.as_ref().map_or("closed", |policy| match live.breaker.state(policy, now) {
            breaker::Circuit::Closed => "closed",
            breaker::Circuit::Open => "open",
            breaker::Circuit::HalfOpen => "half_open",
        }),
        "ejected": standing.is_ejected(now),
        "work_share": work_share(endpoint),
        "ewma_ms": live.latency.average(now).map(|average| rounded(average.as_secs_f64() * 1e3)),
        "cpu": report.and_then(|(report, _)| report.cpu).map(|share| rounded(f64::from(share))),
        "memory": report.and_then(|(report, _)| report.memory).map(|share| rounded(f64::from(share))),
        "requests": requests,
        "failures": service.upstream[at].attempts().failed,
        "last_check": shared.monitor.last_check(&service.name, &endpoint.id).map(|check| json!({
            "ok": check.ok,
            "ms": rounded(check.took.as_secs_f64() * 1e3),
            "ago_s": rounded(now.since(check.at).as_secs_f64()),
            "reason": check.reason,
        })),
    })
}

/// The share of its work that a backend gets while it is available, 0 to 1.
fn work_share(endpoint: &Endpoint) -> f64 {
    f64::from(endpoint.live.standing.share()) / f64::from(standing::WHOLE)
}

/// How a backend stands, as the log and the events have told it last. A backend that has come in this moment was not told of yet.
fn told(service: &Service, at: usize, now: Moment) -> Announced {
    let found = || Announced {
        condition: service.condition(at, now),
        reason: String::new(),
        since: now,
        at: SystemTime::now(),
    };
    service.endpoints[at].live.standing.announced().unwrap_or_else(found)
}

/// A figure to three places: nothing finer than a microsecond, or a tenth of a percent, is measured.
fn rounded(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

/// The counters of a service as they are now.
pub(super) fn sample(service: &Service) -> Sample {
    let series = service.series.iter().flat_map(|s| s.backends.iter().chain([&s.none]));
    let (succeeded, failed, _) = add_up(series.map(|requests| &**requests));
    Sample { succeeded, failed, durations: service.durations.read() }
}

/// The text of `/metrics`.
fn metrics(shared: &Shared) -> String {
    let snapshot = shared.store.load();
    let now = Moment::now();
    let all = snapshot.services.iter().flat_map(|service| (0..service.endpoints.len()).map(move |at| (service, at)));
    let backends: Vec<BackendReading<'_>> = all
        .map(|(service, at)| {
            let endpoint = &service.endpoints[at];
            let condition = told(service, at, now).condition;
            BackendReading {
                service: &endpoint.service,
                id: &endpoint.id,
                in_flight: endpoint.live.in_flight(),
                up: condition.state.is_usable(),
                state: condition.state.as_str(),
                work_share: work_share(endpoint),
                breaker: service.breaker.as_ref().map(|policy| match endpoint.live.breaker.state(policy, now) {
                    breaker::Circuit::Closed => 0,
                    breaker::Circuit::Open => 1,
                    breaker::Circuit::HalfOpen => 2,
                }),
            }
        })
        .collect();
    let mut page = String::new();
    let waiting: Vec<_> = snapshot.services.iter().map(|service| (&*service.name, service.waiting.len())).collect();
    let readings = metrics::Readings { backends: &backends, waiting: &waiting, shortages: &shortage::counts() };
    shared.registry.render(&readings, &mut page);
    page
}
