//! Figures as they are shown: rounded to what was measured, or to what somebody can read.

/// A figure to three places: nothing finer than a microsecond, or a tenth of a percent, is measured.
pub(super) fn to_thousandths(figure: f64) -> f64 {
    (figure * 1e3).round() / 1e3
}

/// A figure to three significant digits, so that a change which nobody would see is none. What is no number is 0.
pub(super) fn significant(figure: f64) -> f64 {
    if figure == 0.0 || !figure.is_finite() {
        return 0.0;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the exponent of a double is at most 308")]
    let shift = 2 - figure.abs().log10().floor() as i32;
    // divided by a power of ten that is exact, so that the result is the double nearest to the decimal number
    match shift {
        0.. => (figure * 10_f64.powi(shift)).round() / 10_f64.powi(shift),
        _ => (figure / 10_f64.powi(-shift)).round() * 10_f64.powi(-shift),
    }
}

/// What is left of a budget, to a tenth of a percent and cut off to the worse side: 99.96 % is not all of it.
pub(super) fn of_budget(left: f64) -> f64 {
    // 1e-9: what the arithmetic of binary fractions loses must not cost a digit
    if left.is_finite() { (left * 1e3 + 1e-9).floor() / 1e3 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_cut_to_the_worse_side() {
        let cut = [1.0, 0.999_6, 0.3, 0.0, -0.000_1, -427.571_4, f64::NAN].map(of_budget);
        assert_eq!(cut, [1.0, 0.999, 0.3, 0.0, -0.001, -427.572, 0.0]);
    }

    #[test]
    fn three_digits_are_kept_wherever_they_stand() {
        let rounded =
            [0.0, 0.012_345, 0.1 + 0.2, 1.0, 9.999, 123.456, 999.5, 12_345.6, 2e9, -0.012_345].map(significant);
        assert_eq!(rounded, [0.0, 0.0123, 0.3, 1.0, 10.0, 123.0, 1000.0, 12_300.0, 2e9, -0.0123]);
        assert_eq!([f64::NAN, f64::INFINITY].map(significant), [0.0, 0.0]);
        assert_eq!(significant(1.234_5e-7).to_string(), "0.000000123");
    }

    #[test]
    fn three_places_are_kept() {
        assert_eq!([0.000_4, 0.123_6, 12.0].map(to_thousandths), [0.0, 0.124, 12.0]);
    }
}
