//! Media types, one by one or many at a time.

use super::{Problem, Result};
use crate::policy::compression::MediaRange;

/// `text/html`, `text/*`, `+json` or `*/*`.
pub(in crate::config) fn media_type(text: &str) -> Result<MediaRange> {
    MediaRange::parse(text).ok_or_else(|| {
        let expected = "a media type such as \"text/html\", \"text/*\", or \"+json\" for all that end in it";
        Problem::new(format!("`{text}` is no media type"), expected).suggest(meant(text))
    })
}

/// The media type that was probably meant.
fn meant(text: &str) -> Option<String> {
    const KNOWN: [(&str, &str); 10] = [
        ("*", "*/*"),
        ("all", "*/*"),
        ("text", "text/*"),
        ("html", "text/html"),
        ("css", "text/css"),
        ("js", "text/javascript"),
        ("javascript", "text/javascript"),
        ("json", "application/json"),
        ("svg", "image/svg+xml"),
        ("xml", "application/xml"),
    ];
    let word = text.trim().trim_start_matches('.').to_ascii_lowercase();
    if let Some((_, meant)) = KNOWN.iter().find(|(known, _)| *known == word) {
        return Some((*meant).to_owned());
    }
    // "application/*+json", and a type with its parameters
    let bare = word.rsplit_once("*+").map_or(word.clone(), |(_, suffix)| format!("+{suffix}"));
    let bare = bare.split(';').next().unwrap_or_default().trim().to_owned();
    (bare != text && MediaRange::parse(&bare).is_some()).then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_media_type_gets_the_one_that_was_meant() {
        for (text, meant) in [
            ("text", "text/*"),
            ("JSON", "application/json"),
            (".svg", "image/svg+xml"),
            ("application/*+json", "+json"),
            ("*+xml", "+xml"),
            ("text/html; charset=utf-8", "text/html"),
            ("*", "*/*"),
        ] {
            assert_eq!(media_type(text).unwrap_err().suggestion.as_deref(), Some(meant), "{text}");
        }
        assert_eq!(media_type("what is this").unwrap_err().suggestion, None);
        assert!(media_type("text/*").is_ok());
    }
}
