//! The content type of a file, by its name.

use http::header::HeaderValue;

/// What a name ends with, and what such a file is: IANA's types, as the WHATWG's MIME Sniffing standard and nginx' `mime.types` have them.
const TYPES: &[(&str, &str)] = &[
    ("html", "text/html; charset=utf-8"),
    ("htm", "text/html; charset=utf-8"),
    ("txt", "text/plain; charset=utf-8"),
    ("md", "text/markdown; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("webmanifest", "application/manifest+json"),
    ("xml", "application/xml"),
    ("xhtml", "application/xhtml+xml"),
    ("svg", "image/svg+xml"),
    ("ico", "image/x-icon"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("pdf", "application/pdf"),
    ("wasm", "application/wasm"),
    ("pem", "application/x-pem-file"),
];

/// What says nothing of its type.
const UNKNOWN: &str = "application/octet-stream";

/// The content type of a file of this name.
pub(super) fn of(name: &str) -> HeaderValue {
    let end = name.rsplit_once('.').map(|(_, end)| end).unwrap_or_default();
    let known = TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(end));
    HeaderValue::from_static(known.map_or(UNKNOWN, |(_, of)| of))
}

/// The media type without its parameters, such as `text/html`.
pub(super) fn essence(of: &HeaderValue) -> &str {
    let text = of.to_str().unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_type() {
        for (name, is) in [
            ("errors/502.html", "text/html; charset=utf-8"),
            ("A.HTM", "text/html; charset=utf-8"),
            ("a.b.json", "application/json"),
            ("favicon.ico", "image/x-icon"),
            ("robots.txt", "text/plain; charset=utf-8"),
            ("assetlinks", UNKNOWN),
            ("a.", UNKNOWN),
            ("", UNKNOWN),
        ] {
            assert_eq!(of(name), is, "{name}");
        }
        assert_eq!(essence(&of("a.html")), "text/html");
        assert_eq!(essence(&HeaderValue::from_static(" Text/HTML ;x=1")), "Text/HTML");
    }
}
