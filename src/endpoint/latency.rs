//! How long a backend's answers take, as a peak-sensitive exponentially weighted moving average.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::clock::Moment;

/// The moving average of one backend, shared by all workers without a lock.
#[derive(Debug, Default)]
pub struct Latency {
    _value: AtomicU64,
}

impl Latency {
    /// An answer came `elapsed` after its request; `now` is when.
    pub fn observe(&self, _elapsed: Duration, _now: Moment) {}

    /// The average as it stands at `now`; `None` before the first answer.
    pub fn average(&self, _now: Moment) -> Option<Duration> {
        None
    }
}
