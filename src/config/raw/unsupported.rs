//! Sections of a service whose keys are known but which this version refuses. Their shape is checked all the same.

use super::{section, words};
use crate::config::units::TimeSpan;

words! {
    /// What is done about a fault.
    Strategy { Restart = "restart", Failover = "failover", ScaleUp = "scale_up", CircuitBreak = "circuit_break", }
}

section! {
    /// One thing that is done about a fault.
    #[schemars(extend("required" = ["strategy"]))]
    Recover {
        /// What is done.
        strategy: Option<Strategy> = None,
        /// About which faults.
        on: Vec<String> = Vec::new(),
        /// A command with its arguments; ${backend} is the backend's id.
        run: Option<Vec<String>> = None,
        /// A systemd unit to restart.
        systemd: Option<String> = None,
        /// A URL to post to.
        webhook: Option<String> = None,
        /// How often it is tried.
        attempts: u32 = 3,
        /// Between two attempts.
        delay: TimeSpan = TimeSpan::secs(5),
        /// How long until the backend must be seen healthy again.
        within: TimeSpan = TimeSpan::secs(35),
    }
}

section! {
    /// How recovery as a whole behaves.
    Recovery {
        /// Only say what would be done.
        dry_run: bool = false,
        /// Between two recoveries of one backend.
        cool_down: TimeSpan = TimeSpan::secs(60),
        /// Recoveries at a time.
        max_at_once: u32 = 1,
    }
}

words! {
    /// A promise of availability.
    Tier {
        Basic = "basic",
        Standard = "standard",
        Enhanced = "enhanced",
        Premium = "premium",
        Mission = "mission",
    }
}

section! {
    /// Accounting of availability.
    Sla {
        /// The promise, by name.
        tier: Option<Tier> = None,
        /// The promise, as a share of the time.
        target: Option<f64> = None,
        /// Within what time service is back.
        rto: TimeSpan = TimeSpan::secs(60),
        /// How much work may be lost.
        rpo: TimeSpan = TimeSpan::secs(1),
        /// Mean time to repair.
        mttr: TimeSpan = TimeSpan::secs(300),
        /// Mean time between failures.
        mtbf: TimeSpan = TimeSpan::secs(720 * 3600),
        /// Over what time.
        window: TimeSpan = TimeSpan::secs(30 * 86_400),
        /// Planned times that do not count.
        maintenance: Vec<Maintenance> = Vec::new(),
    }
}

section! {
    /// A planned time.
    #[schemars(extend("required" = ["from", "to"]))]
    Maintenance {
        /// RFC 3339.
        from: Option<String> = None,
        /// RFC 3339.
        to: Option<String> = None,
    }
}
