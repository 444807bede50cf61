//! Types and values of the schema in words, for mistakes and explanations.

use super::schema::Rules;
use super::units::{self, Size};

/// The type that the schema asks for, in words.
pub(super) fn wanted(rules: &Rules) -> String {
    match rules.syntax {
        Some("duration") => return units::DURATION.to_owned(),
        Some("size") => return units::SIZE.to_owned(),
        Some("latency-factor") => return units::LATENCY_FACTOR.to_owned(),
        _ => {}
    }
    if !rules.words.is_empty() {
        return one_of(&quoted(&rules.words));
    }
    match rules.kinds[..] {
        ["object"] => "a table",
        ["array"] => "an array",
        ["string"] => "a string",
        ["integer"] => "an integer",
        ["number"] => "a number",
        ["boolean"] => "true or false",
        ["boolean", "object"] => "true, false or a table",
        ["string", "array", "boolean"] => "the name of a file, or an array of them",
        _ => "something else",
    }
    .to_owned()
}

/// Words in quotes.
pub(super) fn quoted(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| format!("{word:?}")).collect()
}

/// "one of ..."; the only one by itself.
pub(super) fn one_of(words: &[String]) -> String {
    match words {
        [only] => only.clone(),
        words => format!("one of {}", words.join(", ")),
    }
}

/// A number of bytes with its unit.
pub(super) fn in_bytes(bytes: i128) -> String {
    let size = Size(u64::try_from(bytes).unwrap_or(u64::MAX));
    serde_json::to_value(size).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_else(|| bytes.to_string())
}
