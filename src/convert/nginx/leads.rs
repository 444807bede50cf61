//! Where a `rewrite` leads: the location that takes the new path may refuse what this one lets in.

use super::answer;
use super::condition::Condition;
use super::location::{self, Kind, Location};
use super::parse::Directive;
use super::site::Site;
use super::world::{Scope, World};
use crate::convert::expression;
use crate::convert::output::Table;

/// Directives that keep somebody out of their block.
const REFUSING: [&str; 9] = [
    "deny",
    "auth_basic",
    "auth_request",
    "auth_jwt",
    "limit_except",
    "access_by_lua_block",
    "access_by_lua_file",
    "js_access",
    "secure_link",
];

/// Whether a `rewrite` of the block `own` may lead to another location that refuses somebody by itself.
pub fn to_refusal(site: &Site<'_>, own: &Directive, rewrite: &Directive) -> bool {
    let to = rewrite.arg(1);
    if !to.starts_with(['/', '$']) || to.starts_with("$scheme") || matches!(rewrite.arg(2), "redirect" | "permanent") {
        return false;
    }
    let to = to.split('?').next().unwrap_or_default();
    let all = location::all(&site.scope, site.server);
    let is_closed = |location: &&Location<'_>| {
        if std::ptr::eq(location.directive, own) {
            return false;
        }
        refuses(&location.scope) || location.around.iter().any(|number| refuses(&all[*number].scope))
    };
    match to.find('$') {
        None => found(&all, to).is_some_and(|location| is_closed(&location)),
        Some(end) => all.iter().filter(is_closed).any(|location| may_take(&location.kind, &to[..end], to)),
    }
}

/// What a `rewrite` takes that may lead to a location which refuses it: nobody is let in there.
pub fn closed(world: &mut World<'_>, directive: &Directive) -> (Condition, Table) {
    let why = "it may lead to a location that refuses what others let in: the paths that it takes are closed";
    let advice = "write what is asked there into a route for these paths, and take `respond` and `deny` away";
    world.findings().error(&directive.place, directive.text(), why, advice);
    let mut done = Table::at(&directive.place);
    done.put(&["respond", "status"], 403, &directive.place);
    done.close(&directive.place);
    let regex = expression::of_path(directive.arg(0));
    let known = regex::Regex::new(&regex).is_ok();
    (if known { Condition::PathRegex(regex) } else { Condition::Unknown(true) }, done)
}

/// What a location answers to which a `rewrite` of an `if` leads.
pub fn refused(world: &mut World<'_>, site: &Site<'_>, rewrite: &Directive, done: &mut Table) {
    match to_nobody(site, rewrite) {
        Some((scope, Some(returned))) => answer::returned(world, site, &scope, returned, done),
        Some((_, None)) => done.put(&["respond", "status"], 403, &rewrite.place),
        None => {
            let why = "it may lead to a location that refuses what others let in: nobody for whom this holds is let in";
            let advice = "write what is asked there into a route for these paths";
            world.findings().error(&rewrite.place, rewrite.text(), why, advice);
            done.put(&["respond", "status"], 403, &rewrite.place);
        }
    }
}

/// Whether everybody who is sent there by a `rewrite` is refused, and with which line of that location.
fn to_nobody<'a>(site: &Site<'a>, rewrite: &Directive) -> Option<(Scope<'a>, Option<&'a Directive>)> {
    let to = rewrite.arg(1).split('?').next().unwrap_or_default();
    if to.contains('$') || !answer::takes_all(rewrite.arg(0)) {
        return None;
    }
    let all = location::all(&site.scope, site.server);
    let scope = found(&all, to)?.scope.clone();
    match scope.here("return").into_iter().next() {
        Some(returned) => status(returned).then(|| (scope.clone(), Some(returned))),
        None => super::access::denies_all(&scope).then_some((scope, None)),
    }
}

/// Whether a server refuses somebody, or one of its locations does.
pub fn refuses_any(world: &World<'_>, server: &Directive) -> bool {
    let of_server = Scope::of(world.top.clone()).within(server);
    let locations = location::all(&of_server, server);
    refuses(&of_server) || locations.iter().any(|location| refuses(&location.scope))
}

/// Whether a block refuses somebody by itself.
fn refuses(scope: &Scope<'_>) -> bool {
    let asks = |name: &&str| scope.here(name).iter().any(|directive| directive.arg(0) != "off");
    REFUSING.iter().any(asks)
        || scope.here("return").into_iter().any(status)
        || scope.here("if").into_iter().flat_map(Directive::inner).any(|inner| inner.name == "return" && status(inner))
}

fn status(returned: &Directive) -> bool {
    returned.arg(0).parse::<u16>().is_ok_and(|status| status >= 400)
}

/// The location that takes a path.
fn found<'l, 'a>(all: &'l [Location<'a>], path: &str) -> Option<&'l Location<'a>> {
    if let Some(exact) = all.iter().find(|location| location.kind == Kind::Exact(path.to_owned())) {
        return Some(exact);
    }
    let length = |location: &&Location<'_>| match &location.kind {
        Kind::Prefix(prefix) | Kind::First(prefix) if path.starts_with(prefix.as_str()) => Some(prefix.len()),
        _ => None,
    };
    let longest = all.iter().filter(|location| length(location).is_some()).max_by_key(length);
    if longest.is_some_and(|location| matches!(location.kind, Kind::First(_))) {
        return longest;
    }
    let fits = |regex: &str| regex::Regex::new(regex).is_ok_and(|regex| regex.is_match(path));
    all.iter().find(|location| matches!(&location.kind, Kind::Regex(regex) if fits(regex))).or(longest)
}

/// Whether a location may take a path that begins with `begin`, of which the rest is known when a request comes.
fn may_take(kind: &Kind, begin: &str, to: &str) -> bool {
    match kind {
        Kind::Exact(path) => path.starts_with(begin),
        Kind::Prefix(path) | Kind::First(path) => path.starts_with(begin) || begin.starts_with(path.as_str()),
        // what fits somewhere in the new path fitted there in the old one, but for what is new in it
        Kind::Regex(regex) => {
            let filled = |value: &str| (1..10).fold(to.to_owned(), |to, n| to.replace(&format!("${n}"), value));
            regex.trim_start_matches("(?i)").starts_with('^')
                || regex::Regex::new(regex)
                    .is_ok_and(|known| known.is_match(&filled("")) || known.is_match(&filled("x")))
        }
        Kind::Named => false,
    }
}
