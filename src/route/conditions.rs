//! The conditions of a route, each valid by construction.

use std::fmt;

use http::{HeaderName, Method};
use regex::Regex;

/// A route's conditions: a request is taken when all of them hold.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// The host that the request must be for.
    pub host: Option<Host>,
    /// What its path must be.
    pub path: Option<Path>,
    /// The methods taken; empty takes every method.
    pub methods: Vec<Method>,
    /// Fields that must be there with exactly this value.
    pub headers: Vec<(HeaderName, String)>,
    /// Query parameters that must be there with exactly this value (compared after percent-decoding).
    pub query: Vec<(String, String)>,
}

/// In the words of the configuration, such as `host a.example, path_prefix /v1, methods GET POST, header x-env`. The values of fields and of
/// query parameters are left out: they may be secrets.
impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = Vec::new();
        match &self.host {
            Some(Host::Exact(name)) => all.push(format!("host {name}")),
            Some(Host::Wildcard(name)) => all.push(format!("host *.{name}")),
            None => {}
        }
        match &self.path {
            Some(Path::Exact(text)) => all.push(format!("path {text}")),
            Some(Path::Prefix(text)) => all.push(format!("path_prefix {text}")),
            Some(Path::Regex(regex)) => all.push(format!("path_regex {regex}")),
            None => {}
        }
        if !self.methods.is_empty() {
            let methods: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
            all.push(format!("methods {}", methods.join(" ")));
        }
        all.extend(self.headers.iter().map(|(name, _)| format!("header {name}")));
        all.extend(self.query.iter().map(|(name, _)| format!("query {name}")));
        f.write_str(if all.is_empty() { "every request" } else { "" })?;
        f.write_str(&all.join(", "))
    }
}

/// A host condition, in lower case and without a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// This very name.
    Exact(String),
    /// `*.example.com`, held as `example.com`: any name with at least one label before it.
    Wildcard(String),
}

/// A path condition.
#[derive(Debug, Clone)]
pub enum Path {
    /// The whole path.
    Exact(String),
    /// The path starts with this text. (`/v1` takes `/v10` too, as in nginx; `/v1/` does not.)
    Prefix(String),
    /// The path matches the expression, which is searched for anywhere unless it has anchors.
    Regex(Regex),
}
