//! The routes of one host, by path.
//!
//! Prefixes stand in one sorted list, each with a link to the longest other prefix that it starts with. The greatest prefix
//! not above the path in that order is either the longest one that the path starts with, or starts with it: every text
//! that lies between a prefix of the path and the path starts with that prefix too. So one binary search and a walk up the
//! links find it, and going on along the links gives the shorter ones.

use std::collections::HashMap;

use ahash::RandomState;
use regex::Regex;

use super::predicates::Predicates;
use super::{Lookup, Path};

/// The routes of one host.
#[derive(Debug)]
pub(super) struct Paths<T> {
    exact: HashMap<Box<str>, PathRoutes<T>, RandomState>,
    regexes: Vec<(Regex, PathRoute<T>)>,
    prefixes: Vec<Prefix<T>>,
    any: PathRoutes<T>,
}

/// A prefix and the routes that have it.
#[derive(Debug)]
struct Prefix<T> {
    text: Box<str>,
    /// The longest other prefix that this one starts with.
    parent: Option<usize>,
    candidates: PathRoutes<T>,
}

/// Routes with the same host and path, in the order in which they are tried.
#[derive(Debug)]
struct PathRoutes<T>(Vec<PathRoute<T>>);

/// A route among those with the same host and path: what is left to be checked, and what it leads to.
#[derive(Debug)]
pub(super) struct PathRoute<T> {
    pub(super) predicates: Predicates,
    pub(super) value: T,
}

impl<T> Default for Paths<T> {
    fn default() -> Self {
        Self { exact: HashMap::default(), regexes: Vec::new(), prefixes: Vec::new(), any: PathRoutes::default() }
    }
}

impl<T> Paths<T> {
    /// The routes of a host, given in the order of the file.
    pub(super) fn new(routes: Vec<(Option<Path>, PathRoute<T>)>) -> Self {
        let mut paths = Self::default();
        let mut prefixes: Vec<(String, PathRoute<T>)> = Vec::new();
        for (path, candidate) in routes {
            match path {
                Some(Path::Exact(path)) => paths.exact.entry(path.into()).or_default().0.push(candidate),
                Some(Path::Regex(regex)) => paths.regexes.push((regex, candidate)),
                Some(Path::Prefix(prefix)) => prefixes.push((prefix, candidate)),
                None => paths.any.0.push(candidate),
            }
        }
        paths.prefixes = sorted_prefixes(prefixes);
        // All sorts are stable: routes that are equally specific stay in the order of the file.
        paths.exact.values_mut().for_each(PathRoutes::sort);
        paths.prefixes.iter_mut().for_each(|prefix| prefix.candidates.sort());
        paths.regexes.sort_by_key(|(_, candidate)| std::cmp::Reverse(candidate.predicates.count()));
        paths.any.sort();
        paths
    }

    /// The most specific route that takes the request.
    pub(super) fn find(&self, request: &Lookup<'_>) -> Option<&T> {
        if !self.exact.is_empty()
            && let Some(candidates) = self.exact.get(request.path)
            && let Some(value) = candidates.first(request)
        {
            return Some(value);
        }
        for (regex, candidate) in &self.regexes {
            if candidate.predicates.hold(request) && regex.is_match(request.path) {
                return Some(&candidate.value);
            }
        }
        let mut next = self.longest_prefix(request.path);
        while let Some(prefix) = next {
            if let Some(value) = prefix.candidates.first(request) {
                return Some(value);
            }
            next = self.parent(prefix);
        }
        self.any.first(request)
    }

    /// The longest prefix that the path starts with.
    fn longest_prefix(&self, path: &str) -> Option<&Prefix<T>> {
        let above = self.prefixes.partition_point(|prefix| &*prefix.text <= path);
        let mut prefix = self.prefixes.get(above.checked_sub(1)?)?;
        while !path.starts_with(&*prefix.text) {
            prefix = self.parent(prefix)?;
        }
        Some(prefix)
    }

    fn parent(&self, prefix: &Prefix<T>) -> Option<&Prefix<T>> {
        self.prefixes.get(prefix.parent?)
    }
}

impl<T> Default for PathRoutes<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> PathRoutes<T> {
    fn sort(&mut self) {
        self.0.sort_by_key(|candidate| std::cmp::Reverse(candidate.predicates.count()));
    }

    /// The first whose conditions hold.
    fn first(&self, request: &Lookup<'_>) -> Option<&T> {
        self.0.iter().find(|candidate| candidate.predicates.hold(request)).map(|candidate| &candidate.value)
    }
}

/// Puts prefixes in order and links each to its parent.
fn sorted_prefixes<T>(mut prefixes: Vec<(String, PathRoute<T>)>) -> Vec<Prefix<T>> {
    prefixes.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut sorted: Vec<Prefix<T>> = Vec::new();
    for (text, candidate) in prefixes {
        if let Some(last) = sorted.last_mut()
            && *last.text == *text
        {
            last.candidates.0.push(candidate);
            continue;
        }
        // What the text starts with is its predecessor or stands on the predecessor's chain (see above).
        let mut parent = sorted.len().checked_sub(1);
        while let Some(at) = parent
            && !text.starts_with(&*sorted[at].text)
        {
            parent = sorted[at].parent;
        }
        sorted.push(Prefix { text: text.into(), parent, candidates: PathRoutes(vec![candidate]) });
    }
    sorted
}
