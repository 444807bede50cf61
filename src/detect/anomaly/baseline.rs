//! What is usual: the means and the covariance of the features, learned robustly while all is well.
//!
//! * Learning: means and covariances with exponential weights, of which the [`window`](Anomaly::window) is the time constant (the first samples
//!   all weigh the same). A deviation beyond the threshold is pulled in to it (winsorised: a recursive M-estimator, P. J. Huber, "Robust statistics",
//!   1981) and learned at [`CAUTION`] of the weight.
//! * Shrinkage: the correlations are shrunk towards none by the share that is optimal by the rule of Ledoit and Wolf (2004), in the closed
//!   form for correlations of J. Schäfer and K. Strimmer ("A shrinkage approach to large-scale covariance matrix estimation", 2005): the
//!   variance of the correlations over their squares. So the matrix is positive definite from the first samples on.
//! * Distance: Hotelling's T² with F's distribution allows for what so few samples know (H. Hotelling, 1931); E. Paulson's approximation
//!   (1942) makes of F a normal deviate, and its inverse a distance in one dimension.
//!
//! Features that are missing are left out.

use super::super::settings::Anomaly;
use super::features::{FEATURES, Features, Measure};

/// Fewer samples judge nobody (mission, part 4).
const ENOUGH: usize = 10;
/// The weight at which an unusual sample is learned.
const CAUTION: f64 = 0.1;

/// What is usual.
#[derive(Debug, Clone, Default)]
pub struct Baseline {
    means: [f64; FEATURES],
    covariance: [[f64; FEATURES]; FEATURES],
    /// How many samples had each feature, up to the window.
    samples: [u16; FEATURES],
}

/// How unusual a sample is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unusual {
    /// The distance in standard deviations of one dimension.
    pub distance: f64,
    /// The feature that contributes most.
    pub feature: usize,
    /// What it usually is.
    pub usual: f64,
    /// How many samples the baseline has learned from, at most its window.
    pub samples: usize,
}

/// The features that a sample and the baseline have, one after the other.
struct Known {
    count: usize,
    which: [usize; FEATURES],
    /// Deviations in standard deviations, scaled by how much the feature counts. An improvement is 0.
    deviations: [f64; FEATURES],
}

impl Baseline {
    /// Compares a sample with what is usual; `None` = too few samples are known.
    pub fn compare(&self, features: &Features, measures: &[Measure; FEATURES], window: usize) -> Option<Unusual> {
        let mut known = Known { count: 0, which: [0; FEATURES], deviations: [0.0; FEATURES] };
        let mut samples = window;
        for (at, feature) in features.iter().enumerate() {
            let Some(feature) = feature.filter(|_| usize::from(self.samples[at]) >= ENOUGH) else { continue };
            let measure = measures[at];
            let above = feature.value - self.means[at];
            let deviation = if measure.both_ways { above } else { above.max(0.0) };
            let variance = self.variance(at).max(measure.least * measure.least) + feature.noise;
            known.which[known.count] = at;
            known.deviations[known.count] = measure.scale * deviation / variance.sqrt();
            known.count += 1;
            samples = samples.min(usize::from(self.samples[at]));
        }
        let count = known.count;
        if count == 0 {
            return None;
        }
        let solved = solve(&mut self.correlations(&known, samples), &known.deviations, count);
        let share = |n: &usize| known.deviations[*n] * solved[*n];
        let squared: f64 = (0..count).map(|n| share(&n)).sum();
        let most = (0..count).max_by(|a, b| share(a).total_cmp(&share(b)))?;
        let feature = known.which[most];
        Some(Unusual {
            distance: in_one_dimension(squared, count, samples),
            feature,
            usual: self.means[feature],
            samples,
        })
    }

    /// Learns a sample. `distance` is what comparing it has found.
    pub fn learn(&mut self, features: &Features, distance: Option<f64>, settings: &Anomaly) {
        let (mut pull, mut weight) = (1.0, 1.0);
        if let Some(distance) = distance.filter(|distance| *distance > settings.threshold) {
            (pull, weight) = (settings.threshold / distance, CAUTION);
        }
        let window = settings.window.clamp(ENOUGH, usize::from(u16::MAX));
        let mut deviations = [None; FEATURES];
        for (at, feature) in features.iter().enumerate() {
            let Some(feature) = feature else { continue };
            self.samples[at] = (self.samples[at] + 1).min(u16::try_from(window).unwrap_or(u16::MAX));
            let deviation = (feature.value - self.means[at]) * pull;
            deviations[at] = Some((deviation, weight / f64::from(self.samples[at])));
        }
        for (a, first) in deviations.iter().enumerate() {
            let Some((first, share)) = *first else { continue };
            self.means[a] += share * first;
            for (b, second) in deviations.iter().enumerate() {
                let Some((second, other)) = *second else { continue };
                let share = share.max(other);
                let covariance = &mut self.covariance[a][b];
                *covariance = (1.0 - share) * (*covariance + share * first * second);
            }
        }
    }

    fn variance(&self, at: usize) -> f64 {
        let samples = f64::from(self.samples[at]);
        // the estimate from few samples has a bias
        self.covariance[at][at] * samples / (samples - 1.0).max(1.0)
    }

    /// The shrunk correlations of the known features.
    fn correlations(&self, known: &Known, samples: usize) -> [[f64; FEATURES]; FEATURES] {
        let mut matrix = [[0.0; FEATURES]; FEATURES];
        let (mut uncertainty, mut strength) = (0.0, 0.0);
        for (row, &a) in known.which[..known.count].iter().enumerate() {
            matrix[row][row] = 1.0;
            for (column, &b) in known.which[..row].iter().enumerate() {
                // what has never changed is correlated with nothing
                let scale = (self.covariance[a][a] * self.covariance[b][b]).sqrt().max(f64::MIN_POSITIVE);
                let correlation = (self.covariance[a][b] / scale).clamp(-0.99, 0.99);
                uncertainty += (1.0 - correlation * correlation).powi(2) / (samples as f64 - 1.0);
                strength += correlation * correlation;
                (matrix[row][column], matrix[column][row]) = (correlation, correlation);
            }
        }
        let kept = if strength > 0.0 { 1.0 - (uncertainty / strength).min(1.0) } else { 0.0 };
        for (row, values) in matrix.iter_mut().enumerate() {
            values.iter_mut().enumerate().filter(|(column, _)| *column != row).for_each(|(_, value)| *value *= kept);
        }
        matrix
    }
}

/// Solves `matrix * x = right` for the first `count` rows of a symmetric positive definite matrix, by elimination without pivots.
fn solve(matrix: &mut [[f64; FEATURES]; FEATURES], right: &[f64; FEATURES], count: usize) -> [f64; FEATURES] {
    let mut x = *right;
    for pivot in 0..count {
        let first = matrix[pivot];
        // rounding may leave nothing of a row that the others determine
        let divisor = first[pivot].max(1e-6);
        for row in pivot + 1..count {
            let factor = matrix[row][pivot] / divisor;
            (pivot..count).for_each(|column| matrix[row][column] -= factor * first[column]);
            x[row] -= factor * x[pivot];
        }
    }
    for row in (0..count).rev() {
        let known: f64 = (row + 1..count).map(|column| matrix[row][column] * x[column]).sum();
        x[row] = (x[row] - known) / matrix[row][row].max(1e-6);
    }
    x
}

/// The distance in one dimension that is as improbable as this squared distance in `features` dimensions from a baseline of so many samples.
fn in_one_dimension(squared: f64, features: usize, samples: usize) -> f64 {
    let (k, n) = (features as f64, samples as f64);
    let m = (n - k).max(1.0);
    let ratio = squared * m * n / (k * (n - 1.0) * (n + 1.0));
    let (numerator, denominator) = (2.0 / (9.0 * k), 2.0 / (9.0 * m));
    let cube = ratio.cbrt();
    let normal = ((1.0 - denominator) * cube - (1.0 - numerator)) / (denominator * cube * cube + numerator).sqrt();
    // Wilson and Hilferty's approximation for one degree of freedom, solved for the distance
    (7.0 / 9.0 + normal * (2.0f64 / 9.0).sqrt()).max(0.0).powf(1.5)
}

#[cfg(test)]
mod tests {
    use super::super::features::{BACKEND, Feature};
    use super::*;

    const SETTINGS: Anomaly = Anomaly { threshold: 2.5, window: 50 };

    fn normal(random: &mut fastrand::Rng) -> f64 {
        (0..12).map(|_| random.f64()).sum::<f64>() - 6.0
    }

    /// A sample with these features and no noise.
    fn sample<const N: usize>(values: [f64; N]) -> Features {
        let mut features = [None; FEATURES];
        values
            .iter()
            .zip(&mut features)
            .for_each(|(value, feature)| *feature = Some(Feature { value: *value, noise: 0.0 }));
        features
    }

    #[test]
    fn a_distance_in_one_dimension_from_many_samples_is_itself() {
        for distance in [1.0, 2.5, 6.0] {
            assert!((in_one_dimension(distance * distance, 1, 100_000) - distance).abs() < 0.01 * distance);
        }
        // chi-square with 4 degrees of freedom: 12.8 has the tail 1.24 %, as 2.5 has on both sides of one dimension
        assert!((in_one_dimension(12.77, 4, 100_000) - 2.5).abs() < 0.03);
        // Student's t with 9 degrees of freedom: 3.07 has the tail 1.33 % on both sides, and a new sample differs from the mean of 10 by more
        assert!((in_one_dimension(3.07 * 3.07 * 1.1, 1, 10) - 2.48).abs() < 0.1);
    }

    #[test]
    fn a_system_of_equations_is_solved() {
        let mut matrix = [[4.0, 1.0, 0.5, 0.0], [1.0, 3.0, 0.2, 0.0], [0.5, 0.2, 2.0, 0.0], [0.0; FEATURES]];
        let exact = [1.0, -2.0, 3.0];
        let right = [0, 1, 2].map(|row| (0..3).map(|column| matrix[row][column] * exact[column]).sum::<f64>());
        let found = solve(&mut matrix, &[right[0], right[1], right[2], 0.0], 3);
        assert!(found.iter().zip(exact).all(|(found, exact)| (found - exact).abs() < 1e-9), "{found:?}");
    }

    #[test]
    fn healthy_samples_exceed_the_threshold_about_as_often_as_it_says() {
        for features in [1, 2, 4] {
            let mut random = fastrand::Rng::with_seed(7);
            let (mut baseline, mut exceed) = (Baseline::default(), 0);
            for _ in 0..20_000 {
                let common = normal(&mut random);
                let mut values = [0; 4].map(|_| normal(&mut random) + common);
                values[0] *= 2.0;
                let mut sample = sample(values);
                sample[features..].fill(None);
                let found = baseline.compare(&sample, &BACKEND, SETTINGS.window);
                exceed += u32::from(found.is_some_and(|found| found.distance > SETTINGS.threshold));
                baseline.learn(&sample, found.map(|found| found.distance), &SETTINGS);
            }
            let share = f64::from(exceed) / 20_000.0;
            assert!((0.001..0.02).contains(&share), "{features} features: {share}");
        }
    }

    #[test]
    fn fewer_than_ten_samples_judge_nobody() {
        let mut baseline = Baseline::default();
        for n in 0..10 {
            assert_eq!(baseline.compare(&sample([f64::from(n % 2), 0.0]), &BACKEND, 50), None, "{n}");
            baseline.learn(&sample([f64::from(n % 2), 0.0]), None, &SETTINGS);
        }
        let found = baseline.compare(&sample([20.0, 0.0]), &BACKEND, 50).unwrap();
        assert_eq!((found.feature, found.samples), (0, 10));
        assert!(found.distance > 4.0, "{found:?}");
    }

    #[test]
    fn features_that_move_together_are_unusual_when_they_do_not() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut baseline = Baseline::default();
        for _ in 0..500 {
            let common = normal(&mut random) * 3.0;
            let sample = sample([common + 0.3 * normal(&mut random), common + 0.3 * normal(&mut random)]);
            baseline.learn(&sample, None, &SETTINGS);
        }
        let together = baseline.compare(&sample([5.0, 5.0]), &BACKEND, 50).unwrap().distance;
        let apart = baseline.compare(&sample([5.0, 0.0]), &BACKEND, 50).unwrap().distance;
        assert!(together < 2.5 && apart > 4.0, "{together} {apart}");
    }

    #[test]
    fn a_feature_that_never_changes_or_copies_another_breaks_nothing() {
        let mut baseline = Baseline::default();
        for n in 0..100 {
            let x = f64::from(n % 7);
            baseline.learn(&sample([x, x, 3.0, 3.0]), None, &SETTINGS);
        }
        let found = baseline.compare(&sample([3.0, 3.0, 3.0, 9.0]), &BACKEND, 50).unwrap();
        assert!(found.distance.is_finite() && found.feature == 3, "{found:?}");
    }

    #[test]
    fn a_new_level_is_usual_after_minutes_but_not_at_once() {
        let mut random = fastrand::Rng::with_seed(5);
        let mut baseline = Baseline::default();
        let mut unusual = |baseline: &mut Baseline, level: f64| {
            let sample = sample([level + normal(&mut random)]);
            let distance = baseline.compare(&sample, &BACKEND, SETTINGS.window).map(|found| found.distance);
            baseline.learn(&sample, distance, &SETTINGS);
            distance.is_some_and(|distance| distance > SETTINGS.threshold)
        };
        (0..200).for_each(|_| _ = unusual(&mut baseline, 0.0));
        let minute = (0..60).filter(|_| unusual(&mut baseline, 8.0)).count();
        assert!(minute > 55, "{minute} of 60 seconds");
        (0..540).for_each(|_| _ = unusual(&mut baseline, 8.0));
        let later = (0..60).filter(|_| unusual(&mut baseline, 8.0)).count();
        assert!(later < 6, "{later} of 60 seconds, ten minutes later");
    }

    #[test]
    fn better_than_usual_is_not_unusual() {
        let mut baseline = Baseline::default();
        (0..50).for_each(|n| baseline.learn(&sample([f64::from(n % 3), 0.0]), None, &SETTINGS));
        assert!(baseline.compare(&sample([-30.0, -5.0]), &BACKEND, 50).unwrap().distance < 1.0);
    }
}
