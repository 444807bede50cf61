//! Paths of routes where expressions are among them, of which more than one may take a request.

use std::collections::HashSet;

use super::parse::Directive;
use super::site::{Level, MOST, Made};
use super::world::World;
use crate::convert::decision::{Path, conditions::Meet};
use crate::convert::expression;
use crate::convert::output::{Table, Value, literal};

/// How many conditions a route has beside host and path, as Evenkeel counts them.
pub fn number(route: &Table) -> usize {
    let of = |key: &str| match route.get(&[key]) {
        Some(Value::Table(fields)) => fields.entries.len(),
        Some(_) => 1,
        None => 0,
    };
    ["methods", "headers", "query"].into_iter().map(of).sum()
}

/// The `if` of a location whose path fits an expression.
pub fn in_location(
    world: &mut World<'_>,
    directive: &Directive,
    (done, regex): (&Table, &str),
    level: Level,
    made: Vec<Made>,
) -> Vec<Made> {
    let place = &directive.place;
    let denies = matches!(done.get(&["respond", "status"]), Some(Value::Number(status)) if *status >= 400);
    let crowded = level == Level::Location(true);
    let known = regex::Regex::new(regex).ok();
    let mut all = Vec::new();
    for one in made {
        let with_path = |key: &str, value: &str| {
            let mut route = Table { from: done.from.clone(), ..Table::default() };
            for entry in &one.route.entries {
                if matches!(entry.key.as_str(), "methods" | "headers" | "query") {
                    route.entries.push(entry.clone());
                }
            }
            route.entries.extend(done.entries.iter().cloned());
            route.put_first(key, literal(value), place);
            Made { route, ..one.clone() }
        };
        if let Some(path) = one.route.text(&["path"]) {
            let path = path.replace("$${", "${");
            if known.as_ref().is_some_and(|known| known.is_match(&path)) {
                all.push(with_path("path", &path));
            }
            all.push(one);
            continue;
        }
        let prefix = one.route.text(&["path_prefix"]).unwrap_or("/").replace("$${", "${");
        let joined = match one.route.get(&["path_regex"]) {
            Some(_) => expression::Within::Unknown,
            None => expression::within(&prefix, regex),
        };
        match joined {
            expression::Within::Nothing => {}
            expression::Within::Fits(joined) if denies || !crowded => {
                if crowded {
                    let why = "it holds for all such paths, in other locations as well";
                    world.findings().warning(place, directive.text(), why, "narrow the expression");
                }
                all.push(with_path("path_regex", &joined));
            }
            _ if denies => {
                let why = "a route has one condition on its path: who is refused by it comes in";
                world.findings().error(place, directive.text(), why, "make it one expression of the location");
            }
            _ => {
                let why = "a route has one condition on its path: what it does is not done";
                world.findings().warning(place, directive.text(), why, "make it one expression of the location");
            }
        }
        all.push(one);
    }
    all
}

/// Expressions win in the order of the file, but here those with more conditions win first. So where an earlier one may take what a later one with more
/// conditions takes, it is there with these as well.
pub fn in_order(world: &mut World<'_>, directive: &Directive, mut made: Vec<Made>) -> Vec<Made> {
    let has_conditions = |one: &Made| one.route.get(&["path_regex"]).is_some() && number(&one.route) > 0;
    if !made.iter().any(has_conditions) {
        return made;
    }
    let mut known: HashSet<String> = made.iter().map(key).collect();
    for _ in 0..4 {
        let mut all = Vec::new();
        for (at, one) in made.iter().enumerate() {
            for later in &made[at + 1..] {
                if let Some(both) = before(one, later)
                    && known.insert(key(&both))
                {
                    all.push(both);
                }
            }
            all.push(one.clone());
            if all.len() > MOST {
                break;
            }
        }
        if all.len() == made.len() {
            return made;
        }
        if all.len() > MOST {
            break;
        }
        made = all;
    }
    let why = "its expressions and their conditions can't be put into the order of the file: nobody is let in";
    let advice = "have fewer expressions with conditions in it";
    world.findings().error(&directive.place, "server", why, advice);
    made.iter_mut().for_each(|one| one.route.close(&directive.place));
    made
}

/// What tells routes apart.
pub fn key(one: &Made) -> String {
    let mut conditions = Table::default();
    let keys = ["path", "path_prefix", "path_regex", "methods", "headers", "query"];
    for name in keys {
        conditions.entries.extend(one.route.only(name).entries);
    }
    format!("{:?} {}", one.hosts, conditions.fingerprint())
}

/// The earlier route with the conditions of the later one, where that would win and must not.
fn before(one: &Made, later: &Made) -> Option<Made> {
    let (first, second) = (one.route.text(&["path_regex"])?, later.route.text(&["path_regex"])?);
    if first == second || number(&later.route) <= number(&one.route) {
        return None;
    }
    let path = |regex: &str| Path::Regex(regex.replace("$${", "${"));
    if path(first).meet(&path(second)) == Meet::Never {
        return None;
    }
    let hosts = one.hosts.meet(&later.hosts);
    let mut both = one.route.clone();
    for entry in &later.route.entries {
        match (entry.key.as_str(), &entry.value) {
            ("methods", Value::List(methods)) => {
                let both_have: Vec<_> = match one.route.get(&["methods"]) {
                    Some(Value::List(known)) => methods.iter().filter(|one| known.contains(one)).cloned().collect(),
                    _ => methods.clone(),
                };
                if both_have.is_empty() {
                    return None;
                }
                both.put(&["methods"], Value::List(both_have), entry.from.first()?);
            }
            ("headers" | "query", Value::Table(fields)) => {
                for field in &fields.entries {
                    let known = both.get(&[&entry.key, &field.key]);
                    if known.is_some_and(|known| *known != field.value) {
                        return None;
                    }
                    both.put(&[&entry.key, &field.key], field.value.clone(), field.from.first()?);
                }
            }
            _ => {}
        }
    }
    Some(Made { route: both, hosts })
}
