//! The words in which detectors speak: what is wrong, with whom, who says so and how sure they are.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Nothing is answered: refused, hung, reset, no heartbeat.
    Unresponsive,
    /// It answers slowly.
    HighLatency,
    /// It fails often.
    HighErrorRate,
    /// It has no processor, memory or other means left, or is about to.
    ResourceExhaustion,
    /// It can't be reached from here or from one zone, while others are.
    NetworkPartition,
    /// A whole host is gone, with all that ran on it.
    HardwareFailure,
    /// What it depends on is gone.
    DependencyFailure,
}

/// Who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Detector {
    /// Promised heartbeats that did not come.
    Heartbeat,
    /// Thresholds and trends.
    Performance,
    /// What a service depends on.
    Dependency,
    /// Distance from what was learned to be normal.
    Anomaly,
    /// What can be reached, compared across hosts and zones.
    Reachability,
    /// A backend against its peers at the same moment.
    Peers,
}

/// Whom it is about. A backend is named by its place among the service's backends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// The service as a whole.
    Service,
    /// One backend.
    Backend(usize),
    /// All backends of this host.
    Host(Arc<str>),
    /// All backends of this zone.
    Zone(Arc<str>),
}

/// What one detector says.
#[derive(Debug, Clone, PartialEq)]
pub struct Vote {
    /// Who.
    pub detector: Detector,
    /// Of whom.
    pub subject: Subject,
    /// What.
    pub fault: Fault,
    /// How sure it is, from 0 to 1.
    pub confidence: f64,
    /// Why, in words and figures (its own and its peers'), such as "answers take 52 ms, those of its peers 5.1 ms (731 answers)".
    pub reason: String,
}

/// What the detectors have agreed on.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Of whom.
    pub subject: Subject,
    /// What.
    pub fault: Fault,
    /// How sure they are: their confidences added up, at most [`CERTAIN`].
    pub confidence: f64,
    /// Those of the votes that are for this fault, the surest first.
    pub votes: Vec<Vote>,
    /// When it was raised, on the caller's clock.
    pub since: Duration,
}

/// The highest confidence of a verdict.
pub const CERTAIN: f64 = 0.95;

impl Vote {
    /// Adds this vote to the others. A detector has one vote for a fault of a subject: what it says a second time is a further reason.
    pub fn cast(self, votes: &mut Vec<Self>) {
        let same = |vote: &&mut Self| {
            (vote.detector, vote.fault) == (self.detector, self.fault) && vote.subject == self.subject
        };
        match votes.iter_mut().find(same) {
            Some(vote) => {
                vote.reason = format!("{}; {}", vote.reason, self.reason);
                vote.confidence = vote.confidence.max(self.confidence);
            }
            None => votes.push(self),
        }
    }
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 7] = [
        Self::Unresponsive,
        Self::HighLatency,
        Self::HighErrorRate,
        Self::ResourceExhaustion,
        Self::NetworkPartition,
        Self::HardwareFailure,
        Self::DependencyFailure,
    ];

    /// The name in the API, the metrics, the events and the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unresponsive => "unresponsive",
            Self::HighLatency => "high_latency",
            Self::HighErrorRate => "high_error_rate",
            Self::ResourceExhaustion => "resource_exhaustion",
            Self::NetworkPartition => "network_partition",
            Self::HardwareFailure => "hardware_failure",
            Self::DependencyFailure => "dependency_failure",
        }
    }
}

impl Detector {
    /// All detectors.
    pub const ALL: [Self; 6] =
        [Self::Heartbeat, Self::Performance, Self::Dependency, Self::Anomaly, Self::Reachability, Self::Peers];

    /// The name in the API, the metrics and the events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat",
            Self::Performance => "performance",
            Self::Dependency => "dependency",
            Self::Anomaly => "anomaly",
            Self::Reachability => "reachability",
            Self::Peers => "peers",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unresponsive => "does not answer",
            Self::HighLatency => "answers slowly",
            Self::HighErrorRate => "fails often",
            Self::ResourceExhaustion => "runs out of resources",
            Self::NetworkPartition => "can't be reached over the network",
            Self::HardwareFailure => "its host is gone",
            Self::DependencyFailure => "what it depends on fails",
        })
    }
}
