//! Shares in percent.

use super::{Problem, Result};
use crate::canary::WHOLE;

/// A share from "0.01%" to "100%", in parts of [`WHOLE`].
pub(in crate::config) fn percent(text: &str) -> Result<u32> {
    let expected = "a share above 0 and up to 100 percent, such as \"5%\" or \"0.5%\"";
    let bad = |message: String| Problem::new(message, expected);
    let number = text.trim().trim_end_matches('%').trim_end();
    let parts = number.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number * 100.0);
    let Some(parts) = parts else { return Err(bad(format!("`{text}` is no share"))) };
    if !text.ends_with('%') || text != format!("{number}%") {
        return Err(bad(format!("`{text}` is no share in percent")).suggest(Some(format!("{number}%"))));
    }
    if !(0.5..=f64::from(WHOLE) + 0.5).contains(&parts) {
        return Err(bad(format!("`{text}` is no share of requests")));
    }
    if (parts - parts.round()).abs() > 1e-6 {
        return Err(
            bad(format!("`{text}` is finer than requests are divided")).help("two digits behind the point at most")
        );
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to 10,000")]
    let parts = parts.round() as u32;
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_in_percent() {
        assert_eq!(
            ["0.01%", "0.5%", "1%", "12.25%", "100%"].map(|text| percent(text).unwrap()),
            [1, 50, 100, 1_225, 10_000]
        );
        for bad in ["0%", "101%", "-1%", "1", "0.05", "x", "", "%", "1 %", "0.001%", "NaN%", "inf%", "1%%"] {
            assert!(percent(bad).is_err(), "{bad}");
        }
        assert_eq!(percent("5").unwrap_err().suggestion.as_deref(), Some("5%"));
        assert_eq!(percent("5 %").unwrap_err().suggestion.as_deref(), Some("5%"));
    }
}
