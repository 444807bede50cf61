//! What all connections of a worker to one backend share: the policy for keeping them, the worker's timers, and the connection
//! counters.

use std::cell::Cell;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use super::age::Age;
use crate::endpoint::paths::{Paths, Via};
use crate::metrics::UpstreamMetrics;
use crate::policy::Pool as Policy;
use crate::timer::Timers;

/// What the connections of one pool share.
#[derive(Debug)]
pub struct PoolContext {
    pub(super) policy: Cell<Policy>,
    pub(super) timers: Timers,
    /// The paths to the backend, if it has several.
    paths: Option<Arc<Paths>>,
    gauge: Gauge,
}

/// What decides how long a connection may carry exchanges.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    age: Age,
    /// The path that it was made over, where its backend has several.
    pub via: Option<Via>,
}

/// The counters of the connections of one worker to one backend.
#[derive(Debug, Clone)]
struct Gauge {
    metrics: Arc<UpstreamMetrics>,
    worker: usize,
}

/// An entry in the connection counters, which counts a connection as open while this value exists.
#[derive(Debug)]
pub struct OpenConnection {
    gauge: Gauge,
    idle: bool,
    pub(super) life: Life,
}

impl PoolContext {
    /// For connections of this worker to the backend that `metrics` counts for, and that is reached by these `paths`, if it has several.
    pub fn new(
        policy: Policy,
        metrics: &Arc<UpstreamMetrics>,
        worker: usize,
        timers: &Timers,
        paths: Option<Arc<Paths>>,
    ) -> Self {
        let gauge = Gauge { metrics: Arc::clone(metrics), worker };
        Self { policy: Cell::new(policy), timers: timers.clone(), paths, gauge }
    }

    /// Counts a new connection as open until the returned value is dropped, and how long it took to make it. `via` is the path that it was
    /// made over.
    pub fn opened(&self, took: Option<Duration>, via: Option<Via>) -> OpenConnection {
        let Gauge { metrics, worker } = &self.gauge;
        metrics.connected(*worker);
        if let Some(took) = took {
            metrics.connect_took(*worker, took);
        }
        let age = Age::new(self.timers.now(), &mut fastrand::Rng::new());
        OpenConnection { gauge: self.gauge.clone(), idle: false, life: Life { age, via } }
    }

    /// Whether a connection may not carry another exchange: it is too old (`pool.max_age`), or its path was left since.
    pub(super) fn is_spent(&self, life: Life) -> bool {
        let is_left = self.paths.as_ref().zip(life.via).is_some_and(|(paths, via)| !paths.is_good(via));
        is_left || life.age.is_over(|| self.timers.now(), self.policy.get().max_age)
    }

    /// Whether the backend has several paths.
    pub(super) fn has_paths(&self) -> bool {
        self.paths.is_some()
    }
}

impl OpenConnection {
    pub(super) fn idle(&mut self, idle: bool) {
        if self.idle != idle {
            self.idle = idle;
            match idle {
                true => self.gauge.metrics.parked(self.gauge.worker),
                false => self.gauge.metrics.unparked(self.gauge.worker),
            }
        }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.idle(false);
        self.gauge.metrics.closed(self.gauge.worker);
    }
}

/// Calls `poll` once with a waker that does nothing, to look at a connection without waiting for it.
pub(super) fn poll_once<T>(poll: impl FnOnce(&mut Context<'_>) -> T) -> T {
    poll(&mut Context::from_waker(Waker::noop()))
}
