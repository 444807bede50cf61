//! Examples of keys: lines of the `proxy.toml` that is shipped, where most keys are commented out.

use toml::de::{DeTable, DeValue};

use super::find::{Found, NAME};
use super::types;

const SHIPPED: &str = include_str!("../../../proxy.toml");

/// The name of a service in examples.
const SERVICE: &str = "app";

/// A line with the key, below the header of its section if it is in one: of the file that is shipped, if it has one; else with a value that the schema allows.
pub(super) fn of(found: &Found) -> Vec<String> {
    let path = found.path();
    let path: Vec<&str> = path.split('.').collect();
    let mut lines = shipped(&path).unwrap_or_else(|| {
        let header = found.header().replace(&format!(".{NAME}"), &format!(".{SERVICE}"));
        vec![header, format!("{} = {}", found.name(), types::sample(found.rules))]
    });
    if path.len() == 1 {
        // a key of the file itself stands before all headers
        lines.remove(0);
    }
    lines
}

/// The line that leads furthest to the key.
fn shipped(path: &[&str]) -> Option<Vec<String>> {
    let mut header = String::new();
    let mut best: Option<(usize, Vec<String>)> = None;
    for line in SHIPPED.lines() {
        let code = line.trim_start_matches(['#', ' ']);
        if let Some(found) = header_in(code) {
            header = found;
            continue;
        }
        // a comment that is prose, and one that is TOML by chance and no key, has no such path
        let Some((key, value)) = code.split_once(" = ") else { continue };
        let section = header.trim_matches(['[', ']']).split('.').filter(|key| !key.is_empty());
        let line_path: Vec<&str> = section.chain(key.split('.')).collect();
        let is_on_way = line_path.len() <= path.len()
            && line_path.iter().zip(path).enumerate().all(|(at, (one, other))| {
                // services of any name are examples
                one == other || (at == 1 && path[0] == "service")
            });
        if !is_on_way || best.as_ref().is_some_and(|(length, _)| *length >= line_path.len()) {
            continue;
        }
        if let Some(value) = value_in(value).filter(|value| has(value, &path[line_path.len()..])) {
            best = Some((line_path.len(), vec![header.clone(), format!("{key} = {value}")]));
        }
    }
    best.map(|(_, lines)| lines)
}

/// The header at the beginning of a line, which may have a comment behind it.
fn header_in(code: &str) -> Option<String> {
    let end = code.starts_with('[').then(|| code.rfind(']'))??;
    let header = code[..=end].split_whitespace().next()?;
    let is_path =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    is_path(header.trim_matches(['[', ']'])).then(|| header.to_owned())
}

/// The value at the beginning of a text, which may have a comment behind it, as it is written.
fn value_in(text: &str) -> Option<&str> {
    let line = format!("x = {text}");
    let table = DeTable::parse(&line).ok()?;
    let span = table.get_ref().get("x")?.span();
    text.get(..span.end - "x = ".len())
}

/// Whether a value has a key with this path in it.
fn has(value: &str, path: &[&str]) -> bool {
    fn leads(value: &DeValue<'_>, path: &[&str]) -> bool {
        match (value, path) {
            (_, []) => true,
            (DeValue::Table(table), [first, rest @ ..]) => {
                table.get(*first).is_some_and(|below| leads(below.get_ref(), rest))
            }
            (DeValue::Array(items), path) => items.iter().any(|item| leads(item.get_ref(), path)),
            _ => false,
        }
    }
    let line = format!("x = {value}");
    DeTable::parse(&line).is_ok_and(|table| table.get_ref().get("x").is_some_and(|value| leads(value.get_ref(), path)))
}
