//! Regular expressions of others, in the syntax of ours.

/// Letters in either case.
const FLAGS: &str = "(?i)";

/// An expression that fits letters in either case. Paths are ASCII (see [`of_path`]), so whether that is told by the tables of Unicode makes no difference.
pub fn insensitive(regex: &str) -> String {
    format!("{FLAGS}{regex}")
}

/// An expression over decoded paths, as one over the paths that routes compare: there a space, and what is not ASCII, is percent-encoded, in capitals. In a
/// class such a character can't be written, and is left: `check` tells of it.
pub fn of_path(regex: &str) -> String {
    let mut out = String::new();
    let mut chars = regex.chars();
    let mut class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c) if c.is_ascii() || class => out.extend(['\\', c]),
                Some(c) => encoded(&mut out, c),
                None => out.push('\\'),
            },
            c if class || c.is_ascii() && c != ' ' => {
                class = if class { c != ']' } else { c == '[' };
                out.push(c);
            }
            c => encoded(&mut out, c),
        }
    }
    out
}

/// One character, as a group of its own, so that what is said of it behind it is said of all of its bytes.
fn encoded(out: &mut String, c: char) {
    out.push_str("(?:");
    c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| out.push_str(&format!("%{byte:02X}")));
    out.push(')');
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
    let inner = if flags.is_empty() { format!("(?:{inner})") } else { format!("(?i:{inner})") };
    Within::Fits(format!("{begin}.*{inner}"))
}

/// Whether an expression as a whole has alternatives: `a|b`, not `(a|b)`.
pub fn has_alternatives(regex: &str) -> bool {
    let (mut depth, mut class) = (0, false);
    let mut chars = regex.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            // what stands in a class is no sign
            ']' => class = false,
            _ if class => {}
            '[' => class = true,
            '(' => depth += 1,
            ')' => depth -= 1,
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
    Within::Fits(if flags.is_empty() { format!("^{begin}{rest}") } else { format!("^{begin}(?i:{rest})") })
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
    fn what_is_not_ascii_is_compared_as_routes_compare_it() {
        assert_eq!(of_path(r"^/\w+/été?$"), "^/\\w+/(?:%C3%A9)t(?:%C3%A9)?$");
        assert_eq!(of_path("^/a b[c d]$"), "^/a(?:%20)b[c d]$");
        for regex in ["^/été/[a-z]+$", "/caf(é|e)$", "^/straße", r"\.(é|php)$", "ÿ|ß$"] {
            let ours = regex::Regex::new(&insensitive(&of_path(regex))).unwrap();
            let theirs = regex::bytes::RegexBuilder::new(regex).unicode(false).case_insensitive(true).build().unwrap();
            for path in [
                "/été/ab",
                "/Été/ab",
                "/éTé/AB",
                "/ete/ab",
                "/CAFé",
                "/cafe",
                "/STRAßE/x",
                "/strasse",
                "/a.é",
                "/a.PHP",
                "/ÿ",
            ] {
                let sent: String = path
                    .bytes()
                    .map(|byte| if byte.is_ascii() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
                    .collect();
                assert_eq!(ours.is_match(&sent), theirs.is_match(path.as_bytes()), "{regex} {path}");
            }
        }
    }

    #[test]
    fn an_expression_within_a_prefix_fits_what_both_fit() {
        for (prefix, regex) in [
            ("/api", r"\.php$"),
            ("/a.b/", "(?i)X$"),
            ("/", "^/x"),
            ("/x", "^/x[0-9]"),
            ("/api", "[0-9]+/"),
            ("/api", "(?i)^/API(/|$)"),
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
