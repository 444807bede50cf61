//! What `if`s make of routes: those for whom a condition holds have one answer, and the others go where they went.
//!
//! nginx asks one `if` after the other, before anything else is done; here the most specific route wins. So the last one is looked at first: each
//! route is there a second time, with the condition added, unless it gives the same answer anyway.

use ipnet::IpNet;

use super::answer::{self, Paths};
use super::condition::{self, Condition};
use super::leads;
use super::parse::Directive;
use super::paths;
use super::site::{Level, MOST, Made, Site, Which};
use super::world::{Scope, World};
use crate::convert::networks;
use crate::convert::output::{Place, Table, Value, literal};

/// Keys of a route that are conditions.
const CONDITIONS: [&str; 6] = ["path", "path_prefix", "path_regex", "methods", "headers", "query"];

/// Something that is asked, and what is done where it holds.
struct Step<'a> {
    condition: Condition,
    done: Table,
    directive: &'a Directive,
}

/// Applies the `if`s of the innermost block of `scope` to what was made of a location or of a whole server; in a server, redirects of `rewrite` and what
/// `return` answers to all others as well.
pub fn apply<'a>(
    world: &mut World<'a>,
    site: &Site<'a>,
    scope: &Scope<'a>,
    level: Level,
    made: impl FnOnce(&mut World<'a>) -> Vec<Made>,
) -> Vec<Made> {
    let mut steps = Vec::new();
    let (mut last, mut whole) = (None, false);
    for directive in scope.innermost() {
        match directive.name.as_str() {
            "if" => steps.extend(asked(world, site, scope, directive)),
            "rewrite" if level == Level::Server => steps.extend(rewritten(world, site, directive)),
            "return" => {
                last = Some(directive);
                break;
            }
            _ => {}
        }
        whole =
            level == Level::Server && matches!(steps.last(), Some(Step { condition: Condition::Settled(true), .. }));
        if whole {
            break;
        }
    }
    let mut all = match last {
        _ if whole => Vec::new(),
        Some(directive) if level == Level::Server => {
            let mut route = Table::at(&directive.place);
            answer::returned(world, site, scope, directive, &mut route);
            super::header::to_client(world, site, scope, &mut route);
            vec![Made::new(route)]
        }
        _ => made(world),
    };
    let base = all.clone();
    for step in steps.into_iter().rev() {
        all = with(world, &step, level, all);
        if all.len() > MOST {
            let why = format!("with this there are more than {MOST} routes: it is not done, and nobody is let in");
            let advice = "have a backend ask such conditions, or `auth.forward`: docs/access.md";
            world.findings().error(&step.directive.place, step.directive.text(), why, advice);
            all = base;
            all.iter_mut().for_each(|one| one.route.close(&step.directive.place));
            break;
        }
    }
    // of two that take the same, the first one does
    let mut seen = std::collections::HashSet::new();
    all.retain(|one| one.hosts != Which::Only(Vec::new()) && seen.insert(paths::key(one)));
    all
}

/// What an `if` asks and does; `None`: nothing that can be said by a route.
fn asked<'a>(world: &mut World<'a>, site: &Site<'a>, scope: &Scope<'a>, directive: &'a Directive) -> Option<Step<'a>> {
    let condition = condition::condition(world, site, directive);
    if condition == Condition::Settled(false) {
        return None;
    }
    let inner = scope.within(directive);
    let mut done = Table::at(&directive.place);
    act(world, site, &inner, directive, &condition, &mut done).then_some(Step { condition, done, directive })
}

/// A `rewrite` of a server that redirects.
fn rewritten<'a>(world: &mut World<'a>, site: &Site<'a>, directive: &'a Directive) -> Option<Step<'a>> {
    let place = &directive.place;
    let answer::Rewrite::Redirect(paths, to, status) = answer::rewrite(directive) else {
        if leads::to_refusal(site, site.server, directive) {
            let (condition, done) = leads::closed(world, directive);
            return Some(Step { condition, done, directive });
        }
        let advice = "a route with `path_prefix` and `rewrite.prefix` replaces the beginning of a path; groups of an expression are not known";
        world.findings().warning(place, directive.text(), "it is not done: requests go on as they came", advice);
        return None;
    };
    let mut done = Table::at(place);
    redirected(world, site, &site.scope, (place, to, status), &mut done);
    let condition = if paths.contains(&Paths::All) { Condition::Settled(true) } else { Condition::Path(paths) };
    Some(Step { condition, done, directive })
}

fn redirected(
    world: &mut World<'_>,
    site: &Site<'_>,
    scope: &Scope<'_>,
    (place, to, status): (&Place, String, i64),
    done: &mut Table,
) {
    let args = vec![status.to_string(), to];
    let as_return = Directive { name: "return".to_owned(), args, block: None, place: place.clone() };
    answer::returned(world, site, scope, &as_return, done);
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
    let rewrite = inner.here("rewrite").into_iter().next();
    let status = returned.and_then(|returned| returned.arg(0).parse::<u16>().ok());
    let refused = rewrite.filter(|rewrite| returned.is_none() && leads::to_refusal(site, site.server, rewrite));
    let denies = status.is_some_and(|status| status >= 400) || refused.is_some();
    if let Condition::Unknown(asks) = condition {
        let what = if denies { "who is refused by it comes in" } else { "what it does is not done" };
        let why = format!("no route has such a condition: {what}");
        let advice =
            "routes have host, path, methods, headers and query, each with one value; `allow` and `deny` have networks";
        let sends_away = returned.is_some() && !denies && status != Some(200)
            || rewrite.is_some_and(|rewrite| matches!(answer::rewrite(rewrite), answer::Rewrite::Redirect(..)));
        if denies {
            world.findings().error(&directive.place, directive.text(), why, advice);
            if *asks {
                done.close(&directive.place);
            }
            return *asks;
        }
        // who does not have what is asked for is sent to where it is had
        if *asks && sends_away {
            let why = "no route has such a condition: who is sent elsewhere by it comes in";
            world.findings().error(&directive.place, directive.text(), why, advice);
            return false;
        }
        world.findings().warning(&directive.place, directive.text(), why, advice);
        return false;
    }
    if let Some(returned) = returned {
        answer::returned(world, site, inner, returned, done);
        condition::any_case(world, directive, condition, denies);
        return true;
    }
    if let Some(rewrite) = refused {
        leads::refused(world, site, rewrite, done);
        condition::any_case(world, directive, condition, true);
        return true;
    }
    if let Some(rewrite) = rewrite
        && let answer::Rewrite::Redirect(paths, to, status) = answer::rewrite(rewrite)
        && paths == [Paths::All]
    {
        redirected(world, site, inner, (&rewrite.place, to, status), done);
        return true;
    }
    let what: Vec<_> = directive.inner().iter().map(|inner| inner.name.as_str()).collect();
    let why = format!("what it does is not done ({})", what.join(", "));
    world.findings().warning(&directive.place, directive.text(), why, "make a route with the condition");
    false
}

/// Routes for those for whom the condition holds, and for the others.
fn with(world: &mut World<'_>, step: &Step<'_>, level: Level, made: Vec<Made>) -> Vec<Made> {
    let Step { condition, done, directive } = step;
    let place = &directive.place;
    match condition {
        Condition::Settled(_) if level == Level::Server => vec![Made::new(done.clone())],
        Condition::Settled(_) => made.iter().map(|one| Made { route: acts(one, done), ..one.clone() }).collect(),
        Condition::Host(hosts, holds) => {
            let hosts: Vec<_> = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
            by_host(&hosts, *holds, done, level, made)
        }
        Condition::Path(paths) => paths.iter().fold(made, |made, path| match path {
            Paths::All => by_regex(world, step, "", level, made),
            Paths::Exact(path) if level == Level::Server => at_path(path, done, place, made),
            Paths::Exact(path) => by_regex(world, step, &format!("^{}$", regex::escape(path)), level, made),
            Paths::Prefix(path) => by_regex(world, step, &format!("^{}", regex::escape(path)), level, made),
        }),
        Condition::PathRegex(regex) => by_regex(world, step, regex, level, made),
        Condition::Networks(networks, places) => refused(world, directive, done, (networks, places), made),
        Condition::Method(..) | Condition::Field(..) => beside(condition, done, place, made),
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

/// A route with the conditions of another one, and what is done.
fn acts(of: &Made, done: &Table) -> Table {
    let mut acts = Table { from: done.from.clone(), ..Table::default() };
    let conditions = of.route.entries.iter().filter(|entry| CONDITIONS.contains(&entry.key.as_str()));
    acts.entries.extend(conditions.cloned());
    acts.entries.extend(done.entries.iter().cloned());
    acts
}

/// What a route does, without its conditions.
fn treatment(route: &Table) -> Table {
    let mut treatment = route.clone();
    treatment.entries.retain(|entry| !CONDITIONS.contains(&entry.key.as_str()));
    treatment
}

fn by_host(hosts: &[String], holds: bool, done: &Table, level: Level, made: Vec<Made>) -> Vec<Made> {
    let (those, others) = (Which::Only(hosts.to_vec()), Which::Except(hosts.to_vec()));
    let (those, others) = if holds { (those, others) } else { (others, those) };
    let mut all = Vec::new();
    if level == Level::Server {
        all.push(Made { route: done.clone(), hosts: those.clone() });
    }
    for one in made {
        if level != Level::Server {
            all.push(Made { route: acts(&one, done), hosts: one.hosts.meet(&those) });
        }
        let hosts = one.hosts.meet(&others);
        all.push(Made { hosts, ..one });
    }
    all
}

/// In a server: those who ask for this path, whichever location would take it.
fn at_path(path: &str, done: &Table, place: &Place, made: Vec<Made>) -> Vec<Made> {
    let mut first = Vec::new();
    for one in &made {
        if one.route.text(&["path"]) == Some(literal(path).as_str()) {
            first.push(Made { route: acts(one, done), ..one.clone() });
        }
    }
    let mut route = done.clone();
    route.put_first("path", literal(path), place);
    first.into_iter().chain([Made::new(route)]).chain(made).collect()
}

/// Those whose path fits an expression. In a server they come before all locations, so each route that would win has one before it.
fn by_regex(world: &mut World<'_>, step: &Step<'_>, regex: &str, level: Level, made: Vec<Made>) -> Vec<Made> {
    let place = &step.directive.place;
    let Ok(known) = regex::Regex::new(regex) else {
        let advice = "expressions have no look-around and no back-references";
        world.findings().error(place, step.directive.text(), "this expression can't be used here", advice);
        return made;
    };
    if level != Level::Server {
        return paths::in_location(world, step.directive, (&step.done, regex), level, made);
    }
    let mut first = Vec::new();
    for one in &made {
        let exact = one.route.text(&["path"]).is_some_and(|path| known.is_match(&path.replace("$${", "${")));
        let mut route = acts(one, &step.done);
        if exact {
            first.push(Made { route, ..one.clone() });
        } else if one.route.get(&["path_regex"]).is_some() && paths::number(&one.route) > 0 {
            route.put_first("path_regex", literal(regex), place);
            first.push(Made { route, ..one.clone() });
        }
    }
    let mut route = step.done.clone();
    route.put_first("path_regex", literal(regex), place);
    first.into_iter().chain([Made::new(route)]).chain(made).collect()
}

/// Clients of these networks, refused before the lists of locations are looked at.
fn refused(
    world: &mut World<'_>,
    directive: &Directive,
    done: &Table,
    (networks, places): (&[String], &[Place]),
    mut made: Vec<Made>,
) -> Vec<Made> {
    let denies = matches!(done.get(&["respond", "status"]), Some(Value::Number(status)) if *status >= 400);
    if !denies {
        let why = "routes have no condition on the client's network";
        world.findings().warning(&directive.place, directive.text(), why, "a listener of their own for these clients");
        return made;
    }
    let refused: Vec<_> = networks.iter().filter_map(|network| networks::parse(network)).collect();
    for one in &mut made {
        if !without(&mut one.route, &refused) {
            one.route.close(&directive.place);
            continue;
        }
        for network in networks {
            one.route.push(&["deny"], network.as_str());
        }
        for place in places.iter().chain([&directive.place]) {
            one.route.comes_from(&["deny"], place);
        }
    }
    made
}

/// Takes those networks out of `allow` that lie in refused ones, as the longest of all networks would let them in. `false`: nobody is left.
fn without(route: &mut Table, refused: &[IpNet]) -> bool {
    let Some(entry) = route.entries.iter_mut().find(|entry| entry.key == "allow") else { return true };
    let Value::List(allowed) = &mut entry.value else { return true };
    let is_refused = |net: IpNet| refused.iter().any(|denied| denied.contains(&net));
    allowed.retain(|value| !matches!(value, Value::Text(text) if networks::parse(text).is_some_and(is_refused)));
    !allowed.is_empty()
}

/// Each route twice: for those for whom the condition holds, and for the others.
fn beside(condition: &Condition, done: &Table, place: &Place, made: Vec<Made>) -> Vec<Made> {
    let holds = matches!(condition, Condition::Method(_, true) | Condition::Field(_, _, _, true));
    let mut all = Vec::new();
    for one in made {
        let same = treatment(&one.route).same(done);
        // where all is answered the same, there is nothing to tell apart; a route of others may stand behind one that has conditions
        let settled = holds || one.route.get(&["path_regex"]).is_none() && paths::number(&one.route) == 0;
        if same && settled {
            all.push(one);
            continue;
        }
        let (acts, other) = (acts(&one, done), one.route.clone());
        let (narrow, wide) = if holds { (acts, other) } else { (other, acts) };
        if let Some(narrow) = narrowed(narrow, condition, place) {
            all.push(Made { route: narrow, ..one.clone() });
        }
        all.push(Made { route: wide, ..one });
    }
    all
}

/// A route with one condition more; `None`: no request has both.
fn narrowed(mut route: Table, condition: &Condition, place: &Place) -> Option<Table> {
    match condition {
        Condition::Method(methods, _) => {
            let both = match route.get(&["methods"]) {
                Some(Value::List(known)) => {
                    let known = |method: &&String| known.iter().any(|one| *one == Value::Text((*method).clone()));
                    methods.iter().filter(known).cloned().collect()
                }
                _ => methods.clone(),
            };
            if both.is_empty() {
                return None;
            }
            route.put_first("methods", both, place);
        }
        Condition::Field(table, field, value, _) => {
            let value = literal(value);
            if route.text(&[table, field]).is_some_and(|known| known != value) {
                return None;
            }
            route.put(&[table, field], value, place);
        }
        _ => {}
    }
    Some(route)
}
