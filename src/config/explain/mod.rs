//! What a key of `proxy.toml` means, for `evenkeel check --explain`. Descriptions, types, ranges and defaults are those of the schema (the comments in `raw`),
//! forms of strings those of `syntax`, and examples are lines of the `proxy.toml` that is shipped, so there is no second copy of any of them.

mod docs;
mod example;
mod find;
mod types;

use std::fmt::Write as _;

use super::schema::{self, Rules};
use find::Found;

pub use find::Unknown;
pub(super) use find::sections_with;

/// Keys in a list have so much room at most before their descriptions.
const WIDEST: usize = 34;

/// A table of the file, and what is right below it.
#[derive(Debug)]
pub struct Section {
    /// Its header, such as `[[listener.route]]`.
    pub header: String,
    /// What it is, in a sentence.
    pub description: String,
    /// Its keys, in the order of their names.
    pub keys: Vec<Key>,
}

/// A key of a section.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub description: String,
    /// Its type, and its default if it has one.
    pub kind: String,
    /// Whether it can't be left out.
    pub is_required: bool,
}

/// Explains a key, or lists what is below a section; an empty key is the whole file.
///
/// # Errors
///
/// There is no such key.
pub fn explain(key: &str) -> Result<String, Unknown> {
    let found = find::find(key)?;
    let mut out = String::new();
    match found.is_section() {
        true => section(&mut out, &found),
        false => one(&mut out, &found),
    }
    Ok(out)
}

/// A key that has one value.
fn one(out: &mut String, found: &Found) {
    let _ = writeln!(out, "{}\n\n  {}\n", found.path(), description(found.rules));
    row(out, "in", &format!("{}: {}", found.header(), description(found.section)));
    row(out, "type", &types::wanted(found.rules));
    if let Some(range) = types::range(found.rules) {
        row(out, "range", &range);
    }
    row(out, "default", &default(found));
    row(out, "example", &example::of(found).join("\n"));
    row(out, "docs", &docs::place(&found.path()));
}

/// A table, with what is in it.
fn section(out: &mut String, found: &Found) {
    let section = section_of(found);
    if !found.steps.is_empty() {
        let _ = writeln!(out, "{}\n\n  {}\n", section.header, section.description);
    }
    let named = |key: &Key| if key.is_required { format!("{} *", key.name) } else { key.name.to_owned() };
    let wide = section.keys.iter().map(|key| named(key).len()).max().unwrap_or(0).min(WIDEST);
    for key in &section.keys {
        let _ = writeln!(out, "  {:wide$}  {}", named(key), key.description);
        let _ = writeln!(out, "  {:wide$}    {}", "", key.kind);
    }
    if section.keys.iter().any(|key| key.is_required) {
        let _ = writeln!(out, "\n  * = required");
    }
    let _ = writeln!(out);
    row(out, "docs", &docs::place(&found.path()));
}

/// All sections of the file, the file itself first.
pub fn sections() -> Vec<Section> {
    let root = find::root();
    // of tables with names that the file chooses, the keys are those of one of them
    let has_keys = |found: &&Found| found.is_section() && found.table().properties.is_some();
    std::iter::once(&root).chain(find::every()).filter(has_keys).map(section_of).collect()
}

fn section_of(found: &Found) -> Section {
    let key = |below: &Found| Key {
        name: below.name(),
        description: description(below.rules),
        kind: match default(below) {
            default if below.is_section() || below.is_required() || default == types::NONE => {
                types::wanted(below.rules)
            }
            default => format!("{}; default: {default}", types::wanted(below.rules)),
        },
        is_required: below.is_required(),
    };
    Section {
        header: found.header(),
        description: description(found.rules),
        keys: found.below().iter().map(key).collect(),
    }
}

/// A label with its text, of which further lines stand below the first one.
fn row(out: &mut String, label: &str, text: &str) {
    for (at, line) in text.lines().enumerate() {
        let label = if at == 0 { label } else { "" };
        let _ = writeln!(out, "  {label:9}{line}");
    }
}

/// In one line.
fn description(rules: &Rules) -> String {
    let text = rules.get("description").and_then(|text| text.as_str()).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The default as it would be written, or what stands for it.
fn default(found: &Found) -> String {
    if found.is_required() {
        return "none: it is required".to_owned();
    }
    match found.rules.get("default") {
        Some(default) if !default.is_object() => types::written(default),
        _ => types::NONE.to_owned(),
    }
}

#[cfg(test)]
mod tests;
