//! Statements of a text that is not TOML, each a key with its value or a header, and the brackets in them that don't go together. A bracket that is not closed
//! makes all that follows look wrong; here, what begins a statement ends the one before.

use std::ops::Range;

/// A statement: the lines that it is in.
#[derive(Debug)]
pub(super) struct Statement {
    /// Their indices.
    pub(super) lines: Range<usize>,
    /// The first bracket in it that is wrong.
    pub(super) flaw: Option<Flaw>,
}

/// What is wrong with a bracket, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) kind: Kind,
    /// Where the bracket stands that is meant: its position and the index of its line.
    pub(super) opened: (usize, usize),
    /// What is replaced, which may be empty, and by what.
    pub(super) at: Range<usize>,
    pub(super) write: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// This opening bracket has no closing one.
    Unclosed(char),
    /// This closing bracket is one too many.
    TooMany(char),
    /// The keys of a table in braces are not separated.
    NoComma,
    /// A string of several lines has no end.
    EndlessString,
}

/// Words that are values, in brackets by themselves as well.
const VALUES: [&str; 4] = ["true", "false", "inf", "nan"];

/// An opening bracket.
struct Open {
    bracket: char,
    at: usize,
    line: usize,
    /// Whether nothing follows it in its line.
    is_block: bool,
}

#[derive(Default)]
struct Scanner {
    found: Vec<Statement>,
    /// Where the statement began that is not at its end yet.
    begun: Option<usize>,
    open: Vec<Open>,
    /// The quotes that end a string of several lines, and where it begins.
    string: Option<(&'static str, usize, usize)>,
    /// Behind the last character that is no white space and in no comment, with its line and the character.
    last: (usize, usize, char),
    flaw: Option<Flaw>,
}

/// The statements of a text.
pub(super) fn statements(text: &str) -> Vec<Statement> {
    let mut scanner = Scanner::default();
    let mut start = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        scanner.line(index, start, line.trim_end_matches(['\n', '\r']));
        start += line.len();
    }
    scanner.end();
    scanner.found
}

impl Scanner {
    fn line(&mut self, index: usize, start: usize, line: &str) {
        let begin = match self.string {
            Some((quotes, ..)) => match line.find(quotes) {
                Some(at) => {
                    self.string = None;
                    at + quotes.len()
                }
                None => return,
            },
            None => {
                let code = line.trim();
                if code.is_empty() || code.starts_with('#') {
                    return;
                }
                if !self.open.is_empty() && self.is_next_statement(code) {
                    self.close();
                }
                match self.open.is_empty() {
                    true => {
                        self.finish(index);
                        self.begun = Some(index);
                        value_of(line)
                    }
                    false => 0,
                }
            }
        };
        if begin < line.len() {
            self.value(index, start, line, begin);
        } else {
            self.last = (start + line.trim_end().len(), index, ' ');
        }
        if self.open.is_empty() && self.string.is_none() {
            self.finish(index + 1);
        }
    }

    /// Whether a line begins a statement though a bracket is open; what is missing then, a comma, is noted here.
    fn is_next_statement(&mut self, code: &str) -> bool {
        if is_header(code) {
            return true;
        }
        let Some(innermost) = self.open.last().filter(|_| is_assignment(code)) else { return false };
        if innermost.bracket == '[' {
            return true;
        }
        // a table in braces may have several lines (TOML 1.1)
        let (behind, _, last) = self.last;
        match innermost.is_block {
            _ if matches!(last, '{' | ',') => false,
            true => {
                let opened = (innermost.at, innermost.line);
                self.note(Flaw { kind: Kind::NoComma, opened, at: behind..behind, write: ",".to_owned() });
                false
            }
            false => true,
        }
    }

    /// The part of a line that is value, from `begin` on.
    fn value(&mut self, index: usize, start: usize, line: &str, begin: usize) {
        let held = self.open.len();
        let mut rest = line[begin..].char_indices().peekable();
        while let Some((at, c)) = rest.next() {
            let at = begin + at;
            let place = (start + at, index);
            match c {
                '#' => break,
                '"' | '\'' => match string_end(line, at) {
                    StringEnd::At(end) => {
                        while rest.next_if(|(next, _)| begin + next < end).is_some() {}
                        self.last = (start + end, index, c);
                        continue;
                    }
                    StringEnd::Below(quotes) => {
                        self.string = Some((quotes, place.0, index));
                        self.last = (start + line.len(), index, c);
                        return;
                    }
                    // which quote is wrong is for whoever looks at the line; its brackets may be in a string
                    StringEnd::Nowhere => {
                        self.open.truncate(held);
                        self.last = (start + line.trim_end().len(), index, c);
                        return;
                    }
                },
                '[' | '{' => {
                    let is_block = matches!(line[at + 1..].trim_start().chars().next(), None | Some('#'));
                    self.open.push(Open { bracket: c, at: place.0, line: index, is_block });
                }
                ']' | '}' => self.closing(c, place),
                ')' if !self.open.is_empty() => self.closing(c, place),
                _ => {}
            }
            if !c.is_whitespace() {
                self.last = (place.0 + c.len_utf8(), index, c);
            }
        }
    }

    /// A closing bracket.
    fn closing(&mut self, c: char, place: (usize, usize)) {
        let opening = match c {
            ']' => '[',
            '}' => '{',
            _ => '(',
        };
        let Some(partner) = self.open.iter().rposition(|open| open.bracket == opening) else {
            let (at, write) = match self.open.pop() {
                // the wrong kind of bracket
                Some(open) => (place.0..place.0 + 1, closer(open.bracket).to_string()),
                None => (place.0..place.0 + 1, String::new()),
            };
            return self.note(Flaw { kind: Kind::TooMany(c), opened: place, at, write });
        };
        let missing: Vec<Open> = self.open.drain(partner + 1..).collect();
        self.open.pop();
        if let Some(first) = missing.first() {
            let (kind, opened) = (Kind::Unclosed(first.bracket), (first.at, first.line));
            let behind = self.last.0;
            self.note(Flaw { kind, opened, at: behind..behind, write: closers(&missing) });
        }
    }

    /// Ends a statement whose brackets are open.
    fn close(&mut self) {
        if let Some(first) = self.open.first() {
            let (kind, opened) = (Kind::Unclosed(first.bracket), (first.at, first.line));
            let (behind, write) = (self.last.0, closers(&self.open));
            self.note(Flaw { kind, opened, at: behind..behind, write });
        }
        self.open.clear();
    }

    fn note(&mut self, flaw: Flaw) {
        self.flaw.get_or_insert(flaw);
    }

    /// Ends the statement that was begun, before this line.
    fn finish(&mut self, line: usize) {
        if let Some(begun) = self.begun.take() {
            self.found.push(Statement { lines: begun..line.max(begun + 1), flaw: self.flaw.take() });
        }
    }

    fn end(&mut self) {
        let last = self.last.1.max(self.string.map_or(0, |(_, _, line)| line));
        if let Some((_, at, line)) = self.string {
            self.note(Flaw { kind: Kind::EndlessString, opened: (at, line), at: at..at, write: String::new() });
        }
        self.close();
        self.finish(last + 1);
    }
}

fn closer(bracket: char) -> char {
    if bracket == '[' { ']' } else { '}' }
}

/// What closes these brackets.
fn closers(open: &[Open]) -> String {
    open.iter().rev().map(|open| if open.bracket == '[' { "]" } else { " }" }).collect()
}

/// Where the value of a line begins; its end where it has none.
fn value_of(line: &str) -> usize {
    if line.trim_start().starts_with('[') {
        return line.len();
    }
    let sign = line.find('=').or_else(|| line.find(':'));
    sign.map_or(line.len(), |at| at + 1)
}

/// Where a string that begins at `at` has its end.
enum StringEnd {
    At(usize),
    /// In another line, at these quotes.
    Below(&'static str),
    Nowhere,
}

fn string_end(line: &str, at: usize) -> StringEnd {
    for quotes in ["\"\"\"", "'''"] {
        if line[at..].starts_with(quotes) {
            let behind = at + quotes.len();
            return line[behind..].find(quotes).map_or(StringEnd::Below(quotes), |end| StringEnd::At(behind + end + 3));
        }
    }
    let quote = line[at..].chars().next();
    let mut is_escaped = false;
    for (index, c) in line[at + 1..].char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if quote == Some('"') => is_escaped = true,
            c if Some(c) == quote => return StringEnd::At(at + 1 + index + 1),
            _ => {}
        }
    }
    StringEnd::Nowhere
}

/// Whether a line is a header, and no array that stands in a line of its own.
pub(super) fn is_header(code: &str) -> bool {
    let code = code.split('#').next().unwrap_or_default().trim();
    let Some(inner) = code.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else { return false };
    let name = inner.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(inner).trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '"' | '\'');
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(is_name) && !VALUES.contains(&name)
}

/// Whether a line begins with a key and a sign of equality.
fn is_assignment(code: &str) -> bool {
    let key = code.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    let is_key = key.len() < code.len() && code.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest = key.trim_start();
    is_key && rest.starts_with('=') && !rest.starts_with("==")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text after what is said of its first flaw.
    fn mended(text: &str) -> Option<(Kind, String)> {
        let flaw = statements(text).into_iter().find_map(|statement| statement.flaw)?;
        Some((flaw.kind, [&text[..flaw.at.start], &flaw.write, &text[flaw.at.end..]].concat()))
    }

    #[test]
    fn what_begins_a_statement_ends_the_one_before() {
        for (text, kind, meant) in [
            ("a = { b = 1\nc = 2\n", Kind::Unclosed('{'), "a = { b = 1 }\nc = 2\n"),
            ("a = { b = 1 # x\n\n[c]\n", Kind::Unclosed('{'), "a = { b = 1 } # x\n\n[c]\n"),
            ("a = [1, 2\n[c.d]\n", Kind::Unclosed('['), "a = [1, 2]\n[c.d]\n"),
            ("a = [1, 2\nb = 1\n", Kind::Unclosed('['), "a = [1, 2]\nb = 1\n"),
            ("a = [\n  1,\n  2\n[[c]]\n", Kind::Unclosed('['), "a = [\n  1,\n  2]\n[[c]]\n"),
            ("a = [{ b = 1\nc = 2", Kind::Unclosed('['), "a = [{ b = 1 }]\nc = 2"),
            ("a = [{ b = 1 ]\nc = 2", Kind::Unclosed('{'), "a = [{ b = 1 } ]\nc = 2"),
            ("a = { b = [1 }\n", Kind::Unclosed('['), "a = { b = [1] }\n"),
            ("a = [1]]\n", Kind::TooMany(']'), "a = [1]\n"),
            ("a = [1}\n", Kind::TooMany('}'), "a = [1]\n"),
            ("a = [1)\n", Kind::TooMany(')'), "a = [1]\n"),
            ("a = {\n  b = 1\n  c = 2\n}\n", Kind::NoComma, "a = {\n  b = 1,\n  c = 2\n}\n"),
            ("a = [1", Kind::Unclosed('['), "a = [1]"),
        ] {
            assert_eq!(mended(text), Some((kind, meant.to_owned())), "{text}");
        }
        assert_eq!(mended("a = \"\"\"\nb\nc\n").map(|(kind, _)| kind), Some(Kind::EndlessString));
    }

    #[test]
    fn what_goes_together_has_no_flaw() {
        for text in [
            "a = [\n  [true],\n  [1.5],\n  [\"x\"],\n]\nb = { c = \"}\" } # ]\n[d]\n[[e.f]]\n",
            "a = {\n  b = 1,\n  c = 2,\n}\n",
            "a = '''\n[ {\n'''\nb = \"\"\"x\"\"\"\n",
            "a = [ # [\n  { b = '[' },\n]\n",
            "a = \"[\\\"[\"\n",
        ] {
            assert_eq!(mended(text), None, "{text}");
        }
    }

    #[test]
    fn statements_are_in_their_lines() {
        let lines = |text: &str| statements(text).into_iter().map(|statement| statement.lines).collect::<Vec<_>>();
        assert_eq!(lines("a = 1\n\n[b]\nc = [\n 1\n]\n"), [0..1, 2..3, 3..6]);
        assert_eq!(lines("a = [1\nb = 2\n"), [0..1, 1..2]);
    }
}
