//! The incident under way, as it is kept while it is.

use super::millis;
use crate::clock::{Moment, Stamp};
use crate::sla::Incident;

/// An incident under way.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) incident: Incident,
    pub(super) began: Moment,
    /// How many milliseconds since then were planned. They don't count as time in which the service was to be back.
    pub(super) planned_ms: i64,
    /// The service is up again, and not for long enough yet.
    pub(super) up: Option<Up>,
}

/// The end of an incident, unless the service goes down again soon.
#[derive(Debug)]
pub(super) struct Up {
    /// Since when, by both clocks.
    pub(super) since: Moment,
    pub(super) at: Stamp,
    /// How long the incident had lasted then.
    pub(super) lasted_ms: i64,
    /// The good requests since then, which are none of the incident.
    pub(super) good: i64,
}

impl Open {
    /// How many milliseconds it has lasted until then, as far as those were not planned.
    pub(super) fn lasted(&self, until: Moment) -> i64 {
        (millis(until.since(self.began)) - self.planned_ms).max(0)
    }
}
