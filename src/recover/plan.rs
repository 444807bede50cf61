//! What the configuration says of the recovery of a service: `[[service.NAME.recover]]` and `[service.NAME.recovery]`.

use std::sync::Arc;
use std::time::Duration;

use crate::detect::fault::Fault;

/// How a service is repaired.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The strategies, in the order of the file. Their names are unique.
    pub strategies: Vec<StrategyPlan>,
    /// How much may be done.
    pub limits: Limits,
    /// Nothing is done; it is said what would have been.
    pub dry_run: bool,
    /// Each attempt waits for a person who approves it.
    pub ask: bool,
}

/// The brakes of a service, as configured.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// The time between the end of an attempt and the begin of the next one for the same fault of the same backend, where the fault has come back
    /// or the attempt was no failure. After a failure the next attempt follows after [`StrategyPlan::delay`], until all strategies have failed.
    pub cool_down: Duration,
    /// Attempts under way at a time; at least 1. A failover does not count.
    pub max_at_once: usize,
    /// The share of the backends that may be under repair at a time, above 0 and at most 1. One backend always may.
    pub max_disrupted: f64,
    /// While a larger share of the backends is unhealthy (down, or failing in another way than being slow), nothing but a failover is done; 0 to 1.
    /// One unhealthy backend alone never is too many.
    pub max_unhealthy: f64,
    /// Attempts an hour; 0 = no limit.
    pub per_hour: u32,
}

/// A strategy, as configured.
#[derive(Debug, Clone, PartialEq)]
pub struct StrategyPlan {
    /// Unique in the service; the word for its kind, unless the file gives another.
    pub name: Arc<str>,
    /// What it does.
    pub kind: StrategyKind,
    /// The faults that it is tried against.
    pub on: Vec<Fault>,
    /// How often it is tried against one fault before it is given up for that; at least 1.
    pub attempts: u32,
    /// The pause before each further attempt against the same fault.
    pub delay: Duration,
    /// Within what time after the act the service has to be seen well again.
    pub within: Duration,
    /// The effectiveness that is assumed of it before anything was learned, from 0.1 to 1.
    pub prior: f64,
    /// Whether the file says how to take it back when it made things worse.
    pub has_undo: bool,
}

/// What a strategy does.
#[derive(Debug, Clone, PartialEq)]
pub enum StrategyKind {
    /// Starts a backend anew, by a command, a systemd unit or a webhook.
    Restart {
        /// How long the exchanges of the backend may take to end before it is restarted.
        drain: Duration,
    },
    /// Sends the work elsewhere, and back again.
    Failover {
        /// Where to.
        to: Destination,
        /// How long those that failed have to be well before they get work again.
        back_after: Duration,
    },
    /// Starts further backends, by a command or a webhook; they come by discovery.
    ScaleUp {
        /// How many backends there may be at most.
        max_instances: usize,
        /// Whether the file says how to take one away again.
        has_down: bool,
        /// After how long without the fault one is taken away again.
        down_after: Duration,
    },
    /// Sends nothing to what fails, for a while.
    CircuitBreak {
        /// Only requests whose path begins like this; `None` = all that the backend would get.
        path: Option<Arc<str>>,
        /// For how long.
        open_for: Duration,
    },
    /// Runs any command, or calls any webhook.
    Custom {
        /// How long the exchanges of the backend may take to end before; `None` = the backend stays in use.
        drain: Option<Duration>,
    },
}

/// Where a failover sends the work.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Destination {
    /// To the backups of the service.
    Backups,
    /// To another service.
    Service(Arc<str>),
    /// To the backends of one zone.
    Zone(Arc<str>),
}

impl Plan {
    /// One that does nothing.
    pub fn nothing() -> Self {
        let limits =
            Limits { cool_down: Duration::ZERO, max_at_once: 1, max_disrupted: 1.0, max_unhealthy: 0.0, per_hour: 0 };
        Self { strategies: Vec::new(), limits, dry_run: false, ask: false }
    }
}

impl StrategyKind {
    /// The word for it in the configuration, the API and the metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Restart { .. } => "restart",
            Self::Failover { .. } => "failover",
            Self::ScaleUp { .. } => "scale_up",
            Self::CircuitBreak { .. } => "circuit_break",
            Self::Custom { .. } => "custom",
        }
    }

    /// How long the exchanges of the backend may take to end before the act; `None` = the backend stays in use.
    pub fn drain(&self) -> Option<Duration> {
        match self {
            Self::Restart { drain } => Some(*drain),
            Self::Custom { drain } => *drain,
            Self::Failover { .. } | Self::ScaleUp { .. } | Self::CircuitBreak { .. } => None,
        }
    }

    /// Whether it changes how the service as a whole does its work, also where a fault of one backend is the reason.
    pub fn is_wide(&self) -> bool {
        matches!(self, Self::Failover { .. } | Self::ScaleUp { .. } | Self::CircuitBreak { path: Some(_), .. })
    }

    /// Whether it acts on what this instance has in common with others: it runs or calls something outside of this process. What is done by all others
    /// is this instance's own traffic only.
    pub fn acts_outside(&self) -> bool {
        matches!(self, Self::Restart { .. } | Self::ScaleUp { .. } | Self::Custom { .. })
    }

    /// Whether it keeps work from the backend, or from those of the service, for as long as it is in force.
    pub fn keeps_work_away(&self) -> bool {
        matches!(self, Self::Failover { .. } | Self::CircuitBreak { .. })
    }
}
