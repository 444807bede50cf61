//! What detectors calculate with: medians, and how much counts of failures prove.

/// The median; the order of the values is lost. `None` = there are none.
pub fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len().checked_sub(1)? / 2;
    let (_, &mut lower, above) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if above.len() == middle {
        return Some(lower);
    }
    Some(f64::midpoint(lower, above.iter().copied().fold(f64::INFINITY, f64::min)))
}

/// The median of all but one of sorted values, of which `own` is one: what the others do. `None` = there are no others.
pub fn median_of_others(sorted: &[f64], own: f64) -> Option<f64> {
    let at = sorted.partition_point(|value| *value < own);
    let others = sorted.len().checked_sub(1).filter(|others| *others > 0)?;
    let other = |n: usize| sorted[if n < at { n } else { n + 1 }];
    Some(f64::midpoint(other((others - 1) / 2), other(others / 2)))
}

/// How strongly `failures` of `attempts` speak for a true share of failures above `share`: the negative natural logarithm of (a bound on) the
/// probability of so many failures if the true share were `share`. 0 = not at all, 6.9 = 1 in 1,000.
///
/// This is Chernoff's bound, `attempts * KL(failures / attempts || share)` (H. Chernoff, "A measure of asymptotic efficiency for tests of a
/// hypothesis based on the sum of observations", 1952): exact enough for any counts, and it never says too much.
pub fn evidence(failures: f64, attempts: f64, share: f64) -> f64 {
    let share = share.clamp(1e-9, 1.0);
    let rate = failures / attempts.max(1e-9);
    if rate <= share {
        return 0.0;
    }
    let rest = if rate < 1.0 { (1.0 - rate) * ((1.0 - rate) / (1.0 - share)).ln() } else { 0.0 };
    attempts * (rate * (rate / share).ln() + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&mut [7.0]), Some(7.0));
        assert_eq!(median(&mut []), None);
    }

    #[test]
    fn the_median_of_the_others_leaves_out_one() {
        assert_eq!(median_of_others(&[1.0, 2.0, 9.0], 9.0), Some(1.5));
        assert_eq!(median_of_others(&[1.0, 2.0, 9.0], 1.0), Some(5.5));
        assert_eq!(median_of_others(&[1.0, 2.0, 2.0, 9.0], 2.0), Some(2.0));
        assert_eq!(median_of_others(&[1.0, 2.0], 2.0), Some(1.0));
        assert_eq!(median_of_others(&[1.0], 1.0), None);
    }

    #[test]
    fn evidence_grows_with_the_counts_and_never_exceeds_the_true_improbability() {
        assert_eq!(evidence(1.0, 20.0, 0.05), 0.0);
        assert!((evidence(3.0, 3.0, 0.05) - 3.0 * 20f64.ln()).abs() < 1e-9);
        assert!(evidence(10.0, 100.0, 0.05) < evidence(100.0, 1000.0, 0.05));
        // at least 10 of 50 at 5 %: 1.7e-4
        assert!(evidence(10.0, 50.0, 0.05) < -(1.7e-4f64.ln()));
        assert!(evidence(10.0, 50.0, 0.05) > 5.0);
    }
}
