//! What a path means, however it is spelled.
//!
//! RFC 3986, section 6.2.2, names the spellings that always mean the same: a percent-encoded character that needs no encoding, hexadecimal
//! digits in lower case, dot segments. They are undone in the *normal form*, which may be passed on to a backend in place of what was sent.
//!
//! Routes compare a form that goes three steps further, because many backends do: parameters of segments (`/admin;x=1`, which servers of Java cut
//! off) are left out, slashes in a row count as one, and all visible characters are decoded that begin nothing else (`/%40admin` is `/@admin`). That form
//! is for the comparison only: to other backends these differences matter.
//!
//! What backends read in different ways, so that nobody can say what it means, is [ambiguous](Meaning::ambiguity): a listener can refuse it.

use std::borrow::Cow;

/// A path that is not spelled in the one way in which it could be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    /// The form that routes compare.
    pub compared: String,
    /// The normal form of RFC 3986.
    pub normal: String,
    /// Why programs may read the path in different ways; `None` = they may not.
    pub ambiguity: Option<&'static str>,
}

/// What a path means. `None`, which is nearly always the case and takes one scan: it means what it says, in both forms.
pub fn read(path: &str) -> Option<Meaning> {
    if is_plain(path.as_bytes()) {
        return None;
    }
    let mut ambiguity = None;
    let decoded = decoded(path, &mut ambiguity);
    let normal = without_dots(&decoded, &mut ambiguity);
    let compared = merged(&without_dots(&without_parameters(&with_visible(&normal)), &mut None));
    Some(Meaning { compared, normal, ambiguity })
}

/// The form of a route's condition that can take a path. The end of a prefix may be the beginning of a segment, so that dots there are no dot
/// segment: `/.` takes `/.git`.
pub fn condition(path: &str, is_prefix: bool) -> Cow<'_, str> {
    let last = path.rsplit('/').next().unwrap_or_default();
    if is_prefix && matches!(last, "." | "..") {
        let (start, dots) = path.split_at(path.len() - last.len());
        return match read(start) {
            Some(meaning) => (meaning.compared + dots).into(),
            None => path.into(),
        };
    }
    read(path).map_or(path.into(), |meaning| meaning.compared.into())
}

impl Meaning {
    /// What stands in the normal form behind the first `matched` bytes of the compared one. Where the two differ by more than parameters and slashes,
    /// it is the rest of the compared form.
    pub fn rest(&self, matched: usize) -> &str {
        let (mut compared, mut in_parameters, mut previous) = (0, false, 0);
        let (normal, mut next) = (self.normal.as_bytes(), 0);
        while let Some(&byte) = normal.get(next) {
            let at = next;
            let decoded = visible(&normal[at..]);
            next += if decoded.is_some() { 3 } else { 1 };
            let byte = decoded.unwrap_or(byte);
            let is_left_out = match byte {
                b'/' => {
                    in_parameters = false;
                    previous == b'/'
                }
                b';' => {
                    in_parameters = true;
                    true
                }
                _ => in_parameters,
            };
            if is_left_out {
                continue;
            }
            if compared == matched {
                return &self.normal[at..];
            }
            if self.compared.as_bytes().get(compared) != Some(&byte) {
                return self.compared.get(matched..).unwrap_or_default();
            }
            (compared, previous) = (compared + 1, byte);
        }
        ""
    }
}

/// Whether nothing in a path has another spelling: no escape, no parameter, no dot segment (or file whose name begins with a dot), no two slashes in a row.
fn is_plain(path: &[u8]) -> bool {
    // `*` of OPTIONS is no path
    if path.first() != Some(&b'/') {
        return true;
    }
    let mut previous = 0;
    for &byte in path {
        if matches!(byte, b'%' | b';') || (previous == b'/' && matches!(byte, b'/' | b'.')) {
            return false;
        }
        previous = byte;
    }
    true
}

/// The path with unreserved characters decoded and the digits of other escapes in upper case (RFC 3986, sections 6.2.2.1 and 6.2.2.2).
fn decoded(path: &str, ambiguity: &mut Option<&'static str>) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = memchr::memchr(b'%', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(byte) = escaped(rest.as_bytes()) else {
            ambiguity.get_or_insert("a `%` that no two hexadecimal digits follow");
            // written so that it can't become an escape with what is decoded behind it
            out.push_str("%25");
            continue;
        };
        let (digits, behind) = rest.split_at(2);
        rest = behind;
        if is_unreserved(byte) {
            out.push(char::from(byte));
            continue;
        }
        if let Some(why) = doubt(byte, behind.as_bytes()) {
            ambiguity.get_or_insert(why);
        }
        out.push('%');
        out.extend(digits.chars().map(|digit| digit.to_ascii_uppercase()));
    }
    out.push_str(rest);
    if is_encoded_twice(&out) {
        ambiguity.get_or_insert("a character that is encoded twice");
    }
    out
}

/// Whether an escaped `%` begins an escape of its own once it is decoded. What was decoded already counts: `%25%36%31` is `%2561` now.
fn is_encoded_twice(path: &str) -> bool {
    path.match_indices("%25").any(|(at, percent)| escaped(&path.as_bytes()[at + percent.len()..]).is_some())
}

/// The byte whose hexadecimal digits a text begins with.
fn escaped(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    u8::try_from(digit(0)? << 4 | digit(1)?).ok()
}

/// RFC 3986, section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Why programs don't agree about an encoded byte; `behind` is what follows it.
fn doubt(byte: u8, behind: &[u8]) -> Option<&'static str> {
    match byte {
        b'/' => Some("an encoded slash"),
        b'\\' => Some("an encoded backslash"),
        b';' => Some("an encoded semicolon"),
        0..0x20 | 0x7f => Some("an encoded control character"),
        // a character that is longer than it has to be: a decoder that is not strict takes `%C0%AF` for a slash (RFC 3629, section 10)
        0xc0 | 0xc1 => Some("an overlong encoding of UTF-8"),
        0xe0 if matches!(next_escaped(behind), Some(0x80..0xa0)) => Some("an overlong encoding of UTF-8"),
        0xf0 if matches!(next_escaped(behind), Some(0x80..0x90)) => Some("an overlong encoding of UTF-8"),
        _ => None,
    }
}

fn next_escaped(behind: &[u8]) -> Option<u8> {
    escaped(behind.strip_prefix(b"%")?)
}

/// The visible character whose escape a text begins with; not those that separate or begin something when they are decoded.
fn visible(text: &[u8]) -> Option<u8> {
    let byte = escaped(text.strip_prefix(b"%")?)?;
    (byte.is_ascii_graphic() && !matches!(byte, b'%' | b'/' | b'\\' | b';' | b'?' | b'#')).then_some(byte)
}

/// The path with its visible characters decoded.
fn with_visible(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return path.into();
    }
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = memchr::memchr(b'%', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match visible(rest.as_bytes()) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &rest[3..];
            }
            None => {
                out.push('%');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out.into()
}

/// The path without its dot segments (RFC 3986, section 5.2.4). The first byte is a slash.
fn without_dots(path: &str, ambiguity: &mut Option<&'static str>) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let mut all = path.split('/').skip(1).peekable();
    while let Some(segment) = all.next() {
        match segment {
            "." | ".." => {
                if segment == ".." && segments.pop() == Some("") {
                    ambiguity.get_or_insert("a dot segment behind an empty one");
                }
                // a path that ends in a dot segment is that of a folder
                if all.peek().is_none() {
                    segments.push("");
                }
            }
            _ => {
                if is_dots_with_parameter(segment) {
                    ambiguity.get_or_insert("a dot segment with a parameter");
                }
                segments.push(segment);
            }
        }
    }
    let mut out = String::with_capacity(path.len());
    for segment in segments {
        out.push('/');
        out.push_str(segment);
    }
    out
}

/// Whether it is a dot segment to servers that cut `;` off before they look at it.
fn is_dots_with_parameter(segment: &str) -> bool {
    matches!(segment.split_once(';'), Some(("." | "..", _)))
}

/// The path without what stands behind a `;` in its segments (RFC 3986, section 3.3).
fn without_parameters(path: &str) -> Cow<'_, str> {
    if !path.contains(';') {
        return path.into();
    }
    let mut out = String::with_capacity(path.len());
    for segment in path.split('/').skip(1) {
        out.push('/');
        out.push_str(segment.split(';').next().unwrap_or_default());
    }
    out.into()
}

/// The path with one slash for each row of them.
fn merged(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !part.is_empty()) {
        out.push('/');
        out.push_str(part);
    }
    if path.ends_with('/') {
        out.push('/');
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a path is compared as, what its normal form is, and why it is ambiguous.
    fn meaning(path: &str) -> (String, String, &'static str) {
        match read(path) {
            Some(Meaning { compared, normal, ambiguity }) => (compared, normal, ambiguity.unwrap_or("")),
            None => (path.to_owned(), path.to_owned(), ""),
        }
    }

    #[test]
    fn a_path_that_is_spelled_in_the_one_way_is_left_alone() {
        for path in ["/", "/a", "/a/b.c", "/a/b/", "/~me/x_y-z", "/a:b@c!$&'()*+,=d", "*", "", "/a..b/c."] {
            assert_eq!(read(path), None, "{path}");
        }
    }

    #[test]
    fn spellings_that_mean_the_same_have_one_normal_form() {
        for (path, normal) in [
            ("/%61dmin/", "/admin/"),
            ("/%7Euser", "/~user"),
            ("/a%2db%5Fc", "/a-b_c"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/a%20b", "/a%20b"),
            ("/x/../admin/", "/admin/"),
            ("/x/%2e%2E/admin", "/admin"),
            ("/./admin", "/admin"),
            ("/a/./b/.", "/a/b/"),
            ("/a/b/..", "/a/"),
            ("/..", "/"),
            ("/../../a", "/a"),
            // RFC 3986, section 5.2.4
            ("/a/b/c/./../../g", "/a/g"),
            ("/.well-known/x", "/.well-known/x"),
            ("/...", "/..."),
            ("/100%25", "/100%25"),
        ] {
            assert_eq!(meaning(path), (normal.to_owned(), normal.to_owned(), ""), "{path}");
        }
    }

    #[test]
    fn parameters_and_slashes_in_a_row_are_left_out_for_the_comparison_only() {
        for (path, compared, normal) in [
            ("//admin", "/admin", "//admin"),
            ("/fetch/http://a/b", "/fetch/http:/a/b", "/fetch/http://a/b"),
            ("/admin;x=1", "/admin", "/admin;x=1"),
            ("/admin;x=1/users;y", "/admin/users", "/admin;x=1/users;y"),
            ("/;x/admin", "/admin", "/;x/admin"),
            ("//", "/", "//"),
            ("///a//", "/a/", "///a//"),
        ] {
            assert_eq!(meaning(path), (compared.to_owned(), normal.to_owned(), ""), "{path}");
        }
    }

    #[test]
    fn visible_characters_are_decoded_for_the_comparison_only() {
        for (path, compared) in [
            ("/%40admin", "/@admin"),
            ("/a%3Ab%2cc%3d%28d%29", "/a:b,c=(d)"),
            ("/a%22%5e%7Cb", "/a\"^|b"),
            ("/%40;x%40/a%2B", "/@/a+"),
            ("/a%20b%25%3F%23", "/a%20b%25%3F%23"),
        ] {
            assert_eq!(meaning(path).0, compared, "{path}");
        }
        assert_eq!(meaning("/%40admin%2c").1, "/%40admin%2C");
    }

    #[test]
    fn what_programs_read_in_different_ways_is_ambiguous() {
        for (path, why) in [
            ("/admin%2f", "an encoded slash"),
            ("/a%5Cb", "an encoded backslash"),
            ("/admin%3bx", "an encoded semicolon"),
            ("/a%00", "an encoded control character"),
            ("/a%7f", "an encoded control character"),
            ("/%2561dmin", "a character that is encoded twice"),
            ("/%252e%252e/a", "a character that is encoded twice"),
            ("/%25%36%31dmin", "a character that is encoded twice"),
            ("/%256%31dmin", "a character that is encoded twice"),
            ("/x/%25%32%65%25%32%65/a", "a character that is encoded twice"),
            ("/100%", "a `%` that no two hexadecimal digits follow"),
            ("/%u0061dmin", "a `%` that no two hexadecimal digits follow"),
            ("/%c0%af", "an overlong encoding of UTF-8"),
            ("/%e0%80%af", "an overlong encoding of UTF-8"),
            ("/%f0%80%80%af", "an overlong encoding of UTF-8"),
            ("/x/..;/admin", "a dot segment with a parameter"),
            ("/.;x/admin", "a dot segment with a parameter"),
            ("/x/..%3bx/admin", "an encoded semicolon"),
            ("/x//../admin", "a dot segment behind an empty one"),
        ] {
            assert_eq!(meaning(path).2, why, "{path}");
        }
        for path in ["/%e4%b8%ad", "/%f0%9f%98%80", "/%e0%a4%85", "/a.;x", "/...;x", "/%25", "/%25zz"] {
            assert_eq!(meaning(path).2, "", "{path}");
        }
        assert_eq!(
            meaning("/x/..;/admin").0,
            "/admin",
            "where it is passed, it is compared as the most lenient reads it"
        );
    }

    #[test]
    fn the_rest_behind_a_match_is_that_of_the_normal_form() {
        let rest = |path: &str, matched: &str| read(path).unwrap().rest(matched.len()).to_owned();
        assert_eq!(rest("/v1/%61/b;x=1//c", "/v1/"), "a/b;x=1//c");
        assert_eq!(rest("//v1//a", "/v1/"), "a");
        assert_eq!(rest("/%40v1/%40a;x=%40//b", "/@v1/"), "%40a;x=%40//b");
        assert_eq!(rest("/v1;x/a;y", "/v1/"), "a;y");
        assert_eq!(rest("/v1/%61", "/v1/a"), "");
        assert_eq!(rest("/x/..;/v1/a", "/v1/"), "a");
    }

    #[test]
    fn conditions_are_written_as_paths_are_compared() {
        for (written, exact, prefix) in [
            ("/a", "/a", "/a"),
            ("/%61/", "/a/", "/a/"),
            ("/a%2fb", "/a%2Fb", "/a%2Fb"),
            ("/.", "/", "/."),
            ("/a//..", "/a/", "/a/.."),
            ("/.git", "/.git", "/.git"),
        ] {
            assert_eq!((&*condition(written, false), &*condition(written, true)), (exact, prefix), "{written}");
        }
    }

    /// A path of pieces that can be read in several ways.
    fn tricky() -> impl Strategy<Value = String> {
        const PIECES: [&str; 18] = [
            "a", "b", ".", "..", "/", "//", ";", ";x", "%2e", "%2F", "%61", "%25", "%", "%C0", "%ae", "-", "%3b", "%40",
        ];
        prop::collection::vec(prop::sample::select(&PIECES[..]), 0..14)
            .prop_map(|pieces| format!("/{}", pieces.concat()))
    }

    proptest! {
        #[test]
        fn forms_are_final(path in tricky()) {
            let Some(meaning) = read(&path) else { return Ok(()) };
            for form in [&meaning.normal, &meaning.compared] {
                prop_assert!(form.starts_with('/'));
            }
            if let Some(again) = read(&meaning.normal) {
                prop_assert_eq!(&again.normal, &meaning.normal);
                prop_assert_eq!(&again.compared, &meaning.compared);
                prop_assert!(again.ambiguity.is_none() || meaning.ambiguity.is_some(), "passed on, it would be refused");
            }
            if let Some(again) = read(&meaning.compared) {
                prop_assert_eq!(&again.compared, &meaning.compared);
            }
        }

        #[test]
        fn nothing_compared_has_a_dot_segment_an_empty_one_or_a_parameter(path in tricky()) {
            let Some(Meaning { compared, .. }) = read(&path) else { return Ok(()) };
            prop_assert!(!compared.contains(';') && !compared.contains("//"), "{}", compared);
            prop_assert!(compared.split('/').all(|segment| !matches!(segment, "." | "..")), "{}", compared);
        }

        #[test]
        fn a_rest_is_the_end_of_the_path(path in tricky(), matched in 1usize..8) {
            let Some(meaning) = read(&path) else { return Ok(()) };
            prop_assume!(matched <= meaning.compared.len());
            let rest = meaning.rest(matched);
            prop_assert!(meaning.normal.ends_with(rest) || meaning.compared.ends_with(rest));
        }
    }
}
