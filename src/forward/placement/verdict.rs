//! What a try with a backend says about it, told to all who want to know: its figures, its latency, its breaker, and the control
//! plane where that should look at once.

use std::time::Duration;

use crate::clock::Moment;
use crate::endpoint::Live;
use crate::endpoint::breaker::Permit;
use crate::forward::Worker;
use crate::metrics::UpstreamMetrics;
use crate::policy::Breaker;

/// A try that says something about its backend.
#[derive(Debug)]
pub struct Verdict<'a> {
    /// The backend.
    pub live: &'a Live,
    /// Its figures.
    pub upstream: &'a UpstreamMetrics,
    /// What its breaker let the try pass as, and when that breaker opens.
    pub breaker: Option<(Permit, &'a Breaker)>,
    /// So many failures in a row eject it; 0 = none do.
    pub consecutive_failures: u32,
    /// It failed, by the backend's doing.
    pub failed: bool,
    /// How long it took.
    pub elapsed: Duration,
}

impl Verdict<'_> {
    /// Tells it.
    pub fn tell(self, worker: &Worker, now: Moment) {
        self.upstream.attempted(worker.index, self.failed, self.elapsed);
        match self.failed {
            true => self.live.latency.observe_failure(self.elapsed, now),
            false => self.live.latency.observe(self.elapsed, now),
        }
        let in_a_row = self.live.passive.record(self.failed);
        let mut news = reaches(in_a_row, self.consecutive_failures);
        if let Some((permit, policy)) = self.breaker {
            news |= self.live.breaker.record(permit, self.failed, policy, now).is_some();
        }
        if news {
            worker.news.notify_one();
        }
    }
}

/// Whether so many failures in a row are what ejects, as of this one; a limit of 0 ejects nobody.
fn reaches(in_a_row: u32, limit: u32) -> bool {
    limit > 0 && in_a_row == limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_plane_is_told_of_the_failure_that_ejects_and_of_no_other() {
        assert_eq!([4, 5, 6].map(|in_a_row| reaches(in_a_row, 5)), [false, true, false]);
        assert!(!reaches(0, 0), "a success is no news where nothing ejects");
        assert!(!reaches(1, 0));
    }
}
