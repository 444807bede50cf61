//! Latencies out of their percentiles: a recording has three of them, and detectors want moments and a histogram.
//!
//! Between two known percentiles the logarithms are taken for normally distributed, as latencies nearly are: straight lines in a
//! normal probability plot. The percentiles that were given are met exactly.

use std::time::Duration;

use crate::detect::sample::{BUCKETS, Latencies, bucket};

/// Octaves for one standard deviation where nothing is known of it: the answers of a service are usually within 0.7 and 1.4 times their
/// median, two thirds of them.
const USUAL_SPREAD: f64 = 0.5;
/// The places of the percentiles in a normal distribution, in standard deviations.
const AT_95: f64 = 1.644_854;
const AT_99: f64 = 2.326_348;
/// So many values stand for all of them.
const VALUES: u64 = 100;

/// What is known of a distribution of latencies.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Percentiles {
    pub p50: Option<Duration>,
    pub p95: Option<Duration>,
    pub p99: Option<Duration>,
}

impl Percentiles {
    /// As many latencies that have these percentiles; none where nothing is known.
    pub fn latencies(&self, count: u64) -> Latencies {
        let mut latencies = Latencies::default();
        let Some(line) = self.line() else { return latencies };
        let values = count.min(VALUES);
        let upto = |at: u64| u64::try_from(u128::from(count) * u128::from(at) / u128::from(values)).unwrap_or(count);
        for at in 0..values {
            let z = probit((at as f64 + 0.5) / values as f64);
            let (log, times) = (line.at(z).max(0.0), upto(at + 1) - upto(at));
            latencies.count += times;
            latencies.logs += log * times as f64;
            latencies.squares += log * log * times as f64;
            let bucket = &mut latencies.buckets[bucket(log).min(BUCKETS - 1)];
            *bucket = bucket.saturating_add(u32::try_from(times).unwrap_or(u32::MAX));
        }
        latencies
    }

    fn line(&self) -> Option<Line> {
        let log = |time: Duration| (time.as_secs_f64() * 1e6).max(1.0).log2();
        // estimates from few answers may cross
        let p95 = self.p95.max(self.p50.filter(|_| self.p95.is_some()));
        let p99 = self.p99.max(p95.max(self.p50).filter(|_| self.p99.is_some()));
        let given = [(0.0, self.p50), (AT_95, p95), (AT_99, p99)];
        let mut known = given.into_iter().filter_map(|(z, time)| Some((z, log(time?))));
        let first = known.next()?;
        let (second, third) = (known.next(), known.next());
        // below the median it is as above it; where the median is not known, as usual
        let low = match second {
            Some((z, log)) if first.0 == 0.0 => (log - first.1) / z,
            _ => USUAL_SPREAD,
        };
        let slope = |from: (f64, f64), to: Option<(f64, f64)>| to.map(|to| (to.1 - from.1) / (to.0 - from.0));
        let middle = slope(first, second).unwrap_or(USUAL_SPREAD);
        let second = second.unwrap_or(first);
        Some(Line { first, second, slopes: [low, middle, slope(second, third).unwrap_or(middle)] })
    }
}

/// A bent line: the logarithm at each place of the distribution.
struct Line {
    first: (f64, f64),
    second: (f64, f64),
    /// Before the first point, between the two, and behind the second.
    slopes: [f64; 3],
}

impl Line {
    fn at(&self, z: f64) -> f64 {
        let (from, slope) = if z < self.first.0 {
            (self.first, self.slopes[0])
        } else if z < self.second.0 {
            (self.first, self.slopes[1])
        } else {
            (self.second, self.slopes[2])
        };
        from.1 + (z - from.0) * slope
    }
}

/// The place in a standard normal distribution below which this share lies (Abramowitz and Stegun, Handbook of Mathematical Functions,
/// 26.2.23; the error is below 0.00045).
fn probit(share: f64) -> f64 {
    let t = (-2.0 * share.min(1.0 - share).ln()).sqrt();
    let z =
        t - (2.515_517 + t * (0.802_853 + t * 0.010_328)) / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308)));
    if share < 0.5 { -z } else { z }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Option<Duration> {
        Some(Duration::from_millis(ms))
    }

    #[test]
    fn percentiles_are_met_again_to_a_bucket() {
        let given = Percentiles { p50: ms(10), p95: ms(40), p99: ms(300) };
        let latencies = given.latencies(10_000);
        assert_eq!((latencies.count, latencies.buckets.iter().sum::<u32>()), (10_000, 10_000));
        for (share, wanted) in [(0.5, 0.010), (0.95, 0.040), (0.99, 0.300)] {
            let found = latencies.quantile(share).unwrap().as_secs_f64();
            assert!((found / wanted).log2().abs() < 0.5, "{share}: {found}");
        }
    }

    #[test]
    fn moments_are_those_of_the_distribution() {
        // p95 = 2 x p50: a standard deviation of 1 / 1.645 octaves
        let latencies = Percentiles { p50: ms(10), p95: ms(20), p99: None }.latencies(1000);
        assert!((latencies.mean().unwrap() - 10_000_f64.log2()).abs() < 0.01);
        assert!((latencies.variance().unwrap().sqrt() - 1.0 / AT_95).abs() < 0.02);
        let usual = Percentiles { p50: ms(10), ..Percentiles::default() }.latencies(1000);
        assert!((usual.variance().unwrap().sqrt() - USUAL_SPREAD).abs() < 0.02);
    }

    #[test]
    fn any_of_them_is_enough_and_none_is_nothing() {
        let middle = |given: Percentiles| given.latencies(500).mean().unwrap();
        let near = |found: f64, ms: f64| (found - (ms * 1e3).log2()).abs() < 0.1;
        assert!(near(
            middle(Percentiles { p95: ms(20), ..Percentiles::default() }),
            20.0 / (AT_95 * USUAL_SPREAD).exp2()
        ));
        assert!(near(
            middle(Percentiles { p99: ms(20), ..Percentiles::default() }),
            20.0 / (AT_99 * USUAL_SPREAD).exp2()
        ));
        assert_eq!(Percentiles::default().latencies(500), Latencies::default());
        assert_eq!(Percentiles { p50: ms(1), ..Percentiles::default() }.latencies(0), Latencies::default());
    }

    #[test]
    fn few_answers_and_very_many_are_counted_right() {
        for count in [1, 2, 3, 7, 99, 101, 12_345, 10_000_000_000] {
            let latencies = Percentiles { p50: ms(10), p95: ms(20), p99: ms(30) }.latencies(count);
            assert_eq!(latencies.count, count);
            assert!((latencies.mean().unwrap() - 10_000_f64.log2()).abs() < 0.2, "{count}");
        }
    }

    #[test]
    fn the_place_of_a_share_is_right() {
        for (share, z) in [(0.5, 0.0), (0.95, AT_95), (0.99, AT_99), (0.05, -AT_95), (0.001, -3.0902)] {
            assert!((probit(share) - z).abs() < 0.001, "{share}");
        }
    }
}
