//! What was probably meant by something in the place of a number.

use serde_json::Value as Json;

use super::super::schema::Rules;

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

/// The share that was probably meant by a number of percent.
pub(in crate::config) fn percent(rules: &Rules, number: f64) -> Option<String> {
    let is_share = rules.kinds.contains(&"number") && rules.get("maximum").and_then(Json::as_f64) == Some(1.0);
    let least = rules.get("minimum").and_then(Json::as_f64).unwrap_or(0.0);
    (is_share && number >= 2.0 && (least..=1.0).contains(&(number / 100.0))).then(|| (number / 100.0).to_string())
}
