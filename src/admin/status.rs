//! `GET /api/v1/status` and `/api/v1/config`. All of it is read at the moment of the request.

mod concurrency;
mod denied;
mod listeners;
mod rate_limits;
mod mirrored;
mod query;

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::{self, RawQuery};
use serde_json::{Map, Value, json};

use self::query::{BackendName, StatusQuery};
use super::Shared;
use super::answer::{self, Answer, Problem};
use super::backend_reading::{BackendReading, told_state};
use super::backends::no_service;
use super::canary;
use super::cluster;
use super::maintenance_page;
use super::past::{Sample, add_up};
use super::recovery;
use super::refused;
use super::rounded::to_thousandths as rounded;
use super::shadow;
use crate::affinity::Affinity;
use crate::clock::{Moment, Stamp, parse_rfc3339, rfc3339};
use crate::endpoint::{Endpoint, standing};
use crate::health::paths::PathReading;
use crate::metrics::ZONES;
use crate::metrics::concurrency::PRIORITIES;
use crate::metrics::hedges::OUTCOMES;
use crate::operator::pages::Scope;
use crate::snapshot::{Cut, Hedges, Service, Snapshot};

/// `GET /api/v1/status`
pub(super) async fn show(
    extract::State(shared): extract::State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Answer, Problem> {
    let query = StatusQuery::parse(query.as_deref().unwrap_or_default()).map_err(Problem::bad_request)?;
    status(&shared, &query).map(|status| answer::json(&status))
}

/// `GET /api/v1/config`
pub(super) async fn show_config(extract::State(shared): extract::State<Arc<Shared>>) -> Answer {
    answer::json(&(shared.effective.load().to_json)())
}

/// The status, in the form that tools rely on. A member is null where nothing was measured.
fn status(shared: &Shared, query: &StatusQuery) -> Result<Value, Problem> {
    let snapshot = shared.store.load();
    let Page { mut services, next } = page(shared, &snapshot, query)?;
    let mut recoveries = recovery::in_short(shared);
    for (name, service) in &mut services {
        service["recovery"] = recoveries.remove(name.as_str()).unwrap_or_default();
    }
    let mut status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": shared.started.elapsed().as_secs(),
        "config_generation": snapshot.generation,
        "config_hash": shared.effective.load().hash,
        "reload_refused": reload_refused(shared),
        "certificates_refused": refused::files(shared),
        "listeners": listeners::all(shared, &snapshot),
        "cluster": cluster::cluster(shared),
        "services": services,
        "limits": rate_limits::all(&snapshot),
        "ledger_backup": backup(shared),
    });
    if query.picks() {
        status["next"] = json!(next.map(|next| next.to_string()));
    }
    Ok(status)
}

/// Why the last reload was refused, and how long ago; null where it was not, or there was none.
fn reload_refused(shared: &Shared) -> Value {
    let mut shown = refused::reload(shared);
    if let Some(at) = shown["at"].as_str().and_then(parse_rfc3339) {
        shown["age_s"] = json!(Stamp::now().since(at.into()) / 1000);
    }
    shown
}

/// What zones do with the work of a service; null where it ignores them.
fn zones(service: &Service) -> Value {
    let Some(preference) = &service.zones else { return Value::Null };
    let picks: Map<String, Value> =
        ZONES.into_iter().map(str::to_owned).zip(preference.picks.read().map(Value::from)).collect();
    // thousandths
    let share = |part: u32| json!(f64::from(part) / 1000.0);
    let shares = service.available.zones.as_ref().map(|zones| {
        let own = (preference.own.to_string(), share(zones.own));
        let others = zones.others.iter().map(|other| (other.name.to_string(), share(other.part)));
        std::iter::once(own).chain(others).collect::<Map<_, _>>()
    });
    json!({ "own": &*preference.own, "shares": shares, "picks": picks })
}

/// The copies of the ledger; null where none are wanted.
fn backup(shared: &Shared) -> Value {
    let shown = shared.backups.shown();
    let Some(to) = shown.to else { return Value::Null };
    let newest = shown.newest;
    let age = |at: Stamp| Stamp::now().since(at) / 1000;
    json!({
        "to": to,
        "name": shown.name,
        "last_success": newest.map(|(at, _)| at.to_string()),
        "age_s": newest.map(|(at, _)| age(at)),
        "size_bytes": newest.map(|(_, size)| size),
        "failing_for_s": shown.failing.as_ref().map(|failing| failing.since.elapsed().as_secs()),
        "reason": shown.failing.map(|failing| failing.reason),
    })
}

/// A part of the backends, with their services.
struct Page {
    services: Map<String, Value>,
    /// The last backend in it, where there are more behind it.
    next: Option<BackendName>,
}

/// The services and backends that are asked for. Where backends are picked, a service without any of these is left out, unless it is named.
fn page(shared: &Shared, snapshot: &Snapshot, query: &StatusQuery) -> Result<Page, Problem> {
    let now = Moment::now();
    let named = |service: &Service| query.service.as_ref().is_none_or(|name| *service.name == **name);
    let mut services = snapshot.services.iter().filter(|service| named(service)).peekable();
    if let (Some(name), None) = (&query.service, services.peek()) {
        return Err(no_service(name));
    }
    let mut after = query.after.as_ref();
    let mut page = Page { services: Map::new(), next: None };
    let mut last = None;
    let mut room = query.room();
    for service in services {
        let begin = match after {
            Some(name) if *service.name != *name.service => continue,
            Some(name) => 1 + place(service, &name.backend)?,
            None => 0,
        };
        after = None;
        let picked = (begin..service.endpoints.len()).filter(|&at| query.has(told_state(service, at, now)));
        // one more than there is room for tells whether there are more
        let mut picked: Vec<usize> = picked.take(room.saturating_add(1)).collect();
        if picked.len() > room {
            picked.truncate(room);
            page.next = picked.last().map(|&at| name_of(service, at)).or(last.take());
        }
        if !query.picks() || !picked.is_empty() || query.service.is_some() {
            page.services.insert(service.name.to_string(), self::service(shared, snapshot, service, &picked, now));
        }
        last = picked.last().map(|&at| name_of(service, at)).or(last);
        room -= picked.len();
        if page.next.is_some() {
            break;
        }
    }
    match after {
        Some(name) => Err(gone(name)),
        None => Ok(page),
    }
}

fn name_of(service: &Service, at: usize) -> BackendName {
    BackendName { service: service.name.to_string(), backend: service.endpoints[at].id.to_string() }
}

/// The place of a backend in its service.
fn place(service: &Service, backend: &str) -> Result<usize, Problem> {
    let name = || BackendName { service: service.name.to_string(), backend: backend.to_owned() };
    service.endpoints.iter().position(|endpoint| *endpoint.id == *backend).ok_or_else(|| gone(&name()))
}

/// The answer that a page can't follow this backend.
fn gone(name: &BackendName) -> Problem {
    Problem::not_found(format!("after={name}: there is no such backend (any more); begin again without `after`"))
}

/// A service with the backends at these places.
fn service(shared: &Shared, snapshot: &Snapshot, service: &Service, shown: &[usize], now: Moment) -> Value {
    let counted = Sample::of(service);
    let recent = match shared.pasts().of(&service.name) {
        Some(past) => past.window.up_to(counted),
        None => counted,
    };
    let backends: Vec<Value> = shown.iter().map(|&at| backend(shared, service, at, now)).collect();
    json!({
        "balance": service.balance.as_str(),
        "healthy": (0..service.endpoints.len()).filter(|&at| told_state(service, at, now).is_usable()).count(),
        "total": service.endpoints.len(),
        "panic": service.available.panic,
        "zones": zones(service),
        "detour": service.detour.way().map(|way| json!({
            "to": way.to_string(),
            "share": f64::from(snapshot.diverted(service)) / f64::from(standing::WHOLE),
        })),
        "cuts": cuts(service, now),
        "waiting": service.waiting.len(),
        "concurrency": concurrency::of(service),
        "mirrored": mirrored::of(snapshot, service),
        "hedges": service.hedges.as_ref().map(|hedges| self::hedges(hedges)),
        "shadow": shadow::of(service),
        "canary": canary::of(shared, &service.name),
        "maintenance_page": maintenance_page::of(shared, snapshot, &Scope::Service(Arc::clone(&service.name))),
        "session_store": session_store(service),
        "discovery": discovery(shared, service),
        "stats_5m": stats(&recent),
        "backends": backends,
    })
}

/// When a service hedges, which may not be known yet, and what came of it.
fn hedges(hedges: &Hedges) -> Value {
    let counts =
        OUTCOMES.iter().zip(hedges.counts.read()).map(|(outcome, count)| ((*outcome).to_owned(), json!(count)));
    let after = hedges.after().map(|after| rounded(after.as_secs_f64() * 1e3));
    counts.chain([("after_ms".to_owned(), json!(after))]).collect::<Map<_, _>>().into()
}

/// The store that shares its sessions with other instances; null where there is none.
fn session_store(service: &Service) -> Value {
    let Some(Affinity::Shared(shared)) = &service.affinity else { return Value::Null };
    let link = shared.link();
    json!({
        "address": link.name(),
        "up": link.is_up(),
        "trouble": link.trouble().map(|trouble| trouble.as_str().to_owned()),
        "waiting_bytes": link.backlog(),
    })
}

/// The source of its discovered backends; null where there is none.
fn discovery(shared: &Shared, service: &Service) -> Value {
    let Some(shown) = shared.discovered.of(&service.name) else { return Value::Null };
    let refused = shown
        .first_refused
        .iter()
        .map(|refused| json!({ "key": refused.key, "reason": refused.reason, "kept": refused.is_kept }));
    json!({
        "source": &*shown.source,
        "up": shown.backends.is_some() && shown.reason.is_none(),
        "reason": shown.reason,
        "backends": shown.backends,
        "refused": shown.refused,
        "first_refused": refused.collect::<Vec<_>>(),
    })
}

/// The paths that recovery has cut off, and for how much longer.
fn cuts(service: &Service, now: Moment) -> Vec<Value> {
    let shown = |cut: &Cut| json!({ "path": &*cut.path, "left_s": rounded(cut.until.since(now).as_secs_f64()) });
    service.detour.cuts().iter().filter(|cut| cut.until > now).map(shown).collect()
}

fn stats(recent: &Sample) -> Value {
    let shed = PRIORITIES.iter().zip(recent.shed).map(|(name, count)| ((*name).to_owned(), json!(count)));
    let shed = shed.collect::<Map<_, _>>();
    json!({
        "total": recent.ended(),
        "succeeded": recent.succeeded,
        "failed": recent.failed,
        "shed": shed,
        "success_rate": (recent.ended() > 0).then(|| recent.succeeded as f64 / recent.ended() as f64),
        "avg_ms": recent.durations.mean_ms().map(rounded),
        "p50_ms": recent.durations.quantile_ms(0.5).map(rounded),
        "p99_ms": recent.durations.quantile_ms(0.99).map(rounded),
    })
}

fn backend(shared: &Shared, service: &Service, at: usize, now: Moment) -> Value {
    let read = BackendReading::of(shared, service, at, now);
    let (endpoint, standing) = (&read.endpoint, &read.endpoint.live.standing);
    let (_, _, requests) = add_up(service.series.iter().map(|series| &*series.backends[at]));
    json!({
        "id": &*endpoint.id,
        "address": endpoint.name,
        "weight": read.weight,
        "zone": endpoint.zone,
        "backup": endpoint.backup,
        "state": read.told.condition.state.as_str(),
        "reason": read.told.reason,
        "since": rfc3339(read.told.at),
        "by": read.told.condition.by.as_str(),
        "in_flight": read.in_flight,
        "max_connections": endpoint.limit(),
        "agent_max_connections": standing.agent_limit(),
        "breaker": read.breaker,
        "ejected": standing.is_ejected(now),
        "work_share": read.work_share,
        "ewma_ms": read.latency.map(|average| rounded(BackendReading::millis(average))),
        "cpu": read.report.and_then(|report| report.cpu).map(|share| rounded(f64::from(share))),
        "memory": read.report.and_then(|report| report.memory).map(|share| rounded(f64::from(share))),
        "utilization": read.report.and_then(|report| report.utilization).map(|share| rounded(f64::from(share))),
        "requests": requests,
        "failures": service.upstream[at].attempts().failed,
        "retries": read.retries,
        "last_check": read.last_check.map(|check| json!({
            "ok": check.ok,
            "ms": rounded(BackendReading::millis(check.took)),
            "ago_s": rounded(now.since(check.at).as_secs_f64()),
            "reason": check.reason,
        })),
        "paths": paths(shared, endpoint, now),
    })
}

/// The paths to a backend; null where it has one, or nobody checks them.
fn paths(shared: &Shared, endpoint: &Endpoint, now: Moment) -> Value {
    let Some(paths) = shared.monitor.paths(&endpoint.service, &endpoint.id) else { return Value::Null };
    let shown = |path: PathReading| {
        json!({
            "address": path.address.to_string(),
            "state": if path.is_up { "up" } else { "down" },
            "chosen": path.is_chosen,
            "since": rfc3339(SystemTime::now() - now.since(path.since)),
            "rtt_ms": path.rtt_ms.map(rounded),
            "loss": rounded(path.loss),
            "last_check": path.last_check.map(|check| json!({
                "ok": check.ok,
                "ms": rounded(BackendReading::millis(check.at.since(check.began))),
                "ago_s": rounded(now.since(check.at).as_secs_f64()),
                "reason": check.reason,
            })),
        })
    };
    paths.into_iter().map(shown).collect()
}
