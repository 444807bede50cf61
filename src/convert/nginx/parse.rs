//! The grammar of `nginx.conf`: words, quotes, comments, blocks, and `include`.

use std::rc::Rc;

use crate::convert::original::Original;
use crate::convert::output::{Findings, Place};

/// Blocks within blocks; nginx' own files have five.
const DEPTH: usize = 64;
/// Files that are included, in each other and in all.
const INCLUDES: usize = 16;
const FILES: usize = 2_000;

/// A directive with its arguments, without their quotes.
#[derive(Debug, Clone)]
pub struct Directive {
    /// The first word.
    pub name: String,
    /// The others.
    pub args: Vec<String>,
    /// What stands between its braces.
    pub block: Option<Vec<Directive>>,
    /// Where it begins.
    pub place: Place,
}

impl Directive {
    /// An argument, or nothing.
    pub fn arg(&self, number: usize) -> &str {
        self.args.get(number).map_or("", String::as_str)
    }

    /// What stands between its braces.
    pub fn inner(&self) -> &[Directive] {
        self.block.as_deref().unwrap_or_default()
    }

    /// As it was written, shortened.
    pub fn text(&self) -> String {
        let mut text = self.name.clone();
        for arg in &self.args {
            text.push(' ');
            text.push_str(arg);
        }
        match text.char_indices().nth(60) {
            Some((at, _)) => format!("{}...", &text[..at]),
            None => text,
        }
    }
}

/// All directives of a file, with those of the files that it includes. What can't be read is an error, and the rest of that file is left out.
pub fn read(original: &Original<'_>, findings: &mut Findings) -> Vec<Directive> {
    let mut reader = Reader { original, findings, files: 0 };
    let file: Rc<str> = Rc::from(original.file);
    reader.file(&file, original.text, 0)
}

struct Reader<'a, 'f> {
    original: &'a Original<'a>,
    findings: &'f mut Findings,
    files: usize,
}

impl Reader<'_, '_> {
    fn file(&mut self, file: &Rc<str>, text: &str, includes: usize) -> Vec<Directive> {
        // editors of Windows begin a file with a byte order mark
        let mut tokens = Tokens { rest: text.trim_start_matches('\u{feff}'), line: 1 };
        let (directives, mistake) = block(&mut tokens, file, 0);
        if let Some((line, why)) = mistake {
            self.findings.error(
                &Place::new(file, line),
                "",
                why,
                "nothing behind it in this file was read: see what `nginx -t` says",
            );
        }
        self.included(directives, includes)
    }

    /// Puts what is included in the place of each `include`.
    fn included(&mut self, directives: Vec<Directive>, includes: usize) -> Vec<Directive> {
        let mut all = Vec::new();
        for mut directive in directives {
            if let Some(inner) = directive.block.take() {
                directive.block = Some(if directive.name == "types" { inner } else { self.included(inner, includes) });
            }
            if directive.name != "include" || directive.block.is_some() {
                all.push(directive);
                continue;
            }
            let pattern = directive.arg(0);
            // media types are known here by themselves
            if pattern.ends_with("mime.types") {
                continue;
            }
            all.extend(self.include(&directive, includes));
        }
        all
    }

    fn include(&mut self, directive: &Directive, includes: usize) -> Vec<Directive> {
        let (pattern, place) = (directive.arg(0), &directive.place);
        if includes >= INCLUDES || self.files >= FILES {
            let why = format!("more than {INCLUDES} includes in each other, or {FILES} in all: not read");
            self.findings.error(place, directive.text(), why, "does a file include itself?");
            return Vec::new();
        }
        match (self.original.files)(pattern) {
            Ok(files) => {
                let mut all = Vec::new();
                for (name, text) in files {
                    self.files += 1;
                    all.extend(self.file(&Rc::from(name), &text, includes + 1));
                }
                all
            }
            Err(why) => {
                let advice = "convert where the whole configuration is; `nginx -T` prints it in one piece";
                self.findings.error(place, directive.text(), format!("it can't be read: {why}"), advice);
                Vec::new()
            }
        }
    }
}

struct Tokens<'a> {
    rest: &'a str,
    line: usize,
}

enum Token {
    Word(String),
    Open,
    Close,
    End,
}

type Mistake = Option<(usize, String)>;

/// The directives up to the brace that closes the block, or to the end of the file.
fn block(tokens: &mut Tokens<'_>, file: &Rc<str>, depth: usize) -> (Vec<Directive>, Mistake) {
    let mut found = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut begins = 0;
    loop {
        let token = match tokens.next() {
            Ok(token) => token,
            Err(why) => return (found, Some((tokens.line, why))),
        };
        match token {
            Some(Token::Word(word)) => {
                if words.is_empty() {
                    begins = tokens.line - word.matches('\n').count();
                }
                words.push(word);
            }
            Some(Token::End) if words.is_empty() => {}
            Some(Token::End) => found.push(directive(&mut words, None, Place::new(file, begins))),
            Some(Token::Open) if words.is_empty() => {
                return (found, Some((tokens.line, "a block without a name".to_owned())));
            }
            Some(Token::Open) if depth >= DEPTH => {
                return (found, Some((tokens.line, format!("more than {DEPTH} blocks in each other"))));
            }
            Some(Token::Open) if words[0].ends_with("_by_lua_block") => {
                tokens.skip_block();
                found.push(directive(&mut words, Some(Vec::new()), Place::new(file, begins)));
            }
            Some(Token::Open) => {
                let place = Place::new(file, begins);
                let (inner, mistake) = block(tokens, file, depth + 1);
                found.push(directive(&mut words, Some(inner), place));
                if mistake.is_some() {
                    return (found, mistake);
                }
            }
            Some(Token::Close) if depth == 0 => {
                return (found, Some((tokens.line, "a `}` that nothing has opened".to_owned())));
            }
            Some(Token::Close) | None => {
                let open = token.is_none() && depth > 0;
                let mistake = match words.first() {
                    Some(word) => Some((begins, format!("`{word}` has no `;` at its end"))),
                    None => open.then(|| (tokens.line, "the file ends within a block: a `}` is missing".to_owned())),
                };
                return (found, mistake);
            }
        }
    }
}

fn directive(words: &mut Vec<String>, block: Option<Vec<Directive>>, place: Place) -> Directive {
    let mut args = std::mem::take(words);
    let name = if args.is_empty() { String::new() } else { args.remove(0) };
    Directive { name, args, block, place }
}

impl Tokens<'_> {
    fn next(&mut self) -> Result<Option<Token>, String> {
        self.skip_space();
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        let single = match first {
            '{' => Some(Token::Open),
            '}' => Some(Token::Close),
            ';' => Some(Token::End),
            _ => None,
        };
        if let Some(token) = single {
            self.advance(1);
            return Ok(Some(token));
        }
        let word = if matches!(first, '"' | '\'') { self.quoted(first)? } else { self.bare() };
        Ok(Some(Token::Word(word)))
    }

    fn advance(&mut self, bytes: usize) {
        let (before, after) = self.rest.split_at(bytes);
        self.line += before.matches('\n').count();
        self.rest = after;
    }

    fn skip_space(&mut self) {
        loop {
            let space = self.rest.len() - self.rest.trim_start().len();
            self.advance(space);
            if !self.rest.starts_with('#') {
                return;
            }
            self.advance(self.rest.find('\n').unwrap_or(self.rest.len()));
        }
    }

    /// A word in quotes: a backslash takes the meaning of what follows, but for letters that regular expressions have.
    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let mut word = String::new();
        let mut chars = self.rest[1..].char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => unescape(chars.next().map(|(_, c)| c), &mut word),
                c if c == quote => {
                    self.advance(1 + at + 1);
                    return Ok(word);
                }
                c => word.push(c),
            }
        }
        Err(format!("a text that begins with {quote} does not end"))
    }

    fn bare(&mut self) -> String {
        let mut word = String::new();
        let mut end = self.rest.len();
        let mut chars = self.rest.char_indices();
        let mut in_variable = false;
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => unescape(chars.next().map(|(_, c)| c), &mut word),
                '{' if word.ends_with('$') => {
                    in_variable = true;
                    word.push(c);
                }
                '}' if in_variable => {
                    in_variable = false;
                    word.push(c);
                }
                c if c.is_whitespace() || matches!(c, ';' | '{') || c == '}' => {
                    end = at;
                    break;
                }
                c => word.push(c),
            }
        }
        self.advance(end);
        word
    }

    /// To the brace that closes a block of another language.
    fn skip_block(&mut self) {
        let mut depth = 1;
        for (at, c) in self.rest.char_indices() {
            depth += i32::from(c == '{') - i32::from(c == '}');
            if depth == 0 {
                self.advance(at + 1);
                return;
            }
        }
        self.advance(self.rest.len());
    }
}

/// What a backslash and `c` stand for; of others than these, nginx keeps the backslash.
fn unescape(c: Option<char>, word: &mut String) {
    match c {
        Some(c @ ('"' | '\'' | '\\')) => word.push(c),
        Some('n') => word.push('\n'),
        Some('t') => word.push('\t'),
        Some('r') => word.push('\r'),
        other => {
            word.push('\\');
            word.extend(other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Vec<Directive>, Findings) {
        let files = |name: &str| match name {
            "conf.d/*.conf" => Ok(vec![
                ("conf.d/a.conf".to_owned(), "a 1;".to_owned()),
                ("conf.d/b.conf".to_owned(), "b;\nc;".to_owned()),
            ]),
            "self.conf" => Ok(vec![("self.conf".to_owned(), "include self.conf;".to_owned())]),
            _ => Err("there is no such file".to_owned()),
        };
        let mut findings = Findings::default();
        let found = read(&Original { file: "nginx.conf", text, files: &files }, &mut findings);
        (found, findings)
    }

    fn shown(directives: &[Directive]) -> String {
        let one = |d: &Directive| {
            let args: Vec<_> = d.args.iter().map(|arg| format!("<{arg}>")).collect();
            let inner = d.block.as_ref().map_or(String::new(), |inner| format!("{{{}}}", shown(inner)));
            format!("{}:{}{}{inner};", d.place.line, d.name, args.concat())
        };
        directives.iter().map(one).collect()
    }

    #[test]
    fn words_quotes_comments_and_blocks() {
        let (found, findings) = parse(
            "# a comment\nuser  www-data; # more\nhttp {\n  server { listen 80; }\n  log_format a '$x \"y\"'\n   ' z';\n}\n",
        );
        assert_eq!(shown(&found), "2:user<www-data>;3:http{4:server{4:listen<80>;};5:log_format<a><$x \"y\">< z>;};");
        assert!(findings.all().is_empty());
    }

    #[test]
    fn escapes_and_variables_in_braces_stay_in_their_words() {
        let (found, _) = parse(r#"a ${host}x "a\"b" \.php$ '^/x{1,2}' a\ b; location ~ \.(gif|png)$ { b; }"#);
        assert_eq!(shown(&found), r#"1:a<${host}x><a"b><\.php$><^/x{1,2}><a\ b>;1:location<~><\.(gif|png)$>{1:b;};"#);
    }

    #[test]
    fn included_files_take_the_place_of_their_include() {
        let (found, findings) = parse("include mime.types;\nhttp { include conf.d/*.conf; }");
        assert_eq!(shown(&found), "2:http{1:a<1>;1:b;2:c;};");
        assert_eq!(found[0].inner()[2].place.to_string(), "conf.d/b.conf:2");
        assert!(findings.all().is_empty());
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_word() {
        assert_eq!(shown(&parse("\u{feff}http { a; }").0), "1:http{1:a;};");
    }

    #[test]
    fn what_cannot_be_read_is_an_error_at_its_line() {
        for (text, line, why) in [
            ("a;\nb {\n c;\n", 4, "a `}` is missing"),
            ("a;\n}", 2, "nothing has opened"),
            ("a 'b", 1, "does not end"),
            ("http {\n a\n}", 2, "no `;`"),
            ("{ }", 1, "without a name"),
            ("include gone.conf;", 1, "no such file"),
            ("include self.conf;", 1, "in each other"),
        ] {
            let (_, findings) = parse(text);
            let found = findings.all();
            assert_eq!(found.len(), 1, "{text:?}: {found:?}");
            assert!(found[0].place.line == line && found[0].why.contains(why), "{text:?}: {found:?}");
        }
        let deep = "a {".repeat(10_000);
        assert!(parse(&deep).1.any_error());
    }

    #[test]
    fn nothing_makes_it_panic() {
        let seeds = ["http { server { listen 80; } }", "a 'b\\", "a \\", "\u{e9} {;}", "a_by_lua_block { if { } } b;"];
        for seed in seeds {
            for (at, _) in seed.char_indices() {
                parse(&seed[..at]);
                parse(&seed[at..]);
            }
        }
    }
}
