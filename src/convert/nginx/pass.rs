//! `proxy_pass`: one service, or several between which a variable decides.

use super::answer;
use super::parse::Directive;
use super::proxy::{self, Target};
use super::site::Site;
use super::upstream::hashed;
use super::variables;
use super::world::{Scope, World};
use crate::convert::output::{Table, literal};

/// The path by which a location replaces its own, if it does.
pub fn replaced(scope: &Scope<'_>) -> Option<String> {
    let pass = scope.here("proxy_pass").into_iter().last()?;
    let rewrites =
        scope.here("rewrite").iter().any(|rewrite| matches!(answer::rewrite(rewrite), answer::Rewrite::Prefix(..)));
    proxy::target(scope, pass.arg(0)).path.or_else(|| rewrites.then(String::new))
}

/// The routes to the services that requests are passed to, each with the authority that the backend is told as the host.
pub fn to_services<'a>(
    world: &mut World<'a>,
    site: &Site<'a>,
    scope: &Scope<'a>,
    directive: &'a Directive,
    mut route: Table,
) -> Vec<(Table, String)> {
    let target = proxy::target(scope, directive.arg(0));
    let place = &directive.place;
    if let Some(name) = chosen_by(&target.authority) {
        if let Some(routes) = by_split(world, scope, directive, (&target, &name), &route) {
            return routes;
        }
        if let Some(routes) = by_map(world, site, scope, directive, (&target, &name), &route) {
            return routes;
        }
    }
    match proxy::service(world, scope, &target, directive) {
        Some(service) => {
            route.put(&["service"], service, place);
            path(world, &target, directive, &mut route);
        }
        None => answer::not_done(place, &mut route),
    }
    vec![(route, target.authority)]
}

/// The variable at the end of an authority.
fn chosen_by(authority: &str) -> Option<String> {
    let at = authority.find('$')?;
    variables::sole(&authority[at..]).map(str::to_owned)
}

fn with(target: &Target, value: &str) -> Target {
    let at = target.authority.find('$').unwrap_or(0);
    let value = value.trim_start_matches("http://").trim_start_matches("https://");
    Target { authority: format!("{}{value}", &target.authority[..at]), ..target.clone() }
}

/// `split_clients`
fn by_split<'a>(
    world: &mut World<'a>,
    scope: &Scope<'a>,
    directive: &'a Directive,
    (target, name): (&Target, &str),
    route: &Table,
) -> Option<Vec<(Table, String)>> {
    let split = *world.splits.get(name)?;
    let mut route = route.clone();
    let place = &split.place;
    let total = 10_000_i64;
    let mut left = total;
    let mut authority = String::new();
    for line in split.inner() {
        let weight = match line.name.strip_suffix('%').map(str::parse::<f64>) {
            Some(Ok(share)) => (share * 100.0).round() as i64,
            _ if line.name == "*" => left,
            _ => return None,
        };
        left -= weight;
        let target = with(target, line.arg(0));
        let service = proxy::service(world, scope, &target, directive)?;
        authority.clone_from(&target.authority);
        let mut side = Table::at(&line.place);
        side.put(&["service"], service, &line.place);
        side.put(&["weight"], weight, &line.place);
        route.push_from(&["split"], side, place);
    }
    let key = variables::sole(split.arg(0)).map(|_| split.arg(0)).or_else(|| {
        // a text behind the variable is salt
        let end = split.arg(0).rfind('}').map(|at| at + 1)?;
        Some(&split.arg(0)[..end])
    });
    match key.and_then(hashed) {
        Some(by) if by != "path" && by != "uri" => route.put(&["split_by"], by, place),
        _ => {
            let why = format!("clients can't be told apart by `{}`: chance decides for each request", split.arg(0));
            world.findings().note(place, split.text(), why, "`split_by = \"cookie\"` keeps a client on its side");
        }
    }
    path(world, target, directive, &mut route);
    Some(vec![(route, authority)])
}

/// `map`, where its key is something that routes have a condition for.
fn by_map<'a>(
    world: &mut World<'a>,
    site: &Site<'a>,
    scope: &Scope<'a>,
    directive: &'a Directive,
    (target, name): (&Target, &str),
    route: &Table,
) -> Option<Vec<(Table, String)>> {
    let (key, lines) = world.map(name)?;
    let key = variables::sole(key)?;
    let mut routes = Vec::new();
    for line in lines {
        let value = line.name.trim_start_matches('\\');
        let mut one = route.clone();
        if line.name == "hostnames" || line.name == "volatile" {
            continue;
        }
        if value.starts_with('~') {
            let advice = "make a route for each value";
            world.findings().warning(
                &line.place,
                line.text(),
                "an expression can't choose between services: it is left out",
                advice,
            );
            continue;
        }
        if value != "default" {
            match (key, hashed(&format!("${key}"))) {
                ("host" | "http_host" | "ssl_server_name", _)
                    if site.hosts.iter().any(|host| host == value) || site.hosts.is_empty() =>
                {
                    one.put_first("host", value, &line.place);
                }
                ("host" | "http_host" | "ssl_server_name", _) => continue,
                ("request_method", _) => one.put_first("methods", vec![value], &line.place),
                (_, Some(by)) => match by.split_once(':') {
                    Some(("header", field)) => one.put(&["headers", field], literal(value), &line.place),
                    Some(("query", field)) => one.put(&["query", field], literal(value), &line.place),
                    _ => return None,
                },
                _ => return None,
            }
        }
        let target = with(target, line.arg(0));
        let Some(service) = proxy::service(world, scope, &target, directive) else { continue };
        one.put(&["service"], service, &line.place);
        path(world, &target, directive, &mut one);
        routes.push((one, target.authority));
    }
    (!routes.is_empty()).then_some(routes)
}

/// The path with which a request goes on.
fn path(world: &mut World<'_>, target: &Target, directive: &Directive, route: &mut Table) {
    let Some(path) = &target.path else { return };
    let place = &directive.place;
    let prefix = route.text(&["path_prefix"]).or_else(|| route.text(&["path"])).map(str::to_owned);
    let no_condition = prefix.is_none() && route.get(&["path_regex"]).is_none();
    // the path as it came behind something else: `http://app/new$request_uri`
    let before = path.strip_suffix("$request_uri").or_else(|| path.strip_suffix("$uri"));
    let new = match (before, &prefix) {
        (Some(before), Some(prefix)) => format!("{before}{prefix}"),
        (Some(before), None) if no_condition => format!("{before}/"),
        (None, _) => path.clone(),
        _ => path.clone() + "$",
    };
    if variables::has_any(&new) || new.ends_with('$') || prefix.is_none() && !no_condition {
        let advice = "`rewrite.prefix` replaces what `path` or `path_prefix` matched";
        world.findings().warning(
            place,
            directive.text(),
            "the path can't be made of variables: it goes on as it came",
            advice,
        );
        return;
    }
    if no_condition {
        if new == "/" {
            return;
        }
        route.put_first("path_prefix", "/", place);
    }
    // a query of its own can't be added
    let (new, query) = new.split_once('?').map_or((new.as_str(), None), |(new, query)| (new, Some(query)));
    if query.is_some() {
        world.findings().warning(place, directive.text(), "a query can't be added: the request's own goes on", "");
    }
    if prefix.as_deref() != Some(new) {
        route.put(&["rewrite", "prefix"], literal(new), place);
    }
}

/// `mirror /path`, where that location passes requests on.
pub fn mirrored(world: &mut World<'_>, site: &Site<'_>, scope: &Scope<'_>, route: &mut Table) {
    let Some(directive) = scope.one("mirror").filter(|directive| directive.arg(0) != "off") else { return };
    let path = directive.arg(0);
    let location = site
        .server
        .inner()
        .iter()
        .find(|other| other.name == "location" && other.args.concat().trim_start_matches('=') == path);
    let inner = location.map(|location| site.scope.within(location));
    let pass = inner.as_ref().and_then(|inner| Some((inner, inner.here("proxy_pass").into_iter().last()?)));
    let service = pass.and_then(|(inner, pass)| proxy::service(world, inner, &proxy::target(inner, pass.arg(0)), pass));
    match service {
        Some(service) => route.put(&["mirror", "service"], service, &directive.place),
        None => world.findings().warning(
            &directive.place,
            directive.text(),
            "it is not known where copies go",
            "`mirror = { service = ... }` of a route",
        ),
    }
    if scope.value("mirror_request_body", "on") == "off" && route.get(&["mirror"]).is_some() {
        let why = "copies have their bodies, and requests with a body of more than 64 KiB are not copied";
        world.findings().note(&directive.place, "mirror_request_body", why, "`mirror.max_body`");
    }
}
