//! What comes out of a conversion: the sections of a `proxy.toml`, where each of them comes from, and what could not be carried over.
//!
//! A converter makes an [`Output`], puts tables into it, and tells [`Output::findings`] what it can't do:
//!
//! ```ignore
//! let mut out = Output::new("nginx", "nginx.conf");
//! let place = Place::new(&file, 12);                      // file: Rc<str>, line from 1
//! let name = out.names.unique("web");                     // letters, digits, - _ . only, and never twice
//! let mut listener = Table::at(&place);                   // the header of the section says `# nginx.conf:12`
//! listener.put(&["name"], name, &place);
//! listener.put(&["limits", "max_body"], "1MiB", &place);  // a table in the table; made when it is not there
//! listener.push(&["tls", "certificates"], certificate);   // a Table (inline here), at the end of an array
//! let mut route = Table::at(&place);
//! route.put(&["path_prefix"], literal("/a/"), &place);    // literal(): `${` of the original stays text
//! route.put(&["redirect", "to"], "https://${host}${path}${query}", &place);   // variables of ours as they are
//! listener.push(&["route"], route);                       // [[listener.route]]
//! out.listeners.push(listener);
//! out.service(&name, &place).put(&["balance"], "least_connections", &place);  // made when it is not there
//! out.findings.error(&place, "auth_basic", "its users can't be read", "make hashes with htpasswd -B");
//! let text = out.render();
//! ```
//!
//! Severities: [`Findings::error`] is what would leave the result less safe than the original (an access list, credentials, verification, a
//! limit), and makes the exit code 1; [`Findings::warning`] is work that the result does not do, or does otherwise; [`Findings::note`]
//! is worth knowing and changes nothing for clients. What can't be protected as the original did is [closed](Table::close) until somebody has looked at it.

mod finding;
mod value;
mod write;

use std::collections::HashSet;
use std::fmt;
use std::rc::Rc;

pub use finding::{Finding, Findings, Severity};
pub use value::{Entry, Table, Value, literal};

/// A line of an original.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file, as it was named.
    pub file: Rc<str>,
    /// The line in it, from 1.
    pub line: usize,
}

impl Place {
    /// The line of that file.
    pub fn new(file: &Rc<str>, line: usize) -> Self {
        Self { file: Rc::clone(file), line }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A configuration that is being made.
#[derive(Debug)]
pub struct Output {
    /// The software whose configuration was read: `nginx`.
    from: &'static str,
    /// The file that was read.
    file: String,
    /// `[server]`
    pub server: Table,
    /// `[admin]`
    pub admin: Table,
    /// `[log]`
    pub log: Table,
    /// `[[listener]]`
    pub listeners: Vec<Table>,
    /// `[service.NAME]`, in the order in which they were named first.
    pub services: Vec<(String, Table)>,
    /// Files that belong beside the result, by their names, such as users with their hashes.
    pub files: Vec<(String, String)>,
    /// What could not be carried over.
    pub findings: Findings,
    /// Names of listeners that are taken.
    pub names: Names,
}

impl Output {
    /// Nothing yet.
    pub fn new(from: &'static str, file: &str) -> Self {
        Self {
            from,
            file: file.to_owned(),
            server: Table::default(),
            admin: Table::default(),
            log: Table::default(),
            listeners: Vec::new(),
            services: Vec::new(),
            files: Vec::new(),
            findings: Findings::default(),
            names: Names::default(),
        }
    }

    /// The service of that name. It is made when it is not there.
    pub fn service(&mut self, name: &str, place: &Place) -> &mut Table {
        let at = self.services.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.services.push((name.to_owned(), Table::at(place)));
            self.services.len() - 1
        });
        &mut self.services[at].1
    }

    /// Whether there is a service of that name.
    pub fn has_service(&self, name: &str) -> bool {
        self.services.iter().any(|(known, _)| known == name)
    }

    /// The whole file: what was found at its head, and then the sections.
    pub fn render(&self) -> String {
        write::file(self)
    }
}

/// Names that are taken.
#[derive(Debug, Default)]
pub struct Names(HashSet<String>);

impl Names {
    /// A name made of `wanted` that nobody has yet: what can't be in a name becomes `-`, and a number is added where it is taken.
    pub fn unique(&mut self, wanted: &str) -> String {
        let plain = name(wanted);
        let mut found = plain.clone();
        let mut number = 2;
        while !self.0.insert(found.clone()) {
            found = format!("{plain}-{number}");
            number += 1;
        }
        found
    }
}

/// `text` as a name: letters, digits, `-`, `_` and `.`.
pub fn name(text: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let plain: String = text.chars().map(|c| if good(c) { c } else { '-' }).collect();
    let plain = plain.trim_matches('-');
    if plain.is_empty() { "unnamed".to_owned() } else { plain.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: usize) -> Place {
        Place::new(&Rc::from("a.conf"), line)
    }

    #[test]
    fn a_file_says_where_each_line_comes_from() {
        let mut out = Output::new("nginx", "a.conf");
        let mut listener = Table::at(&place(3));
        listener.put(&["name"], out.names.unique("web"), &place(3));
        listener.put(&["bind"], "0.0.0.0:80", &place(4));
        let mut certificate = Table::default();
        certificate.put(&["cert"], "a.pem", &place(5));
        certificate.put(&["key"], "a.key", &place(6));
        listener.push(&["tls", "certificates"], certificate);
        let mut route = Table::at(&place(8));
        route.put(&["path_prefix"], literal("/a${b}\"\\\n"), &place(8));
        route.put(&["request_headers", "set", "x-a"], "1", &place(9));
        listener.push(&["route"], route);
        out.listeners.push(listener);
        out.service("app", &place(1)).put(&["timeout", "connect"], "5s", &place(2));
        let mut backend = Table::at(&place(2));
        backend.put(&["address"], "10.0.0.1:80", &place(2));
        backend.put(&["weight"], 3, &place(2));
        backend.put(&["backup"], true, &place(2));
        out.service("app", &place(1)).push(&["backend"], backend);
        out.findings.error(&place(7), "auth_basic", "it can't be", "do this");
        let text = out.render();
        let body = &text[text.find("\n\n").unwrap() + 2..];
        assert_eq!(
            body,
            r#"[[listener]]    # a.conf:3
name = "web"
bind = "0.0.0.0:80"    # a.conf:4

[listener.tls]
certificates = [{ cert = "a.pem", key = "a.key" }]    # a.conf:5, 6

[[listener.route]]    # a.conf:8
path_prefix = "/a$${b}\"\\\n"
request_headers = { set = { x-a = "1" } }    # a.conf:9

[service.app]    # a.conf:1

[[service.app.backend]]    # a.conf:2
address = "10.0.0.1:80"
weight = 3
backup = true

[service.app.timeout]
connect = "5s"    # a.conf:2
"#
        );
        assert!(text.contains("#   error: a.conf:7: `auth_basic`: it can't be\n#     do this\n"), "{text}");
    }

    #[test]
    fn names_are_made_of_what_names_may_have_and_are_never_given_twice() {
        let mut names = Names::default();
        assert_eq!(names.unique("a b/*"), "a-b");
        assert_eq!(names.unique("a b"), "a-b-2");
        assert_eq!(names.unique("*"), "unnamed");
    }
}
