//! What was probably meant by a value that is not TOML, by what its key may be, where that is known.

use super::super::meant;
use super::super::schema::Rules;
use super::super::syntax;
use super::super::wording::wanted;
use super::probe::is_value;
use super::quotes::{self, CLOSED};

pub(super) const SEPARATOR: &str = "a key and its value are separated by `=`";
const QUOTES: &str = "strings stand in quotes";
const SWITCH: &str = "a switch is true or false, in small letters and without quotes";
const VARIABLE: &str = "variables are written \"${NAME}\", in quotes";

/// What was meant by a value.
pub(super) enum Meant {
    /// This value, and what was wrong.
    Value(String, &'static str),
    /// What can't be said for sure, in words.
    Help(String),
    Unknown,
}

/// What was probably meant by a text in the place of a value.
pub(super) fn value(text: &str, rules: Option<&Rules>) -> Meant {
    let bare = text.split(" // ").next().unwrap_or_default().trim_end_matches([';', ',', ' ']);
    if is_value(bare) {
        return Meant::Value(bare.to_owned(), "nothing but a comment, which begins with `#`, may stand behind a value");
    }
    if let Some(inner) = bare.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
        return Meant::Value(format!("{inner:?}"), QUOTES);
    }
    if let Some(variable) = variable(bare) {
        return Meant::Value(format!("\"{variable}\""), VARIABLE);
    }
    if is_plain(bare)
        && let Some(meant) = rules.and_then(|rules| typed(bare, rules))
    {
        return meant;
    }
    let inner = bare.trim_matches(['"', '\'']);
    let with = |text: String, is_tried: bool| if is_tried { text } else { String::new() };
    let candidates = [
        (with(word(bare), rules.is_none()), SWITCH),
        (number(bare), "numbers have no leading zeros and no commas"),
        quotes::mend(bare).unwrap_or_default(),
        (with(format!("{bare}\""), bare.starts_with('"')), CLOSED),
        (with(format!("{bare}'"), bare.starts_with('\'')), CLOSED),
        (with(format!("\"{bare}"), bare.ends_with('"')), CLOSED),
        (with(format!("'{inner}'"), bare.contains('\\')), "in single quotes, a backslash stands for itself"),
        (
            with(format!("\"{inner}\""), bare.starts_with('\'')),
            "in single quotes there can't be one: write double quotes",
        ),
        (with(format!("[{bare}]"), is_listed(bare, rules)), "a list stands in brackets"),
        (
            with(format!("\"{inner}\""), bare.starts_with("\"\"") && bare.ends_with("\"\"")),
            "a string stands in one pair of quotes",
        ),
        (without_comments(bare), "comments begin with `#`, and end with their line"),
        (separated(bare), "what stands in brackets is separated by commas"),
        (list(bare), "the elements of a list are separated by commas, and strings stand in quotes"),
        (in_brackets(bare), "a list stands in `[` and `]`"),
        (table(bare), SEPARATOR),
        (with(format!("\"{bare}\""), is_plain(bare)), QUOTES),
    ];
    let found = candidates.into_iter().find(|(candidate, _)| is_value(candidate));
    found.map_or(Meant::Unknown, |(value, help)| Meant::Value(value, help))
}

/// Whether several strings stand where a list belongs.
fn is_listed(text: &str, rules: Option<&Rules>) -> bool {
    let is_list = rules.is_none_or(|rules| rules.kinds.contains(&"array"));
    is_list && text.starts_with(['"', '\'']) && text.contains(',')
}

/// Whether a text can stand in quotes as it is.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.starts_with(['[', '{', '(']) && !text.contains(['"', '\\', '\''])
}

/// What a text without quotes and brackets means for a key of this type.
fn typed(bare: &str, rules: &Rules) -> Option<Meant> {
    let value = |value: Option<String>, help| match value {
        Some(value) => Meant::Value(value, help),
        None => Meant::Help(format!("it is {}", wanted(rules))),
    };
    match rules.kinds[..] {
        ["boolean"] => Some(value(meant::switch(bare), SWITCH)),
        ["integer"] => Some(value(meant::whole_number(rules, bare), "it is a whole number, without quotes and signs")),
        ["number"] => Some(value(meant::share(rules, bare), "it is a number, without quotes and signs")),
        ["array"] => meant::listed(rules, bare)
            .map(|list| Meant::Value(list, "a list stands in brackets, and strings in quotes")),
        ["object"] => None,
        ref kinds if kinds.contains(&"string") => {
            if let Some(word) = meant::on_or_off(&rules.words, bare) {
                return Some(Meant::Value(format!("{word:?}"), QUOTES));
            }
            let problem = rules.syntax.and_then(|language| syntax::check(language, bare).err());
            let meant = problem.filter(|problem| problem.part.is_none()).and_then(|problem| problem.suggestion);
            Some(Meant::Value(format!("{:?}", meant.as_deref().unwrap_or(bare)), QUOTES))
        }
        _ => None,
    }
}

/// A variable in the notation of a shell or of a template.
fn variable(text: &str) -> Option<String> {
    let inner = match text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")) {
        Some(inner) => inner.trim().trim_start_matches(['.', '$']),
        None => {
            let name = text.strip_prefix('$').or_else(|| text.strip_prefix('%')?.strip_suffix('%'))?;
            name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name)
        }
    };
    let is_name = !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then(|| format!("${{{inner}}}"))
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

/// Without what stands between `/*` and `*/`.
fn without_comments(text: &str) -> String {
    match (text.find("/*"), text.rfind("*/")) {
        (Some(from), Some(to)) if from < to => format!("{}{}", text[..from].trim_end(), &text[to + 2..]),
        _ => String::new(),
    }
}

/// With commas where the end of a value and the next value, or the next key, stand side by side.
fn separated(text: &str) -> String {
    if !text.starts_with(['[', '{']) {
        return String::new();
    }
    let (mut out, mut quote, mut before) = (String::new(), None, ' ');
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if c.is_whitespace() && matches!(before, '"' | '\'' | ']' | '}') => {
                let rest = text[at..].trim_start();
                if rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '"' | '\'' | '[' | '{')) {
                    out.push(',');
                }
            }
            _ => {}
        }
        out.push(c);
        before = if quote.is_some() { ' ' } else { c };
    }
    out
}

/// A list whose commas, quotes or closing bracket are missing. What has tables in it is more than that.
fn list(text: &str) -> String {
    let Some(inner) = text.strip_prefix('[').filter(|inner| !inner.is_empty() && !inner.contains(['{', '='])) else {
        return String::new();
    };
    let inner = inner.strip_suffix(']').unwrap_or(inner);
    let elements = inner.split([',', ' ', ';']).map(str::trim).filter(|element| !element.is_empty());
    let quoted = |element: &str| match is_value(element) {
        true => element.to_owned(),
        false => format!("\"{}\"", element.trim_matches(['"', '\''])),
    };
    format!("[{}]", elements.map(quoted).collect::<Vec<_>>().join(", "))
}

/// A list in brackets of another kind.
fn in_brackets(text: &str) -> String {
    let inner = [("(", ")"), ("{", "}"), ("<", ">")]
        .into_iter()
        .find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close));
    inner.map_or_else(String::new, |inner| format!("[{}]", inner.trim()))
}

/// An inline table as JSON and YAML write it.
fn table(text: &str) -> String {
    let is_table = text.starts_with(['{', '[']) && text.ends_with(['}', ']']) && text.contains('{');
    if is_table { text.replace(": ", " = ") } else { String::new() }
}
