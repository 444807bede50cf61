//! A single series of any values: how anomalous is each of them?
//!
//! The value and its level (the mean of the last [`LEVEL`] values) go through the same [`Baseline`] as the features of a backend, both ways and with
//! the same settings. What is unusual to it is anomalous as far as it is *new*: how far the value or its level is outside of all that was ever seen,
//! in shares of the range that was ever seen (and discounted by how much nearer to the baseline than the threshold it is). That is the idea of the "spatial anomaly" of A. Lavin and S. Ahmad ("Evaluating real-time anomaly
//! detection algorithms: the Numenta anomaly benchmark", 2015), applied to the level too: a series has peaks, bursts and nights that no
//! baseline of 50 values knows, and whoever is paged for what is usual every day stops to listen.
//!
//! * Where days are known, the deviation from what is usual at this hour is a third figure, at a quarter of the weight.
//! * The range is that of the last [`EPOCH`] to twice as many values, so that one spike does not make it blind for ever.
//! * After an anomaly, what follows within [`LEVEL`] values belongs to it, unless it is [`WORSE`] times as far outside.

use std::time::Duration;

use super::super::settings::Anomaly;
use super::baseline::Baseline;
use super::features::{FEATURES, Feature, Measure};

/// Over how many values the level is taken.
const LEVEL: usize = 20;
/// How many values are enough to know a range: as many as the baseline has.
const KNOWN: u32 = 50;
/// Ranges are remembered for this many values, and at most for twice as many: a month of values every five minutes.
const EPOCH: u32 = 10_000;
/// How much further outside a value has to be to be another anomaly, soon after one.
const WORSE: f64 = 1.5;
/// The excess over the range that is a score of one half: 1 % of the range.
const HALF: f64 = 0.01;
/// The mean of an hour is that of about as many of its values: four days of values every five minutes.
const LATEST: u16 = 50;
/// The weight of the deviation from what is usual at this hour.
const HOURLY: f64 = 0.25;
/// How many hours are told apart.
const HOURS: usize = 24;
/// In seconds.
const DAY: u64 = 86_400;

/// A value is measured as it is, both ways.
const MEASURE: Measure = Measure { scale: 1.0, least: 0.0, both_ways: true };

/// What is known of a series.
#[derive(Debug, Clone)]
pub struct Series {
    settings: Anomaly,
    baseline: Baseline,
    last: [f64; LEVEL],
    values: u64,
    value: Range,
    level: Range,
    hourly: Range,
    hours: Hours,
    /// The latest anomaly: how many values ago it was, and how far outside.
    anomaly: Option<(usize, f64)>,
}

/// The range of what was seen in this epoch and the one before.
#[derive(Debug, Clone, Copy)]
struct Range {
    now: (f64, f64),
    before: (f64, f64),
    /// Values in this epoch, and altogether until there are enough.
    in_epoch: u32,
    known: u32,
}

/// The mean at each hour of the day, of about the last days.
#[derive(Debug, Clone, Copy, Default)]
struct Hours {
    means: [f64; HOURS],
    counts: [u16; HOURS],
    first: Option<u64>,
}

impl Series {
    /// Nothing is known yet.
    pub fn new(settings: Anomaly) -> Self {
        Self {
            settings,
            baseline: Baseline::default(),
            last: [0.0; LEVEL],
            values: 0,
            value: Range::new(),
            level: Range::new(),
            hourly: Range::new(),
            hours: Hours::default(),
            anomaly: None,
        }
    }

    /// Takes in the next value, and says how anomalous it is: 0 = not at all, more than 0.5 = very. `at` is the time since the beginning of any day.
    /// What is not a number is left out.
    pub fn observe(&mut self, at: Duration, value: f64) -> f64 {
        if !value.is_finite() {
            return 0.0;
        }
        self.last[usize::try_from(self.values % LEVEL as u64).unwrap_or(0)] = value;
        self.values += 1;
        let level = (self.values >= LEVEL as u64).then(|| self.last.iter().sum::<f64>() / LEVEL as f64);
        let unusual = self.unusual(value, level);
        let width = self.value.width();
        let mut outside = self.value.follow(value);
        if let Some(level) = level {
            outside = outside.max(self.level.follow(level));
        }
        if let Some(usual) = self.hours.follow(at.as_secs(), value) {
            outside = outside.max(self.hourly.follow(value - usual) * HOURLY);
        }
        self.score(if width > 0.0 { outside * unusual / width } else { 0.0 })
    }

    /// How unusual the baseline finds the value and its level, as a share of the threshold.
    fn unusual(&mut self, value: f64, level: Option<f64>) -> f64 {
        // the noise is that of rounding: of a value that never changed, any change is unusual
        let feature = |value: f64| Feature { value, noise: value * value * 1e-12 + f64::MIN_POSITIVE };
        let mut features = [None; FEATURES];
        (features[0], features[1]) = (Some(feature(value)), level.map(feature));
        let distance =
            self.baseline.compare(&features, &[MEASURE; FEATURES], self.settings.window).map(|found| found.distance);
        self.baseline.learn(&features, distance, &self.settings);
        distance.map_or(0.0, |distance| (distance / self.settings.threshold).min(1.0))
    }

    /// The score of a value so far outside, unless it belongs to the anomaly before.
    fn score(&mut self, outside: f64) -> f64 {
        let belongs = self.anomaly.is_some_and(|(ago, before)| ago < LEVEL && outside < before * WORSE);
        if outside <= 0.0 || belongs {
            self.anomaly = self.anomaly.map(|(ago, before)| (ago + 1, before));
            return 0.0;
        }
        self.anomaly = Some((1, outside));
        outside / (outside + HALF)
    }
}

impl Range {
    const NOTHING: (f64, f64) = (f64::INFINITY, f64::NEG_INFINITY);

    fn new() -> Self {
        Self { now: Self::NOTHING, before: Self::NOTHING, in_epoch: 0, known: 0 }
    }

    fn width(&self) -> f64 {
        self.now.1.max(self.before.1) - self.now.0.min(self.before.0)
    }

    /// Takes in a value, and says how far it was outside; 0 as long as too little is known.
    fn follow(&mut self, value: f64) -> f64 {
        let (low, high) = (self.now.0.min(self.before.0), self.now.1.max(self.before.1));
        let outside = (value - high).max(low - value).max(0.0);
        if self.in_epoch == EPOCH {
            (self.before, self.now, self.in_epoch) = (self.now, Self::NOTHING, 0);
        }
        self.now = (self.now.0.min(value), self.now.1.max(value));
        self.in_epoch += 1;
        self.known += 1;
        if self.known > KNOWN { outside } else { 0.0 }
    }
}

impl Hours {
    /// Takes in a value, and says what was usual at this hour; `None` = two days are not known yet.
    fn follow(&mut self, seconds: u64, value: f64) -> Option<f64> {
        let first = *self.first.get_or_insert(seconds);
        let hour = usize::try_from(seconds / 3600).unwrap_or(0) % HOURS;
        let (mean, count) = (&mut self.means[hour], &mut self.counts[hour]);
        let usual = (*count > 0 && seconds.saturating_sub(first) > 2 * DAY).then_some(*mean);
        *count = (*count + 1).min(LATEST);
        *mean += (value - *mean) / f64::from(*count);
        usual
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::settings::Settings;
    use super::*;

    /// Plays values, one every five minutes; the scores.
    fn play(values: impl Iterator<Item = f64>) -> Vec<f64> {
        let mut series = Series::new(Settings::default().anomaly);
        values.enumerate().map(|(n, value)| series.observe(Duration::from_secs(n as u64 * 300), value)).collect()
    }

    fn noise(seed: u64) -> impl FnMut() -> f64 {
        let mut random = fastrand::Rng::with_seed(seed);
        move || (0..12).map(|_| random.f64()).sum::<f64>() - 6.0
    }

    fn anomalies(scores: &[f64]) -> Vec<usize> {
        scores.iter().enumerate().filter(|(_, score)| **score > 0.5).map(|(at, _)| at).collect()
    }

    #[test]
    fn a_value_far_outside_is_one_anomaly_when_it_comes() {
        let mut noise = noise(1);
        let scores = play((0..1000).map(|n| 50.0 + noise() + if (600..620).contains(&n) { 30.0 } else { 0.0 }));
        let found = anomalies(&scores[300..]);
        assert_eq!(found.first(), Some(&300), "{found:?}");
        assert!(found.iter().all(|at| (300..320).contains(at)), "{found:?}");
        assert!(scores[600] > 0.95 && scores.iter().all(|score| (0.0..1.0).contains(score)));
    }

    #[test]
    fn a_daily_rhythm_with_peaks_is_no_anomaly_and_a_peak_in_the_night_is_one() {
        let mut noise = noise(2);
        let day = |n: usize| (n as f64 / 288.0 * std::f64::consts::TAU).sin();
        let values = (0..288 * 10).map(|n| 10.0 * day(n) + 0.3 * noise() + if n == 288 * 8 + 216 { 16.0 } else { 0.0 });
        let scores = play(values);
        assert_eq!(anomalies(&scores[288 * 3..]), [288 * 5 + 216]);
    }

    #[test]
    fn a_level_that_was_never_seen_is_an_anomaly_though_its_values_were() {
        let mut noise = noise(3);
        let scores = play((0..3000).map(|n| noise() + if n < 2500 { 0.0 } else { 2.0 }));
        let found = anomalies(&scores);
        assert!(found.iter().any(|at| (2500..2520).contains(at)), "{found:?}");
    }

    #[test]
    fn values_that_never_change_and_values_that_are_none_are_no_anomalies() {
        assert_eq!(anomalies(&play([7.0; 500].into_iter())), [0_usize; 0]);
        assert_eq!(anomalies(&play([f64::NAN, f64::INFINITY].into_iter().cycle().take(500))), [0_usize; 0]);
        let scores = play((0..500).map(|n| if n == 400 { 8.0 } else { f64::from(n % 2) }));
        assert_eq!(anomalies(&scores), [400]);
    }

    #[test]
    fn a_spike_does_not_make_it_blind_for_ever() {
        let mut noise = noise(4);
        let epoch = EPOCH as usize;
        let values = (0..3 * epoch).map(|n| {
            noise()
                + if n == 100 {
                    1e6
                } else if n == 3 * epoch - 50 {
                    40.0
                } else {
                    0.0
                }
        });
        assert!(anomalies(&play(values)).contains(&(3 * epoch - 50)));
    }
}
