//! What a request has to be like for a route: the conditions of `[[listener.route]]`, as values that can be combined and compared.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use regex::Regex;

use crate::convert::expression;
use crate::convert::networks;
use crate::convert::output::{Place, Table, literal};

/// Which hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Host {
    /// All of them.
    #[default]
    Any,
    /// This name, in small letters.
    Exact(String),
    /// Every name below this one.
    Below(String),
}

/// Which paths.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Path {
    /// All of them.
    #[default]
    Any,
    /// This one.
    Exact(String),
    /// Those that begin with this text.
    Prefix(String),
    /// Those that this expression matches.
    Regex(String),
}

/// All conditions of a route; a request has to meet each of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Conditions {
    /// Which hosts.
    pub host: Host,
    /// Which paths.
    pub path: Path,
    /// Which methods, in capitals; `None` = all.
    pub methods: Option<BTreeSet<String>>,
    /// Fields with their values, by their names in small letters.
    pub headers: BTreeMap<String, String>,
    /// Parameters of the query with their values.
    pub query: BTreeMap<String, String>,
    /// Clients' addresses; `None` = all. No condition of our routes: whoever is elsewhere is refused.
    pub networks: Option<Vec<IpNet>>,
}

/// What two sets of requests have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meet<T> {
    /// Nothing.
    Never,
    /// This.
    Both(T),
    /// Something that conditions of ours can't say.
    Unknown,
}

impl<T> Meet<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Meet<U> {
        match self {
            Self::Never => Meet::Never,
            Self::Both(both) => Meet::Both(change(both)),
            Self::Unknown => Meet::Unknown,
        }
    }
}

impl Host {
    /// The hosts of both.
    pub fn meet(&self, other: &Self) -> Meet<Self> {
        let below = |name: &str, of: &str| name.len() > of.len() + 1 && name.ends_with(&format!(".{of}"));
        match (self, other) {
            (Self::Any, some) | (some, Self::Any) => Meet::Both(some.clone()),
            (a, b) if a == b => Meet::Both(a.clone()),
            (Self::Exact(name), Self::Below(of)) | (Self::Below(of), Self::Exact(name)) if below(name, of) => {
                Meet::Both(Self::Exact(name.clone()))
            }
            (Self::Below(a), Self::Below(b)) if below(a, b) => Meet::Both(self.clone()),
            (Self::Below(a), Self::Below(b)) if below(b, a) => Meet::Both(other.clone()),
            _ => Meet::Never,
        }
    }

    fn rank(&self) -> (u8, usize) {
        match self {
            Self::Any => (0, 0),
            Self::Below(name) => (1, name.len()),
            Self::Exact(_) => (2, 0),
        }
    }
}

impl Path {
    /// The paths of both.
    pub fn meet(&self, other: &Self) -> Meet<Self> {
        match (self, other) {
            (Self::Any, some) | (some, Self::Any) => Meet::Both(some.clone()),
            (a, b) if a == b => Meet::Both(a.clone()),
            (Self::Exact(_), Self::Exact(_)) => Meet::Never,
            (Self::Exact(path), Self::Prefix(prefix)) | (Self::Prefix(prefix), Self::Exact(path)) => {
                if path.starts_with(prefix) { Meet::Both(Self::Exact(path.clone())) } else { Meet::Never }
            }
            (Self::Prefix(a), Self::Prefix(b)) => match (a.starts_with(b), b.starts_with(a)) {
                (true, _) => Meet::Both(self.clone()),
                (_, true) => Meet::Both(other.clone()),
                _ => Meet::Never,
            },
            (Self::Exact(path), Self::Regex(regex)) | (Self::Regex(regex), Self::Exact(path)) => {
                match Regex::new(regex) {
                    Ok(regex) if regex.is_match(path) => Meet::Both(Self::Exact(path.clone())),
                    Ok(_) => Meet::Never,
                    Err(_) => Meet::Unknown,
                }
            }
            (Self::Prefix(prefix), Self::Regex(regex)) | (Self::Regex(regex), Self::Prefix(prefix)) => {
                let (beginning, fold) = beginning_of(regex);
                let plain = if fold { prefix.to_ascii_lowercase() } else { prefix.clone() };
                if beginning.starts_with(&plain) && !(fold && prefix.contains(|c: char| c.is_ascii_alphabetic())) {
                    Meet::Both(Self::Regex(regex.clone()))
                } else if plain.starts_with(&beginning) || beginning.starts_with(&plain) {
                    Meet::Unknown
                } else {
                    Meet::Never
                }
            }
            (Self::Regex(a), Self::Regex(b)) => {
                let ((mut a, fold), (mut b, other)) = (beginning_of(a), beginning_of(b));
                if fold || other {
                    (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
                }
                if a.starts_with(&b) || b.starts_with(&a) { Meet::Unknown } else { Meet::Never }
            }
        }
    }

    fn rank(&self) -> (u8, usize) {
        match self {
            Self::Any => (0, 0),
            Self::Prefix(prefix) => (1, prefix.len()),
            Self::Regex(_) => (2, 0),
            Self::Exact(_) => (3, 0),
        }
    }
}

/// As [`literal_beginning`], and whether letters of either case fit: then they are small.
pub fn beginning_of(regex: &str) -> (String, bool) {
    match regex.strip_prefix("(?i)") {
        Some(rest) => (literal_beginning(rest).to_ascii_lowercase(), true),
        None => (literal_beginning(regex), false),
    }
}

/// The text with which all paths begin that an expression matches; empty where that is not plain to see.
pub fn literal_beginning(regex: &str) -> String {
    let Some(rest) = regex.strip_prefix('^') else { return String::new() };
    // a choice at the top makes the beginning a choice as well
    if expression::has_alternatives(rest) {
        return String::new();
    }
    let mut beginning = String::new();
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => match chars.next() {
                Some(escaped) if !escaped.is_ascii_alphanumeric() => escaped,
                _ => break,
            },
            '.' | '[' | '(' | '$' | '|' | '^' | '{' | ')' | '*' | '+' | '?' => break,
            plain => plain,
        };
        if matches!(chars.peek(), Some('*' | '?' | '{')) {
            break;
        }
        beginning.push(c);
    }
    beginning
}

impl Conditions {
    /// Requests for one path.
    pub fn path(path: Path) -> Self {
        Self { path, ..Self::default() }
    }

    /// Requests for one host.
    pub fn host(host: Host) -> Self {
        Self { host, ..Self::default() }
    }

    /// The requests that meet both.
    pub fn meet(&self, other: &Self) -> Meet<Self> {
        let mut both = match self.host.meet(&other.host) {
            Meet::Both(host) => Self::host(host),
            Meet::Never => return Meet::Never,
            Meet::Unknown => return Meet::Unknown,
        };
        both.methods = match (&self.methods, &other.methods) {
            (None, some) | (some, None) => some.clone(),
            (Some(a), Some(b)) => Some(a & b),
        };
        both.networks = networks::both(self.networks.as_deref(), other.networks.as_deref());
        let (Some(headers), Some(query)) = (union(&self.headers, &other.headers), union(&self.query, &other.query))
        else {
            return Meet::Never;
        };
        (both.headers, both.query) = (headers, query);
        if both.methods.as_ref().is_some_and(BTreeSet::is_empty) || both.networks.as_ref().is_some_and(Vec::is_empty) {
            return Meet::Never;
        }
        self.path.meet(&other.path).map(|path| Self { path, ..both })
    }

    /// Whether all requests of `other` meet these conditions, but for the clients' addresses.
    pub fn cover(&self, other: &Self) -> bool {
        let within = Self { networks: None, ..other.clone() };
        Self { networks: None, ..self.clone() }.meet(&within) == Meet::Both(within)
    }

    /// What Evenkeel compares when several routes would take a request: host, path, number of other conditions. The greater one wins.
    pub fn compare(&self, other: &Self) -> Ordering {
        let rank = |all: &Self| {
            let others = usize::from(all.methods.is_some()) + all.headers.len() + all.query.len();
            (all.host.rank(), all.path.rank(), others)
        };
        rank(self).cmp(&rank(other))
    }

    /// Writes them into a route.
    pub fn write(&self, route: &mut Table, place: &Place) {
        match &self.host {
            Host::Any => {}
            Host::Exact(name) => route.put(&["host"], literal(name), place),
            Host::Below(name) => route.put(&["host"], literal(&format!("*.{name}")), place),
        }
        match &self.path {
            Path::Any => {}
            Path::Exact(path) => route.put(&["path"], literal(path), place),
            Path::Prefix(prefix) => route.put(&["path_prefix"], literal(prefix), place),
            Path::Regex(regex) => route.put(&["path_regex"], literal(regex), place),
        }
        if let Some(methods) = &self.methods {
            route.put(&["methods"], methods.iter().map(|method| literal(method)).collect::<Vec<_>>(), place);
        }
        for (name, value) in &self.headers {
            route.put(&["headers", name], literal(value), place);
        }
        for (name, value) in &self.query {
            route.put(&["query", &literal(name)], literal(value), place);
        }
    }
}

/// Both tables in one; `None` = they want different values of one name.
fn union(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    let mut all = a.clone();
    for (name, value) in b {
        if all.insert(name.clone(), value.clone()).is_some_and(|before| before != *value) {
            return None;
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Path {
        Path::Prefix(text.to_owned())
    }

    fn exact(text: &str) -> Path {
        Path::Exact(text.to_owned())
    }

    fn regex(text: &str) -> Path {
        Path::Regex(text.to_owned())
    }

    #[test]
    fn paths_of_both_are_the_narrower_ones() {
        assert_eq!(prefix("/a").meet(&prefix("/a/b")), Meet::Both(prefix("/a/b")));
        assert_eq!(prefix("/a").meet(&exact("/a/b")), Meet::Both(exact("/a/b")));
        assert_eq!(prefix("/a").meet(&exact("/b")), Meet::Never);
        assert_eq!(regex("^/a/[0-9]+$").meet(&exact("/a/7")), Meet::Both(exact("/a/7")));
        assert_eq!(regex("^/a/[0-9]+$").meet(&exact("/a/x")), Meet::Never);
        assert_eq!(regex("^/a/[0-9]+$").meet(&prefix("/a")), Meet::Both(regex("^/a/[0-9]+$")));
        assert_eq!(regex("^/a/[0-9]+$").meet(&prefix("/a/7")), Meet::Unknown);
        assert_eq!(regex("^/a/[0-9]+$").meet(&prefix("/b")), Meet::Never);
        assert_eq!(regex("\\.php$").meet(&prefix("/b")), Meet::Unknown);
    }

    #[test]
    fn hosts_of_both_are_the_narrower_ones() {
        let (a, below) = (Host::Exact("a.example.com".into()), Host::Below("example.com".into()));
        assert_eq!(a.meet(&below), Meet::Both(a.clone()));
        assert_eq!(Host::Exact("example.com".into()).meet(&below), Meet::Never);
        assert_eq!(Host::Below("b.example.com".into()).meet(&below), Meet::Both(Host::Below("b.example.com".into())));
        assert_eq!(Host::Any.meet(&below), Meet::Both(below));
    }

    #[test]
    fn conditions_cover_what_is_narrower() {
        let wide = Conditions::path(prefix("/a"));
        let mut narrow = Conditions::path(prefix("/a/b"));
        narrow.methods = Some(["GET".to_owned()].into());
        assert!(wide.cover(&narrow) && !narrow.cover(&wide));
        assert_eq!(wide.compare(&narrow), Ordering::Less);
        let host = Conditions::host(Host::Exact("a".into()));
        assert_eq!(host.compare(&narrow), Ordering::Greater);
        assert!(!host.cover(&narrow) && !narrow.cover(&host));
    }

    #[test]
    fn the_literal_beginning_of_an_expression_ends_where_a_choice_begins() {
        assert_eq!(literal_beginning("^/api/v[0-9]+/"), "/api/v");
        assert_eq!(literal_beginning("^/a\\.b?c"), "/a.");
        assert_eq!(literal_beginning("^/ab*"), "/a");
        assert_eq!(literal_beginning("/a"), "");
        assert_eq!(literal_beginning("^/a|/b"), "");
        assert_eq!(literal_beginning("^/pub|/admin(/x)?"), "");
        assert_eq!(literal_beginning("^/[(]|/admin"), "");
        assert_eq!(literal_beginning("^/a(b|c)"), "/a");
    }
}
