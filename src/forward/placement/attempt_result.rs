//! What an attempt says about its backend. It is reported to the backend's figures, its latency and its breaker, and to the control plane where
//! that should look at once.

use std::time::Duration;

use crate::clock::Moment;
use crate::endpoint::Live;
use crate::endpoint::breaker::Permit;
use crate::error::{Kind, Side};
use crate::forward::Worker;
use crate::metrics::{AttemptEnd, Failure, UpstreamMetrics};
use crate::policy::Breaker;

/// The result of an attempt that says something about its backend.
#[derive(Debug)]
pub struct AttemptResult<'a> {
    /// The backend.
    pub live: &'a Live,
    /// Its figures.
    pub upstream: &'a UpstreamMetrics,
    /// What its breaker let the attempt pass as, and when that breaker opens.
    pub breaker: Option<(Permit, &'a Breaker)>,
    /// So many failures in a row eject the backend; 0 = never.
    pub consecutive_failures: u32,
    /// How it ended: answered, or failed by the backend's doing.
    pub end: AttemptEnd,
    /// How long it took.
    pub elapsed: Duration,
}

impl AttemptResult<'_> {
    /// Reports it, on this worker.
    pub fn report(self, worker: &Worker, now: Moment) {
        let failed = self.end.is_err();
        self.upstream.attempted(worker.index, self.end, self.elapsed);
        match failed {
            true => self.live.latency.observe_failure(self.elapsed, now),
            false => self.live.latency.observe(self.elapsed, now),
        }
        let in_a_row = self.live.failure_streak.record(failed);
        let mut news = reaches(in_a_row, self.consecutive_failures);
        if let Some((permit, policy)) = self.breaker {
            news |= self.live.breaker.record(permit, failed, policy, now).is_some();
        }
        if news {
            worker.news.notify_one();
        }
    }
}

/// How an attempt that ended with an error of this kind has failed; `None` = it was not the backend's doing.
pub fn failure(kind: Kind) -> Option<Failure> {
    // that a backend hangs is decided by evidence of its own, of which what was given up is a part
    if kind.side() != Side::Upstream || kind == Kind::UpstreamHung {
        return None;
    }
    Some(match kind {
        Kind::Connect => Failure::Refused,
        Kind::Unreachable => Failure::Unreachable,
        Kind::ConnectTimeout | Kind::NoStream | Kind::UpstreamTimeout => Failure::TimedOut,
        Kind::UpstreamClosed | Kind::UpstreamRefused | Kind::UpstreamReset => Failure::Reset,
        _ => Failure::Broken,
    })
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
