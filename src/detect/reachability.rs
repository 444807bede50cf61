//! What can be reached, compared across the backends of a host and of a zone.
//!
//! A backend is gone when [`IN_A_ROW`] attempts to reach it have failed in a row: connections that were refused, timed out or unreachable, and
//! checks; whatever it answers, and be it a failure, shows that it is there. Who went at about the same time ([`AT_ONCE`]) tells where the fault is,
//! by the smallest cause that explains all of it and contradicts nothing (network tomography by set cover, as in R. R. Kompella et al., "Detection
//! and localization of network black holes", INFOCOM 2007):
//!
//! | gone at once | fault |
//! |---|---|
//! | all backends of the service | refused: unresponsive; otherwise a network partition, and it is the network on this side |
//! | all of a zone (two or more, on more than one host), and others are there | network partition of the zone |
//! | all of a host (two or more), and others are there | hardware failure of the host |
//! | a single one | unresponsive; unreachable though its heartbeats come: network partition |

mod cause;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::fault::Vote;
use super::sample::{Failures, Sample};
use super::settings::Backend;

/// How many attempts and checks in a row fail before a backend is gone: the `fall` of health checks, 3 by default in HAProxy too.
const IN_A_ROW: u64 = 3;
/// What goes within this time of the last one goes for the same cause. Checks run every few seconds, so that a common cause shows over a few of
/// their intervals.
const AT_ONCE: Duration = Duration::from_secs(30);
/// What is known of a backend is forgotten when for this time nothing is sent to it.
const FORGET: Duration = Duration::from_secs(120);

/// The reachability of the backends of a service.
#[derive(Debug, Default)]
pub struct Monitor {
    states: Vec<State>,
}

/// What is known of one backend.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// When anything was last known of it, and when its present row of failures began.
    known: Duration,
    failing_since: Duration,
    /// The row of failures that no answer has ended.
    failed: Row,
    is_there: bool,
    /// The last answers were failures: checks that fail as well say nothing new, as such a backend is there.
    answers_failures: bool,
}

/// A row of failures by how they failed.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    refused: u64,
    timed_out: u64,
    unreachable: u64,
    checks: u64,
}

/// How a backend can't be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Refused,
    TimedOut,
    Unreachable,
    Check,
}

impl Monitor {
    /// Other backends: `places` says for each of them at which place it was before.
    pub fn update(&mut self, places: &[Option<usize>]) {
        let state = |place: &Option<usize>| place.and_then(|at| self.states.get(at).copied()).unwrap_or_default();
        self.states = places.iter().map(state).collect();
    }

    /// Takes in what has happened during an interval, and says who is gone.
    pub fn observe(&mut self, now: Duration, backends: &[Backend], samples: &[Sample], votes: &mut Vec<Vote>) {
        self.states.resize(samples.len(), State::default());
        for (state, sample) in self.states.iter_mut().zip(samples) {
            state.follow(now, sample);
        }
        cause::find(&self.states, backends, samples, votes);
    }
}

impl State {
    fn follow(&mut self, now: Duration, sample: &Sample) {
        if sample.is_withdrawn {
            return *self = Self::default();
        }
        let Failures { refused, unreachable, timed_out, reset, broken, status } = sample.failures;
        let failed_checks = u64::from(sample.failed_checks);
        let mut signs = sample.answers + reset + broken + status;
        signs += u64::from(sample.checks.saturating_sub(sample.failed_checks));
        // a check that fails may have been answered: only where attempts are not answered with failures, it tells that nobody is there
        let failed_checks = if self.answers_failures { 0 } else { failed_checks };
        let failures = refused + unreachable + timed_out + failed_checks;
        if signs + failures > 0 {
            self.known = now;
        } else if now.saturating_sub(self.known) > FORGET {
            *self = Self { answers_failures: self.answers_failures, ..Self::default() };
        }
        if signs > 0 {
            // what ended within one interval has no order: as long as anything is answered, the backend is there
            let answers_failures = reset + broken + status > sample.answers / 20;
            *self = Self { known: now, is_there: true, answers_failures, ..Self::default() };
        } else if failures > 0 {
            if self.failed.total() == 0 {
                self.failing_since = now;
            }
            self.failed.refused += refused;
            self.failed.unreachable += unreachable;
            self.failed.timed_out += timed_out;
            self.failed.checks += failed_checks;
            self.is_there &= !self.is_gone();
        }
    }

    fn is_gone(&self) -> bool {
        self.failed.total() >= IN_A_ROW
    }
}

impl Row {
    fn total(&self) -> u64 {
        self.refused + self.timed_out + self.unreachable + self.checks
    }

    /// How most attempts failed; checks tell only when there was no attempt.
    fn how(&self) -> How {
        let kinds =
            [(self.refused, How::Refused), (self.timed_out, How::TimedOut), (self.unreachable, How::Unreachable)];
        kinds
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .max_by_key(|(count, _)| *count)
            .map_or(How::Check, |(_, how)| how)
    }
}

impl How {
    /// What happened to the attempts, after "its", "their" and a number of them.
    fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "were refused",
            Self::TimedOut => "timed out",
            Self::Unreachable => "found no way to it",
            Self::Check => "failed",
        }
    }
}
