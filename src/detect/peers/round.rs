//! What one backend has shown since a round of samples began, and what it has shown of late.

use std::time::Duration;

use super::patience::Patience;
use crate::detect::sample::Sample;

/// The share of attempts that go wrong is that of about the last five seconds,
const REMEMBERED: Duration = Duration::from_secs(5);
/// and of the last five rounds where these take longer.
const KEPT_AT_LEAST: f64 = 0.8;

/// What one backend has shown since the round began. Counts are floating point: they are sums that can't overflow, and only go into quotients.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Round {
    begun: f64,
    pub(super) answers: f64,
    pub(super) failures: f64,
    /// Those of the failures that are no answers.
    unanswered: f64,
    /// Attempts that began to be late.
    pub(super) late: f64,
    /// Answers whose latencies are known, the logarithms of these added up, and their squares.
    pub(super) count: f64,
    logs: f64,
    squares: f64,
}

impl Round {
    pub(super) fn add(&mut self, sample: &Sample, patience: &Patience, lasted: Duration) {
        self.begun += sample.begun as f64;
        self.answers += sample.answers as f64;
        self.failures += sample.failures.total() as f64;
        self.unanswered += sample.failures.total() as f64 - sample.failures.status as f64;
        self.late += patience.become_late(&sample.waiting, lasted);
        self.count += sample.latencies.count as f64;
        self.logs += sample.latencies.logs;
        self.squares += sample.latencies.squares;
    }

    /// Attempts that ended.
    pub(super) fn attempts(&self) -> f64 {
        self.answers + self.failures
    }

    /// The share of failures among the attempts; `None` = there were none.
    pub(super) fn failing(&self) -> Option<f64> {
        share(self.failures, self.attempts())
    }

    /// The mean of the logarithms of the latencies.
    pub(super) fn mean(&self) -> Option<f64> {
        (self.count > 0.0).then(|| self.logs / self.count).filter(|mean| mean.is_finite())
    }

    /// The variance of the logarithms of the latencies.
    pub(super) fn variance(&self) -> Option<f64> {
        let mean = self.mean().filter(|_| self.count > 1.0)?;
        Some((self.squares / self.count - mean * mean).max(0.0)).filter(|variance| variance.is_finite())
    }
}

/// What went wrong of late. Attempts of long ago count less.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Recent {
    pub(super) attempts: f64,
    failures: f64,
    unanswered: f64,
    late: f64,
}

impl Recent {
    /// Takes in a round that lasted for so many seconds.
    pub(super) fn follow(&mut self, round: &Round, seconds: f64) {
        let keeps = (-seconds / REMEMBERED.as_secs_f64()).exp().max(KEPT_AT_LEAST);
        self.attempts = self.attempts * keeps + round.attempts();
        self.failures = self.failures * keeps + round.failures;
        self.unanswered = self.unanswered * keeps + round.unanswered;
        self.late = self.late * keeps + round.late;
    }

    /// The share of attempts that failed; `None` = there were none.
    pub(super) fn failing(&self) -> Option<f64> {
        share(self.failures, self.attempts)
    }

    /// The share of the failures that are no answers, also of a round that is not taken in yet; 0 = there are none.
    pub(super) fn unanswered(&self, round: &Round) -> f64 {
        share(self.unanswered + round.unanswered, self.failures + round.failures).unwrap_or_default()
    }

    /// The share of attempts that were late; `None` = there were none.
    pub(super) fn late(&self) -> Option<f64> {
        share(self.late, self.attempts.max(self.late))
    }
}

fn share(part: f64, all: f64) -> Option<f64> {
    (all > 0.0).then(|| part / all)
}

/// Attempts that were begun and that ended, over about as long as an answer may take.
///
/// When a backend's share of the work is cut, what ends for a while are the long answers to what was begun before and only the short ones to what was
/// begun since: it looks slow, and would be given even less.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flow {
    begun: f64,
    ended: f64,
}

impl Flow {
    /// Takes in a round that lasted for so many seconds, where answers may take as long as `takes`.
    pub(super) fn follow(&mut self, round: &Round, seconds: f64, takes: Duration) {
        let keeps = (-seconds / takes.as_secs_f64()).exp();
        self.begun = self.begun * keeps + round.begun;
        self.ended = self.ended * keeps + round.attempts();
    }

    /// Clearly less is begun than ends. Never, if it is not known what is begun.
    pub(super) fn ebbs(&self) -> bool {
        let chance = 1.5 * self.ended.sqrt();
        self.begun > 0.0 && self.ended - self.begun > chance.max(self.ended * EBB)
    }
}

/// By this share less is begun than ends when the share of the work is cut.
const EBB: f64 = 0.15;
