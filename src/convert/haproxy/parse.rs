//! The grammar of `haproxy.cfg`: lines of words, in sections.

use std::rc::Rc;

use crate::convert::original::Original;
use crate::convert::output::{Findings, Place};

/// A line.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its words, without quotes and escapes.
    pub words: Vec<String>,
    /// Where it stands.
    pub place: Place,
}

impl Line {
    /// A word, or nothing.
    pub fn word(&self, number: usize) -> &str {
        self.words.get(number).map_or("", String::as_str)
    }

    /// Whether it begins with these words.
    pub fn is(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(number, word)| self.word(number) == *word)
    }

    /// The word behind this one.
    pub fn after(&self, word: &str) -> Option<&str> {
        let at = self.words.iter().position(|known| known == word)?;
        self.words.get(at + 1).map(String::as_str)
    }

    /// Whether it has this word.
    pub fn has(&self, word: &str) -> bool {
        self.words.iter().any(|known| known == word)
    }

    /// As it was written, shortened.
    pub fn text(&self) -> String {
        let text = self.words.join(" ").replace(ENVIRONMENT, "$");
        match text.char_indices().nth(60) {
            Some((at, _)) => format!("{}...", &text[..at]),
            None => text,
        }
    }
}

/// A section, such as `frontend web`.
#[derive(Debug, Clone)]
pub struct Section {
    /// `frontend`
    pub kind: String,
    /// Its name; empty where it has none.
    pub name: String,
    /// The line that begins it.
    pub head: Line,
    /// The lines of the `defaults` that hold for it.
    pub defaults: Vec<Line>,
    /// Its own lines.
    pub lines: Vec<Line>,
}

impl Section {
    /// The last line that begins with these words, of its own or of its defaults.
    pub fn one(&self, words: &[&str]) -> Option<&Line> {
        self.lines.iter().rev().chain(self.defaults.iter().rev()).find(|line| line.is(words))
    }

    /// The lines that begin with this word: its own.
    pub fn all<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a Line> {
        self.lines.iter().filter(move |line| line.word(0) == word)
    }

    /// Whether an option is on: `no option` takes it back.
    pub fn option(&self, name: &str) -> Option<&Line> {
        let of = |lines: &'_ [Line]| {
            lines
                .iter()
                .rposition(|line| line.is(&["option", name]) || line.is(&["no", "option", name]))
                .map(|at| (at, lines[at].word(0) == "no"))
        };
        match (of(&self.lines), of(&self.defaults)) {
            (Some((at, false)), _) => self.lines.get(at),
            (None, Some((at, false))) => self.defaults.get(at),
            _ => None,
        }
    }

    /// Whether it is about connections and not requests.
    pub fn is_tcp(&self) -> bool {
        self.one(&["mode"]).is_none_or(|line| line.word(1) == "tcp")
    }
}

/// Stands for the `$` before a variable of the environment, which is put in between double quotes.
pub const ENVIRONMENT: char = '\u{E000}';

const SECTIONS: [&str; 18] = [
    "global",
    "defaults",
    "frontend",
    "backend",
    "listen",
    "userlist",
    "resolvers",
    "peers",
    "mailers",
    "cache",
    "program",
    "http-errors",
    "ring",
    "log-forward",
    "fcgi-app",
    "crt-store",
    "traces",
    "log-profile",
];

/// All sections of a file. What can't be read is an error at its line.
pub fn read(original: &Original<'_>, findings: &mut Findings) -> Vec<Section> {
    let file: Rc<str> = Rc::from(original.file);
    let mut sections: Vec<Section> = Vec::new();
    for (number, text) in original.text.lines().enumerate() {
        let place = Place::new(&file, number + 1);
        let words = match words(text) {
            Ok(words) => words,
            Err(why) => {
                findings.error(&place, "", why, "see what `haproxy -c -f` says");
                continue;
            }
        };
        let Some(first) = words.first() else { continue };
        let line = Line { words: words.clone(), place };
        if !carries_environment(&line) {
            let why = "what a variable of the environment says is not known here";
            findings.error(&line.place, line.text(), why, "put its value in, and convert again");
        }
        if first.starts_with('.') {
            findings.error(
                &line.place,
                line.text(),
                "lines that hold under a condition are all read",
                "leave in the file what is to hold",
            );
        } else if SECTIONS.contains(&first.as_str()) {
            let defaults = inherited(&sections, &line);
            sections.push(Section {
                kind: first.clone(),
                name: line.word(1).to_owned(),
                head: line,
                defaults,
                lines: Vec::new(),
            });
        } else if let Some(section) = sections.last_mut() {
            section.lines.push(line);
        } else {
            findings.error(&line.place, line.text(), "it stands before the first section", "");
        }
    }
    sections
}

/// The lines of the `defaults` that a section names by `from`, or of the last one before it.
fn inherited(sections: &[Section], head: &Line) -> Vec<Line> {
    let named = head.after("from");
    let mut defaults = sections.iter().rev().filter(|section| section.kind == "defaults");
    let found = match (named, head.word(0)) {
        (Some(name), _) => defaults.find(|section| section.name == name),
        (None, "frontend" | "backend" | "listen") => defaults.next(),
        _ => None,
    };
    found.map(|section| section.defaults.iter().chain(&section.lines).cloned().collect()).unwrap_or_default()
}

/// Whether variables of the environment stand only where they can stand in ours as well.
fn carries_environment(line: &Line) -> bool {
    let may = |number: usize| match (line.word(0), line.word(1)) {
        ("bind", _) => number == 1,
        ("server", _) => number == 2,
        ("http-request", "set-header" | "add-header") => number == 3,
        _ => false,
    };
    line.words
        .iter()
        .enumerate()
        .all(|(number, word)| !word.contains(ENVIRONMENT) || may(number) && !word.contains(":-"))
}

/// A variable of the environment behind its `$`, if there is one: `{NAME}`, `{NAME-what else}`, `NAME`.
fn variable(rest: &str) -> Option<(String, usize)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some(inner) = rest.strip_prefix('{') {
        let inner = &inner[..inner.find('}')?];
        let (name, other) = inner.split_once('-').map_or((inner, None), |(name, other)| (name, Some(other)));
        let text = other.map_or_else(|| format!("{{{name}}}"), |other| format!("{{{name}:-{other}}}"));
        return Some((text, inner.len() + 2));
    }
    let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
    (end > 0 && !rest.starts_with(|c: char| c.is_ascii_digit())).then(|| (format!("{{{}}}", &rest[..end]), end))
}

/// The words of a line: quotes, a backslash before a character, and comments.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => {
                let word = word.get_or_insert_default();
                match chars.next() {
                    Some('n') => word.push('\n'),
                    Some('r') => word.push('\r'),
                    Some('t') => word.push('\t'),
                    Some(c @ ('\\' | '"' | '$')) => word.push(c),
                    Some(c @ (' ' | '#' | '\'' | '{')) if quote.is_none() => word.push(c),
                    // before anything else it stays: `\1`, `\.`
                    Some(c) => word.extend(['\\', c]),
                    None => word.push('\\'),
                }
            }
            (c, Some(open)) if c == open => quote = None,
            ('$', Some('"')) if variable(chars.as_str()).is_some() => {
                let Some((text, length)) = variable(chars.as_str()) else { continue };
                let word = word.get_or_insert_default();
                word.push(ENVIRONMENT);
                word.push_str(&text);
                chars = chars.as_str()[length..].chars();
            }
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('#', None) => break,
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(format!("a text that begins with {open} does not end"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_words_with_quotes_escapes_and_comments() {
        assert_eq!(words("  bind *:80 # all").unwrap(), ["bind", "*:80"]);
        assert_eq!(words(r#"acl a path_reg "^/a b\"c""#).unwrap(), ["acl", "a", "path_reg", "^/a b\"c"]);
        assert_eq!(words(r"set-header X a\ b 'c # d'").unwrap(), ["set-header", "X", "a b", "c # d"]);
        assert_eq!(words(r"path_reg ^/a\\.b$").unwrap(), ["path_reg", r"^/a\.b$"]);
        assert_eq!(words(r"replace-path /a/(.*) /\1").unwrap()[2], r"/\1");
        assert_eq!(words("  # nothing").unwrap(), Vec::<String>::new());
        assert!(words("a 'b").is_err());
        assert_eq!(words(r#"a "x${K}-$L" '${M}' ${N}"#).unwrap(), ["a", "x\u{E000}{K}-\u{E000}{L}", "${M}", "${N}"]);
        assert_eq!(words(r#""${K-b}" "\$K" "a$""#).unwrap(), ["\u{E000}{K:-b}", "$K", "a$"]);
    }

    #[test]
    fn sections_inherit_the_defaults_before_them_or_those_that_they_name() {
        let text = "global\n maxconn 10\ndefaults a\n mode http\n option httplog\ndefaults b from a\n no option httplog\nfrontend x\n bind :80\nbackend y from a\n server s 1.2.3.4:80\n";
        let files = |_: &str| Err(String::new());
        let mut findings = Findings::default();
        let sections = read(&Original { file: "h", text, files: &files }, &mut findings);
        assert_eq!(sections.len(), 5);
        assert!(sections[3].option("httplog").is_none() && !sections[3].is_tcp());
        assert!(sections[4].option("httplog").is_some());
        assert_eq!(sections[4].lines[0].place.to_string(), "h:11");
        assert!(findings.all().is_empty());
    }
}
