//! `if`: the few conditions that a route can have too.

use super::access::geo;
use super::answer::{self, Paths};
use super::parse::Directive;
use super::site::{Made, Site, Which};
use super::upstream::hashed;
use super::variables;
use super::world::{Scope, World};
use crate::convert::output::{Place, Table};
use crate::convert::{expression, networks};

/// A condition as routes can have it.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// It always holds at this address, or never.
    Settled(bool),
    /// The host is one of these, or (`false`) none.
    Host(Vec<String>, bool),
    /// The method is one of these, or none.
    Method(Vec<String>, bool),
    /// A key of `headers` or `query` has this value, or not.
    Field(&'static str, String, String, bool),
    /// The path is one of these.
    Path(Vec<Paths>),
    /// The path fits an expression.
    PathRegex(String),
    /// The client is in one of these networks.
    Networks(Vec<String>, Vec<Place>),
    /// Routes have no such condition. `true`: it is about who may come in.
    Unknown(bool),
}

/// What a condition of an `if` is at this address.
pub fn condition(world: &World<'_>, site: &Site<'_>, directive: &Directive) -> Condition {
    let text = directive.args.join(" ");
    let inner = text.trim_start_matches('(').trim();
    let inner = inner.strip_suffix(')').unwrap_or(inner).trim();
    let (variable, operator, value) = match inner.split_once(' ') {
        None => (inner, "", ""),
        Some((variable, rest)) => {
            let (operator, value) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
            (variable, operator, value.trim())
        }
    };
    let Some(name) = variables::sole(variable) else { return Condition::Unknown(operator.starts_with('!')) };
    let negated = operator.starts_with('!');
    let values = match operator {
        "=" | "!=" => Some(vec![value.to_owned()]),
        "~" | "~*" | "!~" | "!~*" => listed(value),
        _ => None,
    };
    match (name, values) {
        ("scheme", Some(values)) => Condition::Settled(values.iter().any(|v| (v == "https") == site.secure) != negated),
        ("https", Some(values)) => Condition::Settled(values.iter().any(|v| (v == "on") == site.secure) != negated),
        ("server_port", Some(values)) => {
            Condition::Settled(values.iter().any(|v| *v == site.port.to_string()) != negated)
        }
        ("ssl_protocol", Some(_)) if value.is_empty() => Condition::Settled(site.secure == negated),
        ("host" | "http_host" | "server_name", Some(values)) => Condition::Host(values, !negated),
        ("request_method", Some(values)) => Condition::Method(values, !negated),
        ("uri" | "request_uri" | "document_uri", _) if !negated && !operator.is_empty() => of_path(operator, value),
        (name, None) if operator.is_empty() => of_geo(world, name),
        (name, Some(values)) if values.len() == 1 => of_field(name, &values[0], !negated),
        (name, _) => Condition::Unknown(negated || name.starts_with("ssl_client")),
    }
}

/// `^(GET|HEAD)$`, or without its ends where there is no way to be longer.
fn listed(regex: &str) -> Option<Vec<String>> {
    let inner = regex.trim_start_matches('^').trim_end_matches('$');
    super::hosts::of_parts(inner)
        .filter(|values| {
            !values.is_empty()
                && (regex.starts_with('^')
                    || inner.starts_with('(')
                    || inner.bytes().all(|b| b.is_ascii_uppercase() || b == b'|'))
        })
        .or_else(|| {
            inner
                .split('|')
                .map(|one| super::hosts::of_parts(one).filter(|all| all.len() == 1))
                .collect::<Option<Vec<_>>>()
                .map(|all| all.concat())
        })
}

fn of_path(operator: &str, value: &str) -> Condition {
    if operator == "=" {
        return Condition::Path(vec![Paths::Exact(value.to_owned())]);
    }
    if operator == "~"
        && let Some(paths) = answer::paths(value, false)
    {
        return Condition::Path(paths);
    }
    let regex = expression::of_path(value);
    Condition::PathRegex(if operator == "~*" { expression::insensitive(&regex) } else { regex })
}

fn of_geo(world: &World<'_>, name: &str) -> Condition {
    let Some((default, lines)) = geo(world, name) else { return Condition::Unknown(true) };
    let is_true = |value: &str| !value.is_empty() && value != "0";
    if is_true(default) || lines.iter().any(|(_, value, _)| !is_true(value)) {
        return Condition::Unknown(true);
    }
    let (networks, places) = lines.iter().map(|(network, _, place)| (networks::write(network), place.clone())).unzip();
    Condition::Networks(networks, places)
}

fn of_field(name: &str, value: &str, holds: bool) -> Condition {
    match hashed(&format!("${name}")) {
        Some(key) if !value.is_empty() => match key.split_once(':') {
            Some(("header", field)) => Condition::Field("headers", field.to_owned(), value.to_owned(), holds),
            Some(("query", field)) => Condition::Field("query", field.to_owned(), value.to_owned(), holds),
            _ => Condition::Unknown(!holds),
        },
        _ => Condition::Unknown(!holds || name.starts_with("ssl_client")),
    }
}

/// Applies the `if`s of the innermost block of `scope` to what was made of a location (or to a whole server, which has `made` empty).
pub fn apply(world: &mut World<'_>, site: &Site<'_>, scope: &Scope<'_>, made: Vec<Made>) -> Vec<Made> {
    let mut all = made;
    for directive in scope.here("if") {
        let condition = condition(world, site, directive);
        if condition == Condition::Settled(false) {
            continue;
        }
        let inner = scope.within(directive);
        let mut done = Table::at(&directive.place);
        let acts = act(world, site, &inner, directive, &condition, &mut done);
        if acts {
            all = with(world, directive, condition, &done, all);
        }
    }
    all
}

/// What is done where the condition holds; `false`: nothing that can be said by a route.
fn act(
    world: &mut World<'_>,
    site: &Site<'_>,
    inner: &Scope<'_>,
    directive: &Directive,
    condition: &Condition,
    done: &mut Table,
) -> bool {
    let returned = inner.here("return").into_iter().next();
    let rewrites = inner.here("rewrite");
    let denies = returned.is_some_and(|returned| returned.arg(0).parse::<u16>().is_ok_and(|status| status >= 400));
    if let Condition::Unknown(asks) = condition {
        let what = if denies { "who is refused by it comes in" } else { "what it does is not done" };
        let why = format!("no route has such a condition: {what}");
        let advice =
            "routes have host, path, methods, headers and query, each with one value; `allow` and `deny` have networks";
        if denies {
            world.findings().error(&directive.place, directive.text(), why, advice);
            if *asks {
                done.close(&directive.place);
            }
            return *asks;
        }
        world.findings().warning(&directive.place, directive.text(), why, advice);
        return false;
    }
    if let Some(returned) = returned {
        answer::returned(world, site, inner, returned, done);
        return true;
    }
    if let Some(rewrite) = rewrites.first()
        && let answer::Rewrite::Redirect(paths, to, status) = answer::rewrite(rewrite)
        && paths == [Paths::All]
    {
        let args = vec![status.to_string(), to];
        let as_return = Directive { name: "return".to_owned(), args, block: None, place: rewrite.place.clone() };
        answer::returned(world, site, inner, &as_return, done);
        return true;
    }
    let what = directive.inner().iter().map(|inner| inner.name.as_str()).collect::<Vec<_>>().join(", ");
    let why = format!("what it does is not done ({what})");
    world.findings().warning(&directive.place, directive.text(), why, "make a route with the condition");
    false
}

/// Routes for those for whom the condition holds, and for the others.
fn with(
    world: &mut World<'_>,
    directive: &Directive,
    condition: Condition,
    done: &Table,
    made: Vec<Made>,
) -> Vec<Made> {
    let place = &directive.place;
    match condition {
        Condition::Settled(_) => vec![Made { route: done.clone(), hosts: Which::All, whole: true }],
        Condition::Host(hosts, holds) => {
            let hosts: Vec<_> = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
            let hosts = if holds { Which::Only(hosts) } else { Which::Except(hosts) };
            let whole = Made { route: done.clone(), hosts, whole: true };
            [whole].into_iter().chain(made).collect()
        }
        Condition::Path(paths) => {
            let mut added = Vec::new();
            for path in paths {
                let mut route = done.clone();
                match path {
                    Paths::All => {}
                    Paths::Exact(path) => route.put_first("path", path, place),
                    Paths::Prefix(path) => route.put_first("path_prefix", path, place),
                }
                added.push(Made::new(route));
            }
            added.into_iter().chain(made).collect()
        }
        Condition::PathRegex(regex) => {
            if regex::Regex::new(&regex).is_err() {
                world.findings().error(
                    place,
                    directive.text(),
                    "this expression can't be used here",
                    "expressions have no look-around and no back-references",
                );
                return made;
            }
            let mut route = done.clone();
            route.put_first("path_regex", regex, place);
            [Made::new(route)].into_iter().chain(made).collect()
        }
        Condition::Networks(networks, places) => refused(world, directive, done, (&networks, &places), made),
        Condition::Method(..) | Condition::Field(..) => beside(&condition, done, place, made),
        // it is about who may come in: nobody does
        Condition::Unknown(_) => made
            .into_iter()
            .map(|mut one| {
                one.route.close(place);
                one
            })
            .collect(),
    }
}

fn refused(
    world: &mut World<'_>,
    directive: &Directive,
    done: &Table,
    (networks, places): (&[String], &[Place]),
    mut made: Vec<Made>,
) -> Vec<Made> {
    let denies = matches!(done.get(&["respond", "status"]), Some(crate::convert::output::Value::Number(status)) if *status >= 400);
    if !denies {
        world.findings().warning(
            &directive.place,
            directive.text(),
            "routes have no condition on the client's network",
            "a listener of their own for these clients",
        );
        return made;
    }
    for one in &mut made {
        for network in networks {
            one.route.push(&["deny"], network.as_str());
        }
        for place in places.iter().chain([&directive.place]) {
            one.route.comes_from(&["deny"], place);
        }
    }
    made
}

/// Each route twice: for those for whom the condition holds, and for the others.
fn beside(condition: &Condition, done: &Table, place: &Place, made: Vec<Made>) -> Vec<Made> {
    let mut all = Vec::new();
    for one in made {
        if one.whole {
            all.push(one);
            continue;
        }
        let mut acts = Table { from: done.from.clone(), ..Table::default() };
        for entry in &one.route.entries {
            if matches!(entry.key.as_str(), "path" | "path_prefix" | "path_regex" | "methods" | "headers" | "query") {
                acts.entries.push(entry.clone());
            }
        }
        acts.entries.extend(done.entries.iter().cloned());
        let mut other = one.route.clone();
        let holds = match condition {
            Condition::Method(methods, holds) => {
                let narrowed = if *holds { &mut acts } else { &mut other };
                narrowed.put_first("methods", methods.clone(), place);
                holds
            }
            Condition::Field(table, field, value, holds) => {
                let narrowed = if *holds { &mut acts } else { &mut other };
                narrowed.put(&[table, field], crate::convert::output::literal(value), place);
                holds
            }
            _ => &true,
        };
        let pair = [Made { route: acts, ..one.clone() }, Made { route: other, ..one }];
        let pair = if *holds {
            pair
        } else {
            let [a, b] = pair;
            [b, a]
        };
        all.extend(pair);
    }
    all
}
