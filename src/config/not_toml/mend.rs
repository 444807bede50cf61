//! What was probably meant by a line that is not TOML: strings without quotes, separators and comments of other languages, brackets that are missing.
//!
//! Whatever is suggested has been tried: the line with it is TOML.

use std::borrow::Cow;
use std::ops::Range;

use super::super::schema;
use super::position::Position;
use super::probe::is_toml;
use super::signs;
use super::value::{Meant, SEPARATOR, value};
use super::yaml;

const NO_BLOCKS: &str = "there are no blocks in braces: a section begins with a header in brackets, such as [server], and ends where the next one begins";

/// A longer line is not looked at: some of what is tried takes time by the square of its length.
const LONGEST: usize = 1000;

/// So many places in a line are looked at for a further key.
const MANY: usize = 50;

/// What to write in a line, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mend {
    /// The bytes of the line that are meant.
    pub(super) at: Range<usize>,
    /// What to write in place of them, where that is known.
    pub(super) instead: Option<String>,
    pub(super) help: Cow<'static, str>,
    /// How many lines below are a part of what is meant.
    pub(super) further: usize,
}

impl Mend {
    fn new(at: Range<usize>, instead: Option<String>, help: impl Into<Cow<'static, str>>) -> Self {
        Self { at, instead, help: help.into(), further: 0 }
    }
}

/// What was probably meant by this line. A line that is so long that nobody has typed it is left.
pub(super) fn mend(position: Position<'_>) -> Option<Mend> {
    let line = position.lines[position.index];
    if line.len() > LONGEST {
        return None;
    }
    let begin = line.len() - line.trim_start().len();
    let code = line.trim();
    let mended = comment(code)
        .or_else(|| signs::mend(code).map(|(instead, help)| Mend::new(0..code.len(), Some(instead), help)))
        .or_else(|| header(code))
        .or_else(|| block(code))
        .or_else(|| element(code))
        .or_else(|| bare_header(code))
        .or_else(|| assignment(code, position))?;
    // a line that is good by itself is mistaken in its place only
    if mended.instead.as_deref() == Some(&code[mended.at.clone()]) {
        return None;
    }
    Some(Mend { at: mended.at.start + begin..mended.at.end + begin, ..mended })
}

fn comment(code: &str) -> Option<Mend> {
    let sign = ["//", ";", "--", "<!--"].into_iter().find(|sign| code.starts_with(sign))?;
    Some(Mend::new(0..sign.len(), Some("#".to_owned()), "comments begin with `#`"))
}

fn block(code: &str) -> Option<Mend> {
    let is_block = code == "}" || code == "{" || (code.ends_with('{') && !code.contains('='));
    is_block.then(|| Mend::new(0..code.len(), None, NO_BLOCKS))
}

fn header(code: &str) -> Option<Mend> {
    code.strip_prefix('[')?;
    // a comment behind it stays
    let end = code.find(['#']).or_else(|| code.find("//")).unwrap_or(code.len());
    let written = code[..end].trim_end();
    let bare = written.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '{' | ':' | '=' | ';' | ','));
    let count = |c: char| bare.chars().filter(|other| *other == c).count();
    let brackets = if count('[').max(count(']')) > 1 { ("[[", "]]") } else { ("[", "]") };
    let name = bare.trim_matches(|c: char| c.is_whitespace() || matches!(c, '[' | ']'));
    let without_quotes = name.replace(['"', '\''], "");
    let is_odd = (name.len() - without_quotes.len()) % 2 == 1;
    let name = if is_odd { without_quotes.as_str() } else { name };
    let words: Vec<&str> = name.split(|c: char| c.is_whitespace() || matches!(c, '/' | ':')).collect();
    let is_known = |word: &&str| schema::rules().properties.as_ref().is_some_and(|known| known.contains_key(*word));
    let (name, help) = match &words[..] {
        [""] => return None,
        [_] if bare != written || code[end..].starts_with("//") => {
            (name.to_owned(), "nothing but a comment, which begins with `#`, may stand behind a header")
        }
        [_] if brackets.0 == "[[" => {
            (name.to_owned(), "the header of a table that may be there several times has two brackets on both sides")
        }
        [_] => (name.to_owned(), "the bracket at the end is missing"),
        // of "service api" the first word is a section, and of "service.my app" all are the name
        [first, ..] if is_known(first) => (words.join("."), "the names in a header are separated by `.`"),
        words => (words.join("-"), "names have no spaces in them"),
    };
    let instead = format!("{}{name}{}", brackets.0, brackets.1);
    let rest = if code[end..].starts_with("//") { code.len() } else { written.len() };
    is_toml(&instead).then(|| Mend::new(0..rest, Some(instead), help))
}

/// The name of a section without brackets, or in ones of another kind.
fn bare_header(code: &str) -> Option<Mend> {
    let name = code.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(code);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !name.chars().all(is_name) {
        return None;
    }
    let found = name.split('.').try_fold(schema::rules(), |rules, name| {
        let table = rules.items.as_deref().unwrap_or(rules);
        table.properties.as_ref().and_then(|known| known.get(name)).or(table.values.as_deref())
    })?;
    let table = found.items.as_deref().unwrap_or(found);
    table.properties.as_ref()?;
    let instead = if found.items.is_some() { format!("[[{name}]]") } else { format!("[{name}]") };
    Some(Mend::new(0..code.len(), Some(instead), "a section begins with a header in brackets"))
}

/// An element of a list as YAML has it.
fn element(code: &str) -> Option<Mend> {
    let is_element = code.starts_with("- ") || code == "-";
    is_element.then(|| Mend::new(0..code.len(), None, "a list is written in brackets: `key = [\"a\", \"b\"]`"))
}

/// A key and a value.
fn assignment(code: &str, position: Position<'_>) -> Option<Mend> {
    let code = &code[..behind_comment(code)];
    let is_of_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let quoted = code.strip_prefix(['"', '\'']).and_then(|rest| {
        let (key, rest) = rest.split_at(rest.find(|c| !is_of_key(c))?);
        Some((key, rest.strip_prefix(['"', '\''])?))
    });
    let end = code.find(|c: char| !is_of_key(c)).unwrap_or(code.len());
    let (key, rest) = quoted.unwrap_or_else(|| code.split_at(end));
    if key.is_empty() || key.starts_with('.') {
        return None;
    }
    let rest = rest.trim_start();
    let sign = ["==", ":=", "=>", "+=", "?=", "=", ":"].into_iter().find(|sign| rest.starts_with(sign));
    let (text, broken) = match sign {
        Some("=") => (rest[1..].trim(), None),
        Some(sign) => (rest[sign.len()..].trim(), Some(SEPARATOR)),
        None if rest.contains('=') => return spaced_key(code),
        None => (rest, Some(SEPARATOR)),
    };
    if text.is_empty() && sign.is_some() {
        let below = position.below();
        let help = yaml::meant(key, &below);
        let further = if help.is_some() { below.len() } else { 0 };
        let help = help.map_or(Cow::Borrowed("there is no value"), Cow::Owned);
        return Some(Mend { further, ..Mend::new(0..code.len(), None, help) });
    }
    if matches!(text, "null" | "nil" | "none" | "None" | "~") && broken.is_none() {
        let help = "there is no empty value: leave the key out for its default";
        return Some(Mend::new(code.len() - text.len()..code.len(), None, help));
    }
    if is_several(text) {
        return Some(Mend::new(0..code.len(), None, "each key stands in a line of its own, and nothing between them"));
    }
    let at = code.len() - text.len()..code.len();
    let rules = position.rules(key);
    // a key such as `a..b` is a mistake by itself, of which the parser's message speaks
    let is_key = is_toml(&format!("{key} = 0"));
    match value(text, rules) {
        Meant::Value(..) | Meant::Help(_) if !is_key => None,
        Meant::Value(value, help) => Some(match broken {
            None => Mend::new(at, Some(value), help),
            Some(broken) => Mend::new(0..code.len(), Some(format!("{key} = {value}")), broken),
        }),
        Meant::Help(help) => Some(Mend::new(at, None, help)),
        Meant::Unknown => None,
    }
}

/// Whether a value is followed by a further key with its value, in the same line.
fn is_several(text: &str) -> bool {
    let separators = text.char_indices().filter(|(_, c)| matches!(c, ',' | ';' | ' '));
    let is_assignment = |rest: &str| {
        rest.split_once('=').is_some_and(|(key, _)| {
            let key = key.trim();
            !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        })
    };
    separators
        .take(MANY)
        .any(|(at, _)| is_toml(&format!("x = {}", text[..at].trim())) && is_assignment(&text[at + 1..]))
}

/// A key of several words.
fn spaced_key(code: &str) -> Option<Mend> {
    let key = code.split_once('=')?.0.trim_end();
    let instead = key.split_whitespace().collect::<Vec<_>>().join("_");
    let is_good = is_toml(&format!("{instead}{}", &code[key.len()..]));
    is_good.then(|| Mend::new(0..key.len(), Some(instead), "keys have no spaces in them"))
}

/// Where the code of a line ends, and white space with a comment begins.
fn behind_comment(code: &str) -> usize {
    let mut quote = None;
    // of a quote that is never closed, a comment behind it is none of the string
    let is_closed = |c: char, at: usize| code[at + 1..].contains(c);
    for (at, c) in code.char_indices() {
        match (c, quote) {
            ('"' | '\'', None) if is_closed(c, at) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('#', None) if code[..at].ends_with([' ', '\t']) => return code[..at].trim_end().len(),
            _ => {}
        }
    }
    code.len()
}
