//! `canary` of a route.

use super::{section, words};
use crate::config::units::TimeSpan;

section! {
    /// A new version of a service, which gets a growing share of the requests by plan.
    #[schemars(extend("required" = ["service", "stable"]))]
    Canary {
        /// The new version.
        service: Option<String> = None,
        /// The version in use, which gets the rest.
        stable: Option<String> = None,
        /// The shares that the new version gets one after the other, in percent, such as "1%" or "0.5%"; each larger than the one before.
        steps: Vec<String> = ["1%", "5%", "25%", "50%", "100%"].map(str::to_owned).to_vec(),
        /// How long each of them is kept at least.
        #[schemars(extend("x-positive" = true))]
        every: TimeSpan = TimeSpan::secs(600),
        /// In what the new version may not stand out from the version in use, or it is sent back; empty = in nothing.
        stop_on: Vec<StopOn> = vec![StopOn::Errors, StopOn::Latency],
        /// Requests that the new version has to have had in a step before the next one, unless there are none at all.
        min_requests: u32 = 100,
    }
}

words! {
    /// In what a new version stands out.
    StopOn {
        Errors = "errors",
        Latency = "latency",
    }
}
