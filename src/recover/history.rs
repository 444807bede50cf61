//! The attempts of a service that its brakes still count.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Moment;
use crate::detect::fault::Fault;

/// The time over which attempts are counted.
pub const HOUR: Duration = Duration::from_secs(3600);
/// As many are remembered, should there be no limit on how many there are in an hour.
const MOST: usize = 10_000;

/// The attempts, the oldest first.
#[derive(Debug, Default)]
pub struct History {
    past: Vec<Past>,
}

/// An attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// Its id.
    pub attempt: i64,
    /// The backend; `None` = the service as a whole.
    pub backend: Option<Arc<str>>,
    /// The fault.
    pub fault: Fault,
    /// The name of the strategy.
    pub strategy: Arc<str>,
    /// When it began.
    pub began: Moment,
    /// When it was over; `None` = it is not.
    pub ended: Option<Moment>,
    /// It was tried and has not helped.
    pub failed: bool,
    /// Nothing was done: it was a dry run, or was refused, or ended before the act.
    pub was_idle: bool,
}

impl History {
    /// Takes in an attempt, and forgets those that are older than an hour and have ended longer than `cool_down` ago.
    pub fn begin(&mut self, past: Past, cool_down: Duration) {
        let now = past.began;
        let keep = HOUR.max(cool_down);
        self.past.retain(|past| past.ended.is_none_or(|ended| now.since(ended) <= keep));
        if self.past.len() >= MOST {
            self.past.remove(0);
        }
        self.past.push(past);
    }

    /// The attempt is over.
    pub fn end(&mut self, attempt: i64, now: Moment, failed: bool, was_idle: bool) {
        if let Some(past) = self.past.iter_mut().rfind(|past| past.attempt == attempt) {
            (past.ended, past.failed, past.was_idle) = (Some(now), failed, was_idle);
        }
    }

    /// All are over.
    pub fn end_all(&mut self, now: Moment) {
        self.past.iter_mut().for_each(|past| _ = past.ended.get_or_insert(now));
    }

    /// How many have begun within the last hour, but for those by which nothing was done.
    pub fn within_hour(&self, now: Moment) -> usize {
        self.past.iter().filter(|past| now.since(past.began) < HOUR && !past.was_idle).count()
    }

    /// The last one against this fault that is over.
    pub fn last(&self, backend: Option<&Arc<str>>, fault: Fault) -> Option<&Past> {
        self.latest(|past| past.backend.as_ref() == backend && past.fault == fault)
    }

    /// The last one of this strategy that is over, against whatever fault.
    pub fn last_of(&self, strategy: &str) -> Option<&Past> {
        self.latest(|past| *past.strategy == *strategy)
    }

    fn latest(&self, is_meant: impl Fn(&Past) -> bool) -> Option<&Past> {
        let is_over = |past: &&Past| past.ended.is_some() && is_meant(past);
        self.past.iter().filter(is_over).max_by_key(|past| past.ended)
    }
}
