//! Keys and headers that are there twice.

use std::ops::Range;

use super::super::schema::{self, Rules};

/// An earlier header that is wrong, because of which a later one that is right is there twice.
pub(super) struct AtFault {
    /// The line that it is in, counted from 0.
    pub line: usize,
    /// Its bytes in that line.
    pub at: Range<usize>,
    pub message: String,
    pub instead: String,
}

/// The header in `before` because of which the one in `line` is refused: it begins the first of several sections, and has one bracket, or a wrong name.
pub(super) fn at_fault(before: &str, line: &str) -> Option<AtFault> {
    let section = header(line).filter(|(text, _)| text.starts_with("[["))?.1;
    if !is_listed(&section) {
        return None;
    }
    let parent = section.rsplit_once('.').map(|(parent, _)| parent);
    let below = format!("{section}.");
    let lines: Vec<&str> = before.lines().collect();
    let fault = |line: usize, message: String| {
        let (text, _) = header(lines[line])?;
        let begin = lines[line].find(text)?;
        Some(AtFault { line, at: begin..begin + text.len(), message, instead: format!("[[{section}]]") })
    };
    // the first section below it that stands before all of them
    let mut child = None;
    for (number, line) in lines.iter().enumerate().rev() {
        let Some((text, name)) = header(line) else { continue };
        match text.starts_with("[[") {
            false if name == section => return fault(number, format!("there are several `{section}`")),
            true if name == section => return None,
            _ if Some(&*name) == parent => break,
            _ if name.starts_with(&below) => child = Some(number),
            _ if child.is_some_and(|child| child > number) && rules_of(&name).is_none() => {
                return fault(number, format!("unknown section `{name}`"));
            }
            _ => {}
        }
    }
    None
}

/// The header of a section that a line is, and the section's name.
fn header(line: &str) -> Option<(&str, String)> {
    let text = line.split('#').next().unwrap_or_default().trim();
    text.starts_with('[').then(|| (text, text.trim_matches(['[', ']']).trim().to_owned()))
}

/// What to do about a key or a header in `line` that is there before; `before` is what stands above it.
pub(super) fn help(before: &str, line: &str) -> Option<String> {
    let code = line.split('#').next().unwrap_or_default().trim();
    if !code.starts_with('[') {
        let key = code.split('=').next()?.trim();
        let is_same = |line: &str| line.split_once('=').is_some_and(|(other, _)| other.trim() == key);
        let first = before.lines().enumerate().filter(|(_, line)| is_same(line)).last();
        return Some(match first {
            Some((number, _)) => format!("`{key}` is in line {} already: keep one of the two", number + 1),
            None => format!("`{key}` is there already: keep one of the two"),
        });
    }
    let (_, section) = header(line)?;
    let is_same = |line: &str| header(line).is_some_and(|(_, name)| name == section);
    let first = before.lines().position(is_same).map(|number| format!(" (the first one is in line {})", number + 1));
    let first = first.unwrap_or_default();
    Some(match is_listed(&section) {
        true => format!("write [[{section}]] for each one, with two brackets{first}"),
        false => format!("there is one section [{section}]{first}: write all its keys there"),
    })
}

/// Whether a section is an array of tables.
fn is_listed(section: &str) -> bool {
    rules_of(section).is_some_and(|rules| rules.items.is_some())
}

/// What the schema says of a section; `None` = there is no such section.
fn rules_of(section: &str) -> Option<&'static Rules> {
    section.split('.').try_fold(schema::rules(), |rules, key| {
        let table = rules.items.as_deref().unwrap_or(rules);
        table.properties.as_ref().and_then(|known| known.get(key)).or(table.values.as_deref())
    })
}
