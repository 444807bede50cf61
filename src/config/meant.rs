//! What was probably meant by a value of the wrong type: how it is to be written, or in which section.

use serde_json::Value as Json;

use super::mistake::Mistake;
use super::path::Trail;
use super::schema::Rules;
use super::syntax;
use super::tree::{KeyValue, Node, Table, Value};
use super::wording::quoted;

/// Adds to the mistake of a value of the wrong type what was probably meant by it.
pub(super) fn instead(mistake: Mistake, path: &Trail<'_>, rules: &Rules, value: &Value<'_>) -> Mistake {
    let name = path.last_key().unwrap_or_default();
    let section = || path.path().section();
    match (value, &rules.kinds[..]) {
        (Value::Table(table), ["array"]) => {
            let help = shares(name, table);
            mistake.help(help.unwrap_or_else(|| format!("write [{}] for each one, with two brackets", section())))
        }
        (Value::Array(items), ["object"]) if items.iter().any(|item| matches!(item.value, Value::Table(_))) => {
            mistake.help(format!("write {} once, with one bracket", section()))
        }
        (Value::Bool(_) | Value::Text(_) | Value::Integer(_), ["object"]) => mistake.help(format!(
            "it is a section: write {}, and its keys below; `evenkeel check --explain {}` lists them",
            section(),
            path.path()
        )),
        (Value::Bool(on), ["string"]) => mistake.instead(switched(rules, *on)),
        (Value::Text(text), ["array"]) => mistake.instead(listed(rules, text)),
        (Value::Integer(number), ["array"]) => mistake.instead(listed(rules, &number.to_string())),
        (Value::Text(text), ["boolean"]) => mistake.instead(switch(text)),
        (Value::Text(text), ["integer"]) => mistake.instead(whole_number(text)),
        (Value::Text(text), ["number"]) => mistake.instead(share(rules, text)),
        (Value::Integer(number), ["string"]) => mistake.instead(as_text(rules, &number.to_string())),
        (Value::Float(number), ["string"]) => mistake.instead(as_text(rules, &number.to_string())),
        (Value::Array(items), ["string"]) => mistake.instead(only(items)),
        _ => mistake,
    }
}

/// The word that was probably meant by true or false.
fn switched(rules: &Rules, on: bool) -> Option<String> {
    let words = if on { &["on", "standard"][..] } else { &["off"] };
    words.iter().find(|word| rules.words.contains(word)).map(|word| format!("{word:?}"))
}

/// The switch that was probably meant by a string.
fn switch(text: &str) -> Option<String> {
    match &*text.trim().to_ascii_lowercase() {
        "true" | "yes" | "on" | "1" | "enabled" => Some("true".to_owned()),
        "false" | "no" | "off" | "0" | "disabled" => Some("false".to_owned()),
        _ => None,
    }
}

/// The whole number in a string.
fn whole_number(text: &str) -> Option<String> {
    let digits = text.trim().replace(['_', ','], "");
    digits.parse::<u32>().ok().map(|number| number.to_string())
}

/// The number in a string, or the share in one with a number of percent.
fn share(rules: &Rules, text: &str) -> Option<String> {
    match text.trim().strip_suffix('%') {
        Some(number) => number.trim().parse().ok().and_then(|number| percent(rules, number)),
        None => text.trim().parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number.to_string()),
    }
}

/// A number that should be a string: as the key's language has it, or what that suggests.
fn as_text(rules: &Rules, number: &str) -> Option<String> {
    let quote = |text: String| format!("{text:?}");
    match rules.syntax.map(|language| syntax::check(language, number)) {
        None if rules.words.is_empty() || rules.words.contains(&number) => Some(quote(number.to_owned())),
        Some(Ok(())) => Some(quote(number.to_owned())),
        Some(Err(problem)) => problem.suggestion.map(quote),
        None => None,
    }
}

/// The only string of a list.
fn only(items: &[Node<'_>]) -> Option<String> {
    match items {
        [Node { value: Value::Text(text), .. }] => Some(format!("{text:?}")),
        _ => None,
    }
}

/// Whether this is a list of tables, as `[[...]]` makes one.
pub(super) fn is_list_of_tables(value: &Value<'_>) -> bool {
    matches!(value, Value::Array(items) if items.iter().all(|item| matches!(item.value, Value::Table(_))))
}

/// The share that was probably meant by a number of percent.
pub(super) fn percent(rules: &Rules, number: f64) -> Option<String> {
    let is_share = rules.kinds.contains(&"number") && rules.get("maximum").and_then(Json::as_f64) == Some(1.0);
    let least = rules.get("minimum").and_then(Json::as_f64).unwrap_or(0.0);
    (is_share && number > 1.0 && (least..=1.0).contains(&(number / 100.0))).then(|| (number / 100.0).to_string())
}

/// The list of strings that was probably meant by one string, taken apart at its spaces.
fn listed(rules: &Rules, text: &str) -> Option<String> {
    let has_texts = rules.items.as_ref().is_some_and(|items| items.kinds[..] == ["string"]);
    let words: Vec<&str> = text.split_whitespace().collect();
    (has_texts && !words.is_empty()).then(|| format!("[{}]", quoted(&words).join(", ")))
}

/// What to write for a `split` that is a table of services and their weights.
fn shares(name: &str, table: &Table<'_>) -> Option<String> {
    let share = |entry: &KeyValue<'_>| match entry.node.value {
        Value::Integer(weight) => Some(format!("{{ service = {:?}, weight = {weight} }}", entry.name)),
        _ => None,
    };
    let shares: Option<Vec<String>> = table.iter().map(share).collect();
    let shares = shares.filter(|shares| name == "split" && !shares.is_empty())?;
    Some(format!("write split = [{}]", shares.join(", ")))
}
