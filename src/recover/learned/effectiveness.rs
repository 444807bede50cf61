//! How well a strategy did against a fault of a service: the figure that is shown, and the history that strategies are chosen by.

use std::ops::Add;

use serde::{Deserialize, Serialize};

/// The weight of one attempt in the effectiveness that is shown: a success moves it to 0.9 e + 0.1, a failure to 0.9 e.
const STEP: f64 = 0.1;
/// The least effectiveness that is shown: whatever has always failed can still be chosen, when all else has failed.
pub const LEAST: f64 = 0.1;
/// What is kept of the history of all strategies against a fault at each attempt against it, so that a strategy that has stopped helping is found
/// out, and the others are tried again: discounted Thompson sampling (V. Raj and S. Kalyani, "Taming non-stationary bandits: a Bayesian
/// approach", 2017). The value was found by simulation: with less, the best is confused with the second best; with more, a change is noticed late.
const KEPT: f64 = 0.98;

/// What is shown of a strategy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Effectiveness {
    /// From 0.1 to 1; 0.5 before anything was learned, unless the file says otherwise.
    pub effectiveness: f64,
    /// Attempts that are over.
    pub attempts: u32,
    /// Those after which the service was seen well in time.
    pub successes: u32,
    /// Successes that were put to the strategy's credit, since they would not have come by themselves.
    pub credited: u32,
}

/// What is kept of a strategy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Record {
    effectiveness: f64,
    attempts: u32,
    successes: u32,
    credited: u32,
    history: History,
}

/// Credited successes and failures, the older the less each counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Attempts that helped.
    pub helped: f64,
    /// Attempts that failed.
    pub failed: f64,
}

impl Record {
    /// Of a strategy that was never tried.
    pub fn new(prior: f64) -> Self {
        let effectiveness = if prior.is_finite() { prior.clamp(LEAST, 1.0) } else { 0.5 };
        Self { effectiveness, attempts: 0, successes: 0, credited: 0, history: History::default() }
    }

    /// An attempt helped.
    pub fn credit(&mut self) {
        self.effectiveness = self.credited_effectiveness();
        self.credited = self.credited.saturating_add(1);
        self.history.helped += 1.0;
        self.pass_over();
    }

    /// An attempt that has not helped, and teaches nothing.
    pub fn overlook(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
    }

    /// The service was well in time, and might have been without the attempt. Nothing is learned.
    pub fn pass_over(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
        self.successes = self.successes.saturating_add(1);
    }

    /// An attempt failed.
    pub fn fail(&mut self) {
        self.effectiveness = ((1.0 - STEP) * self.effectiveness).max(LEAST);
        self.attempts = self.attempts.saturating_add(1);
        self.history.failed += 1.0;
    }

    /// There was an attempt against the fault, by this strategy or another.
    pub fn fade(&mut self) {
        self.history.helped *= KEPT;
        self.history.failed *= KEPT;
    }

    /// What would be shown after one more credited success.
    pub fn credited_effectiveness(&self) -> f64 {
        ((1.0 - STEP) * self.effectiveness + STEP).min(1.0)
    }

    /// What is shown.
    pub fn shown(&self) -> Effectiveness {
        let Self { effectiveness, attempts, successes, credited, .. } = *self;
        Effectiveness { effectiveness, attempts, successes, credited }
    }

    /// What strategies are chosen by.
    pub fn history(&self) -> History {
        self.history
    }

    /// Whether it can have been learned: what is read from a file may be anything.
    pub fn is_sound(&self) -> bool {
        let History { helped, failed } = self.history;
        (LEAST..=1.0).contains(&self.effectiveness)
            && self.credited <= self.successes
            && self.successes <= self.attempts
            && helped >= 0.0
            && failed >= 0.0
            && helped + failed <= 1.0 / (1.0 - KEPT) + 1e-6
    }
}

impl History {
    /// All attempts, as far as they still count.
    pub fn attempts(self) -> f64 {
        self.helped + self.failed
    }
}

impl Add for History {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { helped: self.helped + other.helped, failed: self.failed + other.failed }
    }
}
