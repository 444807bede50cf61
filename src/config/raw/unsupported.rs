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
