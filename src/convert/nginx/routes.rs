//! The routes of a server: of its locations, and of what it says for all of them.

use super::access;
use super::answer;
use super::branch;
use super::header;
use super::limits;
use super::location::{self, Kind, Location, Work};
use super::pages;
use super::parse::Directive;
use super::pass;
use super::paths;
use super::rewrites::{self, Rewritten};
use super::sequence::{self, Taken};
use super::site::{Level, Made, Site, Which};
use super::variables;
use super::world::{Scope, World};
use crate::convert::output::{Table, Value, literal};

/// All routes of a server, without their hosts.
pub fn of_server<'a>(world: &mut World<'a>, site: &Site<'a>, limited: bool) -> Vec<Made> {
    branch::apply(world, site, &site.scope, Level::Server, |world| of_locations(world, site, limited))
}

/// The routes of all locations, and of what none of them takes.
fn of_locations<'a>(world: &mut World<'a>, site: &Site<'a>, limited: bool) -> Vec<Made> {
    let locations = location::all(&site.scope, site.server);
    let sequence = sequence::of(world, &locations);
    let mut made = Vec::new();
    for taken in &sequence {
        made.extend(of_location(world, site, taken, limited));
    }
    slashes(&locations, &mut made);
    if !locations.iter().any(|location| matches!(&location.kind, Kind::Prefix(path) | Kind::First(path) if path == "/"))
    {
        made.push(rest(world, site));
    }
    paths::in_order(world, site.server, made)
}

/// What the server does where no location fits: files.
fn rest(world: &mut World<'_>, site: &Site<'_>) -> Made {
    let place = &site.server.place;
    let mut route = Table::at(place);
    if let Some(directive) = site.scope.here("root").into_iter().next() {
        let why = "files are not served: what no location takes is answered with 404";
        world.findings().warning(&directive.place, directive.text(), why, FILES);
    }
    route.put(&["respond", "status"], 404, place);
    pages::errors(world, site, &site.scope, &mut route);
    Made::new(route)
}

/// What to do about files.
pub const FILES: &str = "leave the files to a small file server (nginx itself, on another port) as a service";

/// A location that ends in a slash and passes requests on redirects those who have left the slash away, before any expression is asked; one that is
/// internal answers them with 404.
fn slashes(locations: &[Location<'_>], made: &mut Vec<Made>) {
    for location in locations {
        let (Kind::Prefix(path) | Kind::First(path) | Kind::Exact(path)) = &location.kind else { continue };
        let Some(bare) = path.strip_suffix('/').filter(|bare| !bare.is_empty()) else { continue };
        let exact = locations
            .iter()
            .any(|other| other.kind == Kind::Exact(bare.to_owned()) || other.kind == Kind::Prefix(bare.to_owned()));
        if exact || !matches!(location::work(&location.scope), Work::Pass(_)) {
            continue;
        }
        let place = &location.directive.place;
        let mut route = Table::at(place);
        route.put(&["path"], literal(bare), place);
        if location.scope.here("internal").is_empty() {
            route.put(&["redirect", "to"], format!("{}${{query}}", literal(path)), place);
            route.put(&["redirect", "status"], 301, place);
        } else {
            route.put(&["respond", "status"], 404, place);
        }
        made.push(Made::new(route));
    }
}

fn of_location<'a>(world: &mut World<'a>, site: &Site<'a>, taken: &Taken<'a>, limited: bool) -> Vec<Made> {
    let location = &taken.location;
    let (scope, directive) = (&location.scope, location.directive);
    let place = &directive.place;
    let mut route = Table::at(place);
    if directive.args.concat().contains("//") && !doubled(world, location, &mut route) {
        return if route.is_empty() { Vec::new() } else { vec![Made::new(route)] };
    }
    if !conditions(world, location, &mut route) {
        return Vec::new();
    }
    if taken.closed {
        route.put(&["respond", "status"], 403, place);
        route.close(place);
        return vec![Made::new(route)];
    }
    if !scope.here("internal").is_empty() {
        route.put(&["respond", "status"], 404, place);
        return vec![Made::new(route)];
    }
    let mut made = work(world, site, location, scope, route);
    for one in &mut made {
        if !scope.here("gzip").is_empty() {
            pages::compress(scope, one);
        }
        pages::errors(world, site, scope, one);
    }
    if !limited {
        for one in made.iter_mut().filter(|one| one.get(&["respond"]).is_none() && one.get(&["redirect"]).is_none()) {
            limits::requests(world, scope, one);
        }
    }
    let goes_on = |route: &Table| route.get(&["service"]).or(route.get(&["split"])).is_some();
    let with_methods =
        |route| if goes_on(&route) { access::limit_except(world, site, scope, route) } else { vec![route] };
    let made: Vec<Table> = made.into_iter().flat_map(with_methods).collect();
    branch::apply(world, site, scope, Level::Location(taken.crowded), |_| hosts(made))
}

/// Routes that a variable made of one location: each is for the host that it names, and one that names none for all others.
fn hosts(made: Vec<Table>) -> Vec<Made> {
    let named: Vec<String> = made.iter().filter_map(|route| route.text(&["host"]).map(str::to_owned)).collect();
    let of = |mut route: Table| {
        let hosts = match route.remove(&["host"]) {
            Some(Value::Text(host)) => Which::Only(vec![host]),
            _ if named.is_empty() => Which::All,
            _ => Which::Except(named.clone()),
        };
        Made { route, hosts }
    };
    made.into_iter().map(of).collect()
}

/// A location whose path has two slashes in a row. `false`: all has been said of it, and what is in `route` is all that comes of it.
fn doubled(world: &mut World<'_>, location: &Location<'_>, route: &mut Table) -> bool {
    let directive = location.directive;
    if location.scope.value("merge_slashes", "on") != "off" {
        let is_regex = matches!(location.kind, Kind::Regex(_));
        if !is_regex {
            let why = "no request comes here, since slashes in a row count as one: it is left out";
            world.findings().warning(&directive.place, directive.text(), why, "");
        }
        return is_regex;
    }
    let kind = match &location.kind {
        Kind::Exact(path) => Kind::Exact(path.replace("//", "/")),
        Kind::Prefix(path) => Kind::Prefix(path.replace("//", "/")),
        Kind::First(path) => Kind::First(path.replace("//", "/")),
        Kind::Regex(regex) => Kind::Regex(regex.replace("//", "/")),
        Kind::Named => return true,
    };
    let why =
        "slashes in a row count as one here, so it can't be told from the same path without them: both are closed";
    world.findings().error(&directive.place, directive.text(), why, "docs/routing.md says what a path means");
    if conditions(world, &Location { kind, ..location.clone() }, route) {
        route.put(&["respond", "status"], 403, &directive.place);
        route.close(&directive.place);
    }
    false
}

/// The paths of a location. `false`: no route can have them.
fn conditions(world: &mut World<'_>, location: &Location<'_>, route: &mut Table) -> bool {
    let place = &location.directive.place;
    match &location.kind {
        Kind::Exact(path) => route.put(&["path"], literal(path), place),
        Kind::Prefix(path) | Kind::First(path) => {
            if path != "/" {
                route.put(&["path_prefix"], literal(path), place);
            }
        }
        Kind::Regex(regex) => {
            if let Err(error) = regex::Regex::new(regex) {
                let why = format!(
                    "this expression can't be used here, so its requests are taken by other locations: {}",
                    last_line(&error.to_string())
                );
                let advice =
                    "expressions have no look-around and no back-references; write it without, or as several routes";
                world.findings().error(place, location.directive.text(), why, advice);
                return false;
            }
            route.put(&["path_regex"], literal(regex), place);
        }
        Kind::Named => return false,
    }
    true
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

/// What a location does with its requests, as one route, or as several where a variable decides.
fn work<'a>(
    world: &mut World<'a>,
    site: &Site<'a>,
    location: &Location<'a>,
    scope: &Scope<'a>,
    mut route: Table,
) -> Vec<Table> {
    let below = match rewrites::of_location(world, site, location, &mut route) {
        Rewritten::Answered => {
            header::to_client(world, site, scope, &mut route);
            return vec![route];
        }
        Rewritten::Below(below) => Some(below),
        Rewritten::No => None,
    };
    let routes = worked(world, site, location, scope, route);
    match below {
        Some(below) => routes.into_iter().flat_map(|route| rewrites::with_below(route, &below)).collect(),
        None => routes,
    }
}

/// The routes of a location, whatever its `rewrite`s say.
fn worked<'a>(
    world: &mut World<'a>,
    site: &Site<'a>,
    location: &Location<'a>,
    scope: &Scope<'a>,
    mut route: Table,
) -> Vec<Table> {
    let place = &location.directive.place;
    let work = location::work(scope);
    if matches!(work, Work::Program(_) | Work::Files(_)) && access::denies_all(scope) {
        route.put(&["respond", "status"], 403, place);
        header::to_client(world, site, scope, &mut route);
        return vec![route];
    }
    match work {
        Work::Return(directive) => {
            answer::returned(world, site, scope, directive, &mut route);
            header::to_client(world, site, scope, &mut route);
            vec![route]
        }
        Work::Pass(directive) => passed(world, site, scope, directive, route),
        Work::Program(directive) => {
            let advice = match directive.name.as_str() {
                "stub_status" | "api" => "status and metrics are at the admin address: docs/operations.md",
                "fastcgi_pass" => "leave it to nginx or Caddy on another port, which speaks FastCGI, as a service",
                _ => "leave it to a server that does this, as a service",
            };
            if directive.name == "stub_status" {
                world.findings().note(
                    &directive.place,
                    directive.text(),
                    "it is not done: the route answers 404",
                    advice,
                );
                route.put(&["respond", "status"], 404, place);
            } else {
                world.findings().warning(
                    &directive.place,
                    directive.text(),
                    "it is not done: the route answers 501",
                    advice,
                );
                answer::not_done(place, &mut route);
            }
            vec![route]
        }
        Work::Files(directive) => files(world, site, location, directive, route),
    }
}

/// Files, or what `try_files` does where there are none.
fn files<'a>(
    world: &mut World<'a>,
    site: &Site<'a>,
    location: &Location<'a>,
    directive: Option<&'a Directive>,
    mut route: Table,
) -> Vec<Table> {
    let last = location.scope.here("try_files").into_iter().last();
    let named = last.and_then(|last| last.args.last()).filter(|name| name.starts_with('@'));
    let fallback = named
        .and_then(|name| site.server.inner().iter().find(|other| other.name == "location" && other.arg(0) == *name));
    if let (Some(last), Some(fallback)) = (last, fallback) {
        let scope = site.scope.within(fallback);
        if let Work::Pass(pass) = location::work(&scope) {
            let why = "files are not served: everything goes to where they are not found";
            world.findings().warning(&last.place, last.text(), why, FILES);
            let mut routes = passed(world, site, &scope, pass, route);
            for route in &mut routes {
                access::of_both(world, site, (&location.scope, &scope), route);
            }
            return routes;
        }
    }
    let named = directive.unwrap_or(location.directive);
    world.findings().warning(&named.place, named.text(), "files are not served: the route answers 501", FILES);
    answer::not_done(&location.directive.place, &mut route);
    vec![route]
}

/// Requests that go to a service.
fn passed<'a>(
    world: &mut World<'a>,
    site: &Site<'a>,
    scope: &Scope<'a>,
    directive: &'a Directive,
    route: Table,
) -> Vec<Table> {
    let prefix = if directive.name == "grpc_pass" { "grpc" } else { "proxy" };
    let mut routes = pass::to_services(world, site, scope, directive, route);
    for (route, authority) in &mut routes {
        if route.get(&["respond"]).is_none() {
            header::to_backend(world, site, scope, prefix, authority, route);
            super::proxy::timeouts(scope, prefix, route);
            pass::mirrored(world, site, scope, route);
            access::apply(world, site, scope, route);
            header::not_sent(world, site, scope, directive, route);
        }
        header::to_client(world, site, scope, route);
    }
    routes
        .into_iter()
        .map(|(route, _)| route)
        .filter(|route| !variables::has_any(route.text(&["service"]).unwrap_or_default()))
        .collect()
}
