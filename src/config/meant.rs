//! What was probably meant by a value of the wrong type: how it is to be written, or in which section.

mod number;
mod section;

use serde_json::Value as Json;

use super::mistake::Mistake;
use super::path::Trail;
use super::schema::Rules;
use super::syntax;
use super::tree::{KeyValue, Node, Table, Value};
use super::wording::quoted;

use number::duration_without_unit;
pub(super) use number::{no_limit, percent, share, whole_number};

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
        (Value::Array(items), ["object"]) if rules.values.is_some() => mistake.instead(pairs(items)),
        (Value::Bool(_) | Value::Text(_) | Value::Integer(_), ["object"]) => mistake
            .help(match pattern(name, rules).filter(|_| path.path().is_listed()) {
                Some(pattern) => pattern,
                None => format!(
                    "it is a section: write {}, and its keys below; `evenkeel check --explain {}` lists them",
                    section(),
                    path.path()
                ),
            })
            .instead(section::with_main_key(name, rules, value).or_else(|| with_defaults(rules, value))),
        (Value::Text(_) | Value::Array(_), ["array"]) if has_sections(rules) => {
            let meant = section::with_main_key(name, rules, value);
            let help = if meant.is_none() { pattern(name, rules) } else { None };
            Mistake { help, ..mistake.instead(meant) }
        }
        (Value::Bool(on), ["string"]) => mistake.instead(switched(rules, *on)),
        (Value::Text(text), ["array"]) => mistake.instead(listed(rules, text)),
        (Value::Integer(number), ["array"]) => mistake.instead(listed(rules, &number.to_string())),
        (Value::Text(text), ["boolean"]) => mistake.instead(switch(text)),
        (Value::Integer(number @ (0 | 1)), ["boolean"]) => mistake.instead(switch(&number.to_string())),
        (Value::Text(text), ["integer"]) => mistake.instead(whole_number(rules, text)),
        (Value::Float(number), ["integer"]) if number.fract() == 0.0 => mistake.instead(Some(format!("{number:.0}"))),
        (Value::Text(text), ["number"]) => mistake.instead(share(rules, text)),
        (Value::Integer(number), ["string"]) if rules.syntax == Some("duration") => {
            match i64::try_from(*number).ok().and_then(|number| duration_without_unit(name, rules, number)) {
                Some((meant, other)) => {
                    mistake.help(format!("a duration has a unit; {other} if that is meant")).instead(Some(meant))
                }
                None => mistake.instead(as_text(rules, &number.to_string())),
            }
        }
        (Value::Integer(number), ["string"]) => mistake.instead(as_text(rules, &number.to_string())),
        (Value::Float(number), ["string"]) => mistake.instead(as_text(rules, &number.to_string())),
        (Value::Array(items), ["string"]) => match joined(rules, items) {
            None if items.len() > 1 => mistake.help(one_for_each(path, name)),
            meant => mistake.instead(meant),
        },
        _ => mistake,
    }
}

/// A section that is switched on by being there, and that needs no key.
fn with_defaults(rules: &Rules, value: &Value<'_>) -> Option<String> {
    let says_when = rules.get("description").and_then(Json::as_str).is_some_and(|said| said.starts_with("Present ="));
    let is_switched_on = matches!(value, Value::Bool(true)) && says_when && rules.required.is_empty();
    is_switched_on.then(|| "{}".to_owned())
}

/// The word that was probably meant by true or false.
fn switched(rules: &Rules, on: bool) -> Option<String> {
    let words = if on { &["on", "standard"][..] } else { &["off"] };
    words.iter().find(|word| rules.words.contains(word)).map(|word| format!("{word:?}"))
}

/// The word of these that was probably meant by one for on or off.
pub(super) fn on_or_off<'w>(words: &[&'w str], text: &str) -> Option<&'w str> {
    let meant = if switch(text)? == "true" { "on" } else { "off" };
    words.iter().copied().find(|word| *word == meant)
}

/// The switch that was probably meant by a string.
pub(super) fn switch(text: &str) -> Option<String> {
    match &*text.trim().to_ascii_lowercase() {
        "true" | "yes" | "on" | "1" | "enabled" => Some("true".to_owned()),
        "false" | "no" | "off" | "0" | "disabled" => Some("false".to_owned()),
        _ => None,
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

/// The string that was probably meant by a list: its only one, or all of them where several stand in one string.
fn joined(rules: &Rules, items: &[Node<'_>]) -> Option<String> {
    let text = |item: &Node<'_>| match &item.value {
        Value::Text(text) => Some(text.to_string()),
        Value::Integer(number) => Some(number.to_string()),
        _ => None,
    };
    let texts: Vec<String> = items.iter().map(text).collect::<Option<_>>()?;
    match (&texts[..], rules.syntax) {
        ([only], _) => as_text(rules, only),
        (texts, Some(language)) if language == "status-ranges" && !texts.is_empty() => as_text(rules, &texts.join(",")),
        _ => None,
    }
}

/// The table that was probably meant by a list of texts such as "name: value".
fn pairs(items: &[Node<'_>]) -> Option<String> {
    let pair = |item: &Node<'_>| {
        let Value::Text(text) = &item.value else { return None };
        let (name, value) = text.split_once(':').or_else(|| text.split_once('='))?;
        let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let name = Some(name.trim()).filter(|name| !name.is_empty() && name.bytes().all(is_bare))?;
        Some(format!("{name} = {:?}", value.trim()))
    };
    let pairs: Vec<String> = items.iter().map(pair).collect::<Option<_>>()?;
    (!pairs.is_empty()).then(|| format!("{{ {} }}", pairs.join(", ")))
}

/// What to do where one value stands and several were meant.
fn one_for_each(path: &Trail<'_>, name: &str) -> String {
    let parent = path.path().parent();
    match (name, parent.is_listed()) {
        ("service", true) => {
            "requests are shared among services by `split = [{ service = \"NAME\", weight = 1 }, ...]`".to_owned()
        }
        (_, true) => format!("it is one value: write {} for each of them", parent.section()),
        (_, false) => "it is one value".to_owned(),
    }
}

/// Whether it is a list of tables.
fn has_sections(rules: &Rules) -> bool {
    rules.items.as_ref().is_some_and(|items| items.properties.is_some())
}

/// How a list of tables is written.
fn pattern(name: &str, rules: &Rules) -> Option<String> {
    let items = rules.items.as_deref().unwrap_or(rules);
    let known = items.properties.as_ref()?;
    let keys: Vec<&str> = match name {
        "certificates" => vec!["cert", "key"],
        _ => items.required.iter().copied().filter(|key| known.contains_key(key)).collect(),
    };
    let keys: Vec<String> = keys.iter().map(|key| format!("{key} = \"...\"")).collect();
    (!keys.is_empty()).then(|| format!("write {name} = [{{ {} }}]", keys.join(", ")))
}

/// Whether this is a list of tables, as `[[...]]` makes one.
pub(super) fn is_list_of_tables(value: &Value<'_>) -> bool {
    matches!(value, Value::Array(items) if items.iter().all(|item| matches!(item.value, Value::Table(_))))
}

/// The list of strings that was probably meant by one string, taken apart at its commas, or at its spaces where there are none; each as it is written.
pub(super) fn listed(rules: &Rules, text: &str) -> Option<String> {
    let items = rules.items.as_ref().filter(|items| items.kinds[..] == ["string"])?;
    let is_sign = |c: char| matches!(c, ',' | ';' | '|') && rules.syntax != Some("argument");
    let words = text.split(|c: char| c.is_whitespace() || is_sign(c)).filter(|word| !word.is_empty());
    let meant = |word: &str| match rules.syntax.and_then(|language| syntax::check(language, word).err()) {
        Some(problem) if problem.part.is_none() => problem.suggestion.unwrap_or_else(|| word.to_owned()),
        _ => items.words.iter().find(|known| known.eq_ignore_ascii_case(word)).map_or(word, |known| known).to_owned(),
    };
    let words: Vec<String> = words.map(meant).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    (!words.is_empty()).then(|| format!("[{}]", quoted(&words).join(", ")))
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
