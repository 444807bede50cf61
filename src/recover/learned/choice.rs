//! Which strategy is tried: the one that draws the best lot, from what is known of each.
//!
//! Algorithm: Thompson sampling (W. R. Thompson, "On the likelihood that one unknown probability exceeds another in view of the evidence of two
//! samples", 1933): for each strategy a probability of success is drawn from its Beta posterior, and the best draw wins. So a strategy is tried
//! as often as it is likely to be the best, and none is given up for good. The posteriors are narrowed ([`SHARPNESS`]) as O. Chapelle and L. Li
//! ("An empirical evaluation of Thompson sampling", 2011) found it better where there is not the time for much exploring: a service has few faults.

use std::time::Duration;

use super::effectiveness::History;

/// What is assumed of a strategy before anything was learned counts as so many attempts.
const PRIOR_ATTEMPTS: f64 = 2.0;
/// Attempts that are missing here, up to so many, are filled up with what the strategy came to at other services.
const ELSEWHERE: f64 = 4.0;
/// Posteriors are as narrow as if there were so many times as many attempts. The simulation found the value: see `learned/tests`.
const SHARPNESS: f64 = 8.0;
/// What the longest estimate takes off a draw: enough to decide between strategies that help equally often, too little to decide otherwise.
const COST_OF_TIME: f64 = 0.03;
/// The estimate that takes off half of that.
const LONG: Duration = Duration::from_secs(30);

/// A strategy that could be tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate<'a> {
    /// Its name.
    pub name: &'a str,
    /// The effectiveness that is assumed of it before anything was learned.
    pub prior: f64,
    /// How long it will take.
    pub estimate: Duration,
}

/// The strategy that is tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Its place among the candidates.
    pub at: usize,
    /// Why it is, with figures, for people.
    pub why: String,
    /// It is not the one that is likeliest to help: it is tried so that more is known of it.
    pub is_exploring: bool,
}

/// What is thought of a strategy: a Beta distribution of its probability of success, and what its time takes off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Belief {
    helped: f64,
    failed: f64,
    cost: f64,
}

impl Belief {
    /// From the prior, the history here, and that at all other services.
    pub fn new(candidate: &Candidate<'_>, here: History, elsewhere: History) -> Self {
        let prior = if candidate.prior.is_finite() { candidate.prior.clamp(0.05, 0.95) } else { 0.5 };
        let missing = (ELSEWHERE - here.attempts()).clamp(0.0, elsewhere.attempts());
        let weight = if missing > 0.0 { missing / elsewhere.attempts() } else { 0.0 };
        let estimate = candidate.estimate.as_secs_f64();
        Self {
            helped: PRIOR_ATTEMPTS * prior + here.helped + weight * elsewhere.helped,
            failed: PRIOR_ATTEMPTS * (1.0 - prior) + here.failed + weight * elsewhere.failed,
            cost: COST_OF_TIME * estimate / (estimate + LONG.as_secs_f64()),
        }
    }

    /// What it is worth on average.
    pub fn mean(&self) -> f64 {
        self.helped / (self.helped + self.failed) - self.cost
    }

    /// What it may be worth.
    pub fn draw(&self, random: &mut fastrand::Rng) -> f64 {
        let (helped, failed) = (gamma(SHARPNESS * self.helped, random), gamma(SHARPNESS * self.failed, random));
        helped / (helped + failed) - self.cost
    }
}

/// The place of the greatest value, the first of equals. `None` = there are none.
pub fn greatest(values: &[f64]) -> Option<usize> {
    (0..values.len()).reduce(|best, at| if values[at] > values[best] { at } else { best })
}

/// A draw from the gamma distribution of this shape (above 0) and scale 1: G. Marsaglia and W. W. Tsang, "A simple method for generating gamma
/// variables", 2000.
fn gamma(shape: f64, random: &mut fastrand::Rng) -> f64 {
    if shape < 1.0 {
        return gamma(shape + 1.0, random) * (1.0 - random.f64()).powf(1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(random);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && (1.0 - random.f64()).ln() < x * x / 2.0 + d * (1.0 - v + v.ln()) {
            return d * v;
        }
    }
}

/// A draw from the normal distribution: G. E. P. Box and M. E. Muller, 1958.
fn normal(random: &mut fastrand::Rng) -> f64 {
    (-2.0 * (1.0 - random.f64()).ln()).sqrt() * (std::f64::consts::TAU * random.f64()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(prior: f64, secs: u64) -> Candidate<'static> {
        Candidate { name: "restart", prior, estimate: Duration::from_secs(secs) }
    }

    #[test]
    fn draws_are_spread_around_the_mean_as_the_posterior_is() {
        let mut random = fastrand::Rng::with_seed(3);
        let belief = Belief::new(&candidate(0.5, 0), History { helped: 6.0, failed: 1.0 }, History::default());
        let draws: Vec<f64> = (0..20_000).map(|_| belief.draw(&mut random)).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / 20_000.0;
        let (a, b) = (SHARPNESS * 7.0, SHARPNESS * 2.0);
        assert!((mean - 7.0 / 9.0).abs() < 0.002 && (belief.mean() - 7.0 / 9.0).abs() < 1e-9, "{mean}");
        assert!((variance / (a * b / ((a + b).powi(2) * (a + b + 1.0))) - 1.0).abs() < 0.05, "{variance}");
    }

    #[test]
    fn a_gamma_variable_of_a_small_shape_has_its_mean() {
        let mut random = fastrand::Rng::with_seed(4);
        let mean = (0..20_000).map(|_| gamma(0.4, &mut random)).sum::<f64>() / 20_000.0;
        assert!((mean - 0.4).abs() < 0.02, "{mean}");
    }

    #[test]
    fn other_services_fill_up_what_is_missing_here() {
        let elsewhere = History { helped: 10.0, failed: 0.0 };
        let mean = |here| Belief::new(&candidate(0.5, 0), here, elsewhere).mean();
        assert!((mean(History::default()) - 5.0 / 6.0).abs() < 1e-9);
        assert!((mean(History { helped: 0.0, failed: 3.0 }) - 2.0 / 6.0).abs() < 1e-9, "1 of 4 from elsewhere");
        assert!((mean(History { helped: 0.0, failed: 6.0 }) - 1.0 / 8.0).abs() < 1e-9, "nothing from elsewhere");
    }

    #[test]
    fn time_decides_between_equals_and_only_then() {
        let mean =
            |candidate, helped| Belief::new(&candidate, History { helped, failed: 2.0 }, History::default()).mean();
        assert!(mean(candidate(0.5, 10), 4.0) > mean(candidate(0.5, 120), 4.0));
        assert!(mean(candidate(0.5, 1), 4.0) < mean(candidate(0.5, 3600), 5.0));
    }
}
