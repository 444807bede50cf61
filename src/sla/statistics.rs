//! How likely a number of failures is: the exact tail of the binomial distribution.

use std::f64::consts::TAU;

/// The probability that `k` or more of `n` independent attempts fail when each fails with probability `p`: `P(X >= k)`.
///
/// The first term is exact to about 13 digits for any `n` (see [`mass`]); the others follow from it one by one, away from the mean, until
/// they no longer change the sum. That takes about 8 standard deviations at most, and only a few terms far out.
pub fn at_least(k: u64, n: u64, p: f64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    if k > n || p <= 0.0 {
        return 0.0;
    }
    if p >= 1.0 {
        return 1.0;
    }
    let odds = p / (1.0 - p);
    if k as f64 > n as f64 * p {
        // from k up: term(i + 1) = term(i) * (n - i) / (i + 1) * odds
        let ratios = (k..n).map(|i| (n - i) as f64 / (i + 1) as f64 * odds);
        return (mass(k, n, p) * sum_of_products(ratios)).min(1.0);
    }
    // from k - 1 down: term(i - 1) = term(i) * i / (n - i + 1) / odds
    let ratios = (1..k).rev().map(|i| i as f64 / (n - i + 1) as f64 / odds);
    (1.0 - mass(k - 1, n, p) * sum_of_products(ratios)).max(0.0)
}

/// `1 + r1 + r1 * r2 + r1 * r2 * r3 + ...`, as far as it matters.
fn sum_of_products(ratios: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for ratio in ratios {
        term *= ratio;
        sum += term;
        if term < sum * 1e-17 {
            break;
        }
    }
    sum
}

/// `P(X = k)`, by the saddle-point expansion of C. Loader, "Fast and accurate computation of binomial probabilities", 2000. Logarithms of
/// factorials would lose digits when `n` is large, because numbers of the size of `n` cancel out; here only small ones are left.
fn mass(k: u64, n: u64, p: f64) -> f64 {
    if k == 0 {
        return (n as f64 * (-p).ln_1p()).exp();
    }
    if k == n {
        return (n as f64 * p.ln()).exp();
    }
    let [all, failed, rest] = [n, k, n - k].map(|count| count as f64);
    let exponent = stirling_error(n)
        - stirling_error(k)
        - stirling_error(n - k)
        - deviance(failed, all * p)
        - deviance(rest, all * (1.0 - p));
    exponent.exp() * (all / (TAU * failed * rest)).sqrt()
}

/// `ln n!` less Stirling's approximation of it, for `n` above 0.
fn stirling_error(n: u64) -> f64 {
    let x = n as f64;
    if n < 16 {
        let factorial = (1..=n).product::<u64>() as f64;
        return factorial.ln() - (x + 0.5) * x.ln() + x - 0.5 * TAU.ln();
    }
    // Stirling's series: 1/(12 n) - 1/(360 n^3) + 1/(1260 n^5) - ...
    let square = x * x;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / 1188.0 / square) / square) / square) / square)
        / x
}

/// `x ln(x / mean) + mean - x`, also where `x` is close to `mean` and the three cancel out (Loader's `bd0`).
fn deviance(x: f64, mean: f64) -> f64 {
    if (x - mean).abs() >= 0.1 * (x + mean) {
        return x * (x / mean).ln() + mean - x;
    }
    let v = (x - mean) / (x + mean);
    let mut sum = (x - mean) * v;
    let mut term = 2.0 * x * v;
    for n in 1..1000 {
        term *= v * v;
        let next = sum + term / f64::from(2 * n + 1);
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Small ones from python's `fractions`, `sum(comb(n, i) * p**i * (1 - p)**(n - i) for i in range(k, n + 1))`; the others from mpmath 1.3 with
    /// 50 digits: the same sum from `k` on, with `loggamma` for its first term.
    const EXACT: &[(u64, u64, f64, f64)] = &[
        (1, 1, 0.3, 0.3),
        (3, 10, 0.006, 2.5115179836700384e-05),
        (2, 120, 0.001, 0.0066022193105051),
        (3, 40, 0.006, 0.0018077405145019156),
        (10, 50, 0.05, 0.0001585632976238347),
        (50, 50, 0.9, 0.00515377520732012),
        (16, 100, 0.144, 0.3655803293475956),
        (200, 1_000, 0.2, 0.5126139256145147),
        (1, 1_000_000_000, 1e-9, 0.6321205590124974),
        (5, 1_000_000_000, 1e-9, 0.0036598468043512484),
        (1, 1_000, 1e-9, 9.999995005001662e-07),
        (3, 1_000_000, 1e-9, 1.6654121740261295e-10),
        (52_700, 3_600_000, 0.0144, 7.445590223189367e-05),
        (51_840, 3_600_000, 0.0144, 0.500596781343783),
        (3_300, 3_000_000, 0.001, 3.592699120303516e-08),
        (500_050_000, 1_000_000_000, 0.5, 0.0007827861305419038),
        (1_003_000, 1_000_000_000, 0.001, 0.001351359797918051),
        (999_000, 1_000_000_000, 0.001, 0.8415868376420218),
        (999_999_999, 1_000_000_000, 0.999_999_999, 0.7357588927472258),
    ];

    #[test]
    fn the_tail_is_that_of_exact_arithmetic() {
        for &(k, n, p, exact) in EXACT {
            let found = at_least(k, n, p);
            assert!((found / exact - 1.0).abs() < 1e-9, "at_least({k}, {n}, {p}) = {found:e}, not {exact:e}");
        }
    }

    #[test]
    fn the_ends_are_certain() {
        assert_eq!(at_least(0, 0, 0.5), 1.0);
        assert_eq!(at_least(0, 10, 0.0), 1.0);
        assert_eq!(at_least(1, 0, 0.5), 0.0);
        assert_eq!(at_least(11, 10, 1.0), 0.0);
        assert_eq!(at_least(1, 10, 0.0), 0.0);
        assert_eq!(at_least(10, 10, 1.0), 1.0);
        assert_eq!(at_least(1_000_000_000, 1_000_000_000, 1e-9), 0.0);
    }

    proptest! {
        #[test]
        fn it_falls_with_the_failures_and_rises_with_their_probability(
            n in 1_u64..1_000_000, part in 0.0..1.0_f64, p in 1e-9..1.0_f64, smaller in 0.0..1.0_f64,
        ) {
            let k = (part * n as f64) as u64;
            let tail = at_least(k, n, p);
            prop_assert!((0.0..=1.0).contains(&tail));
            prop_assert!(at_least(k + 1, n, p) <= tail + 1e-12);
            prop_assert!(at_least(k, n, p * smaller) <= tail + 1e-12);
        }

        #[test]
        fn the_tails_of_failures_and_of_successes_make_a_whole(n in 1_u64..100_000, part in 0.0..1.0_f64, p in 1e-6..0.999_f64) {
            let k = (part * n as f64) as u64;
            let whole = at_least(k, n, p) + at_least(n - k + 1, n, 1.0 - p);
            prop_assert!((whole - 1.0).abs() < 1e-9, "{whole}");
        }
    }
}
