//! The metrics: what Evenkeel counts, and the text in which Prometheus reads it.
//!
//! Counting happens many times for each exchange on the data plane, reading a few times a minute on the control plane; so all
//! the work is on the reading side. A [`Registry`] makes handles ([`Requests`], [`Durations`], ...) by their labels when a
//! snapshot is built; an exchange finds its handles in the snapshot and counts with a load, an addition and a store in a
//! slot that only its worker writes (`slots` says why); [`Registry::render`] adds the workers up. Nothing on the data path
//! locks, hashes, or shares a cache line with another worker. `benches/metrics.rs` measures it.
//!
//! Rooms of the control plane count through the facade of the `metrics` crate, whose recorder is the registry ([`recorder`]): they need no
//! handle of it, and all metrics are in the one list [`names`] all the same. The data path does not: the facade's handles are calls through
//! a vtable to atomics that all workers would contend for.

pub mod age;
pub mod collect;
pub mod concurrency;
mod denials;
mod durations;
mod exemplar;
mod failures;
mod family;
mod fold;
mod format;
pub mod grpc;
pub mod hedges;
pub mod latencies;
mod listeners;
mod losses;
pub mod mirrored;
pub mod names;
mod openmetrics;
mod process;
mod promised;
mod readings;
mod recorder;
mod refusals;
mod render;
mod requests;
pub mod retries;
mod zone_picks;
mod routes;
pub mod client_limits;
pub mod rate_limited;
pub mod recoded;
pub mod session_lookups;
mod shadow;
mod slots;
mod stages;
mod text;
mod totals;
mod upstream;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

pub use collect::{Bucket, Collect, Histogram, Number};
pub use concurrency::ConcurrencyCounts;
pub use denials::{Denial, Denials};
pub use durations::{Distribution, Durations};
pub use exemplar::Exemplar;
pub use failures::{FailureReason, Failures};
pub use format::Format;
pub use grpc::GrpcCalls;
pub use hedges::HedgeCounts;
pub use latencies::BUCKETS;
pub use listeners::ListenerMetrics;
pub use losses::Loss;
pub use mirrored::{MirrorInFlight, MirrorResult, Mirrored};
pub use promised::{PromiseEnd, PromisedRequests};
pub use readings::{BackendReading, ConcurrencyReading, PathSeries, Readings};
pub use refusals::Refusal;
pub use requests::{CLASSES, Requests, SessionEnd};
pub use retries::Retries;
pub use routes::RouteHits;
pub use shadow::ShadowPicks;
pub use stages::StageDurations;
pub use totals::Totals;
pub use upstream::{
    AttemptCounts, AttemptDetails, AttemptEnd, BeganIn, EPOCHS, Epoch, Failure, ServiceAttempts, UpstreamMetrics,
};
pub use zone_picks::{ZONES, ZonePicks};

use client_limits::ClientLimited;
use family::Family;
use fold::Folding;
use rate_limited::RateLimited;
use recoded::Recoded;
use recorder::Recorded;
use session_lookups::SessionLookups;

/// All series of the process. It is made once, and only the control plane asks it.
#[derive(Debug)]
pub struct Registry {
    workers: usize,
    requests: Family<3, Requests>,
    totals: Family<1, Totals>,
    durations: Family<1, Durations>,
    listeners: Family<1, ListenerMetrics>,
    upstreams: Family<2, UpstreamMetrics>,
    attempts: Family<1, ServiceAttempts>,
    retries: Family<1, Retries>,
    hedges: Family<1, HedgeCounts>,
    mirrored: Family<2, Mirrored>,
    concurrency: Family<1, ConcurrencyCounts>,
    recoded: Family<1, Recoded>,
    zone_picks: Family<1, ZonePicks>,
    grpc: Family<1, GrpcCalls>,
    promised: Family<1, PromisedRequests>,
    routes: Family<2, RouteHits>,
    denials: Family<2, Denials>,
    rate_limited: Family<3, RateLimited>,
    client_limited: Family<1, ClientLimited>,
    session_lookups: Family<1, SessionLookups>,
    shadow_picks: Family<3, ShadowPicks>,
    shadow_agreed: Family<2, ShadowPicks>,
    recorded: Recorded,
    folding: Folding,
    panics: AtomicU64,
    epoch: Arc<Epoch>,
    started: SystemTime,
}

impl Registry {
    /// For workers 0 to `workers - 1`.
    pub fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            workers,
            requests: Family::default(),
            totals: Family::default(),
            durations: Family::default(),
            listeners: Family::default(),
            upstreams: Family::default(),
            attempts: Family::default(),
            retries: Family::default(),
            hedges: Family::default(),
            mirrored: Family::default(),
            concurrency: Family::default(),
            recoded: Family::default(),
            zone_picks: Family::default(),
            grpc: Family::default(),
            promised: Family::default(),
            routes: Family::default(),
            denials: Family::default(),
            rate_limited: Family::default(),
            client_limited: Family::default(),
            session_lookups: Family::default(),
            shadow_picks: Family::default(),
            shadow_agreed: Family::default(),
            recorded: Recorded::default(),
            folding: Folding::default(),
            panics: AtomicU64::new(0),
            epoch: Arc::default(),
            started: SystemTime::now(),
        })
    }

    /// Sets for how many backends there are series (0 = for all), and whether there are histograms among them.
    pub fn show_backends(&self, most: usize, histograms: bool) {
        self.folding.set(most, histograms);
    }

    /// When the process started, which is since when it counts.
    pub fn started(&self) -> SystemTime {
        self.started
    }

    /// How many workers count in it.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Ended exchanges that came through `listener`. `service` and `backend` are empty where there is none. Same labels, same
    /// series, for as long as somebody holds it: this goes for all of these.
    pub fn requests(&self, listener: &str, service: &str, backend: &str) -> Arc<Requests> {
        self.requests.get([listener, service, backend], || Requests::new(self.workers))
    }

    /// Ended exchanges with a service, whatever listener they came through and whatever backend had them: what the series of
    /// [`requests`](Self::requests) with its name add up to. Who looks at ten thousand backends each second reads these instead. `service` is
    /// empty for exchanges that ended before a service was found.
    pub fn totals(&self, service: &str) -> Arc<Totals> {
        self.totals.get([service], || Totals::new(self.workers))
    }

    /// Durations of a service's exchanges.
    pub fn durations(&self, service: &str) -> Arc<Durations> {
        self.durations.get([service], || Durations::new(self.workers))
    }

    /// The counters of a listener.
    pub fn listener(&self, name: &str) -> Arc<ListenerMetrics> {
        self.listeners.get([name], || ListenerMetrics::new(self.workers))
    }

    /// Connections to a backend.
    pub fn upstream(&self, service: &str, backend: &str) -> Arc<UpstreamMetrics> {
        self.upstreams.get([service, backend], || {
            UpstreamMetrics::new(self.workers, self.attempts(service), Arc::clone(&self.epoch))
        })
    }

    /// By which the ages of attempts are told.
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// The attempts with the backends of a service, all together.
    pub fn attempts(&self, service: &str) -> Arc<ServiceAttempts> {
        self.attempts.get([service], || ServiceAttempts::new(self.workers))
    }

    /// The picks of a service that prefers a zone.
    pub fn zone_picks(&self, service: &str) -> Arc<ZonePicks> {
        self.zone_picks.get([service], || ZonePicks::new(self.workers))
    }

    /// The retries of a service.
    pub fn retries(&self, service: &str) -> Arc<Retries> {
        self.retries.get([service], || Retries::new(self.workers))
    }

    /// The hedges of a service.
    pub fn hedges(&self, service: &str) -> Arc<HedgeCounts> {
        self.hedges.get([service], || HedgeCounts::new(self.workers))
    }

    /// The copies of requests that come by a listener and go to a service.
    pub fn mirrored(&self, listener: &str, service: &str) -> Arc<Mirrored> {
        self.mirrored.get([listener, service], || Mirrored::new(self.workers))
    }

    /// The answers of this listener whose content is compressed or decompressed.
    pub fn recoded(&self, listener: &str) -> Arc<Recoded> {
        self.recoded.get([listener], || Recoded::new(self.workers))
    }

    /// What is counted for the adaptive limit of a service.
    pub fn concurrency(&self, service: &str) -> Arc<ConcurrencyCounts> {
        self.concurrency.get([service], || ConcurrencyCounts::new(self.workers))
    }

    /// How the gRPC calls of a service ended.
    pub fn grpc(&self, service: &str) -> Arc<GrpcCalls> {
        self.grpc.get([service], || GrpcCalls::new(self.workers))
    }

    /// How the requests to a service end, for what is promised of it.
    pub fn promised(&self, service: &str) -> Arc<PromisedRequests> {
        self.promised.get([service], || PromisedRequests::new(self.workers))
    }

    /// What a route of a listener has taken, by what tells it apart from the other routes.
    pub fn route_hits(&self, listener: &str, route: &str) -> Arc<RouteHits> {
        self.routes.get([listener, route], || RouteHits::new(self.workers))
    }

    /// What a listener has not let in, or (where `route` is not empty) one of its routes.
    pub fn denials(&self, listener: &str, route: &str) -> Arc<Denials> {
        self.denials.get([listener, route], || Denials::new(self.workers))
    }

    /// What a limit of a listener (`route` is empty then) or of a route has done.
    pub fn rate_limited(&self, listener: &str, route: &str, limit: &str) -> Arc<RateLimited> {
        self.rate_limited.get([listener, route, limit], || RateLimited::new(self.workers))
    }

    /// What the limits of a listener for each client have refused.
    pub fn client_limited(&self, listener: &str) -> Arc<ClientLimited> {
        self.client_limited.get([listener], || ClientLimited::new(self.workers))
    }

    /// Looks at the sessions of a service that instances share.
    pub fn session_lookups(&self, service: &str) -> Arc<SessionLookups> {
        self.session_lookups.get([service], || SessionLookups::new(self.workers))
    }

    /// Picks of a backend by an algorithm, in the sample that algorithms in the shadow of a service are compared by.
    pub fn shadow_picks(&self, service: &str, algorithm: &str, backend: &str) -> Arc<ShadowPicks> {
        self.shadow_picks.get([service, algorithm, backend], || ShadowPicks::new(self.workers))
    }

    /// Picks in which an algorithm in the shadow of a service agrees with the one that decides.
    pub fn shadow_agreed(&self, service: &str, algorithm: &str) -> Arc<ShadowPicks> {
        self.shadow_agreed.get([service, algorithm], || ShadowPicks::new(self.workers))
    }

    /// A task panicked, on whatever thread: it is rare enough for one shared counter.
    pub fn count_panic(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }
}
