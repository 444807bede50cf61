//! Tokens of a Caddyfile.

use std::rc::Rc;

use crate::convert::output::Place;

/// Stands before the name of a variable of the environment (`{$NAME}`) in the text of a token, and [`END`] behind it.
pub const ENVIRONMENT: char = '\u{e000}';
/// Ends a name that began with [`ENVIRONMENT`].
pub const END: char = '\u{e001}';

/// A word of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// Without its quotes.
    pub text: String,
    /// Whether it stood in quotes, and so is no brace.
    pub quoted: bool,
    /// Where it stands.
    pub place: Place,
    /// The line on which it begins and the one on which it ends, where lines that are joined are one.
    lines: (usize, usize),
}

impl Token {
    /// Whether it is this sign, and no text.
    pub fn is(&self, sign: &str) -> bool {
        !self.quoted && self.text == sign
    }

    /// Whether the other one begins on a later line.
    pub fn before_line_of(&self, next: &Self) -> bool {
        self.place.file != next.place.file || self.lines.1 < next.lines.0
    }

    /// The same place with another text.
    pub fn with(&self, text: String) -> Self {
        Self { text, ..self.clone() }
    }
}

/// Takes a text apart.
///
/// # Errors
/// The line and what is wrong there.
pub fn tokens(text: &str, file: &Rc<str>) -> Result<Vec<Token>, (usize, String)> {
    let mut lexer = Lexer { chars: text.trim_start_matches('\u{feff}').chars().collect(), at: 0, line: 1, joined: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next(file)? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    /// As lines count for what belongs together: a line that is joined to the one before has its number.
    line: usize,
    /// Lines that were joined to this one.
    joined: usize,
}

impl Lexer {
    fn next(&mut self, file: &Rc<str>) -> Result<Option<Token>, (usize, String)> {
        loop {
            match self.chars.get(self.at).copied() {
                None => return Ok(None),
                Some('\n') => {
                    self.at += 1;
                    self.line += 1 + std::mem::take(&mut self.joined);
                }
                Some('\\') if self.chars.get(self.at + 1) == Some(&'\n') => {
                    self.at += 2;
                    self.joined += 1;
                }
                Some('\\')
                    if self.chars.get(self.at + 1) == Some(&'\r') && self.chars.get(self.at + 2) == Some(&'\n') =>
                {
                    self.at += 3;
                    self.joined += 1;
                }
                Some(c) if c.is_whitespace() => self.at += 1,
                Some('#') => {
                    while self.chars.get(self.at).is_some_and(|c| *c != '\n') {
                        self.at += 1;
                    }
                }
                Some(quote @ ('"' | '`')) => return self.quoted(quote, file).map(Some),
                Some('<') if self.heredoc_marker().is_some() => return self.heredoc(file).map(Some),
                Some(_) => return Ok(Some(self.plain(file))),
            }
        }
    }

    /// A token that began on this line, and with so many lines joined to that.
    fn token(&self, text: String, quoted: bool, (line, joined): (usize, usize), file: &Rc<str>) -> Token {
        let text = if text.contains("{$") { environment(&text) } else { text };
        Token { text, quoted, place: Place::new(file, line + joined), lines: (line, self.line) }
    }

    fn plain(&mut self, file: &Rc<str>) -> Token {
        let mut text = String::new();
        while let Some(c) = self.chars.get(self.at).copied().filter(|c| !c.is_whitespace()) {
            if c == '\\' {
                match self.chars.get(self.at + 1) {
                    Some('\n' | '\r') => break,
                    Some('<') if text.is_empty() => {
                        self.at += 1;
                        continue;
                    }
                    _ => {}
                }
            }
            text.push(c);
            self.at += 1;
        }
        self.token(text, false, (self.line, self.joined), file)
    }

    fn quoted(&mut self, quote: char, file: &Rc<str>) -> Result<Token, (usize, String)> {
        let begin = (self.line, self.joined);
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(c) = self.chars.get(self.at).copied() else {
                return Err((begin.0 + begin.1, "a quoted text has no end".to_owned()));
            };
            self.at += 1;
            match c {
                c if c == quote => return Ok(self.token(text, true, begin, file)),
                '\\' if quote == '"' && self.chars.get(self.at) == Some(&'"') => {
                    text.push('"');
                    self.at += 1;
                }
                '\n' => {
                    text.push('\n');
                    self.line += 1 + std::mem::take(&mut self.joined);
                }
                c => text.push(c),
            }
        }
    }

    /// The word behind `<<` that ends a text of several lines.
    fn heredoc_marker(&self) -> Option<String> {
        let rest = self.chars.get(self.at..)?.strip_prefix(&['<', '<'])?;
        let end = rest.iter().position(|c| *c == '\n')?;
        let marker: String = rest[..end].iter().filter(|c| **c != '\r').collect();
        let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (!marker.is_empty() && marker.chars().all(good)).then_some(marker)
    }

    fn heredoc(&mut self, file: &Rc<str>) -> Result<Token, (usize, String)> {
        let begin = (self.line, self.joined);
        let marker = self.heredoc_marker().unwrap_or_default();
        let mut lines: Vec<String> = Vec::new();
        let mut line = String::new();
        while self.chars.get(self.at).is_some_and(|c| *c != '\n') {
            self.at += 1;
        }
        self.at += 1;
        self.line += 1;
        loop {
            let Some(c) = self.chars.get(self.at).copied() else {
                return Err((begin.0 + begin.1, format!("a text that begins with <<{marker} has no end")));
            };
            self.at += 1;
            if c == '\n' {
                lines.push(std::mem::take(&mut line));
                self.line += 1;
                continue;
            }
            line.push(c);
            if let Some(padding) = line.strip_suffix(marker.as_str()) {
                let padding = padding.to_owned();
                let plain =
                    lines.iter().map(|line| line.strip_prefix(padding.as_str()).unwrap_or(line).trim_end_matches('\r'));
                let text = plain.collect::<Vec<_>>().join("\n");
                return Ok(self.token(text, true, begin, file));
            }
        }
    }
}

/// `{$NAME}` with signs around the name; with a default, the default.
fn environment(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(open) = rest.find("{$") {
        let Some(end) = rest[open..].find('}') else { break };
        out.push_str(&rest[..open]);
        let inner = &rest[open + 2..open + end];
        match inner.split_once(':') {
            Some((_, default)) => out.push_str(default),
            None => {
                out.push(ENVIRONMENT);
                out.push_str(inner);
                out.push(END);
            }
        }
        rest = &rest[open + end + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<(String, usize)> {
        tokens(text, &Rc::from("a")).unwrap().into_iter().map(|token| (token.text, token.place.line)).collect()
    }

    #[test]
    fn words_quotes_comments_and_joined_lines() {
        let text = "a.com {\n  x \"b \\\"c\\\" \\d\" `e \"f` # comment\n  y g \\\n    h#i\n}\n";
        let words = told(text);
        let plain: Vec<_> = words.iter().map(|(text, line)| (text.as_str(), *line)).collect();
        assert_eq!(
            plain,
            [
                ("a.com", 1),
                ("{", 1),
                ("x", 2),
                ("b \"c\" \\d", 2),
                ("e \"f", 2),
                ("y", 3),
                ("g", 3),
                ("h#i", 4),
                ("}", 5)
            ]
        );
        let tokens = tokens("y g \\\n h\nz", &Rc::from("a")).unwrap();
        assert!(!tokens[1].before_line_of(&tokens[2]) && tokens[2].before_line_of(&tokens[3]));
    }

    #[test]
    fn a_text_of_several_lines_loses_the_space_before_its_end() {
        assert_eq!(told("respond <<END\n  a\n   b\n  END 200\nx")[1].0, "a\n b");
        assert_eq!(told("respond <<END\n  a\n  END 200\nx").last().unwrap(), &("x".to_owned(), 4));
    }

    #[test]
    fn variables_of_the_environment_are_marked() {
        assert_eq!(told("{$HOST}:{$PORT:80}")[0].0, format!("{ENVIRONMENT}HOST{END}:80"));
    }

    #[test]
    fn texts_without_an_end_are_told() {
        assert_eq!(tokens("a\n\"b", &Rc::from("a")).unwrap_err().0, 2);
        assert!(tokens("a <<X\nb", &Rc::from("a")).is_err());
    }
}
