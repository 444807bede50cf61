//! What is code in a Rust file, and what is not.

/// Whether this may stand in a name.
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The code with comments, texts and characters replaced by spaces, so that lines and everything else stay in place.
pub fn blank_out(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word_before = code.chars().next_back().is_some_and(is_word);
        let skip = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => quoted(rest),
            'r' if !word_before || code.ends_with('b') => raw_text(rest).unwrap_or(0),
            '\'' => character(rest).unwrap_or(0),
            _ => 0,
        };
        let (blank, keep) = if skip > 0 { (skip, 0) } else { (0, first.len_utf8()) };
        code.extend(rest[..blank].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        code.push_str(&rest[..keep]);
        rest = &rest[blank + keep..];
    }
    code
}

/// Blanked code without what is compiled for tests only.
#[derive(Debug, Default)]
pub struct Untested {
    /// The code; modules behind `#[cfg(test)]` are blanked as well.
    pub code: String,
    /// How many lines those modules have.
    pub lines_of_tests: usize,
    /// The names of such modules that are files of their own.
    pub files_of_tests: Vec<String>,
}

/// Takes the tests out of blanked code.
pub fn without_tests(code: &str) -> Untested {
    const MARK: &str = "#[cfg(test)]";
    let mut found = Untested::default();
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        found.code.push_str(&rest[..at]);
        rest = &rest[at..];
        let (file, length) = test_module(&rest[MARK.len()..]);
        let (tests, after) = rest.split_at(MARK.len() + length);
        found.files_of_tests.extend(file);
        found.lines_of_tests += if length > 0 { tests.lines().count() } else { 0 };
        found.code.extend(tests.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = after;
    }
    found.code.push_str(rest);
    found
}

/// What stands behind `#[cfg(test)]`: the name of a module in a file of its own, and the length of the module here. The length
/// is 0 where it is no module.
fn test_module(code: &str) -> (Option<String>, usize) {
    let mut item = code.trim_start();
    while item.starts_with("#[") {
        item = item[item.find(']').map_or(item.len(), |end| end + 1)..].trim_start();
    }
    let visibility = item.find("mod ").filter(|at| item[..*at].chars().all(|c| is_word(c) || "() :".contains(c)));
    let Some(module) = visibility.map(|at| &item[at + "mod ".len()..]) else { return (None, 0) };
    let (name, after) = module.split_at(module.find(|c| !is_word(c)).unwrap_or(module.len()));
    let before = code.len() - after.len();
    if after.starts_with(';') {
        return (Some(name.to_owned()), before + 1);
    }
    (None, before + after.find('{').and_then(|at| Some(at + block(&after[at..])?)).unwrap_or(0))
}

/// Length of a block of blanked code that begins with a brace.
pub fn block(code: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// Length of a block comment, comments inside it included.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// Length of a text in double quotes.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Length of a raw text, `r"..."` or `r#"..."#`.
fn raw_text(text: &str) -> Option<usize> {
    let hashes = text[1..].chars().take_while(|c| *c == '#').count();
    let body = text[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = text.len() - body.len();
    Some(body.find(&end).map_or(text.len(), |at| start + at + end.len()))
}

/// Length of a character literal; none for a lifetime.
fn character(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        chars.next();
        return chars.find(|(_, c)| *c == '\'').map(|(at, _)| at + 1);
    }
    chars.next().filter(|(_, c)| *c == '\'').map(|(at, _)| at + 1)
}
