//! What was probably meant by a line that is not TOML: strings without quotes, separators and comments of other languages, brackets that are missing.
//!
//! Whatever is suggested has been tried: the line with it is TOML.

use std::ops::Range;

use toml::de::DeTable;

const QUOTES: &str = "strings stand in quotes";
const SEPARATOR: &str = "a key and its value are separated by `=`";
const CLOSED: &str = "a quote is missing";
const NO_BLOCKS: &str = "there are no blocks in braces: a section begins with a header in brackets, such as [server], and ends where the next one begins";

/// A longer line is not looked at: some of what is tried takes time by the square of its length.
const LONGEST: usize = 1000;

/// What to write in a line, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mend {
    /// The bytes of the line that are meant.
    pub(super) at: Range<usize>,
    /// What to write in place of them, where that is known.
    pub(super) instead: Option<String>,
    pub(super) help: &'static str,
}

/// What was probably meant by this line. A line that is so long that nobody has typed it is left.
pub(super) fn mend(line: &str) -> Option<Mend> {
    if line.len() > LONGEST {
        return None;
    }
    let begin = line.len() - line.trim_start().len();
    let code = line.trim();
    let mended = [comment, block, header, assignment].into_iter().find_map(|kind| kind(code))?;
    // a line that is good by itself is mistaken in its place only
    if mended.instead.as_deref() == Some(&code[mended.at.clone()]) {
        return None;
    }
    Some(Mend { at: mended.at.start + begin..mended.at.end + begin, ..mended })
}

/// Whether this is a line of TOML.
pub(super) fn is_toml(line: &str) -> bool {
    DeTable::parse(line).is_ok()
}

fn is_value(value: &str) -> bool {
    !value.is_empty() && !value.contains('\n') && is_toml(&format!("x = {value}"))
}

fn comment(code: &str) -> Option<Mend> {
    let sign = ["//", ";", "--", "<!--"].into_iter().find(|sign| code.starts_with(sign))?;
    Some(Mend { at: 0..sign.len(), instead: Some("#".to_owned()), help: "comments begin with `#`" })
}

fn block(code: &str) -> Option<Mend> {
    let is_block = code == "}" || code == "{" || (code.ends_with('{') && !code.contains('='));
    is_block.then_some(Mend { at: 0..code.len(), instead: None, help: NO_BLOCKS })
}

fn header(code: &str) -> Option<Mend> {
    let inner = code.strip_prefix('[')?;
    // a comment behind it stays
    let end = inner.find('#').map_or(code.len(), |at| 1 + at);
    let written = code[..end].trim_end();
    let brackets = if written.starts_with("[[") || written.ends_with("]]") { ("[[", "]]") } else { ("[", "]") };
    let name = written.trim_matches(['[', ']']).trim();
    let words: Vec<&str> = name.split_whitespace().collect();
    let (name, help) = match &words[..] {
        [] => return None,
        [_] if brackets.0 == "[[" => {
            (name.to_owned(), "the header of a table that may be there several times has two brackets on both sides")
        }
        [_] => (name.to_owned(), "the bracket at the end is missing"),
        words => (words.join("-"), "names have no spaces in them"),
    };
    let instead = format!("{}{name}{}", brackets.0, brackets.1);
    is_toml(&instead).then_some(Mend { at: 0..written.len(), instead: Some(instead), help })
}

/// A key and a value.
fn assignment(code: &str) -> Option<Mend> {
    let code = &code[..behind_comment(code)];
    let end = code.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))).unwrap_or(code.len());
    let (key, rest) = code.split_at(end);
    if key.is_empty() || key.starts_with('.') {
        return None;
    }
    let rest = rest.trim_start();
    let sign = ["==", ":=", "=>", "=", ":"].into_iter().find(|sign| rest.starts_with(sign));
    let (text, broken) = match sign {
        Some("=") => (rest[1..].trim(), None),
        Some(sign) => (rest[sign.len()..].trim(), Some(SEPARATOR)),
        None if rest.contains('=') => return spaced_key(code),
        None => (rest, Some(SEPARATOR)),
    };
    if text.is_empty() && sign.is_some() {
        return Some(Mend { at: 0..code.len(), instead: None, help: "there is no value" });
    }
    if matches!(text, "null" | "nil" | "none" | "None") && broken.is_none() {
        let help = "there is no empty value: leave the key out for its default";
        return Some(Mend { at: code.len() - text.len()..code.len(), instead: None, help });
    }
    let (value, help) = value(text)?;
    Some(match broken {
        // a key such as `a..b` is a mistake by itself, of which the parser's message speaks
        _ if !is_toml(&format!("{key} = 0")) => return None,
        None => Mend { at: code.len() - text.len()..code.len(), instead: Some(value), help },
        Some(broken) => Mend { at: 0..code.len(), instead: Some(format!("{key} = {value}")), help: broken },
    })
}

/// A key of several words.
fn spaced_key(code: &str) -> Option<Mend> {
    let key = code.split_once('=')?.0.trim_end();
    let instead = key.split_whitespace().collect::<Vec<_>>().join("_");
    let is_good = is_toml(&format!("{instead}{}", &code[key.len()..]));
    is_good.then_some(Mend { at: 0..key.len(), instead: Some(instead), help: "keys have no spaces in them" })
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

/// The value that was probably meant by a text, and what was wrong with it.
fn value(text: &str) -> Option<(String, &'static str)> {
    let bare = text.split(" // ").next().unwrap_or_default().trim_end_matches([';', ',', ' ']);
    let straight = bare
        .replace(['\u{201c}', '\u{201d}', '\u{201e}', '\u{ab}', '\u{bb}'], "\"")
        .replace(['\u{2018}', '\u{2019}'], "'");
    let inner = bare.trim_matches(['"', '\'']);
    let candidates = [
        (bare.to_owned(), "nothing but a comment, which begins with `#`, may stand behind a value"),
        (straight, "quotes are straight ones: `\"` or `'`"),
        (word(bare), "a switch is true or false, in small letters and without quotes"),
        (number(bare), "numbers have no leading zeros and no commas"),
        (if bare.starts_with('"') { format!("{bare}\"") } else { String::new() }, CLOSED),
        (if bare.starts_with('\'') { format!("{bare}'") } else { String::new() }, CLOSED),
        (if bare.ends_with('"') { format!("\"{bare}") } else { String::new() }, CLOSED),
        (
            if bare.contains('\\') { format!("'{inner}'") } else { String::new() },
            "in single quotes, a backslash stands for itself",
        ),
        (
            if bare.starts_with('\'') { format!("\"{inner}\"") } else { String::new() },
            "in single quotes there can't be one: write double quotes",
        ),
        (list(bare), "the elements of a list are separated by commas, and strings stand in quotes"),
        (table(bare), SEPARATOR),
        (if is_plain(bare) { format!("\"{bare}\"") } else { String::new() }, QUOTES),
    ];
    candidates.into_iter().find(|(candidate, _)| is_value(candidate))
}

/// Whether a text can stand in quotes as it is.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.starts_with(['[', '{']) && !text.contains(['"', '\\'])
}

/// A boolean of another language, or nothing.
fn word(text: &str) -> String {
    match &*text.to_ascii_lowercase() {
        "true" | "yes" => "true".to_owned(),
        "false" | "no" => "false".to_owned(),
        _ => String::new(),
    }
}

fn number(text: &str) -> String {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',')) {
        return String::new();
    }
    let digits = text.replace(',', "");
    match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        rest if rest.starts_with('.') => format!("0{rest}"),
        rest => rest.to_owned(),
    }
}

/// A list whose commas, quotes or closing bracket are missing.
fn list(text: &str) -> String {
    let Some(inner) = text.strip_prefix('[').filter(|inner| !inner.is_empty()) else { return String::new() };
    let inner = inner.strip_suffix(']').unwrap_or(inner);
    let elements = inner.split([',', ' ']).map(str::trim).filter(|element| !element.is_empty());
    let quoted = |element: &str| match is_value(element) {
        true => element.to_owned(),
        false => format!("\"{}\"", element.trim_matches(['"', '\''])),
    };
    format!("[{}]", elements.map(quoted).collect::<Vec<_>>().join(", "))
}

/// An inline table as JSON and YAML write it.
fn table(text: &str) -> String {
    if text.starts_with('{') && text.ends_with('}') { text.replace(": ", " = ") } else { String::new() }
}
