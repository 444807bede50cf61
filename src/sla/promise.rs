//! What is promised of a service: `[service.NAME.sla]`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The shortest `rpo`: the history is written that often, and each time the disk is waited for.
pub const SHORTEST_RPO: Duration = Duration::from_millis(100);

/// The shortest rolling window that a target says something about.
pub const SHORTEST_WINDOW: Duration = Duration::from_secs(3600);

/// The longest: so long is history kept.
pub const LONGEST_WINDOW: Duration = Duration::from_secs(1825 * 86_400);

/// What is promised of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Promise {
    /// The tier that names the target; `None` = the target stands for itself.
    pub tier: Option<Tier>,
    /// The share of the time, and of the requests, that is to be good; above 0 and below 1.
    pub target: f64,
    /// Within what time service is to be back (recovery time objective).
    pub rto: Duration,
    /// How much of what is kept of the service may be lost in a crash (recovery point objective).
    pub rpo: Duration,
    /// The mean time to repair that is aimed at.
    pub mttr: Duration,
    /// The mean time between failures that is aimed at.
    pub mtbf: Duration,
    /// Over what time the target is to be met.
    pub window: Window,
    /// An answer that takes longer is not good; `None` = however long it takes.
    pub latency: Option<Duration>,
    /// The share of requests that must succeed for the service to count as up; 0 to 1.
    pub floor: f64,
    /// Whether the budget is protected when it burns too fast.
    pub protect: bool,
}

/// A target with a name. Who promises one promises these shares of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tier {
    /// 99 %
    Basic,
    /// 99.9 %
    Standard,
    /// 99.99 %
    Enhanced,
    /// 99.999 %
    Premium,
    /// 99.9999 %
    Mission,
}

/// Over what time a target is to be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Window {
    /// The time up to now, so long.
    Rolling(Duration),
    /// The day, week, month, quarter or year that it is, in UTC.
    Calendar(Unit),
}

/// A unit of the calendar. Weeks begin on Monday (ISO 8601).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// From midnight.
    Day,
    /// From Monday.
    Week,
    /// From the first of the month.
    Month,
    /// From the first of January, April, July or October.
    Quarter,
    /// From the first of January.
    Year,
}

impl Tier {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Basic, Self::Standard, Self::Enhanced, Self::Premium, Self::Mission];

    /// The name in the configuration, the API and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Standard => "standard",
            Self::Enhanced => "enhanced",
            Self::Premium => "premium",
            Self::Mission => "mission",
        }
    }

    /// The share that it promises.
    pub fn target(self) -> f64 {
        match self {
            Self::Basic => 0.99,
            Self::Standard => 0.999,
            Self::Enhanced => 0.9999,
            Self::Premium => 0.99999,
            Self::Mission => 0.999_999,
        }
    }
}

impl Unit {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Year];

    /// The name in the configuration, the API and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }
}
