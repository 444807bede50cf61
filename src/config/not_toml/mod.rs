//! Mistakes of a text that is not TOML. The parser's messages say what it expected; here it is said what to write.

mod mend;

use std::ops::Range;

use super::code::Code;
use super::disguise;
use super::mistake::Mistake;
use super::schema;
use super::tree::KeyPath;

/// The mistakes of the parser's errors, which are messages with their places in the text.
pub(super) fn mistakes(text: &str, errors: Vec<(Range<usize>, String)>) -> Vec<Mistake> {
    let mut mistakes: Vec<Mistake> = errors.into_iter().map(|(span, message)| mistake(text, span, &message)).collect();
    // what was meant by a line is said once, though it may be mistaken in several places
    mistakes.dedup_by(|one, before| one.suggestion.is_some() && one.span == before.span);
    mistakes
}

fn mistake(text: &str, span: Range<usize>, message: &str) -> Mistake {
    let new = |span| Mistake::new(span, &KeyPath::default(), format!("this is not TOML: {message}")).code(Code::Syntax);
    let (line, start) = line_at(text, span.start);
    if message == "duplicate key" {
        return match twice(text, line, start) {
            Some(help) => new(span).help(help),
            None => new(span),
        };
    }
    let (line, start) = match message.contains("array") && !line.trim().is_empty() && mend::is_toml(line) {
        // a list without an end is noticed only in the next key
        true => line_above(text, start, |line| line.contains('[')).unwrap_or((line, start)),
        false => (line, start),
    };
    match mend::mend(line) {
        Some(mended) => {
            let span = start + mended.at.start..start + mended.at.end;
            // what may be secret in the line is not shown
            let instead = mended.instead.filter(|_| disguise::line(line) == line);
            new(span).instead(instead).help(mended.help)
        }
        None => new(span),
    }
}

/// The line around a byte, without its end, and where it begins.
fn line_at(text: &str, at: usize) -> (&str, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    (text[start..].lines().next().unwrap_or_default(), start)
}

/// The nearest line above that has something in it, and where it begins, if it is the one that is looked for.
fn line_above(text: &str, start: usize, is_wanted: impl Fn(&str) -> bool) -> Option<(&str, usize)> {
    let before = text[..start].trim_end();
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Some((&before[start..], start)).filter(|(line, _)| is_wanted(line))
}

/// What to do about a key or a header in `line` that is there before; `start` is where the line begins.
fn twice(text: &str, line: &str, start: usize) -> Option<String> {
    let before = &text[..start];
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
    let name =
        |header: &str| header.split('#').next().unwrap_or_default().trim().trim_matches(['[', ']']).trim().to_owned();
    let section = name(code);
    let is_same = |line: &str| line.trim_start().starts_with('[') && name(line) == section;
    let first = before.lines().position(is_same).map(|number| format!(" (the first one is in line {})", number + 1));
    let first = first.unwrap_or_default();
    Some(match is_listed(&section) {
        true => format!("write [[{section}]] for each one, with two brackets{first}"),
        false => format!("there is one section [{section}]{first}: write all its keys there"),
    })
}

/// Whether a section is an array of tables.
fn is_listed(section: &str) -> bool {
    let mut rules = schema::rules();
    for key in section.split('.') {
        let table = rules.items.as_deref().unwrap_or(rules);
        let below = table.properties.as_ref().and_then(|known| known.get(key)).or(table.values.as_deref());
        match below {
            Some(below) => rules = below,
            None => return false,
        }
    }
    rules.items.is_some()
}

#[cfg(test)]
mod tests;
