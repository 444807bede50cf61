//! Figures and times in words. What falls short of a whole is never rounded up to it.

use std::time::Duration;

use crate::clock::Stamp;
use crate::sla::{Promise, Unit, Window};

/// Decimals of a percentage, at least and at most.
const DECIMALS: (u32, u32) = (2, 12);

/// What stands where nothing is known.
pub const NOTHING: &str = "\u{2013}";

/// `part` of `whole` as a percentage, cut off rather than rounded, with as many digits as show the first two of what is missing:
/// `99.9996 %` and `99.98 %`, but never `100 %` unless it is all. `None` = there is no whole.
pub fn share(part: i64, whole: i64) -> Option<String> {
    if whole <= 0 {
        return None;
    }
    let (part, whole) = (i128::from(part.clamp(0, whole)), i128::from(whole));
    let cut = |decimals: u32| part * 10_i128.pow(decimals + 2) / whole;
    let missing = |decimals: u32| 10_i128.pow(decimals + 2) - cut(decimals);
    let decimals = (DECIMALS.0..DECIMALS.1).find(|&n| part == whole || missing(n) >= 10).unwrap_or(DECIMALS.1);
    let scale = 10_i128.pow(decimals);
    let (whole, rest) = (cut(decimals) / scale, cut(decimals) % scale);
    let rest = format!("{rest:0width$}", width = decimals as usize);
    Some(format!("{} %", trimmed(&format!("{whole}.{rest}"))))
}

/// A target as a percentage with all its digits: `99.95 %`. A target is below 1, and so is what is shown of it.
pub fn target(share: f64) -> String {
    // the shortest decimal number that is this one, with its point two places to the right: nothing is rounded
    let digits = share.to_string();
    let (whole, rest) = digits.split_once('.').unwrap_or((&digits, ""));
    let rest = format!("{rest:0<2}");
    let moved = format!("{whole}{}.{}", &rest[..2], &rest[2..]);
    let moved = moved.trim_start_matches('0');
    let moved = if moved.starts_with('.') { format!("0{moved}") } else { moved.to_owned() };
    format!("{} %", trimmed(&moved))
}

/// What is left of a budget as a percentage, cut off to the worse side; negative where it is overspent. It has one decimal, and none from 1,000 %
/// on. The page of the admin address and `evenkeel top` cut to the same side.
pub fn left(share: f64) -> String {
    // 1e-9: what the arithmetic of binary fractions loses must not cost a digit
    let tenths = (share * 1000.0 + 1e-9).floor() as i64;
    if tenths <= -10_000 {
        return format!("{} %", count(tenths.div_euclid(10)));
    }
    let (sign, tenths) = (if tenths < 0 { "\u{2212}" } else { "" }, tenths.abs());
    format!("{sign}{} %", trimmed(&format!("{}.{}", tenths / 10, tenths % 10)))
}

fn trimmed(decimal: &str) -> &str {
    decimal.trim_end_matches('0').trim_end_matches('.')
}

/// Milliseconds as `1 h 3 min 20 s`; below a minute with a decimal, below a second in milliseconds.
pub fn span(millis: i64) -> String {
    let sign = if millis < 0 { "\u{2212}" } else { "" };
    let millis = millis.unsigned_abs();
    if millis == 0 {
        return "0 s".to_owned();
    }
    if millis < 1000 {
        return format!("{sign}{millis} ms");
    }
    if millis < 59_950 {
        let tenths = (millis + 50) / 100;
        return match tenths % 10 {
            0 => format!("{sign}{} s", tenths / 10),
            tenth => format!("{sign}{}.{tenth} s", tenths / 10),
        };
    }
    let seconds = (millis + 500) / 1000;
    let units = [("d", seconds / 86_400), ("h", seconds / 3600 % 24), ("min", seconds / 60 % 60), ("s", seconds % 60)];
    let parts: Vec<_> =
        units.into_iter().filter(|(_, count)| *count > 0).map(|(unit, count)| format!("{count} {unit}")).collect();
    format!("{sign}{}", parts.join(" "))
}

/// As [`span`], of a setting.
pub fn setting(time: Duration) -> String {
    span(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

/// Over what time a target is to be met: `any 30 d` or `each calendar month`.
pub fn window(window: Window) -> String {
    match window {
        Window::Rolling(time) => format!("any {}", setting(time)),
        Window::Calendar(unit) => format!("each calendar {}", Unit::as_str(unit)),
    }
}

/// The target with its tier: `99.9 % (standard)`.
pub fn promised(promise: &Promise) -> String {
    let target = target(promise.target);
    promise.tier.map_or_else(|| target.clone(), |tier| format!("{target} ({})", tier.as_str()))
}

/// Whether something was met.
pub fn met(outcome: Option<bool>) -> &'static str {
    match outcome {
        Some(true) => "met",
        Some(false) => "not met",
        None => "not known",
    }
}

/// A moment to the second, in UTC: `2026-11-03 14:07:09`.
pub fn moment(stamp: Stamp) -> String {
    let text = stamp.to_string();
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time}"),
        _ => text,
    }
}

/// The day of a moment, in UTC: `2026-11-03`.
pub fn day(stamp: Stamp) -> String {
    stamp.to_string().chars().take(10).collect()
}

/// A number with its thousands apart: `1,234,567`.
pub fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = if number < 0 { "\u{2212}".to_owned() } else { String::new() };
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// What may be lost of so many requests, cut off: whole ones, but tenths below ten, and below one the first two digits. It is 0 only where nothing may
/// be lost.
pub fn allowed(requests: f64) -> String {
    if requests >= 10.0 {
        return count(requests.floor() as i64);
    }
    let places = (1..DECIMALS.1).find(|&places| requests * 10_f64.powi(places as i32) >= 10.0 || requests >= 1.0);
    let scale = 10_f64.powi(places.unwrap_or(DECIMALS.1) as i32);
    let cut = (requests * scale + 1e-6).floor() / scale;
    trimmed(&format!("{cut:.places$}", places = places.unwrap_or(DECIMALS.1) as usize)).to_owned()
}

/// So many of something: `1 incident`, `2 incidents`.
pub fn many(number: usize, of: &str) -> String {
    format!("{} {of}{}", count(number as i64), if number == 1 { "" } else { "s" })
}

/// Text without the characters that show nothing and only do something: control characters, and the marks that turn the direction of all
/// that follows (Unicode Standard Annex 9), with which a name could make a line read as another one. Line ends become spaces.
pub fn printable(text: &str) -> impl Iterator<Item = char> {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = move |c: &char| !turns(*c) && (!c.is_control() || c.is_whitespace()) && *c != '\u{feff}';
    text.chars().filter(shown).map(|c| if c.is_control() || c == '\u{2028}' || c == '\u{2029}' { ' ' } else { c })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_share_that_is_not_the_whole_is_never_shown_as_the_whole() {
        let of = |part, whole| share(part, whole).unwrap();
        assert_eq!(of(1, 1), "100 %");
        assert_eq!(of(999_996, 1_000_000), "99.9996 %");
        assert_eq!(of(999_999_999, 1_000_000_000), "99.9999999 %");
        assert_eq!(of(999, 1000), "99.9 %");
        assert_eq!(of(99_899, 100_000), "99.89 %", "99.9 % would look as if the target was met");
        assert_eq!(of(2, 3), "66.66 %");
        assert_eq!(of(0, 3), "0 %");
        assert_eq!(share(0, 0), None);
    }

    #[test]
    fn targets_and_budgets_have_no_digits_of_binary_arithmetic() {
        assert_eq!(
            [0.99, 0.999, 0.9995, 0.999_999, 0.5].map(target),
            ["99 %", "99.9 %", "99.95 %", "99.9999 %", "50 %"]
        );
        assert_eq!([1.0, 0.3, 0.0, -0.5].map(left), ["100 %", "30 %", "0 %", "\u{2212}50 %"]);
        assert_eq!(left(0.9999), "99.9 %");
    }

    #[test]
    fn a_target_is_never_shown_as_the_whole() {
        let targets = [0.999_999_999_99, 0.999_999_999_999_9, 0.07, 0.001, 0.999].map(target);
        assert_eq!(targets, ["99.999999999 %", "99.99999999999 %", "7 %", "0.1 %", "99.9 %"]);
    }

    #[test]
    fn what_is_overspent_is_cut_to_the_worse_side_and_large_numbers_are_grouped() {
        let lefts = [-0.0041, -9.9999, -24.0, -427.5714, -1e7].map(left);
        let words = ["0.5", "1,000", "2,400", "42,758", "1,000,000,000"].map(|number| format!("\u{2212}{number} %"));
        assert_eq!(lefts, words);
    }

    #[test]
    fn little_that_is_allowed_is_not_nothing() {
        assert_eq!([0.0, 0.005, 0.0389, 0.5, 1.0, 3.45].map(allowed), ["0", "0.005", "0.038", "0.5", "1", "3.4"]);
    }

    #[test]
    fn spans_of_time_are_read_at_once() {
        let spans = [0, 350, 7_000, 7_040, 31_536, 59_960, 3_800_000, 86_400_000, 30 * 86_400_000, -1500];
        let words =
            ["0 s", "350 ms", "7 s", "7 s", "31.5 s", "1 min", "1 h 3 min 20 s", "1 d", "30 d", "\u{2212}1.5 s"];
        assert_eq!(spans.map(span), words);
    }

    #[test]
    fn numbers_and_moments_are_for_people() {
        assert_eq!([0, 999, 1000, -1_234_567].map(count), ["0", "999", "1,000", "\u{2212}1,234,567"]);
        assert_eq!([0.04, 2.5, 9.0, 1234.9].map(allowed), ["0.04", "2.5", "9", "1,234"]);
        assert_eq!(moment(Stamp::from_millis(1_709_210_096_789)), "2024-02-29 12:34:56");
        assert_eq!(day(Stamp::from_millis(0)), "1970-01-01");
        assert_eq!((many(1, "gap"), many(2, "gap")), ("1 gap".to_owned(), "2 gaps".to_owned()));
    }

    #[test]
    fn marks_that_turn_a_line_around_are_left_out_and_right_to_left_letters_are_not() {
        let text: String = printable("a\u{202e}b\r\nc\u{0}\u{1b}[1m שלום 🚀").collect();
        assert_eq!(text, "ab  c[1m שלום 🚀");
    }

    proptest! {
        #[test]
        fn what_is_shown_of_a_share_is_never_more_than_it_is(whole in 1..i64::MAX, less in 0..1_000_000_000_i64) {
            let part = (whole - less).max(0);
            let shown: f64 = share(part, whole).unwrap().trim_end_matches(" %").parse().unwrap();
            prop_assert!(shown <= part as f64 / whole as f64 * 100.0 + 1e-9);
            prop_assert_eq!(shown >= 100.0, part == whole, "{} of {}", part, whole);
        }
    }
}
