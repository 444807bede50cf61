//! The conditions of a route, each valid by construction.

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
