//! What is compared with what it usually is: four features of a backend, on scales on which they are nearly normal.

use super::super::fault::Fault;
use super::super::phrase;
use super::super::sample::Sample;

/// How many features there are.
pub const FEATURES: usize = 4;

/// The features; `None` = not known.
pub type Features = [Option<Feature>; FEATURES];

/// One feature at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Feature {
    /// Its value on its scale.
    pub value: f64,
    /// The variance of the value that comes from how few attempts it was taken from. It is added to the baseline's, so that a backend with less
    /// traffic than usual is not unusual for its scatter.
    pub noise: f64,
}

/// Which feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The logarithm (base 2) of the microseconds: the mean.
    Latency,
    /// The logit of the share of failures.
    Errors,
    /// The logit of the share of the processors in use.
    Cpu,
    /// The logit of the share of the memory in use.
    Memory,
}

/// A share of failures below this one is as good as none: the logit of 0 is infinite, and one failure must not be unusual for coming alone.
const PRIOR: f64 = 0.01;

/// Attempts of some intervals, until they are enough to be a sample.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gathered {
    /// The attempts.
    pub attempts: u64,
    /// The intervals.
    pub intervals: u8,
    failures: u64,
    answers: u64,
    logs: f64,
    squares: f64,
}

impl Gathered {
    /// Adds an interval.
    pub fn add(&mut self, sample: &Sample) {
        self.attempts += sample.attempts();
        self.intervals += 1;
        self.failures += sample.failures.total();
        self.answers += sample.latencies.count;
        self.logs += sample.latencies.logs;
        self.squares += sample.latencies.squares;
    }

    /// The features of what was gathered, with the load at its end.
    pub fn features(self, end: &Sample) -> Features {
        let latency = (self.answers > 0).then(|| {
            let count = self.answers as f64;
            let mean = self.logs / count;
            // of a single answer, no variance is known: assume a factor of two
            let variance = if self.answers > 1 { (self.squares / count - mean * mean).max(0.0) } else { 1.0 };
            Feature { value: mean, noise: variance / count }
        });
        let errors = (self.attempts > 0).then(|| {
            let (failures, attempts) = (self.failures as f64, self.attempts as f64);
            let share = failures / attempts;
            // the variance of a share, by the rule of succession so that it is not 0; through the logit by the delta method
            let likely = (failures + 1.0) / (attempts + 2.0);
            Feature { value: logit(share), noise: likely * (1.0 - likely) / attempts / (share + PRIOR).powi(2) }
        });
        let load = |share: Option<f64>| share.map(|share| Feature { value: logit(share), noise: 0.0 });
        [latency, errors, load(end.cpu), load(end.memory)]
    }
}

impl Kind {
    /// All of them, in the order of [`Features`].
    pub const ALL: [Self; FEATURES] = [Self::Latency, Self::Errors, Self::Cpu, Self::Memory];

    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Errors => "share of failures",
            Self::Cpu => "processor load",
            Self::Memory => "memory load",
        }
    }

    /// What it is a sign of.
    pub fn fault(self) -> Fault {
        match self {
            Self::Latency => Fault::HighLatency,
            Self::Errors => Fault::HighErrorRate,
            Self::Cpu | Self::Memory => Fault::ResourceExhaustion,
        }
    }

    /// A value of the feature's scale in the units of a person.
    pub fn in_words(self, value: f64) -> String {
        match self {
            Self::Latency => phrase::log_time(value),
            Self::Errors | Self::Cpu | Self::Memory => phrase::share(share(value)),
        }
    }
}

/// How the deviations of a feature are measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    /// How much the feature counts, as a scale of its deviations.
    pub scale: f64,
    /// The least standard deviation that is assumed: what never changed may change a little.
    pub least: f64,
    /// Less than usual is as unusual as more. Otherwise it is an improvement.
    pub both_ways: bool,
}

/// How the features of a backend are measured, in the order of [`Kind::ALL`].
///
/// They count as in the mission (part 4: the weights of the first version, 0.3, 0.3, 0.2, 0.2), in squares whose mean is 1. The least deviation of
/// 0.15 octaves is 11 %; 0.2 on the scale of a logit is 5 % of the whole in its middle, and less than 1 % at its ends.
pub const BACKEND: [Measure; FEATURES] = {
    // the square roots of 4 * 0.3 and 4 * 0.2
    let traffic = Measure { scale: 1.095, least: 0.2, both_ways: false };
    let load = Measure { scale: 0.894, least: 0.2, both_ways: false };
    [Measure { least: 0.15, ..traffic }, traffic, load, load]
};

fn logit(share: f64) -> f64 {
    let share = share.clamp(0.0, 1.0);
    ((share + PRIOR) / (1.0 - share + PRIOR)).ln()
}

/// The share that has this logit.
fn share(logit: f64) -> f64 {
    let odds = logit.exp();
    ((odds * (1.0 + PRIOR) - PRIOR) / (1.0 + odds)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logit_and_back_is_the_share() {
        for n in 0..=100 {
            let exact = f64::from(n) / 100.0;
            assert!((share(logit(exact)) - exact).abs() < 1e-9, "{exact}");
        }
    }

    #[test]
    fn fewer_attempts_are_noisier() {
        let features = |attempts| {
            Gathered { attempts, failures: attempts / 10, ..Gathered::default() }.features(&Sample::default())
        };
        let (few, many) = (features(20)[1].unwrap(), features(2000)[1].unwrap());
        assert_eq!(few.value, many.value);
        assert!(few.noise > 50.0 * many.noise);
        assert_eq!(features(0), [None; FEATURES]);
    }
}
