//! What happens to the requests of a route, apart from which requests those are.

use ipnet::IpNet;

use super::conditions::{Conditions, Meet, Path};
use crate::convert::networks;
use crate::convert::output::{Findings, Place, Table, literal};

/// A change of the path on its way to a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathChange {
    /// This beginning is taken away, where it is there.
    Strip(String),
    /// This is put before it.
    Add(String),
    /// This takes the place of all of it.
    Replace(String),
}

/// What happens.
#[derive(Debug, Clone, Default)]
pub struct Treatment {
    /// Keys of the route, without its conditions.
    pub table: Table,
    /// Changes of the path, in their order.
    pub path: Vec<(PathChange, Option<Place>)>,
    /// Who may come in; `None` = everybody.
    pub allow: Option<Vec<IpNet>>,
    /// Who may not.
    pub deny: Vec<IpNet>,
    /// Where the original says who may come in.
    pub access: Vec<Place>,
    /// Nobody may, because something that the original asks of clients could not be carried over; where it asks.
    pub closed: Option<Place>,
    /// The request is refused.
    pub denies: bool,
}

impl Treatment {
    /// Only those networks may come in, beside what was asked for already.
    pub fn allow(&mut self, nets: &[IpNet], place: &Place) {
        self.allow = networks::both(self.allow.as_deref(), Some(nets));
        self.access.push(place.clone());
    }

    /// Those networks may not come in.
    pub fn deny(&mut self, nets: &[IpNet], place: &Place) {
        self.deny.extend(nets.iter().filter(|net| !self.deny.contains(*net)).copied().collect::<Vec<_>>());
        self.access.push(place.clone());
    }

    /// Whether something is asked of clients.
    pub fn protects(&self) -> bool {
        let asks = |key| self.table.get(&[key]).is_some();
        self.allow.is_some() || !self.deny.is_empty() || self.closed.is_some() || asks("auth") || asks("rate_limit")
    }

    /// Whether whom the other one refuses is refused here as well.
    pub fn asks_as_much(&self, other: &Self) -> bool {
        let same = |key| other.table.get(&[key]).is_none_or(|wanted| self.table.get(&[key]) == Some(wanted));
        let lists = other.allow.is_none() || self.allow == other.allow;
        let denied = other.deny.iter().all(|net| self.deny.contains(net));
        let all = !other.denies && other.closed.is_none() && same("auth") && same("rate_limit");
        self.denies || self.closed.is_some() || all && lists && denied
    }

    /// Whether the path of requests that go to a backend changes.
    pub fn rewrites(&self) -> bool {
        !self.path.is_empty() && self.table.get(&["redirect"]).is_none() && self.table.get(&["respond"]).is_none()
    }

    /// The form in which requests come in whose path has this form after the changes so far.
    pub fn before(&self, path: &Path) -> Meet<Path> {
        let mut path = path.clone();
        for (change, _) in self.path.iter().rev() {
            path = match (change, path) {
                (_, Path::Any) => Path::Any,
                (PathChange::Replace(whole), path) => match path.meet(&Path::Exact(whole.clone())) {
                    Meet::Both(_) => Path::Any,
                    _ => return Meet::Never,
                },
                (_, Path::Regex(_)) => return Meet::Unknown,
                // whatever is left begins with a slash
                (PathChange::Strip(_), Path::Prefix(path)) if path == "/" => Path::Any,
                (PathChange::Strip(prefix), Path::Exact(path)) => Path::Exact(format!("{prefix}{path}")),
                (PathChange::Strip(prefix), Path::Prefix(path)) => Path::Prefix(format!("{prefix}{path}")),
                (PathChange::Add(prefix), path) => match after_prefix(prefix, &path) {
                    Some(path) => path,
                    None => return Meet::Never,
                },
            };
        }
        Meet::Both(path)
    }

    /// The route for these requests.
    pub fn route(&self, when: &Conditions, place: &Place, what: &str, findings: &mut Findings) -> Table {
        let mut route = Table::at(place);
        let mut when = when.clone();
        let passes_on = self.table.get(&["redirect"]).is_none() && self.table.get(&["respond"]).is_none();
        let rewritten = if self.rewrites() { self.rewritten(&mut when, place, what, findings) } else { None };
        when.write(&mut route, place);
        for entry in &self.table.entries {
            // nothing goes to a backend here
            if !passes_on && matches!(entry.key.as_str(), "request_headers" | "rewrite" | "mirror" | "timeout") {
                continue;
            }
            route.entries.push(entry.clone());
        }
        if let Some((prefix, from)) = rewritten {
            route.put(&["rewrite", "prefix"], literal(&prefix), &from);
        }
        let allow = networks::both(self.allow.as_deref(), when.networks.as_deref());
        self.write_access(&mut route, allow, place);
        route
    }

    fn write_access(&self, route: &mut Table, allow: Option<Vec<IpNet>>, place: &Place) {
        let from = self.access.first().unwrap_or(place);
        let list = |nets: &[IpNet]| nets.iter().map(networks::write).collect::<Vec<_>>();
        if let Some(closed) = &self.closed {
            route.close(closed);
            return;
        }
        if !self.deny.is_empty() {
            route.put(&["deny"], list(&self.deny), from);
        }
        match allow.map(|allow| networks::without(&allow, &self.deny)) {
            Some(left) if left.is_empty() => route.close(from),
            Some(left) => route.put(&["allow"], list(&left), from),
            None => {}
        }
        if route.get(&["deny"]).is_some() || route.get(&["allow"]).is_some() {
            for place in self.access.iter().skip(1) {
                if let Some(entry) = route.entries.last_mut()
                    && !entry.from.contains(place)
                {
                    entry.from.push(place.clone());
                }
            }
        }
    }

    /// What takes the place of the part of the path that the route matches, and where that comes from.
    fn rewritten(
        &self,
        when: &mut Conditions,
        place: &Place,
        what: &str,
        findings: &mut Findings,
    ) -> Option<(String, Place)> {
        let from = self.path.iter().find_map(|(_, from)| from.clone()).unwrap_or_else(|| place.clone());
        if when.path == Path::Any {
            when.path = Path::Prefix("/".to_owned());
        }
        let (matched, whole) = match &when.path {
            Path::Exact(path) => (path.clone(), true),
            Path::Prefix(prefix) => (prefix.clone(), false),
            _ => {
                findings.warning(
                    &from,
                    what,
                    "the path of requests that a regular expression chooses can't be changed, and goes to the backend as it is",
                    "have the backend take the path as clients send it, or choose the requests by a prefix",
                );
                return None;
            }
        };
        let mut path = matched.clone();
        let mut replaced = false;
        for (change, _) in &self.path {
            match change {
                PathChange::Strip(prefix) => {
                    if let Some(rest) = path.strip_prefix(prefix.as_str()) {
                        path = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
                    }
                }
                PathChange::Add(prefix) => path = format!("{}{path}", prefix.trim_end_matches('/')),
                PathChange::Replace(new) => (path, replaced) = (new.clone(), true),
            }
        }
        if replaced && !whole {
            findings.warning(
                &from,
                what,
                "the whole path of requests that a prefix chooses can't be replaced, and goes to the backend as it is",
                "replace it at the backend, or have a route for each path",
            );
            return None;
        }
        if !whole && path != matched && !matched.ends_with('/') && !path.ends_with('/') {
            let why = format!("of a path that goes on without a slash, such as {matched}x, the backend gets {path}/x");
            findings.note(&from, what, why, "");
        }
        (path != matched).then_some((path, from))
    }
}

/// The paths that have this form with `prefix` before them.
fn after_prefix(prefix: &str, path: &Path) -> Option<Path> {
    let prefix = prefix.trim_end_matches('/');
    match path {
        Path::Exact(path) => path.strip_prefix(prefix).map(|path| Path::Exact(path.to_owned())),
        Path::Prefix(path) => match path.strip_prefix(prefix) {
            Some("") => Some(Path::Any),
            Some(path) => Some(Path::Prefix(path.to_owned())),
            None => prefix.starts_with(path.as_str()).then_some(Path::Any),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    fn rewritten(path: Path, changes: Vec<PathChange>) -> Option<String> {
        let place = Place::new(&Rc::from("a"), 1);
        let path_changes = changes.into_iter().map(|change| (change, None)).collect();
        let treatment = Treatment { path: path_changes, ..Treatment::default() };
        let mut findings = Findings::default();
        let route = treatment.route(&Conditions::path(path), &place, "a", &mut findings);
        route.text(&["rewrite", "prefix"]).map(str::to_owned)
    }

    #[test]
    fn changes_of_the_path_become_what_replaces_the_matched_part() {
        let (strip, add) = (|p: &str| PathChange::Strip(p.into()), |p: &str| PathChange::Add(p.into()));
        assert_eq!(rewritten(Path::Prefix("/api".into()), vec![strip("/api")]).as_deref(), Some("/"));
        assert_eq!(rewritten(Path::Prefix("/api/v1/".into()), vec![strip("/api")]).as_deref(), Some("/v1/"));
        assert_eq!(rewritten(Path::Exact("/api/x".into()), vec![strip("/api")]).as_deref(), Some("/x"));
        assert_eq!(rewritten(Path::Any, vec![add("/app")]).as_deref(), Some("/app/"));
        assert_eq!(rewritten(Path::Prefix("/a/".into()), vec![strip("/a"), add("/b")]).as_deref(), Some("/b/"));
        assert_eq!(rewritten(Path::Exact("/a".into()), vec![PathChange::Replace("/b".into())]).as_deref(), Some("/b"));
        assert_eq!(rewritten(Path::Prefix("/a".into()), vec![PathChange::Replace("/b".into())]), None);
    }

    #[test]
    fn a_condition_on_a_changed_path_is_one_on_the_path_before() {
        let changed = |change| Treatment { path: vec![(change, None)], ..Treatment::default() };
        let strip = changed(PathChange::Strip("/api".into()));
        assert_eq!(strip.before(&Path::Prefix("/v1/".into())), Meet::Both(Path::Prefix("/api/v1/".into())));
        let add = changed(PathChange::Add("/app".into()));
        assert_eq!(add.before(&Path::Prefix("/app/x".into())), Meet::Both(Path::Prefix("/x".into())));
        assert_eq!(add.before(&Path::Prefix("/".into())), Meet::Both(Path::Any));
        assert_eq!(add.before(&Path::Exact("/x".into())), Meet::Never);
    }
}
