//! The metrics as a scraper or a collector gets them: what is counted, and beside it what is known of backends and services at the time of the reading.

use std::sync::Arc;

use axum::extract;
use http::header::{ACCEPT, HeaderMap};

use super::Shared;
use super::answer::{self, Answer};
use super::backend_reading::{circuit, told_state, work_share};
use crate::clock::Moment;
use crate::endpoint::Endpoint;
use crate::endpoint::breaker::Circuit;
use crate::health::paths::PathReading;
use crate::metrics::{
    BackendReading as SeriesReading, Collect, ConcurrencyReading, Format, PathSeries, Readings, Registry,
};
use crate::shortage;
use crate::snapshot::Snapshot;

/// `GET /metrics`
pub(super) async fn show(extract::State(shared): extract::State<Arc<Shared>>, headers: HeaderMap) -> Answer {
    let format = Format::wanted(headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok()));
    answer::text(format.content_type(), metrics(&shared, format))
}

/// The paths to a backend.
fn path_series(shared: &Shared, endpoint: &Endpoint) -> Vec<PathSeries> {
    let paths = shared.monitor.paths(&endpoint.service, &endpoint.id).unwrap_or_default();
    let series = |path: PathReading| PathSeries {
        address: path.address.to_string(),
        up: path.is_up,
        chosen: path.is_chosen,
        rtt: path.rtt_ms.map(|rtt| rtt / 1e3),
        loss: path.loss,
    };
    paths.into_iter().map(series).collect()
}

/// The text of `/metrics`.
fn metrics(shared: &Shared, format: Format) -> String {
    let mut page = String::new();
    read(shared, |registry, readings| registry.render(readings, format, &mut page));
    page
}

impl Shared {
    /// Hands a reading of all metrics over to `to`.
    pub fn collect(&self, to: &mut dyn Collect) {
        read(self, |registry, readings| registry.collect(readings, to));
    }
}

/// By service that hedges, the seconds after which it does; 0 = not known yet.
fn hedge_times(snapshot: &Snapshot) -> Vec<(&str, f64)> {
    let hedging = snapshot.services.iter().filter_map(|service| Some((service, service.hedges.as_ref()?)));
    let times = hedging.map(|(service, hedges)| (&*service.name, hedges.after().unwrap_or_default().as_secs_f64()));
    times.collect()
}

/// The adaptive limits of all services that have one.
fn concurrency(snapshot: &Snapshot) -> Vec<ConcurrencyReading<'_>> {
    let limited = snapshot.services.iter().filter_map(|service| Some((service, &service.concurrency.as_ref()?.state)));
    limited
        .map(|(service, state)| ConcurrencyReading {
            service: &service.name,
            limit: state.limit().unwrap_or(0),
            in_flight: state.in_flight(),
            unloaded: state.unloaded().unwrap_or_default().as_secs_f64(),
        })
        .collect()
}

/// Reads what is known of backends and services, for those who read the metrics.
fn read(shared: &Shared, then: impl FnOnce(&Registry, &Readings<'_>)) {
    let snapshot = shared.store.load();
    let now = Moment::now();
    let all = snapshot.services.iter().flat_map(|service| (0..service.endpoints.len()).map(move |at| (service, at)));
    let backends: Vec<SeriesReading<'_>> = all
        .map(|(service, at)| {
            let endpoint = &service.endpoints[at];
            let state = told_state(service, at, now);
            SeriesReading {
                service: &endpoint.service,
                id: &endpoint.id,
                in_flight: endpoint.live.in_flight(),
                up: state.is_usable(),
                state: state.as_str(),
                work_share: work_share(endpoint),
                breaker: circuit(service, endpoint, now).map(|circuit| match circuit {
                    Circuit::Closed => 0,
                    Circuit::Open => 1,
                    Circuit::HalfOpen => 2,
                }),
                paths: endpoint.addresses.paths().map_or_else(Vec::new, |_| path_series(shared, endpoint)),
            }
        })
        .collect();
    let waiting: Vec<_> = snapshot.services.iter().map(|service| (&*service.name, service.waiting.len())).collect();
    let (hedge_after, concurrency) = (hedge_times(&snapshot), concurrency(&snapshot));
    let readings = Readings {
        backends: &backends,
        waiting: &waiting,
        hedge_after: &hedge_after,
        concurrency: &concurrency,
        shortages: &shortage::counts(),
    };
    then(&shared.registry, &readings);
}
