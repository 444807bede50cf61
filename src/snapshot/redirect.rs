//! The target of a redirect: a template that the request fills in.

use http::header::HeaderValue;

use crate::policy::template::{Piece, Template};
use crate::policy::variables::Variable;

/// The `to` of a redirect, with variables in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectTemplate(Template);

impl RedirectTemplate {
    /// Reads a template. Whatever isn't a variable stands for itself.
    pub fn new(to: &str) -> Self {
        Self(Template::parse(to))
    }

    /// Whether it has variables.
    pub(super) fn has_variables(&self) -> bool {
        self.0.fixed().is_none()
    }

    /// The `Location` for a request. `put` writes a variable's value into the text: of the host its name without the port, which that of the
    /// target would hardly be.
    ///
    /// `None` when no valid target comes out: the request contains something that can't stand in a field, or has no
    /// host where one is needed (`https:///evil.example` leads browsers to the first segment of the path).
    pub fn render(&self, out: &mut Vec<u8>, put: impl Fn(Variable, &mut Vec<u8>)) -> Option<HeaderValue> {
        out.clear();
        for piece in self.0.pieces() {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Variable(variable) => {
                    let start = out.len();
                    put(*variable, out);
                    match variable {
                        Variable::Host if out.len() == start => return None,
                        Variable::Path => guard_path(out, start),
                        _ => {}
                    }
                }
            }
        }
        HeaderValue::from_bytes(out).ok()
    }
}

/// Sees to it that the client that sent the path, which begins at `start`, can't choose the host that the redirect leads to: it begins with exactly
/// one slash where it would be read as part of an authority (`//evil.example` at the start, `@evil.example` after a host).
fn guard_path(out: &mut Vec<u8>, start: usize) {
    if matches!(&out[..start], b"" | b"/") {
        // browsers read a backslash as a slash
        let slashes = out[start..].iter().take_while(|byte| matches!(byte, b'/' | b'\\')).count();
        out.splice(..start + slashes, *b"/");
    } else if out.get(start) != Some(&b'/') && out[start - 1] != b'/' {
        out.insert(start, b'/');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(to: &str, host: &str, path: &str, query: Option<&str>) -> Option<HeaderValue> {
        RedirectTemplate::new(to).render(&mut Vec::new(), |variable, out| match variable {
            Variable::Host => out.extend_from_slice(crate::route::without_port(host).as_bytes()),
            Variable::Path => out.extend_from_slice(path.as_bytes()),
            Variable::Query => out.extend(query.iter().flat_map(|query| [b"?", query.as_bytes()].concat())),
            other => out.extend_from_slice(other.name().as_bytes()),
        })
    }

    fn render(to: &str, host: &str, path: &str, query: Option<&str>) -> String {
        rendered(to, host, path, query).unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn placeholders_are_filled_in() {
        let to = "https://${host}${path}${query}";
        assert_eq!(render(to, "example.com:8080", "/a/b", Some("c=d")), "https://example.com/a/b?c=d");
        assert_eq!(render(to, "[::1]:80", "/", None), "https://[::1]/");
        assert_eq!(render("/new${path}", "h", "/a", Some("x")), "/new/a");
        assert_eq!(render("https://example.com/", "h", "/a", Some("x")), "https://example.com/");
        assert_eq!(render("/?from=${client_ip}", "h", "/a", None), "/?from=client_ip");
        assert_eq!(render("/$${path}", "h", "/a", None), "/${path}");
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
        assert_eq!(rendered("${path}", "h", "/a\r\nset-cookie: x", None), None);
        for host in ["", ":80"] {
            assert_eq!(rendered("https://${host}${path}", host, "/a", None), None, "{host}");
        }
    }
}
