//! Names of cookies and parameters as the many programs behind a proxy read them.
//!
//! Neither has a form that all agree on, so one that verifies a value has to know whether there is another value that somebody takes for the same: names are decoded by
//! frameworks (PHP did so for cookies until 7.4.11), spaces around them are cut off, PHP makes `_` of `.`, spaces and `[`, ASP.NET does not look at case. It is better
//! to see a second name where there is none than to miss one.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// The names of the parameters of a query. Some programs end a parameter at `;` as well.
pub(super) fn of_parameters(query: &[u8]) -> impl Iterator<Item = &[u8]> {
    let parameters = query.split(|byte| matches!(byte, b'&' | b';'));
    parameters.map(|parameter| parameter.split(|byte| *byte == b'=').next().unwrap_or_default())
}

/// The names of the cookies in a `Cookie` field: each word before a `=`. Besides `;`, a `,` (RFC 2109), a quote, and white space (the cookies of Python's library) end
/// what is before them to some.
pub(super) fn of_cookies(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let segments = field.split(|byte| matches!(byte, b';' | b',' | b'"'));
    segments.flat_map(|segment| {
        let mut previous = None;
        let words = segment.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.filter_map(move |word| match word.iter().position(|byte| *byte == b'=') {
            Some(0) => previous.take(),
            Some(end) => {
                previous = None;
                Some(&word[..end])
            }
            None => {
                previous = Some(word);
                None
            }
        })
    })
}

/// Whether some program takes the name that was sent for this one.
pub(super) fn reads_like(sent: &[u8], name: &str) -> bool {
    let sent: Cow<'_, [u8]> = percent_decode(sent).into();
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'+';
    let Some(start) = sent.iter().position(|byte| !is_space(byte)) else { return name.is_empty() };
    let end = sent.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    let sent = &sent[start..end];
    let simple = |byte: u8| match byte {
        b'.' | b'[' | b'+' | b' ' => b'_',
        other => other.to_ascii_lowercase(),
    };
    let is_same = |sent: &[u8]| sent.iter().copied().map(simple).eq(name.bytes().map(simple));
    // `t[]` is an element of `t`, and a NUL ends a text of C
    is_same(sent) || is_same(sent.split(|byte| matches!(byte, b'[' | 0)).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count<'a>(names: impl Iterator<Item = &'a [u8]>, name: &str) -> usize {
        names.filter(|sent| reads_like(sent, name)).count()
    }

    #[test]
    fn a_name_is_known_in_each_spelling_that_somebody_reads() {
        for sent in [
            "my_t",
            "%6dy_t",
            "my%5Ft",
            "my%5ft",
            "MY_T",
            "my.t",
            "my%20t",
            "my+t",
            "+my_t",
            "%20my_t%09",
            "my_t[]",
            "my[t",
            "my_t%00x",
            "my_t[x][y]",
        ] {
            assert!(reads_like(sent.as_bytes(), "my_t"), "{sent}");
        }
        for other in ["", "my", "t", "my_tt", "a_my_t", "myt", "my-t", "%256dy_t", "[my_t]", "%zzmy_t"] {
            assert!(!reads_like(other.as_bytes(), "my_t"), "{other}");
        }
        assert!(!reads_like(b"a", "") && reads_like(b"+", ""));
    }

    #[test]
    fn names_of_parameters_are_found_behind_each_separator() {
        for (query, found) in
            [("t=1", 1), ("a=1&t=2;t=3", 2), ("a=1;%74=2&t=3", 2), ("t&t=", 2), ("a=t&b=t=1", 0), ("", 0)]
        {
            assert_eq!(count(of_parameters(query.as_bytes()), "t"), found, "{query}");
        }
    }

    #[test]
    fn names_of_cookies_are_found_as_lenient_programs_find_them() {
        for (field, found) in [
            ("t=1", 1),
            ("a=1; t=2; t=3", 2),
            ("t =1; t=2", 2),
            ("t=2;t\t= 1", 2),
            ("a=1, t=2; t=3", 2),
            ("a=1 t=2", 1),
            ("a=\"; t=1; b=\"; t=2", 2),
            ("%74=1", 1),
            ("a=t; b=dA==; c==t=1; t", 0),
            ("a=the t word", 0),
            ("= = =", 0),
            ("", 0),
        ] {
            assert_eq!(count(of_cookies(field.as_bytes()), "t"), found, "{field}");
        }
    }
}
