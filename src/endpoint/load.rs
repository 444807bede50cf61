//! What a backend last said about its load.

use crate::clock::Moment;

/// A report that was found good: every share from 0 upwards, none of them NaN or infinite.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Report {
    /// Share of its processors in use; may exceed 1.
    pub cpu: Option<f32>,
    /// Share of its memory in use, 0 to 1.
    pub memory: Option<f32>,
    /// Share of what it can do in all, as it sees it; may exceed 1.
    pub utilization: Option<f32>,
}

/// The last report of one backend, shared by all workers without a lock.
#[derive(Debug, Default)]
pub struct Load {}

impl Load {
    /// Takes a report that came at `now`, with `in_flight` exchanges under way.
    pub fn report(&self, _report: Report, _in_flight: u32, _now: Moment) {}

    /// The last report and when it came.
    pub fn last(&self) -> Option<(Report, Moment)> {
        None
    }
}
