//! `rewrite` in a location: redirects, and prefixes of paths that are replaced.

use super::answer::{self, Paths, Rewrite};
use super::leads;
use super::location::{self, Kind, Location};
use super::parse::Directive;
use super::site::Site;
use super::world::World;
use crate::convert::output::{Place, Table, literal};

/// What `rewrite` in a location comes to.
pub enum Rewritten {
    /// Nothing that has to be looked at again.
    No,
    /// The request is answered by it.
    Answered,
    /// What is below the location's prefix gets another one.
    Below(Below),
}

/// A prefix with a slash, and what takes its place.
pub struct Below {
    from: String,
    to: String,
    place: Place,
}

/// `rewrite` in a location.
pub fn of_location(world: &mut World<'_>, site: &Site<'_>, location: &Location<'_>, route: &mut Table) -> Rewritten {
    let prefix = match &location.kind {
        Kind::Prefix(path) | Kind::First(path) => path.as_str(),
        _ => "",
    };
    let mut below = None;
    for directive in location.scope.here("rewrite") {
        let place = &directive.place;
        match answer::rewrite(directive) {
            Rewrite::Redirect(paths, to, status)
                if paths == [Paths::All] || paths.contains(&Paths::Prefix(prefix.to_owned())) =>
            {
                let args = vec![status.to_string(), to];
                let as_return = Directive { name: "return".to_owned(), args, block: None, place: place.clone() };
                answer::returned(world, site, &location.scope, &as_return, route);
                return Rewritten::Answered;
            }
            // without `break` another location may take the new path
            _ if directive.arg(2) != "break" && leads::to_refusal(site, location.directive, directive) => {
                let why = "it may lead to a location that refuses what this one lets in: this one is closed";
                let advice =
                    "write what is asked there into a route for these paths, and take `respond` and `deny` away";
                world.findings().error(place, directive.text(), why, advice);
                route.put(&["respond", "status"], 403, place);
                route.close(place);
                return Rewritten::Answered;
            }
            Rewrite::Prefix(from, to) if from == "/" && prefix == "/" && route.get(&["path_regex"]).is_none() => {
                route.put_first("path_prefix", "/", place);
                route.put(&["rewrite", "prefix"], literal(&to), place);
            }
            // the prefix of the location has to be the one that is replaced
            Rewrite::Prefix(from, to) if route.get(&["path_prefix"]).is_some() && from == prefix => {
                let to = if to.is_empty() { "/" } else { &to };
                route.put(&["rewrite", "prefix"], literal(to), place);
            }
            Rewrite::Prefix(from, to)
                if route.get(&["path_prefix"]).is_some() && from.strip_suffix('/') == Some(prefix) =>
            {
                // what is below another location does not come here
                let is_taken = |other: &Location<'_>| matches!(&other.kind, Kind::Prefix(path) | Kind::First(path) if *path == from);
                if location::all(&site.scope, site.server).iter().any(is_taken) {
                    continue;
                }
                below = Some(Below { from, to, place: place.clone() });
            }
            _ => {
                let advice = "`rewrite.prefix` replaces what `path` or `path_prefix` matched; groups of an expression are not known";
                world.findings().warning(
                    place,
                    directive.text(),
                    "it is not done: the path goes on as it came",
                    advice,
                );
            }
        }
    }
    below.map_or(Rewritten::No, Rewritten::Below)
}

/// A route, and before it the one in which a slash behind its prefix is replaced with it: `/api/x` becomes `/x`, and `/apix` stays.
pub fn with_below(route: Table, below: &Below) -> Vec<Table> {
    if route.get(&["service"]).or(route.get(&["split"])).is_none() {
        return vec![route];
    }
    let mut first = route.clone();
    first.put(&["path_prefix"], literal(&below.from), &below.place);
    first.put(&["rewrite", "prefix"], literal(&below.to), &below.place);
    vec![first, route]
}
