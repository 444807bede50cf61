//! What Evenkeel counts, and how it tells.
//!
//! Counting happens many times for each exchange on the data plane, reading a few times a minute on the control plane; so all
//! the work is on the reading side. A [`Registry`] makes handles ([`Requests`], [`Durations`], ...) by their labels when a
//! snapshot is built; an exchange finds its handles in the snapshot and counts with a load, an addition and a store in a
//! slot that only its worker writes (`slots` says why); [`Registry::render`] adds the workers up. Nothing on the data path
//! locks, hashes, or shares a cache line with another worker. `benches/metrics.rs` measures it.
//!
//! The `metrics` crate was considered: its histograms keep every sample until somebody reads them, and its handles are calls
//! through a vtable to atomics that all workers contend for.

mod connections;
mod durations;
mod family;
pub mod grpc;
mod losses;
mod names;
mod process;
mod rare;
mod refusals;
mod requests;
pub mod retries;
mod slots;
mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

pub use connections::{Attempts, ListenerMetrics, ServiceAttempts, UpstreamMetrics};
pub use durations::{Distribution, Durations};
pub use grpc::GrpcCalls;
pub use losses::Loss;
pub use refusals::Refusal;
pub use requests::{CLASSES, Requests, SessionEnd};
pub use retries::Retries;
pub use text::{Backend, CONTENT_TYPE, Told};

use family::Family;
use rare::Rare;

/// What became of events for a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notification {
    /// They were delivered.
    Sent,
    /// A try to deliver them failed.
    Failed,
    /// They were given up.
    Dropped,
}

impl Notification {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// All series of the process. Made once; asked by the control plane only.
#[derive(Debug)]
pub struct Registry {
    workers: usize,
    requests: Family<3, Requests>,
    durations: Family<1, Durations>,
    listeners: Family<1, ListenerMetrics>,
    upstreams: Family<2, UpstreamMetrics>,
    attempts: Family<1, ServiceAttempts>,
    retries: Family<1, Retries>,
    grpc: Family<1, GrpcCalls>,
    rare: Rare,
    generation: AtomicU64,
    /// Those that worked, those that failed.
    reloads: [AtomicU64; 2],
    panics: AtomicU64,
    started: SystemTime,
}

/// Why the admin address lets somebody not in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminRefusal {
    /// A token that is none of ours.
    WrongToken,
    /// Too many of these from one address.
    TooManyFailures,
}

impl AdminRefusal {
    const ALL: [Self; 2] = [Self::WrongToken, Self::TooManyFailures];

    fn as_str(self) -> &'static str {
        match self {
            Self::WrongToken => "wrong_token",
            Self::TooManyFailures => "too_many_failures",
        }
    }
}

impl Registry {
    /// For workers 0 to `workers - 1`.
    pub fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            workers,
            requests: Family::default(),
            durations: Family::default(),
            listeners: Family::default(),
            upstreams: Family::default(),
            attempts: Family::default(),
            retries: Family::default(),
            grpc: Family::default(),
            rare: Rare::default(),
            generation: AtomicU64::new(0),
            reloads: Default::default(),
            panics: AtomicU64::new(0),
            started: SystemTime::now(),
        })
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

    /// Durations of a service's exchanges.
    pub fn durations(&self, service: &str) -> Arc<Durations> {
        self.durations.get([service], || Durations::new(self.workers))
    }

    /// What a listener counts.
    pub fn listener(&self, name: &str) -> Arc<ListenerMetrics> {
        self.listeners.get([name], || ListenerMetrics::new(self.workers))
    }

    /// Connections to a backend.
    pub fn upstream(&self, service: &str, backend: &str) -> Arc<UpstreamMetrics> {
        self.upstreams.get([service, backend], || UpstreamMetrics::new(self.workers, self.attempts(service)))
    }

    /// The attempts with the backends of a service, all together.
    pub fn attempts(&self, service: &str) -> Arc<ServiceAttempts> {
        self.attempts.get([service], || ServiceAttempts::new(self.workers))
    }

    /// The retries of a service.
    pub fn retries(&self, service: &str) -> Arc<Retries> {
        self.retries.get([service], || Retries::new(self.workers))
    }

    /// How the gRPC calls of a service ended.
    pub fn grpc(&self, service: &str) -> Arc<GrpcCalls> {
        self.grpc.get([service], || GrpcCalls::new(self.workers))
    }

    /// A backend was ejected, for this reason.
    pub fn count_ejection(&self, service: &str, backend: &str, reason: &str) {
        self.rare.count(&names::EJECTIONS, &[service, backend, reason]);
    }

    /// Events to a webhook, or tries, have come to this.
    pub fn count_notifications(&self, name: &str, outcome: Notification, count: u64) {
        if count > 0 {
            self.rare.add(&names::NOTIFICATIONS, &[name, outcome.as_str()], count);
        }
    }

    /// Forgets the webhooks that have other names.
    pub fn keep_notifications(&self, wanted: &[&str]) {
        self.rare.keep(&names::NOTIFICATIONS, |labels| labels.first().is_some_and(|name| wanted.contains(&&**name)));
    }

    /// The admin address has let somebody not in, for this reason.
    pub fn count_admin_refusal(&self, reason: AdminRefusal) {
        self.rare.count(&names::ADMIN_REFUSED, &[reason.as_str()]);
    }

    /// A configuration with this generation runs now.
    pub fn set_generation(&self, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
    }

    /// The configuration was read again, and used or not.
    pub fn count_reload(&self, ok: bool) {
        self.reloads[usize::from(!ok)].fetch_add(1, Ordering::Relaxed);
    }

    /// A task panicked, on whatever thread: it is rare enough for one shared counter.
    pub fn count_panic(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }
}
