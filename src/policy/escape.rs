//! How the value of a variable is written into a body, so that what a client sends is neither markup nor program there.

use http::header::HeaderValue;

/// How the value of a variable is written into a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// As it is.
    Nothing,
    /// With character references for what HTML and XML have a meaning for.
    Markup,
    /// In an attribute without quotes: with a character reference for all but letters and digits.
    Bare,
    /// As (a part of) a URL in an attribute: what is filled in makes neither another host nor another scheme of it.
    Link,
    /// In an attribute whose value is HTML again (`srcdoc`): with character references of character references.
    Nested,
    /// As a part of a JSON string (RFC 8259, section 7).
    Json,
    /// In a script: `\u003c` for all but letters and digits, which means the character within strings, and no operator outside of them.
    Script,
    /// In a style sheet: `\00003c` for all but letters and digits, which is never more than a part of a name or of a string.
    Style,
    /// Not at all, where nothing can be made safe: in the name of a tag or of an attribute.
    Omitted,
}

/// Types of texts that no program reads as anything else, and that may be filled in as they are.
const PLAIN: [&str; 7] = [
    "text/plain",
    "text/csv",
    "text/tab-separated-values",
    "text/markdown",
    "text/event-stream",
    "text/yaml",
    "text/uri-list",
];

impl Escape {
    /// What is right for bodies of this type. What browsers may take for HTML, because the type says nothing to them (MIME Sniffing, section 7), is written as HTML is.
    pub fn of(content_type: &HeaderValue) -> Self {
        let text = String::from_utf8_lossy(content_type.as_bytes()).to_ascii_lowercase();
        let kind = text.split(';').next().unwrap_or_default().trim();
        let is_token = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
        };
        let Some((main, sub)) = kind.split_once('/').filter(|(main, sub)| is_token(main) && is_token(sub)) else {
            return Self::Markup;
        };
        match (main, sub) {
            (_, sub) if sub == "json" || sub.ends_with("+json") => Self::Json,
            ("text" | "application", sub) if sub.contains("javascript") || sub.contains("ecmascript") => Self::Script,
            ("text", "jscript" | "livescript" | "vbscript") => Self::Script,
            ("text", "css") => Self::Style,
            ("text", _) if PLAIN.contains(&kind) => Self::Nothing,
            ("text" | "multipart" | "message" | "unknown" | "*", _) => Self::Markup,
            ("application", "xml" | "unknown") => Self::Markup,
            (_, sub) if sub.ends_with("+xml") || sub == "*" => Self::Markup,
            _ => Self::Nothing,
        }
    }

    /// Writes bytes that are visible ASCII, or spaces.
    pub fn put(self, out: &mut Vec<u8>, value: &[u8]) {
        for &byte in value {
            match self {
                Self::Nothing => out.push(byte),
                Self::Omitted => {}
                Self::Json if matches!(byte, b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
                Self::Json => out.push(byte),
                Self::Markup => put_markup(out, byte, b"&"),
                Self::Nested => put_markup(out, byte, b"&amp;"),
                Self::Link => put_link(out, byte),
                _ if byte.is_ascii_alphanumeric() => out.push(byte),
                Self::Bare => put_hex(out, b"&#x", byte, b";"),
                Self::Script => put_hex(out, b"\\u00", byte, b""),
                // six digits are the most, so that none of what follows is one of them
                Self::Style => put_hex(out, b"\\0000", byte, b""),
            }
        }
    }
}

/// A byte in markup; `sign` is the one that begins a character reference.
fn put_markup(out: &mut Vec<u8>, byte: u8, sign: &[u8]) {
    let name: &[u8] = match byte {
        b'&' => b"amp;",
        b'<' => b"lt;",
        b'>' => b"gt;",
        b'"' => b"quot;",
        b'\'' => b"#39;",
        _ => return out.push(byte),
    };
    out.extend_from_slice(sign);
    out.extend_from_slice(name);
}

fn put_hex(out: &mut Vec<u8>, before: &[u8], byte: u8, after: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(before);
    out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    out.extend_from_slice(after);
}

/// A byte of a URL. What stands before it in the attribute says what it would mean: a second slash at the beginning makes the next word a host (and browsers take a
/// backslash for a slash), a colon before the first slash makes the word a scheme, such as `javascript:`.
fn put_link(out: &mut Vec<u8>, byte: u8) {
    let before = out.iter().rev().take_while(|byte| !b"\"'=(,; \t\r\n>".contains(byte));
    match byte {
        b'/' if out.last() == Some(&b'/') && before.clone().all(|byte| *byte == b'/') => {}
        b':' if !before.clone().any(|byte| b"/?#".contains(byte)) => out.extend_from_slice(b"%3A"),
        b'\\' => out.extend_from_slice(b"%5C"),
        b' ' => out.extend_from_slice(b"%20"),
        _ => put_markup(out, byte, b"&"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content_type: &'static str) -> Escape {
        Escape::of(&HeaderValue::from_static(content_type))
    }

    fn written(escape: Escape, before: &str, value: &str) -> String {
        let mut out = before.as_bytes().to_vec();
        escape.put(&mut out, value.as_bytes());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_content_type_says_how_values_are_written() {
        for html in ["text/html; charset=utf-8", "Text/HTML", "application/xhtml+xml", "image/svg+xml", "text/xml"] {
            assert_eq!(of(html), Escape::Markup, "{html}");
        }
        for json in ["application/problem+json", "application/json", "text/json"] {
            assert_eq!(of(json), Escape::Json, "{json}");
        }
        for script in ["text/javascript", "application/javascript; charset=utf-8", "application/x-javascript"] {
            assert_eq!(of(script), Escape::Script, "{script}");
        }
        assert_eq!((of("text/css"), of("text/plain; charset=utf-8")), (Escape::Style, Escape::Nothing));
        assert_eq!((of("application/octet-stream"), of("text/csv")), (Escape::Nothing, Escape::Nothing));
        // browsers look for HTML in what says nothing to them
        for unknown in ["", "html", "text/", "a b/c", "*/*", "unknown/unknown", "application/unknown", "text/x-made-up"]
        {
            assert_eq!(of(unknown), Escape::Markup, "{unknown}");
        }
    }

    #[test]
    fn values_mean_nothing_where_they_are_written() {
        let value = r#"<a b="c\'&">"#;
        for (escape, wanted) in [
            (Escape::Nothing, value),
            (Escape::Markup, r#"&lt;a b=&quot;c\&#39;&amp;&quot;&gt;"#),
            (Escape::Json, r#"<a b=\"c\\'&\">"#),
            (Escape::Bare, "&#x3c;a&#x20;b&#x3d;&#x22;c&#x5c;&#x27;&#x26;&#x22;&#x3e;"),
            (Escape::Nested, r#"&amp;lt;a b=&amp;quot;c\&amp;#39;&amp;amp;&amp;quot;&amp;gt;"#),
            (Escape::Script, r"\u003ca\u0020b\u003d\u0022c\u005c\u0027\u0026\u0022\u003e"),
            (Escape::Style, r"\00003ca\000020b\00003d\000022c\00005c\000027\000026\000022\00003e"),
            (Escape::Omitted, ""),
        ] {
            assert_eq!(written(escape, "", value), wanted, "{escape:?}");
        }
    }

    #[test]
    fn a_value_makes_neither_another_host_nor_another_scheme_of_a_link() {
        for (before, value, wanted) in [
            ("<a href=\"", "//evil.example/a//b", "/evil.example/a//b"),
            ("<a href=\"/", "/evil.example/", "evil.example/"),
            ("<a href=\"", "/\\evil.example", "/%5Cevil.example"),
            ("<a href=\"", "\\\\evil.example", "%5C%5Cevil.example"),
            ("<a href=\"", "javascript:alert(1)", "javascript%3Aalert(1)"),
            ("<a href=\"https://", "a.example:8080", "a.example:8080"),
            ("<a href=\"https://a.example", "/x:y\"z", "/x:y&quot;z"),
            ("<meta content=\"0; url=", "//evil.example", "/evil.example"),
        ] {
            assert_eq!(written(Escape::Link, before, value), format!("{before}{wanted}"));
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_but_letters_digits_and_their_escapes_comes_into_scripts_and_styles(value in "[ -~]{0,30}") {
            for (escape, sign) in [(Escape::Script, '\\'), (Escape::Style, '\\')] {
                let text = written(escape, "", &value);
                proptest::prop_assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || c == sign), "{}", text);
            }
            for escape in [Escape::Markup, Escape::Link, Escape::Nested, Escape::Bare] {
                let text = written(escape, "", &value);
                proptest::prop_assert!(!text.contains(['<', '>', '"', '\'']), "{}", text);
            }
        }
    }
}
