//! A service as it is when nothing is wrong: its backends, its traffic, and how long its answers take.

use fastrand::Rng;

use crate::random::{between, chance, exponential, log_between, normal, one_of};

/// Paths of a service.
pub const PATHS: usize = 10;
/// Keys that requests are distributed by, where they are.
pub const KEYS: usize = 2_000;
/// The longest that an answer takes, in seconds.
const LONGEST: f64 = 60.0;

/// A service. Times are in seconds, rates per second.
#[derive(Debug, Clone)]
pub struct Fleet {
    pub backends: Vec<Place>,
    /// Requests for each backend.
    pub rate: f64,
    pub day: Option<Day>,
    /// How often, on average, the rate triples for a moment; 0 = never.
    pub bursts: f64,
    pub balance: Balance,
    /// The median of an average path.
    pub median: f64,
    pub shape: Shape,
    /// The logarithms of how much longer than the median each path takes.
    pub paths: [f64; PATHS],
    /// How much, by its logarithm, a backend's speed wanders about, and that of all together.
    pub wander: f64,
    pub wander_together: f64,
    /// The share of requests that fail whatever happens.
    pub errors: f64,
    /// The share of a backend's capacity that is used at the usual rate.
    pub utilisation: f64,
    /// The longest time to the head of an answer.
    pub timeout: f64,
    /// Between two checks of a backend; `None` = there are none.
    pub checks: Option<f64>,
    /// Whether backends report their load.
    pub reports: bool,
    /// Between two heartbeats.
    pub heartbeats: Option<f64>,
    /// Whether something is known of what it depends on.
    pub dependency: bool,
}

/// A backend.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub host: usize,
    pub zone: Option<usize>,
    /// How much longer than the others it always takes, as a logarithm: no two machines are equal.
    pub habit: f64,
}

/// The load's daily curve, sped up.
#[derive(Debug, Clone, Copy)]
pub struct Day {
    pub length: f64,
    /// Where in the day a trace begins, from 0 to 1.
    pub begins: f64,
    /// The least load, as a share of the most.
    pub night: f64,
}

/// How requests are distributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    RoundRobin,
    Random,
    PowerOfTwo,
    /// By a key, each of which has its own habits: its requests take longer or shorter.
    Keyed,
}

/// How a path's answers spread around its median.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// With this standard deviation of the natural logarithm.
    LogNormal(f64),
    /// This share takes so many times longer: what a cache does not have.
    Bimodal(f64, f64),
    /// Pareto's tail with this exponent.
    HeavyTailed(f64),
}

/// What a trace asks of its fleet.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    pub rate: (f64, f64),
    pub backends: (usize, usize),
    /// The most requests of all backends in a second, so that a trace is played in a second.
    pub most: f64,
}

impl Default for Wish {
    fn default() -> Self {
        Self { rate: (1.0, 5_000.0), backends: (3, 50), most: 20_000.0 }
    }
}

impl Fleet {
    /// Some service that is as wished.
    pub fn any(rng: &mut Rng, wish: Wish) -> Self {
        let rate = log_between(rng, wish.rate.0, wish.rate.1);
        let affordable = ((wish.most / rate) as usize).max(wish.backends.0);
        let count = log_between(rng, wish.backends.0 as f64, wish.backends.1 as f64 + 0.99) as usize;
        let count = count.min(affordable);
        let median = log_between(rng, 0.001, 0.1);
        let shape = match rng.u8(..10) {
            0..=4 => Shape::LogNormal(between(rng, 0.2, 0.8)),
            5..=7 => Shape::Bimodal(between(rng, 0.02, 0.3), log_between(rng, 5.0, 50.0)),
            _ => Shape::HeavyTailed(between(rng, 1.3, 2.5)),
        };
        let per_host = if chance(rng, 0.2) { 2 } else { 1 };
        let zones = one_of(rng, &[0, 0, 2, 3]);
        let backends = (0..count)
            .map(|at| Place {
                host: at / per_host,
                zone: (zones > 0).then(|| (at / per_host) % zones.max(1)),
                habit: 0.08 * normal(rng),
            })
            .collect();
        let spread = between(rng, 0.2, 0.9);
        let choices = [Balance::RoundRobin, Balance::RoundRobin, Balance::Random, Balance::PowerOfTwo, Balance::Keyed];
        let balance = one_of(rng, &choices);
        // keys load some backends more than others, which their owners see to
        let most_used = if balance == Balance::Keyed { 0.25 } else { 0.45 };
        Self {
            backends,
            rate,
            day: chance(rng, 0.3).then(|| Day {
                length: between(rng, 600.0, 3_600.0),
                begins: rng.f64(),
                night: between(rng, 0.1, 0.6),
            }),
            bursts: if chance(rng, 0.4) { between(rng, 5.0, 30.0) } else { 0.0 },
            balance,
            median,
            shape,
            paths: std::array::from_fn(|_| spread * normal(rng)),
            wander: between(rng, 0.02, 0.1),
            wander_together: between(rng, 0.02, 0.2),
            errors: if chance(rng, 0.5) { 0.0 } else { log_between(rng, 0.000_1, 0.01) },
            utilisation: between(rng, 0.05, most_used),
            timeout: if median < 0.02 { one_of(rng, &[60.0, 30.0, 60.0, 1.0]) } else { one_of(rng, &[60.0, 30.0]) },
            checks: chance(rng, 0.4).then_some(5.0),
            reports: chance(rng, 0.5),
            heartbeats: chance(rng, 0.3).then_some(5.0),
            dependency: chance(rng, 0.3),
        }
    }

    /// The rate, as a share of the usual one, at this time of the trace.
    pub fn daylight(&self, now: f64) -> f64 {
        self.day.map_or(1.0, |day| {
            let phase = std::f64::consts::TAU * (day.begins + now / day.length);
            day.night + (1.0 - day.night) * 0.5 * (1.0 - phase.cos())
        })
    }

    /// The logarithm of how much longer than its path's median one request takes.
    pub fn spread(&self, rng: &mut Rng) -> f64 {
        match self.shape {
            Shape::LogNormal(deviation) => deviation * normal(rng),
            Shape::Bimodal(share, times) => 0.25 * normal(rng) + if chance(rng, share) { times.ln() } else { 0.0 },
            Shape::HeavyTailed(exponent) => exponential(rng, 1.0 / exponent) + 0.1 * normal(rng),
        }
    }

    /// How many medians a typical request takes: the geometric mean of some hundreds.
    pub fn typical(&self, rng: &mut Rng) -> f64 {
        let logs: f64 = (0..500).map(|_| self.paths[path(rng)] + self.spread(rng)).sum();
        (logs / 500.0).exp()
    }

    /// A time of which this is the logarithm of how much longer than the median it is.
    pub fn time(&self, log: f64) -> f64 {
        (self.median * log.exp()).min(LONGEST)
    }
}

/// A path, the first most often (Zipf).
pub fn path(rng: &mut Rng) -> usize {
    // 1 / (1 + 1/2 + ... + 1/10)
    let mut left = rng.f64() / 0.341_417;
    (0..PATHS)
        .find(|at| {
            left -= 1.0 / (*at as f64 + 1.0);
            left <= 0.0
        })
        .unwrap_or(0)
}
