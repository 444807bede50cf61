//! What was probably meant by something in the place of a number.

use serde_json::Value as Json;

use super::super::schema::Rules;
use super::super::units::TimeSpan;

/// Words for a limit that is none.
const NO_LIMIT: [&str; 9] =
    ["unlimited", "infinite", "infinity", "inf", "none", "never", "no limit", "no_limit", "disabled"];

/// Numbers in words, beginning with 0.
const IN_WORDS: [&str; 13] =
    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];

/// The whole number in a string.
pub(in crate::config) fn whole_number(rules: &Rules, text: &str) -> Option<String> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.replace(['_', ',', ' '], "");
    let (digits, factor) = digits.strip_suffix('k').map_or((&*digits, 1), |digits| (digits, 1_000));
    let in_digits = || digits.parse::<u32>().ok().and_then(|number| number.checked_mul(factor));
    let in_words = || IN_WORDS.iter().zip(0..).find(|(word, _)| **word == lower).map(|(_, number)| number);
    no_limit(rules, &lower).or_else(|| in_digits().or_else(in_words).map(|number: u32| number.to_string()))
}

/// The 0 that was probably meant by a word for no limit, where 0 is none.
pub(in crate::config) fn no_limit(rules: &Rules, text: &str) -> Option<String> {
    let said = rules.get("description").and_then(Json::as_str).unwrap_or_default();
    let is_meant = said.contains("0 = no limit") && NO_LIMIT.contains(&&*text.trim().to_ascii_lowercase());
    is_meant.then(|| {
        match rules.syntax {
            Some("duration") => "0s",
            Some("size") => "0B",
            _ => "0",
        }
        .to_owned()
    })
}

/// The number in a string, or the share in one with a number of percent.
pub(in crate::config) fn share(rules: &Rules, text: &str) -> Option<String> {
    let text = text.trim().replace(',', ".");
    let number = text.trim_end_matches('%').trim().parse::<f64>().ok().filter(|number| number.is_finite())?;
    let written = || Some(number.to_string()).filter(|_| !text.ends_with('%'));
    percent(rules, number).or_else(written)
}

/// From so much on a number without a unit may be of milliseconds, whatever the key.
const LIKELY_MS: i64 = 100;
/// And for a time that an answer takes, from so much on.
const LIKELY_MS_OF_LATENCY: i64 = 10;

/// The duration that was probably meant by a number without a unit, and what it may be as well. Most programs take seconds; what would be far from what
/// the key is without a word, or is about how fast an answer comes, is of milliseconds.
pub(in crate::config) fn duration_without_unit(name: &str, rules: &Rules, number: i64) -> Option<(String, String)> {
    let is_latency = name.contains("latency");
    if number < if is_latency { LIKELY_MS_OF_LATENCY } else { LIKELY_MS } {
        return None;
    }
    let usual = rules.get("default").and_then(Json::as_str).and_then(|text| TimeSpan::parse(text).ok());
    let is_nearer = |usual: TimeSpan| {
        let (usual_s, as_s) = (usual.0.as_secs_f64(), number as f64);
        usual_s > 0.0 && (as_s / 1e3 / usual_s).ln().abs() < (as_s / usual_s).ln().abs()
    };
    let (ms, s) = (format!("\"{number}ms\""), format!("\"{number}s\""));
    let is_ms = is_latency || usual.is_some_and(is_nearer);
    Some(if is_ms { (ms, s) } else { (s, ms) })
}

/// The share that was probably meant by a number of percent.
pub(in crate::config) fn percent(rules: &Rules, number: f64) -> Option<String> {
    let is_share = rules.kinds.contains(&"number") && rules.get("maximum").and_then(Json::as_f64) == Some(1.0);
    let least = rules.get("minimum").and_then(Json::as_f64).unwrap_or(0.0);
    (is_share && number >= 2.0 && (least..=1.0).contains(&(number / 100.0))).then(|| hundredth(number))
}

/// The hundredth of a number, in which nothing is rounded: of 99.9 it is 0.999, and not 0.9990000000000001.
fn hundredth(number: f64) -> String {
    let written = number.to_string();
    let (whole, rest) = written.split_once('.').unwrap_or((&written, ""));
    let digits = format!("{whole:0>3}");
    let (whole, hundredths) = digits.split_at(digits.len() - 2);
    let all = format!("{whole}.{hundredths}{rest}");
    let short = all.trim_end_matches('0').trim_end_matches('.');
    let short = short.trim_start_matches('0');
    if short.is_empty() || short.starts_with('.') { format!("0{short}") } else { short.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::hundredth;

    #[test]
    fn a_hundredth_has_the_digits_of_the_number() {
        let shares = [99.9, 99.99, 99.995, 5.0, 50.0, 100.0, 2.5].map(hundredth);
        assert_eq!(shares, ["0.999", "0.9999", "0.99995", "0.05", "0.5", "1", "0.025"]);
    }
}
