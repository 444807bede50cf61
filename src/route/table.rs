//! The routes of a listener, sorted so that the most specific one is found without trying them all.

use std::collections::HashMap;

use ahash::RandomState;

use super::lookup::Lookup;
use super::paths::{PathRoute, Paths};
use super::predicates::Predicates;
use super::{Conditions, Host, Path, host};

/// A set of routes; immutable.
#[derive(Debug)]
pub struct Table<T> {
    exact: ByHost<T>,
    /// By what follows `*.`.
    wildcard: ByHost<T>,
    /// Length of the longest key in `wildcard`: longer suffixes of a host needn't be hashed, so that a host of thousands of
    /// labels costs no more than one of a few.
    longest_wildcard: usize,
    any: Paths<T>,
    empty: bool,
}

type ByHost<T> = HashMap<Box<str>, Paths<T>, RandomState>;

/// A route of a host, as [`Paths::new`] takes it.
type Unsorted<T> = (Option<Path>, PathRoute<T>);

impl<T> Table<T> {
    /// Sorts routes given in the order of the file, each with what it leads to.
    pub fn new(routes: Vec<(Conditions, T)>) -> Self {
        let empty = routes.is_empty();
        let mut exact: HashMap<Box<str>, Vec<Unsorted<T>>> = HashMap::new();
        let mut wildcard: HashMap<Box<str>, Vec<Unsorted<T>>> = HashMap::new();
        let mut any = Vec::new();
        for (Conditions { host, path, methods, headers, query }, value) in routes {
            let route = (path, PathRoute { predicates: Predicates::new(methods, headers, query), value });
            match host {
                Some(Host::Exact(name)) => exact.entry(host::key(&name).into()).or_default().push(route),
                Some(Host::Wildcard(suffix)) => wildcard.entry(host::key(&suffix).into()).or_default().push(route),
                None => any.push(route),
            }
        }
        Self {
            longest_wildcard: wildcard.keys().map(|suffix| suffix.len()).max().unwrap_or(0),
            exact: sorted(exact),
            wildcard: sorted(wildcard),
            any: Paths::new(any),
            empty,
        }
    }

    /// The most specific route that takes the request.
    pub fn find(&self, request: &Lookup<'_>) -> Option<&T> {
        if self.empty {
            return None;
        }
        self.find_by_host(request).or_else(|| self.any.find(request))
    }

    /// The most specific route with a host.
    fn find_by_host(&self, request: &Lookup<'_>) -> Option<&T> {
        if self.exact.is_empty() && self.wildcard.is_empty() {
            return None;
        }
        let name = host::key(request.host);
        if let Some(paths) = self.exact.get(&*name)
            && let Some(value) = paths.find(request)
        {
            return Some(value);
        }
        if self.wildcard.is_empty() {
            return None;
        }
        suffixes(&name, self.longest_wildcard)
            .filter_map(|suffix| self.wildcard.get(suffix))
            .find_map(|paths| paths.find(request))
    }
}

/// What follows each dot of a name, the longest first, as far as it isn't longer than `longest`. A dot at the start has no
/// label before it and doesn't count.
fn suffixes(name: &str, longest: usize) -> impl Iterator<Item = &str> {
    let dots = name.match_indices('.').filter(|(at, _)| *at > 0);
    dots.map(|(at, _)| &name[at + 1..]).filter(move |suffix| suffix.len() <= longest)
}

/// Sorts the routes of each host.
fn sorted<T>(by_host: HashMap<Box<str>, Vec<Unsorted<T>>>) -> ByHost<T> {
    by_host.into_iter().map(|(name, routes)| (name, Paths::new(routes))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suffixes_of(name: &str, longest: usize) -> Vec<&str> {
        suffixes(name, longest).collect()
    }

    #[test]
    fn suffixes_come_longest_first() {
        assert_eq!(suffixes_of("a.b.example", 100), ["b.example", "example"]);
        assert_eq!(suffixes_of("example", 100), [""; 0]);
        assert_eq!(suffixes_of(".example", 100), [""; 0]);
    }

    #[test]
    fn a_host_of_thousands_of_labels_has_no_more_suffixes_than_wildcards_can_match() {
        let name = "a.".repeat(30_000) + "a";
        assert_eq!(suffixes_of(&name, 3), ["a.a", "a"]);
    }
}
