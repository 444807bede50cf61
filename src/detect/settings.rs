//! What a detection is told: its settings, and what there is to watch.

use std::sync::Arc;
use std::time::Duration;

use super::fault::Detector;

/// The settings of the detection of one service.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How often the detectors other than `peers` look (`interval`).
    pub interval: Duration,
    /// The sum of confidences at which a fault is believed (`vote`).
    pub vote: f64,
    /// `[service.*.detect.heartbeat]`
    pub heartbeat: Heartbeat,
    /// `[service.*.detect.performance]`
    pub performance: Performance,
    /// `[service.*.detect.anomaly]`
    pub anomaly: Anomaly,
    /// Detectors that are left out.
    pub off: Vec<Detector>,
}

/// When heartbeats are missed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heartbeat {
    /// How often they are promised.
    pub interval: Duration,
    /// How many in a row may not come before that is a fault.
    pub missed: u32,
}

/// What is too much of anything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Performance {
    /// The longest mean latency.
    pub latency: Duration,
    /// The largest share of failures.
    pub error_rate: f64,
    /// The largest share of the processors.
    pub cpu: f64,
    /// The largest share of the memory.
    pub memory: f64,
}

/// When something is unusual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anomaly {
    /// The Mahalanobis distance from the baseline that is unusual.
    pub threshold: f64,
    /// How many samples the baseline is learned from.
    pub window: usize,
}

/// A backend as far as detectors need to know it.
#[derive(Debug, Clone, PartialEq)]
pub struct Backend {
    /// Its id.
    pub id: Arc<str>,
    /// Its host: the address without the port; empty = unknown.
    pub host: Arc<str>,
    /// Its zone; empty = none.
    pub zone: Arc<str>,
}

/// How one dependency of the service is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Dependency {
    /// Its name.
    pub name: Arc<str>,
    /// Checks that have failed in a row.
    pub failed: u32,
    /// Why the last one failed; empty = it did not.
    pub error: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            vote: 0.8,
            heartbeat: Heartbeat { interval: Duration::from_secs(5), missed: 3 },
            performance: Performance { latency: Duration::from_secs(5), error_rate: 0.05, cpu: 0.8, memory: 0.9 },
            anomaly: Anomaly { threshold: 2.5, window: 50 },
            off: Vec::new(),
        }
    }
}
