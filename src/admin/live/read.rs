//! Reads what a document of the live view is made of.

use std::collections::HashMap;
use std::sync::Arc;

use super::reading::{
    BackendDetails, BackendTraffic, Details, ListenerReading, Reading, ServiceReading, Traffic, Unusable,
};
use crate::admin::Shared;
use crate::admin::backend_reading::{BackendReading, told, told_state};
use crate::admin::past::{Past, Recent, Sample, add_up};
use crate::admin::refused;
use crate::admin::shadow;
use crate::canary::Stage;
use crate::clock::{Moment, Stamp};
use crate::detect::sample::{BUCKETS, Latencies};
use crate::endpoint::standing::WHOLE;
use crate::report::standings::Standing;
use crate::sla::budget::Budget;
use crate::snapshot::{Service, Snapshot};

/// The counters of the backends of a service that somebody looks at, by their ids.
pub(super) type BackendCounters = HashMap<Arc<str>, Counters>;

/// The counters of one backend at one time.
#[derive(Debug)]
pub(super) struct Counters {
    ended: u64,
    failed: u64,
    latencies: [u32; BUCKETS],
}

/// What there is to read at this moment.
pub(super) fn overview(shared: &Shared, snapshot: &Snapshot, now: Moment) -> Reading {
    let listeners = shared.listeners.load();
    let is_shown_page = |name: &str| snapshot.listeners.iter().any(|of| *of.name == *name && of.maintenance.is_on());
    let listeners = listeners.iter().map(|listener| ListenerReading {
        name: listener.name.clone(),
        address: listener.address.clone(),
        protocol: listener.protocol,
        tls: listener.tls,
        connections: listener.metrics.connections(),
        maintenance_page: is_shown_page(&listener.name),
    });
    let standings = shared.promises.standings.all();
    let mut pasts = shared.pasts();
    let services = snapshot.services.iter().map(|service| {
        let traffic = traffic(pasts.of_mut(&service.name), Sample::of(service), now);
        let canary = shared.operators.canaries.shown(&service.name, now);
        let sent_back =
            canary.filter(|canary| canary.standing.stage == Stage::Back).map(|canary| canary.standing.reason);
        ServiceReading { sent_back, ..self::service(snapshot, service, traffic, standings.get(&service.name), now) }
    });
    Reading {
        started: shared.started_at,
        generation: snapshot.generation,
        phase: *shared.phase.borrow(),
        reload_refused: refused::reload(shared),
        certificates_refused: refused::files(shared),
        pause: shared.recoveries.pause_of(),
        leadership: shared.leadership.standing(),
        listeners: listeners.collect(),
        services: services.collect(),
        faults: shared.faults.current(),
        recoveries: shared.recoveries.current(),
    }
}

/// What a service did in the last seconds. The reading is kept for the next time.
fn traffic(past: &mut Past, sample: Sample, now: Moment) -> Traffic {
    let before = past.recent.before(now);
    let traffic = before.map(|(seconds, before)| Traffic { counted: sample.since(before), seconds });
    past.recent.push(now, sample);
    traffic.unwrap_or_default()
}

fn service(
    snapshot: &Snapshot,
    service: &Service,
    traffic: Traffic,
    standing: Option<&Standing>,
    now: Moment,
) -> ServiceReading {
    let places = 0..service.endpoints.len();
    let unusable = places.filter(|&at| !told_state(service, at, now).is_usable());
    let unusable =
        unusable.map(|at| Unusable { id: Arc::clone(&service.endpoints[at].id), told: told(service, at, now) });
    let share = f64::from(snapshot.diverted(service)) / f64::from(WHOLE);
    let way = service.detour.way().filter(|_| share > 0.0);
    let cuts = service.detour.cuts();
    let cuts = cuts.iter().filter(|cut| cut.until > now).map(|cut| Arc::clone(&cut.path));
    ServiceReading {
        name: Arc::clone(&service.name),
        balance: service.balance.as_str(),
        total: service.endpoints.len(),
        unusable: unusable.collect(),
        panic: service.available.panic,
        detour: way.map(|way| (way.to_string(), share)),
        cuts: cuts.collect(),
        traffic,
        in_flight: service.endpoints.iter().map(|endpoint| u64::from(endpoint.live.in_flight())).sum(),
        waiting: service.waiting.len(),
        limit: service.concurrency.as_ref().and_then(|limit| limit.state.limit()),
        sent_back: None,
        budget_left: standing.and_then(budget_left),
        maintenance: standing.is_some_and(|standing| standing.maintenance.is_some()),
        maintenance_page: service.maintenance.is_on(),
    }
}

/// The share of the error budget that is left; `None` = what the window holds was not read yet.
fn budget_left(standing: &Standing) -> Option<f64> {
    let (promise, window) = (&standing.promise, standing.window.as_ref()?);
    Budget::of(promise.target, promise.window.length_ms(Stamp::now()), window).left()
}

/// What there is to read of a service that somebody looks at. The counters of its backends are kept in `recent` for the next time.
pub(super) fn details(
    shared: &Shared,
    service: &Service,
    recent: &mut Recent<BackendCounters>,
    now: Moment,
) -> Details {
    let counters: BackendCounters =
        (0..service.endpoints.len()).map(|at| (Arc::clone(&service.endpoints[at].id), counters(service, at))).collect();
    let before = recent.before(now);
    let backends = (0..service.endpoints.len()).map(|at| {
        let reading = BackendReading::of(shared, service, at, now);
        let id = &reading.endpoint.id;
        let traffic = before.and_then(|(seconds, before)| Some(between(before.get(id)?, counters.get(id)?, seconds)));
        BackendDetails { reading, traffic }
    });
    let details = Details {
        name: Arc::clone(&service.name),
        balance: service.balance.as_str(),
        protocol: service.protocol.as_str(),
        shadow: shadow::list(service),
        backends: backends.collect(),
    };
    recent.push(now, counters);
    details
}

fn counters(service: &Service, at: usize) -> Counters {
    let (succeeded, failed, _) = add_up(service.series.iter().map(|series| &*series.backends[at]));
    Counters { ended: succeeded + failed, failed, latencies: service.upstream[at].latencies() }
}

fn between(before: &Counters, now: &Counters, seconds: f64) -> BackendTraffic {
    let buckets: [u32; BUCKETS] = std::array::from_fn(|at| now.latencies[at].wrapping_sub(before.latencies[at]));
    let count = buckets.iter().map(|count| u64::from(*count)).sum();
    BackendTraffic {
        seconds,
        ended: now.ended.saturating_sub(before.ended),
        failed: now.failed.saturating_sub(before.failed),
        latencies: Latencies { count, buckets, ..Latencies::default() },
    }
}
