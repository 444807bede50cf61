//! Every metric, and its name, in one place; and how they are counted without costing the data path anything.
//!
//! A counter has a slot for each worker that only this worker writes to: an exchange is counted with plain loads and stores
//! on its own cache lines. Durations go into buckets. Reading adds the workers up. (The `metrics` crate was considered: its
//! histograms keep every sample until they are drained, and its handles are calls through a vtable to atomics that all
//! workers contend for.)

mod series;
mod slots;
mod text;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

pub use series::{CLASSES, Distribution, Durations, ListenerMetrics, Requests, UpstreamMetrics};
pub use text::Backend;

/// All series of the process. Made once; asked by the control plane only.
#[derive(Debug)]
pub struct Registry {
    workers: usize,
    series: Mutex<Series>,
    generation: AtomicU64,
    panics: AtomicU64,
}

/// Series by their labels. One that no snapshot holds any more is not shown and goes with the next one that is made.
#[derive(Debug, Default)]
struct Series {
    requests: BTreeMap<[String; 3], Weak<Requests>>,
    durations: BTreeMap<[String; 1], Weak<Durations>>,
    listeners: BTreeMap<[String; 1], Weak<ListenerMetrics>>,
    upstreams: BTreeMap<[String; 2], Weak<UpstreamMetrics>>,
}

impl Registry {
    /// For this many workers.
    pub fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self { workers, series: Mutex::default(), generation: AtomicU64::new(0), panics: AtomicU64::new(0) })
    }

    /// Ended exchanges. `service` and `backend` are empty where there is none.
    pub fn requests(&self, listener: &str, service: &str, backend: &str) -> Arc<Requests> {
        let labels = [listener, service, backend].map(str::to_owned);
        get_or_make(&mut self.series().requests, labels, || Requests::new(self.workers))
    }

    /// Durations of a service's exchanges.
    pub fn durations(&self, service: &str) -> Arc<Durations> {
        get_or_make(&mut self.series().durations, [service.to_owned()], || Durations::new(self.workers))
    }

    /// What a listener counts.
    pub fn listener(&self, name: &str) -> Arc<ListenerMetrics> {
        get_or_make(&mut self.series().listeners, [name.to_owned()], || ListenerMetrics::new(self.workers))
    }

    /// Connections to a backend.
    pub fn upstream(&self, service: &str, backend: &str) -> Arc<UpstreamMetrics> {
        let labels = [service, backend].map(str::to_owned);
        get_or_make(&mut self.series().upstreams, labels, || UpstreamMetrics::new(self.workers))
    }

    /// A configuration with this generation runs now.
    pub fn set_generation(&self, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
    }

    /// A task panicked.
    pub fn count_panic(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// Forgets series that nothing holds any more: to be called after a snapshot was replaced.
    pub fn prune(&self) {
        let mut series = self.series();
        series.requests.retain(|_, s| s.strong_count() > 0);
        series.durations.retain(|_, s| s.strong_count() > 0);
        series.listeners.retain(|_, s| s.strong_count() > 0);
        series.upstreams.retain(|_, s| s.strong_count() > 0);
    }

    fn series(&self) -> MutexGuard<'_, Series> {
        // the maps are whole whatever panicked while they were held
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn get_or_make<L: Ord, S>(series: &mut BTreeMap<L, Weak<S>>, labels: L, make: impl FnOnce() -> S) -> Arc<S> {
    let slot = series.entry(labels).or_default();
    slot.upgrade().unwrap_or_else(|| {
        let made = Arc::new(make());
        *slot = Arc::downgrade(&made);
        made
    })
}
