//! What a backend always shows, without being ill: how it is learned, and how much rounds differ.

use std::ops::Range;

/// The time in which a habit that has changed is learned to 63 %. What grows over minutes is no habit.
const FOLLOWS: f64 = 300.0;
/// By so many rounds together it is learned how much rounds differ: those of a second are alike, as hot keys come in bursts.
const BLOCK: u8 = 10;
/// The most by which they may differ from what is expected that is learned from.
const DISPERSION_AT_MOST: f64 = 25.0;

/// By how much some rounds in a row differed from what is expected.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Block {
    rounds: u8,
    sum: f64,
    variance: f64,
}

/// What a backend always shows, without being ill.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Habit {
    pub(super) rounds: f64,
    /// How much slower than its peers it is, in octaves.
    pub(super) slower: f64,
    /// The mean of the logarithms of its latencies.
    pub(super) latency: f64,
    /// The same of the last rounds.
    pub(super) latest: f64,
    /// The share of attempts that fail, beyond that of its peers.
    pub(super) failing: f64,
    /// The share of attempts that are late, beyond that of its peers.
    pub(super) late: f64,
}

impl Block {
    pub(super) fn add(&mut self, differs: f64, variance: f64) -> Option<f64> {
        self.rounds += 1;
        self.sum += differs;
        self.variance += variance;
        let is_full = self.rounds >= BLOCK;
        let shown = is_full.then(|| (self.sum * self.sum / self.variance).min(DISPERSION_AT_MOST));
        if is_full {
            *self = Self::default();
        }
        shown
    }
}

impl Habit {
    /// The weight of a round in what is learned.
    pub(super) fn weight(&self, is_cold: bool, seconds: f64) -> f64 {
        let follows = 1.0 - (-seconds / FOLLOWS).exp();
        if is_cold { (1.0 / (self.rounds + 1.0)).max(follows) } else { follows }
    }
}

pub(super) fn follow(habit: &mut f64, shown: f64, weight: f64, range: Range<f64>) {
    *habit = (*habit + weight * (shown - *habit)).clamp(range.start, range.end);
}
