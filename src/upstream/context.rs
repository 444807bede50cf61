//! What all connections of a worker to one backend share: the policy for keeping them, the worker's timers, and the connection
//! counters.

use std::cell::Cell;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use super::age::Age;
use crate::metrics::UpstreamMetrics;
use crate::policy::Pool as Policy;
use crate::timer::Timers;

/// What the connections of one pool share.
#[derive(Debug)]
pub struct PoolContext {
    pub(super) policy: Cell<Policy>,
    pub(super) timers: Timers,
    gauge: Gauge,
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
    pub(super) age: Age,
}

impl PoolContext {
    /// For connections of this worker to the backend that `metrics` counts for.
    pub fn new(policy: Policy, metrics: &Arc<UpstreamMetrics>, worker: usize, timers: &Timers) -> Self {
        let gauge = Gauge { metrics: Arc::clone(metrics), worker };
        Self { policy: Cell::new(policy), timers: timers.clone(), gauge }
    }

    /// Counts a new connection as open until the returned value is dropped, and how long it took to make it.
    pub fn opened(&self, took: Option<Duration>) -> OpenConnection {
        let Gauge { metrics, worker } = &self.gauge;
        metrics.connected(*worker);
        if let Some(took) = took {
            metrics.connect_took(*worker, took);
        }
        let age = Age::new(self.timers.now(), &mut fastrand::Rng::new());
        OpenConnection { gauge: self.gauge.clone(), idle: false, age }
    }

    /// Whether a connection of this age is too old for another exchange (`pool.max_age`).
    pub(super) fn is_too_old(&self, age: Age) -> bool {
        age.is_over(|| self.timers.now(), self.policy.get().max_age)
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
