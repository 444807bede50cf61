//! Figures and times in few characters. Times of the day are UTC, as in the log.

use std::time::{Duration, SystemTime};

use crate::clock::parse_rfc3339;

/// What is shown where nothing was measured.
pub const NOTHING: &str = "-";

/// A number to three figures at most: `0.05`, `1.23`, `120`, `12.3k`, `4.5M`.
pub fn number(number: f64) -> String {
    let (scaled, unit) = match number.abs() {
        1e6.. => (number / 1e6, "M"),
        // what would be rounded to 1000 is written in thousands already
        999.5.. => (number / 1e3, "k"),
        _ => (number, ""),
    };
    let places = match scaled.abs() {
        99.95.. => 0,
        9.995.. => 1,
        _ => 2,
    };
    let text = format!("{scaled:.places$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}")
}

/// A rate: `120/s`.
pub fn rate(per_second: Option<f64>) -> String {
    per_second.map_or_else(|| NOTHING.to_owned(), |rate| format!("{}/s", number(rate)))
}

/// A time: `0.52ms`, `12.3ms`, `1.23s`.
pub fn millis(ms: Option<f64>) -> String {
    match ms {
        None => NOTHING.to_owned(),
        Some(ms) if ms >= 999.5 => format!("{}s", number(ms / 1e3)),
        Some(ms) => format!("{}ms", number(ms)),
    }
}

/// A share: `1.2%`. One that is not zero never looks like zero, and one that is not whole never like the whole.
pub fn percent(share: Option<f64>) -> String {
    let Some(percent) = share.map(|share| share * 100.0) else { return NOTHING.to_owned() };
    match percent {
        _ if percent > 0.0 && percent < 0.01 => "<0.01%".to_owned(),
        _ if percent < 10.0 && percent > -10.0 => format!("{}%", number(percent)),
        _ if percent < 100.0 && percent > 99.9 => ">99.9%".to_owned(),
        _ => format!("{}%", format!("{percent:.1}").trim_end_matches(".0")),
    }
}

/// What is left of an error budget, cut off to the worse side, in six characters at most: `99.9%`, `-40%`, `<-999%`.
pub fn budget(left: Option<f64>) -> String {
    let Some(left) = left else { return NOTHING.to_owned() };
    // 1e-9: what the arithmetic of binary fractions loses must not cost a digit
    let percent = (left * 1000.0 + 1e-9).floor() / 10.0;
    match percent {
        ..-999.0 => "<-999%".to_owned(),
        ..-99.9 => format!("{:.0}%", percent.floor()),
        _ => format!("{}%", format!("{percent:.1}").trim_end_matches(".0")),
    }
}

/// A span of time in its two greatest units: `3d 4h`, `2m 5s`, `12s`.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, ..) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// The span from a time as RFC 3339 has it to `now`; `None` = it is no time.
pub fn age(time: &str, now: SystemTime) -> Option<String> {
    parse_rfc3339(time).map(|then| span(now.duration_since(then).unwrap_or_default()))
}

/// The day and the time of the day, to the second: `11-27 14:02:07`.
pub fn moment(time: &str) -> String {
    match (time.get(5..10), time.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time}"),
        _ => time.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_figures_at_most() {
        let cases = [(0.0, "0"), (0.05, "0.05"), (1.234, "1.23"), (9.999, "10"), (12.34, "12.3"), (99.96, "100")];
        let large = [(999.4, "999"), (999.6, "1k"), (12_345.0, "12.3k"), (4_500_000.0, "4.5M")];
        for (value, text) in cases.into_iter().chain(large) {
            assert_eq!(number(value), text, "{value}");
        }
    }

    #[test]
    fn times_change_their_unit_at_a_second() {
        assert_eq!((millis(Some(0.52)), millis(Some(999.9)), millis(None)), ("0.52ms".into(), "1s".into(), "-".into()));
        assert_eq!((millis(Some(1234.0)), rate(Some(120.0))), ("1.23s".into(), "120/s".into()));
    }

    #[test]
    fn a_share_that_is_not_zero_or_whole_does_not_look_like_it() {
        let cases =
            [(0.0, "0%"), (0.00001, "<0.01%"), (0.012, "1.2%"), (0.5, "50%"), (0.9999, ">99.9%"), (1.0, "100%")];
        for (share, text) in cases {
            assert_eq!(percent(Some(share)), text);
        }
        assert_eq!(
            (percent(Some(0.935)), percent(Some(-1.5)), percent(None)),
            ("93.5%".into(), "-150%".into(), "-".into())
        );
    }

    #[test]
    fn a_budget_is_cut_to_the_worse_side_and_never_to_another_number() {
        let lefts = [1.0, 0.9999, 0.93, 0.0, -0.0001, -0.4, -0.999, -1.5, -1.5041, -9.99, -9.9901, -132.0, -999.0];
        let words = [
            "100%", "99.9%", "93%", "0%", "-0.1%", "-40%", "-99.9%", "-150%", "-151%", "-999%", "<-999%", "<-999%",
            "<-999%",
        ];
        assert_eq!(lefts.map(|left| budget(Some(left))), words);
        assert!(words.iter().all(|word| word.len() <= 6), "it fits its column");
    }

    #[test]
    fn spans_have_their_two_greatest_units() {
        let spans = [(5, "5s"), (125, "2m 5s"), (7_260, "2h 1m"), (273_600, "3d 4h")];
        for (seconds, text) in spans {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
        let now = parse_rfc3339("2026-11-27T14:02:07Z").unwrap();
        assert_eq!(age("2026-11-27T14:00:00.000Z", now).as_deref(), Some("2m 7s"));
        assert_eq!(age("2027-01-01T00:00:00Z", now).as_deref(), Some("0s"));
        assert_eq!(age("yesterday", now), None);
        assert_eq!((moment("2026-11-27T14:02:07.250Z"), moment("?")), ("11-27 14:02:07".into(), "?".into()));
    }
}
