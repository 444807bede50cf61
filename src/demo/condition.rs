//! The condition that a backend of the demo is in. Whoever plays the trouble sets it, and the backend obeys.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// The path on which a backend that is failing answers 503.
pub const FAILING_PATH: &str = "/checkout";

/// How a backend is at this moment.
#[derive(Debug)]
pub struct Condition {
    /// How long it takes for each answer, in milliseconds.
    latency_ms: AtomicU64,
    /// Whether [`FAILING_PATH`] is answered with 503.
    failing: AtomicBool,
    /// Whether it listens. When it stops to, its connections are reset.
    alive: watch::Sender<bool>,
}

impl Condition {
    /// Alive and well, with answers that take `latency`.
    pub fn new(latency: Duration) -> Self {
        Self {
            latency_ms: AtomicU64::new(millis(latency)),
            failing: AtomicBool::new(false),
            alive: watch::Sender::new(true),
        }
    }

    /// How long it takes for each answer.
    pub fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms.load(Ordering::Relaxed))
    }

    /// Has each answer take `latency` from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.latency_ms.store(millis(latency), Ordering::Relaxed);
    }

    /// Whether [`FAILING_PATH`] is answered with 503.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Has [`FAILING_PATH`] answered with 503, or not any more.
    pub fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::Relaxed);
    }

    /// Whether it listens.
    pub fn is_alive(&self) -> bool {
        *self.alive.borrow()
    }

    /// Has it listen, or close its port and reset its connections.
    pub fn set_alive(&self, alive: bool) {
        self.alive.send_replace(alive);
    }

    /// Tells of each change of whether it listens.
    pub(super) fn life(&self) -> watch::Receiver<bool> {
        self.alive.subscribe()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
