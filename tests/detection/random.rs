//! Draws from the distributions that traffic is made of.

use fastrand::Rng;

/// Evenly between two values.
pub fn between(rng: &mut Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * rng.f64()
}

/// Between two values, evenly by their logarithms: as often from 1 to 10 as from 10 to 100.
pub fn log_between(rng: &mut Rng, low: f64, high: f64) -> f64 {
    between(rng, low.ln(), high.ln()).exp()
}

/// True with this probability.
pub fn chance(rng: &mut Rng, probability: f64) -> bool {
    probability > 0.0 && rng.f64() < probability
}

/// Normal, with mean 0 and standard deviation 1 (Box and Muller).
pub fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}

/// The time until something that happens at random, once in `mean`.
pub fn exponential(rng: &mut Rng, mean: f64) -> f64 {
    -mean * (1.0 - rng.f64()).ln()
}

/// How many of the things that happen at random there are where `mean` are expected.
pub fn poisson(rng: &mut Rng, mean: f64) -> usize {
    if mean > 50.0 {
        // near enough to normal
        return (mean + mean.sqrt() * normal(rng)).round().max(0.0) as usize;
    }
    let (limit, mut product, mut count) = ((-mean).exp(), rng.f64(), 0);
    while product > limit {
        product *= rng.f64();
        count += 1;
    }
    count
}

/// One of these.
pub fn one_of<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[rng.usize(..choices.len())]
}

/// `count` different numbers below `end`, in no order.
pub fn some_of(rng: &mut Rng, end: usize, count: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..end).collect();
    rng.shuffle(&mut all);
    all.truncate(count);
    all
}
