//! The target of a redirect: a template that the request fills in.

use bytes::Bytes;
use http::header::HeaderValue;

use crate::route::without_port;

/// The `to` of a redirect, with `${host}`, `${path}` and `${query}` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectTemplate {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Host,
    Path,
    Query,
}

const PLACEHOLDERS: [(&str, Part); 3] = [("${host}", Part::Host), ("${path}", Part::Path), ("${query}", Part::Query)];

impl RedirectTemplate {
    /// Reads a template. Whatever isn't one of the three placeholders stands for itself.
    pub fn new(to: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = to;
        while let Some((at, length, part)) = first_placeholder(rest) {
            if at > 0 {
                parts.push(Part::Text(rest[..at].to_owned()));
            }
            parts.push(part);
            rest = &rest[at + length..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Self { parts }
    }

    /// The `Location` for a request: `${host}` is the host without its port (that of the target would hardly be the same),
    /// `${path}` the path as sent, `${query}` the query with its `?`, or nothing when there is none.
    ///
    /// `None` when no valid target comes out: the request contains something that can't stand in a field, or has no
    /// host where one is needed (`https:///evil.example` leads browsers to the first segment of the path).
    pub fn render(&self, host: &str, path: &str, query: Option<&str>) -> Option<HeaderValue> {
        let mut location = String::with_capacity(self.parts.len() * 16 + path.len() + query.map_or(0, str::len));
        for part in &self.parts {
            match part {
                Part::Text(text) => location.push_str(text),
                Part::Host if without_port(host).is_empty() => return None,
                Part::Host => location.push_str(without_port(host)),
                Part::Path => push_path(&mut location, path),
                Part::Query => {
                    if let Some(query) = query {
                        location.push('?');
                        location.push_str(query);
                    }
                }
            }
        }
        HeaderValue::from_maybe_shared(Bytes::from(location)).ok()
    }
}

/// Adds the path so that the client that sent it can't choose the host that the redirect leads to: it begins with exactly one
/// slash where it would be read as part of an authority (`//evil.example` at the start, `@evil.example` after a host).
fn push_path(location: &mut String, path: &str) {
    if location.is_empty() || location == "/" {
        // browsers read a backslash as a slash
        location.clear();
        location.push('/');
        location.push_str(path.trim_start_matches(['/', '\\']));
        return;
    }
    if !path.starts_with('/') && !location.ends_with('/') {
        location.push('/');
    }
    location.push_str(path);
}

/// Where the first placeholder starts, how long it is and which it is.
fn first_placeholder(text: &str) -> Option<(usize, usize, Part)> {
    PLACEHOLDERS
        .iter()
        .filter_map(|(name, part)| text.find(name).map(|at| (at, name.len(), part.clone())))
        .min_by_key(|(at, ..)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(to: &str, host: &str, path: &str, query: Option<&str>) -> String {
        let location = RedirectTemplate::new(to).render(host, path, query).unwrap();
        location.to_str().unwrap().to_owned()
    }

    #[test]
    fn placeholders_are_filled_in() {
        let to = "https://${host}${path}${query}";
        assert_eq!(render(to, "example.com:8080", "/a/b", Some("c=d")), "https://example.com/a/b?c=d");
        assert_eq!(render(to, "[::1]:80", "/", None), "https://[::1]/");
        assert_eq!(render("/new${path}", "h", "/a", Some("x")), "/new/a");
        assert_eq!(render("https://example.com/", "h", "/a", Some("x")), "https://example.com/");
    }

    #[test]
    fn what_is_no_placeholder_stands_for_itself() {
        assert_eq!(render("/$path/${port}/${path", "h", "/a", None), "/$path/${port}/${path");
        assert_eq!(render("${path}${path}", "h", "/a", None), "/a/a");
    }

    #[test]
    fn what_the_request_sent_is_not_read_as_a_template() {
        assert_eq!(render("${path}${query}", "h", "/${host}", Some("${path}")), "/${host}?${path}");
    }

    #[test]
    fn the_client_cannot_choose_the_host() {
        assert_eq!(render("${path}", "h", "//evil.example/x", None), "/evil.example/x");
        assert_eq!(render("/${path}", "h", "/evil.example/x", None), "/evil.example/x");
        assert_eq!(render("${path}", "h", "/\\/evil.example", None), "/evil.example");
        assert_eq!(
            render("https://example.com${path}", "h", "@evil.example", None),
            "https://example.com/@evil.example"
        );
        assert_eq!(
            render("https://example.com${path}", "h", ".evil.example", None),
            "https://example.com/.evil.example"
        );
    }

    #[test]
    fn what_cannot_stand_in_a_field_is_refused() {
        assert_eq!(RedirectTemplate::new("${path}").render("h", "/a\r\nset-cookie: x", None), None);
        for host in ["", ":80"] {
            assert_eq!(RedirectTemplate::new("https://${host}${path}").render(host, "/a", None), None, "{host}");
        }
    }
}
