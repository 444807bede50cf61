//! The detection of one service: its samples go to every detector, and what they say becomes verdicts.

use std::sync::Arc;
use std::time::Duration;

use super::fault::{Detector, Verdict, Vote};
use super::sample::Sample;

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

/// What is known at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Now, since any fixed moment; it never goes back.
    pub now: Duration,
    /// How long ago the input before was.
    pub lasted: Duration,
    /// One for each backend, in the order of the backends.
    pub samples: &'a [Sample],
    /// What the service depends on.
    pub dependencies: &'a [Dependency],
    /// The time of the day (UTC), for habits of the day; `None` = not known.
    pub time_of_day: Option<Duration>,
}

/// What has come of an input.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// Verdicts that were raised, or whose fault is another one now.
    pub raised: Vec<Verdict>,
    /// Verdicts that hold no more.
    pub cleared: Vec<Verdict>,
    /// Detectors that panicked or took too long, and are left out from now on, with why.
    pub left_out: Vec<(Detector, String)>,
}

/// The detection of one service.
#[derive(Debug)]
pub struct Detection {
    settings: Settings,
    backends: Vec<Backend>,
    verdicts: Vec<Verdict>,
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

impl Detection {
    /// Nothing is known yet.
    pub fn new(settings: Settings, backends: Vec<Backend>) -> Self {
        Self { settings, backends, verdicts: Vec::new() }
    }

    /// Other settings, or other backends: `places` says for each of the new backends at which place it was before (`None` = it is new).
    /// What is known of those that stay is kept.
    pub fn update(&mut self, settings: Settings, backends: Vec<Backend>, places: &[Option<usize>]) {
        let _ = places;
        (self.settings, self.backends) = (settings, backends);
    }

    /// Takes in what is known now. To be called about every 100 ms; detectors other than `peers` look once an interval.
    pub fn observe(&mut self, input: &Input<'_>) -> Changes {
        let _ = input;
        Changes::default()
    }

    /// What speaks against the backend at this place, as a share of what it takes to accuse it: 0 = nothing, 1 = it is
    /// [accused](Self::accusation). It gets less work the higher this is.
    pub fn suspicion(&self, at: usize) -> f64 {
        let _ = at;
        0.0
    }

    /// What the `peers` detector accuses the backend of, for which it is to be ejected; `None` = nothing.
    pub fn accusation(&self, at: usize) -> Option<&Vote> {
        let _ = at;
        None
    }

    /// Forgets what speaks against a backend: it was ejected, or readmitted.
    pub fn forgive(&mut self, at: usize) {
        let _ = at;
    }

    /// The verdicts that hold now.
    pub fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }

    /// The backends, as they were given.
    pub fn backends(&self) -> &[Backend] {
        &self.backends
    }
}
