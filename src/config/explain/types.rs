//! Types, ranges and values in words.

use serde_json::Value as Json;

use super::super::syntax;
use super::super::wording;
use super::Rules;

/// Stands where there is no default.
pub(super) const NONE: &str = "none";

/// No string of any language: what a language says of it is what it expects.
const NO_STRING: [&str; 3] = ["\u{0}\u{7f}", "", "\u{0}"];

/// What a value may be.
pub(super) fn wanted(rules: &Rules) -> String {
    let Some(items) = &rules.items else { return single(rules) };
    if items.properties.is_some() {
        return "an array of tables".to_owned();
    }
    // the language of an array is that of its elements
    let element = rules.syntax.and_then(expected).unwrap_or_else(|| single(items));
    format!("an array; each element is {element}")
}

fn single(rules: &Rules) -> String {
    if let Some(values) = &rules.values {
        let value = rules.syntax.and_then(expected).unwrap_or_else(|| wanted(values));
        return match values.properties {
            Some(_) => "a table of tables, each with a name".to_owned(),
            None => format!("a table; each value is {value}"),
        };
    }
    let of_syntax = rules.syntax.and_then(expected);
    of_syntax.unwrap_or_else(|| wording::wanted(rules))
}

/// What a language expects; `None` where any string will do.
fn expected(language: &str) -> Option<String> {
    NO_STRING.iter().find_map(|text| syntax::check(language, text).err()).map(|problem| problem.expected)
}

/// The bounds of a number, a duration or a size.
pub(super) fn range(rules: &Rules) -> Option<String> {
    if rules.positive {
        return Some("above 0".to_owned());
    }
    if let Some(listed) = rules.get("enum").and_then(Json::as_array).filter(|all| all.iter().all(Json::is_number)) {
        return Some(listed.iter().map(Json::to_string).collect::<Vec<_>>().join(", "));
    }
    if !rules.kinds.iter().any(|kind| matches!(*kind, "integer" | "number")) {
        return None;
    }
    let widest = match rules.get("format").and_then(Json::as_str) {
        Some("uint8") => Some(f64::from(u8::MAX)),
        Some("uint16") => Some(f64::from(u16::MAX)),
        _ => None,
    };
    let bound = |word| rules.get(word).and_then(Json::as_f64);
    let (least, most) = (bound("minimum").unwrap_or(0.0), bound("maximum").or(widest));
    let shown = |bound: f64| match rules.syntax {
        Some("size") => wording::in_bytes(bound as i128),
        _ => bound.to_string(),
    };
    match most {
        Some(most) => Some(format!("{} to {}", shown(least), shown(most))),
        None => Some(format!("at least {}", shown(least))),
    }
}

/// A value of the schema as TOML has it.
pub(super) fn written(value: &Json) -> String {
    match value {
        Json::Array(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        Json::Object(table) if table.is_empty() => "{}".to_owned(),
        Json::Object(table) => {
            let entries = table.iter().map(|(key, value)| format!("{key} = {}", written(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A value that a key may have.
pub(super) fn sample(rules: &Rules) -> String {
    match rules.get("default") {
        Some(Json::Array(items)) if items.is_empty() => {}
        Some(Json::Object(table)) if table.is_empty() => {}
        Some(default) => return written(default),
        None => {}
    }
    if let Some(word) = rules.words.first() {
        return format!("{word:?}");
    }
    let told = rules.syntax.and_then(expected).and_then(|told| told.split('"').nth(1).map(|text| format!("{text:?}")));
    if let Some(items) = &rules.items {
        return format!("[{}]", told.unwrap_or_else(|| sample(items)));
    }
    match rules.kinds.first() {
        Some(&"object") => "{}".to_owned(),
        Some(&"boolean") => "true".to_owned(),
        Some(&"integer" | &"number") => rules.get("minimum").map_or_else(|| "1".to_owned(), Json::to_string),
        _ => told.unwrap_or_else(|| "\"...\"".to_owned()),
    }
}
