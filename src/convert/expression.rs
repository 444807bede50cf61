//! Regular expressions of others, in the syntax of ours.

/// Letters in either case, as our expressions have it: without tables of Unicode.
const FLAGS: &str = "(?i-u)";

/// An expression that fits letters in either case.
pub fn insensitive(regex: &str) -> String {
    let short = format!("{FLAGS}{regex}");
    // a dot may fit what is no text then, which is refused: there each letter is written twice
    if regex::Regex::new(&short).is_ok() { short } else { written_out(regex) }
}

/// Each letter as both of its cases.
fn written_out(regex: &str) -> String {
    let mut out = String::new();
    let mut chars = regex.chars().peekable();
    let mut class = false;
    let swapped = |c: char| if c.is_ascii_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() };
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                out.push(c);
                out.extend(chars.next());
            }
            '[' if !class => {
                class = true;
                out.push(c);
                if chars.peek() == Some(&'^') {
                    out.extend(chars.next());
                }
            }
            ']' => {
                class = false;
                out.push(c);
            }
            '(' if !class && chars.peek() == Some(&'?') => {
                out.push(c);
                for c in chars.by_ref() {
                    out.push(c);
                    if matches!(c, ':' | '>' | ')') {
                        break;
                    }
                }
            }
            c if c.is_ascii_alphabetic() && class => {
                out.push(c);
                if chars.peek() == Some(&'-') {
                    let mut ahead = chars.clone();
                    ahead.next();
                    if let Some(end) = ahead.next().filter(char::is_ascii_alphabetic) {
                        chars = ahead;
                        out.extend(['-', end, swapped(c), '-', swapped(end)]);
                        continue;
                    }
                }
                out.push(swapped(c));
            }
            c if c.is_ascii_alphabetic() => out.extend(['[', c, swapped(c), ']']),
            c => out.push(c),
        }
    }
    out
}

/// What an expression fits among the paths that begin with a prefix.
#[derive(Debug, PartialEq, Eq)]
pub enum Within {
    /// None of them.
    Nothing,
    /// What this expression fits.
    Fits(String),
    /// It can't be written without look-ahead.
    Unknown,
}

/// What `regex` fits among the paths that begin with `prefix`.
pub fn within(prefix: &str, regex: &str) -> Within {
    // every path begins with a slash
    if prefix == "/" {
        return Within::Fits(regex.to_owned());
    }
    let (flags, inner) = regex.strip_prefix(FLAGS).map_or(("", regex), |inner| (FLAGS, inner));
    let begin = format!("^{}", regex::escape(prefix));
    if let Some(anchored) = inner.strip_prefix('^').filter(|inner| !has_alternatives(inner)) {
        return behind(prefix, anchored, flags);
    }
    if inner.contains('^') {
        return Within::Unknown;
    }
    // what begins within the prefix is not found behind it
    let begins_within = regex::Regex::new(regex).is_ok_and(|known| known.is_match(prefix)) && !regex.ends_with('$');
    if begins_within {
        return Within::Unknown;
    }
    let inner = if flags.is_empty() { format!("(?:{inner})") } else { format!("(?i-u:{inner})") };
    Within::Fits(format!("{begin}.*{inner}"))
}

/// Whether an expression as a whole has alternatives: `a|b`, not `(a|b)`.
fn has_alternatives(regex: &str) -> bool {
    let mut depth = 0;
    let mut chars = regex.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '|' if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

/// The same of an expression that begins where the path does: its first letters and the prefix have to agree.
fn behind(prefix: &str, anchored: &str, flags: &str) -> Within {
    let same = |a: char, b: char| if flags.is_empty() { a == b } else { a.eq_ignore_ascii_case(&b) };
    let mut rest = anchored;
    for wanted in prefix.chars() {
        let (c, after) = match rest.strip_prefix('\\') {
            Some(escaped) => (escaped.chars().next().filter(|c| !c.is_ascii_alphanumeric()), escaped),
            None => (rest.chars().next().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_')), rest),
        };
        let Some(c) = c else { return Within::Unknown };
        let after = &after[c.len_utf8()..];
        if after.starts_with(['?', '*', '{', '+']) {
            return Within::Unknown;
        }
        if !same(c, wanted) {
            return Within::Nothing;
        }
        rest = after;
    }
    let begin = regex::escape(prefix);
    Within::Fits(if flags.is_empty() { format!("^{begin}{rest}") } else { format!("^{begin}(?i-u:{rest})") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_either_case_fit() {
        for regex in [r"\.(php|gif)$", r"^/a/.*\.[a-c]x$", r"^/(?:ab+|c)/[^x-z]$", r"/.\d[ab]"] {
            let ours = regex::Regex::new(&insensitive(regex)).unwrap();
            let theirs = regex::bytes::RegexBuilder::new(regex).unicode(false).case_insensitive(true).build().unwrap();
            for path in
                ["/A.PHP", "/a.gif", "/A/x.Bx", "/a/x.dX", "/aBBB/w", "/abbb/X", "/C/1", "/q1A", "/q1c", ".php/"]
            {
                assert_eq!(ours.is_match(path), theirs.is_match(path.as_bytes()), "{regex} {path}");
            }
        }
    }

    #[test]
    fn an_expression_within_a_prefix_fits_what_both_fit() {
        for (prefix, regex) in [
            ("/api", r"\.php$"),
            ("/a.b/", "(?i-u)X$"),
            ("/", "^/x"),
            ("/x", "^/x[0-9]"),
            ("/api", "[0-9]+/"),
            ("/api", "(?i-u)^/API(/|$)"),
        ] {
            let joined = match within(prefix, regex) {
                Within::Fits(joined) => regex::Regex::new(&joined).unwrap(),
                other => panic!("{other:?}: {prefix} {regex}"),
            };
            let alone = regex::Regex::new(regex).unwrap();
            for path in [
                "/api/a.php",
                "/api.php",
                "/apix",
                "/a.b/X",
                "/axb/x",
                "/x1",
                "/x",
                "/b.php",
                "/",
                "/api1/",
                "/api",
                "/API/",
            ] {
                assert_eq!(
                    joined.is_match(path),
                    path.starts_with(prefix) && alone.is_match(path),
                    "{prefix} {regex} {path}"
                );
            }
        }
        assert_eq!(within("/a", "^/b"), Within::Nothing);
        assert_eq!(within("/static", "^/v[0-9]+/"), Within::Nothing);
        assert_eq!(within("/v1/", "^/v[0-9]+/"), Within::Unknown);
        assert_eq!(within("/a", "a"), Within::Unknown);
    }
}
