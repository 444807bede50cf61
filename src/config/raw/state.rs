//! `[state]`.

use super::section;
use crate::config::units::TimeSpan;

section! {
    /// What is kept in `server.state_dir`, beyond this machine.
    State {
        /// Present = copies of the ledger are made while the process runs.
        backup: Option<Backup> = None,
    }
}

section! {
    /// Copies of the ledger.
    #[schemars(extend("required" = ["to"]))]
    Backup {
        /// Where they go: "s3://bucket/prefix" or "file:///folder". Credentials, region and endpoint of a bucket come from the environment.
        #[schemars(extend("x-syntax" = "backup-place"))]
        to: Option<String> = None,
        /// The time from one copy to the next: what a lost machine may cost.
        #[schemars(extend("x-positive" = true))]
        every: TimeSpan = TimeSpan::secs(300),
        /// How long copies are kept. Of those older than a day, the last one of each hour is.
        #[schemars(extend("x-positive" = true))]
        keep: TimeSpan = TimeSpan::secs(30 * 86_400),
        /// What this instance's copies are filed under; no two instances may share one. Missing = the name of the machine.
        #[schemars(extend("x-syntax" = "name"))]
        name: Option<String> = None,
    }
}
