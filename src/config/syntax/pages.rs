//! The keys of `error_pages`.

use super::{Problem, Result, nearest};

/// What a key of `error_pages` is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum PageKey {
    /// One status.
    Status(u16),
    /// All statuses that begin with this digit and have no page of their own.
    Class(u16),
    /// Whether backends' answers get pages.
    Backends,
}

const EXPECTED: &str = "a status from 400 to 599, \"4xx\", \"5xx\" or backends";

pub(in crate::config) fn status(text: &str) -> Result<PageKey> {
    match text {
        "4xx" => return Ok(PageKey::Class(4)),
        "5xx" => return Ok(PageKey::Class(5)),
        "backends" => return Ok(PageKey::Backends),
        _ => {}
    }
    let bad = || Problem::new(format!("`{text}` is no status that has an error page"), EXPECTED);
    match text.parse::<u16>() {
        Ok(status @ 400..=599) => Ok(PageKey::Status(status)),
        Ok(_) => Err(bad()),
        Err(_) => Err(bad().suggest(meant(text))),
    }
}

/// What was probably meant, such as `5xx` by `50x` or `5XX`.
fn meant(text: &str) -> Option<String> {
    let class = text.chars().next().filter(|first| matches!(first, '4' | '5'));
    let is_class = text.len() == 3 && text[1..].chars().all(|c| matches!(c, 'x' | 'X' | '*' | '0'..='9'));
    match class.filter(|_| is_class) {
        Some(digit) => Some(format!("{digit}xx")),
        None => nearest(&text.to_ascii_lowercase(), ["4xx", "5xx", "backends"]).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_classes_are_told_from_what_is_none() {
        assert_eq!(status("502").ok(), Some(PageKey::Status(502)));
        assert_eq!(status("5xx").ok(), Some(PageKey::Class(5)));
        assert_eq!(status("backends").ok(), Some(PageKey::Backends));
        for (text, suggestion) in [
            ("5XX", Some("5xx")),
            ("50x", Some("5xx")),
            ("4**", Some("4xx")),
            ("backend", Some("backends")),
            ("200", None),
            ("600", None),
            ("default", None),
            ("", None),
            ("5\u{e4}", None),
        ] {
            let problem = status(text).unwrap_err();
            assert_eq!(problem.suggestion.as_deref(), suggestion, "{text}");
        }
    }
}
