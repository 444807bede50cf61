//! What a route asks of a request: the conditions of ours, when two of them can hold at once, and which of two routes wins.

use std::collections::BTreeMap;

use crate::convert::expression::{self, Within};
use crate::convert::output::{Place, Table, literal};

/// A condition on the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Path {
    /// This one.
    Exact(String),
    /// Those that begin with it.
    Prefix(String),
    /// Those that an expression fits.
    Regex(String),
}

/// What a route asks of a request; all of it has to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conditions {
    /// A name, or `*.` and a name.
    pub host: Option<String>,
    /// The path.
    pub path: Option<Path>,
    /// One of these methods.
    pub methods: Option<Vec<String>>,
    /// Fields with their values.
    pub headers: BTreeMap<String, String>,
    /// Parameters with their values.
    pub query: BTreeMap<String, String>,
    /// Whether it takes a little less than what it was made of.
    pub is_narrower: bool,
    /// Where they stand.
    pub places: Vec<Place>,
}

/// Both can't be had in one route.
#[derive(Debug, PartialEq, Eq)]
pub struct NoRoute;

impl Conditions {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.host.is_none()
            && self.path.is_none()
            && self.methods.is_none()
            && self.headers.is_empty()
            && self.query.is_empty()
    }

    /// What holds where both do: `None` where that can't be.
    pub fn and(&self, other: &Self) -> Result<Option<Self>, NoRoute> {
        let Some(host) = both(&self.host, &other.host, hosts)? else { return Ok(None) };
        let Some(path) = both(&self.path, &other.path, paths)? else { return Ok(None) };
        let Some(methods) = both(&self.methods, &other.methods, |a, b| {
            let common: Vec<_> = a.iter().filter(|one| b.contains(one)).cloned().collect();
            Ok((!common.is_empty()).then_some(common))
        })?
        else {
            return Ok(None);
        };
        let (Some(headers), Some(query)) = (tables(&self.headers, &other.headers), tables(&self.query, &other.query))
        else {
            return Ok(None);
        };
        let mut places = self.places.clone();
        places.extend(other.places.iter().filter(|place| !self.places.contains(place)).cloned());
        let is_narrower = self.is_narrower || other.is_narrower;
        Ok(Some(Self { host, path, methods, headers, query, is_narrower, places }))
    }

    /// Those of whom this takes that a later route of a higher rank could take, as a route of no lower rank. Where two expressions can't be joined, these are all
    /// whom this takes among those who fit the other in all but the path: the other comes later, so they belong here anyway.
    pub fn in_common(&self, later: &Self) -> Option<Self> {
        if let Ok(both) = self.and(later) {
            return both;
        }
        let pathless = Self { path: None, ..later.clone() };
        let path = match &self.path {
            Some(Path::Prefix(prefix)) => Some(Path::Regex(format!("^{}", regex::escape(prefix)))),
            other => other.clone(),
        };
        Self { path, ..self.clone() }.and(&pathless).ok().flatten()
    }

    /// Whether whatever fits this fits the other as well, as far as that can be seen.
    pub fn within(&self, other: &Self) -> bool {
        let host = match (&self.host, &other.host) {
            (_, None) => true,
            (Some(a), Some(b)) => a == b || below(a, b),
            (None, Some(_)) => false,
        };
        let path = || match (&self.path, &other.path) {
            (_, None) => true,
            (Some(Path::Exact(a) | Path::Prefix(a)), Some(Path::Prefix(b))) => a.starts_with(b.as_str()),
            (Some(Path::Exact(path)), Some(Path::Regex(regex))) => {
                regex::Regex::new(regex).is_ok_and(|regex| regex.is_match(path))
            }
            (Some(a), Some(b)) => a == b,
            (None, Some(_)) => false,
        };
        let methods = || match (&self.methods, &other.methods) {
            (_, None) => true,
            (Some(a), Some(b)) => a.iter().all(|one| b.contains(one)),
            (None, Some(_)) => false,
        };
        let has = |own: &BTreeMap<String, String>, asked: &BTreeMap<String, String>| {
            asked.iter().all(|(name, value)| own.get(name) == Some(value))
        };
        host && has(&self.headers, &other.headers) && has(&self.query, &other.query) && methods() && path()
    }

    /// Whether it asks for the same, wherever that stands.
    pub fn asks_the_same(&self, other: &Self) -> bool {
        self.host == other.host
            && self.path == other.path
            && self.methods == other.methods
            && self.headers == other.headers
            && self.query == other.query
    }

    /// What decides which of two routes takes a request: docs/routing.md has the order. More is more specific.
    pub fn rank(&self) -> (usize, usize, usize) {
        let host = match &self.host {
            None => 0,
            Some(host) if host.starts_with("*.") => host.len(),
            Some(_) => usize::MAX,
        };
        let path = match &self.path {
            None => 0,
            Some(Path::Prefix(prefix)) => prefix.len(),
            Some(Path::Regex(_)) => usize::MAX - 1,
            Some(Path::Exact(_)) => usize::MAX,
        };
        (host, path, self.headers.len() + self.query.len() + usize::from(self.methods.is_some()))
    }

    /// As keys of a route.
    pub fn put(&self, place: &Place, route: &mut Table) {
        let at = self.places.first().unwrap_or(place);
        if let Some(host) = &self.host {
            route.put(&["host"], literal(host), at);
        }
        match &self.path {
            Some(Path::Exact(path)) => route.put(&["path"], literal(path), at),
            Some(Path::Prefix(path)) => route.put(&["path_prefix"], literal(path), at),
            Some(Path::Regex(regex)) => route.put(&["path_regex"], literal(regex), at),
            None => {}
        }
        if let Some(methods) = &self.methods {
            route.put(&["methods"], methods.clone(), at);
        }
        for (name, value) in &self.headers {
            route.put(&["headers", name], literal(value), at);
        }
        for (name, value) in &self.query {
            route.put(&["query", name], literal(value), at);
        }
    }
}

type Both<T> = Result<Option<T>, NoRoute>;

fn both<T: Clone>(
    a: &Option<T>,
    b: &Option<T>,
    join: impl Fn(&T, &T) -> Both<T>,
) -> Result<Option<Option<T>>, NoRoute> {
    Ok(match (a, b) {
        (Some(a), Some(b)) => join(a, b)?.map(Some),
        (one, None) | (None, one) => Some(one.clone()),
    })
}

/// Whether a name is one of those below a wildcard.
fn below(name: &str, wildcard: &str) -> bool {
    wildcard.strip_prefix('*').is_some_and(|end| name.ends_with(end) && name.len() > end.len())
}

fn hosts(a: &String, b: &String) -> Both<String> {
    Ok(match (a, b) {
        (a, b) if a == b => Some(a.clone()),
        (a, b) if below(a, b) => Some(a.clone()),
        (a, b) if below(b, a) => Some(b.clone()),
        _ => None,
    })
}

fn paths(a: &Path, b: &Path) -> Both<Path> {
    use Path::{Exact, Prefix, Regex};
    Ok(match (a, b) {
        (a, b) if a == b => Some(a.clone()),
        (Exact(_), Exact(_)) => None,
        (Exact(path), Prefix(prefix)) | (Prefix(prefix), Exact(path)) => {
            path.starts_with(prefix.as_str()).then(|| Exact(path.clone()))
        }
        (Exact(path), Regex(regex)) | (Regex(regex), Exact(path)) => {
            let regex = regex::Regex::new(regex).map_err(|_| NoRoute)?;
            regex.is_match(path).then(|| Exact(path.clone()))
        }
        (Prefix(a), Prefix(b)) if a.starts_with(b.as_str()) => Some(Prefix(a.clone())),
        (Prefix(a), Prefix(b)) => b.starts_with(a.as_str()).then(|| Prefix(b.clone())),
        (Prefix(prefix), Regex(regex)) | (Regex(regex), Prefix(prefix)) => match expression::within(prefix, regex) {
            Within::Fits(joined) => Some(Regex(joined)),
            Within::Nothing => None,
            Within::Unknown => return Err(NoRoute),
        },
        (Regex(_), Regex(_)) => return Err(NoRoute),
    })
}

fn tables(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    let differ = a.iter().any(|(name, value)| b.get(name).is_some_and(|other| other != value));
    (!differ).then(|| a.iter().chain(b).map(|(name, value)| (name.clone(), value.clone())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(host: Option<&str>, path: Option<Path>) -> Conditions {
        Conditions { host: host.map(str::to_owned), path, ..Conditions::default() }
    }

    #[test]
    fn what_holds_where_both_do() {
        let api = of(None, Some(Path::Prefix("/api".into())));
        let host = of(Some("a.example"), None);
        let both = api.and(&host).unwrap().unwrap();
        assert_eq!((both.host.as_deref(), both.path.clone()), (Some("a.example"), Some(Path::Prefix("/api".into()))));
        assert!(both.within(&api) && both.within(&host) && !api.within(&both));
        assert_eq!(of(Some("a.example"), None).and(&of(Some("b.example"), None)).unwrap(), None);
        assert_eq!(
            of(Some("a.b.example"), None).and(&of(Some("*.example"), None)).unwrap().unwrap().host.as_deref(),
            Some("a.b.example")
        );
        let regex = of(None, Some(Path::Regex(r"\.php$".into())));
        assert_eq!(api.and(&regex).unwrap().unwrap().path, Some(Path::Regex(r"^/api.*(?:\.php$)".into())));
        assert_eq!(regex.and(&of(None, Some(Path::Regex("^/x".into())))), Err(NoRoute));
        assert_eq!(
            regex.and(&of(None, Some(Path::Exact("/a.php".into())))).unwrap().unwrap().path,
            Some(Path::Exact("/a.php".into()))
        );
        assert_eq!(regex.and(&of(None, Some(Path::Exact("/a".into())))).unwrap(), None);
    }

    #[test]
    fn routes_are_ranked_as_ours_are() {
        let exact = of(None, Some(Path::Exact("/a".into()))).rank();
        let regex = of(None, Some(Path::Regex("/a".into()))).rank();
        let prefix = of(None, Some(Path::Prefix("/abcdef".into()))).rank();
        let host = of(Some("a.example"), None).rank();
        assert!(host > exact && exact > regex && regex > prefix && prefix > of(None, None).rank());
        assert!(of(Some("*.a.example"), None).rank() > of(Some("*.example"), None).rank());
    }
}
