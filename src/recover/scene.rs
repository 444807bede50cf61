//! What the coordinator of a service sees at a moment. Whoever drives it makes one from the snapshot, the checks and the verdicts.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Moment;
use crate::detect::fault::Fault;

/// How long after a backend has become well it may be asked what requests show of it.
pub const COUNTED: Duration = Duration::from_secs(600);

/// A service at a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scene {
    /// Its backends, in the order of the configuration.
    pub backends: Vec<BackendScene>,
    /// What is wrong with the service as a whole; what is wrong with a host or a zone stands with each backend there.
    pub trouble: Option<Trouble>,
    /// The change of late that explains what is wrong with the service as a whole, in words.
    pub explained: Option<Arc<str>>,
    /// Whether the service is in maintenance now.
    pub in_maintenance: bool,
    /// How its requests went over the last seconds.
    pub measure: Measure,
    /// The same since the process began; the difference of two is what happened between.
    pub total: Measure,
    /// The other services that have a usable backend, by name: where a failover could send the work.
    pub usable_services: Vec<Arc<str>>,
}

/// A backend at a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BackendScene {
    /// Its id.
    pub id: Arc<str>,
    /// Where it stands; may be empty.
    pub zone: Arc<str>,
    /// Whether it is a backup.
    pub backup: bool,
    /// Whether it may get work: it is neither down, ejected nor broken, and nobody has taken it out. What a failover or a repair does to it
    /// does not count here.
    pub usable: bool,
    /// Whether an operator, its agent or the configuration has taken it out: it is nobody's to repair.
    pub taken_out: bool,
    /// What is wrong with it.
    pub trouble: Option<Trouble>,
    /// The change of late that explains what is wrong with it, in words: a reload that brought it, a drain that ended, a deploy.
    pub explained: Option<Arc<str>>,
    /// Since when it has been at its address: with another one it is another backend, although its id is the same.
    pub known_since: Moment,
    /// Exchanges under way with it.
    pub in_flight: u32,
    /// Whether checks ask it by themselves, so that it is seen without requests whether it answers.
    pub is_checked: bool,
    /// Requests that it has ended, well or not, since the process began. They need only be counted for [`COUNTED`] after it has become well.
    pub ended: u64,
    /// Since when it has been seen well without a break: its checks are good (where there are any), it is in no trouble and usable. `None` = it
    /// is not.
    pub well_since: Option<Moment>,
}

/// What is wrong, with a backend or with a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Trouble {
    /// The fault.
    pub fault: Fault,
    /// Since when it has been known.
    pub since: Moment,
    /// How sure those are who say so, from 0 to 1.
    pub confidence: f64,
    /// Who says so and why, such as `("reachability", "connection refused, 5 times in a row")`.
    pub votes: Arc<[(Arc<str>, Arc<str>)]>,
}

/// How the requests of a service went, over the last seconds or since some moment: what its clients got, whoever did the work. Those that recovery
/// itself has answered, because their path was cut, are left out.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measure {
    /// Requests that ended.
    pub requests: u64,
    /// Those of them that failed by our or a backend's doing.
    pub failed: u64,
    /// The mean time that they took.
    pub mean: Duration,
}

impl Measure {
    /// The share that failed; 0 where there were none.
    pub fn failed_share(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.failed as f64 / self.requests as f64 }
    }

    /// What came after `earlier`, of two that count from the same moment on. The mean is left out.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            failed: self.failed.saturating_sub(earlier.failed),
            mean: Duration::ZERO,
        }
    }
}

impl Scene {
    /// The backend with this id.
    pub fn backend(&self, id: &str) -> Option<&BackendScene> {
        self.backends.iter().find(|backend| &*backend.id == id)
    }
}
