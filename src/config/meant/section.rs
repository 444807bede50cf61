//! What was probably meant by a value in the place of a section: the one key of it that people mean by its name.

use super::super::schema::Rules;
use super::super::syntax;
use super::super::tree::Value;
use super::number::whole_number;

/// Sections and lists of sections, each with the key that a single value is of.
const MAIN: [(&str, &str); 20] = [
    ("affinity", "by"),
    ("backend", "address"),
    ("cors", "origins"),
    ("discover", "dns"),
    ("fallback", "status"),
    ("hash", "on"),
    ("health", "path"),
    ("log", "level"),
    ("maintenance", "enabled"),
    ("mirror", "service"),
    ("notify", "webhook"),
    ("otlp", "endpoint"),
    ("pool", "max_idle"),
    ("rate_limit", "rate"),
    ("redirect", "to"),
    ("respond", "status"),
    ("retry", "attempts"),
    ("rewrite", "prefix"),
    ("split", "service"),
    ("timeout", "total"),
];

/// The section `name` with this value, as it is written: `{ total = "10s" }`, or `[{ address = "..." }]`. `None` where the value is none of its main key.
pub(super) fn with_main_key(name: &str, rules: &Rules, value: &Value<'_>) -> Option<String> {
    let (_, key) = MAIN.iter().find(|(section, _)| *section == name)?;
    let table = rules.items.as_deref().unwrap_or(rules);
    let of_key = table.properties.as_ref()?.get(key)?;
    let is_needed_alone = table.required.iter().all(|required| required == key);
    let one =
        |value: &Value<'_>| Some(format!("{{ {key} = {} }}", written(of_key, value)?)).filter(|_| is_needed_alone);
    match (&rules.items, value) {
        (None, value) => one(value),
        (Some(_), Value::Array(items)) => {
            let items: Option<Vec<String>> = items.iter().map(|item| one(&item.value)).collect();
            items.filter(|items| !items.is_empty()).map(|items| format!("[{}]", items.join(", ")))
        }
        (Some(_), value) => one(value).map(|only| format!("[{only}]")),
    }
}

/// A value as the key takes it.
fn written(rules: &Rules, value: &Value<'_>) -> Option<String> {
    let has_kind = |kind: &str| rules.kinds.contains(&kind);
    let as_text = |text: &str| match rules.syntax.map(|language| syntax::check(language, text)) {
        None | Some(Ok(())) => Some(format!("{text:?}")),
        Some(Err(problem)) => problem.suggestion.filter(|_| problem.part.is_none()).map(|meant| format!("{meant:?}")),
    };
    match value {
        Value::Text(text) if has_kind("string") => as_text(text),
        Value::Text(text) if has_kind("array") => as_text(text).map(|text| format!("[{text}]")),
        Value::Text(text) if has_kind("integer") => whole_number(rules, text),
        Value::Integer(number) if has_kind("integer") => Some(number.to_string()),
        Value::Integer(number) if has_kind("string") => as_text(&number.to_string()),
        Value::Bool(on) if has_kind("boolean") => Some(on.to_string()),
        _ => None,
    }
}
