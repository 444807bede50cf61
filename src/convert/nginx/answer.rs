//! What is answered here: `return`, and `rewrite` that redirects or replaces the path.

use super::hosts::of_parts;
use super::parse::Directive;
use super::site::Site;
use super::variables::translated;
use super::world::{Scope, World};
use crate::convert::output::{Place, Table};

/// Puts a `return` into a route.
pub fn returned(world: &mut World<'_>, site: &Site<'_>, scope: &Scope<'_>, directive: &Directive, route: &mut Table) {
    let (first, second) = (directive.arg(0), directive.args.get(1));
    let place = &directive.place;
    let (status, text) = match (first.parse::<i64>(), second) {
        (Ok(status), text) => (status, text.map(String::as_str)),
        (Err(_), _) => (302, Some(first)),
    };
    if matches!(status, 301 | 302 | 303 | 307 | 308) && text.is_some() {
        return redirected(world, site, scope, (directive, text.unwrap_or_default()), status, route);
    }
    if status == 444 {
        let why = "a connection can't be closed without an answer; it is answered with 403";
        world.findings().note(place, directive.text(), why, "");
    }
    let status = match status {
        444 => 403,
        200..=599 => status,
        _ => 404,
    };
    route.remove(&["rewrite"]);
    route.put(&["respond", "status"], status, place);
    let Some(text) = text else { return };
    match translated(text, &site.known(scope, false)) {
        Ok(body) => {
            route.put(&["respond", "body"], body, place);
            if let Some(kind) = scope.one("default_type") {
                route.put(&["respond", "content_type"], kind.arg(0), &kind.place);
            }
        }
        Err(unknown) => {
            let why = format!("there is no variable for {}: the body is empty", unknown.join(", "));
            world.findings().warning(place, directive.text(), why, "docs/headers.md lists the variables");
        }
    }
}

fn redirected(
    world: &mut World<'_>,
    site: &Site<'_>,
    scope: &Scope<'_>,
    (directive, to): (&Directive, &str),
    status: i64,
    route: &mut Table,
) {
    match translated(to, &site.known(scope, false)) {
        Ok(to)
            if to.starts_with('/')
                || to.starts_with("http://")
                || to.starts_with("https://")
                || to.starts_with("${scheme}://") =>
        {
            route.put(&["redirect", "to"], to, &directive.place);
            route.put(&["redirect", "status"], status, &directive.place);
        }
        Ok(_) => not_known(world, directive, "this is no URL and no path", route),
        Err(unknown) => not_known(world, directive, &format!("there is no variable for {}", unknown.join(", ")), route),
    }
}

fn not_known(world: &mut World<'_>, directive: &Directive, why: &str, route: &mut Table) {
    world.findings().warning(
        &directive.place,
        directive.text(),
        format!("{why}: the route answers 501"),
        "docs/headers.md lists the variables of redirects",
    );
    not_done(&directive.place, route);
}

/// Has a route say that it does nothing yet: what it stands for must not be taken by another route.
pub fn not_done(place: &Place, route: &mut Table) {
    route.remove(&["rewrite"]);
    route.put(&["respond", "status"], 501, place);
    route.put(&["respond", "body"], format!("Not converted: line {} of the original.\n", place.line), place);
}

/// What a `rewrite` does.
pub enum Rewrite {
    /// All that the location takes is redirected, or all below this prefix or at these paths.
    Redirect(Vec<Paths>, String, i64),
    /// The prefix is replaced by another one.
    Prefix(String, String),
    /// It can't be said by routes.
    Unknown,
}

/// Paths that an expression takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Paths {
    /// All.
    All,
    /// This one.
    Exact(String),
    /// Those that begin with it.
    Prefix(String),
}

/// Whether an expression takes all paths.
pub fn takes_all(regex: &str) -> bool {
    ["^", ".*", "^.*", "^.*$", "^(.*)$", "^(.*)", "(.*)", "^/(.*)$", "^/(.*)", "^/.*", "^/.*$"].contains(&regex)
}

/// What a `rewrite` means, as far as routes can say it.
pub fn rewrite(directive: &Directive) -> Rewrite {
    let (regex, to, flag) = (directive.arg(0), directive.arg(1), directive.arg(2));
    let status = match flag {
        "permanent" => 301,
        "redirect" => 302,
        _ if to.starts_with("http://") || to.starts_with("https://") || to.starts_with("$scheme") => 302,
        _ => 0,
    };
    let (to, ends_query) = to.strip_suffix('?').map_or((to, false), |to| (to, true));
    // the query goes along unless the target ends in `?`, or has one of its own, to which it is added
    let query = if ends_query || to.contains('?') { "" } else { "$evenkeel_query" };
    let whole = takes_all(regex);
    if status != 0 {
        let slash = if regex.starts_with("^/") { "/" } else { "" };
        let filled = match (to.split_once(&format!("{slash}$1")), whole) {
            (Some((before, "")), true) => format!("{before}$uri{query}"),
            _ => format!("{to}{query}"),
        };
        if filled.contains("$1") || filled.contains("$2") {
            return Rewrite::Unknown;
        }
        return match paths(regex, whole) {
            Some(paths) => Rewrite::Redirect(paths, filled, status),
            None => Rewrite::Unknown,
        };
    }
    let groups = [("(.*)$", ""), ("(.*)", ""), ("/?(.*)$", ""), ("(/.*)$", "/"), ("(/.*)?$", "/")];
    for (group, slash) in groups {
        let literal = regex.strip_prefix('^').and_then(|inner| inner.strip_suffix(group)).and_then(of_parts);
        let (Some([from]), Some(to)) = (literal.as_deref(), to.strip_suffix("$1")) else { continue };
        if !to.contains('$') && to.starts_with('/') | to.is_empty() {
            let to = if slash == "/" && to.is_empty() { "/".to_owned() } else { format!("{to}{slash}") };
            return Rewrite::Prefix(format!("{from}{slash}"), if to.is_empty() { "/".to_owned() } else { to });
        }
    }
    Rewrite::Unknown
}

/// The paths that an expression takes, where that can be said.
pub fn paths(regex: &str, whole: bool) -> Option<Vec<Paths>> {
    if whole || regex == "^/" || regex == "/" {
        return Some(vec![Paths::All]);
    }
    let inner = regex.strip_prefix('^')?;
    if let Some(exact) = inner.strip_suffix('$') {
        for any in ["(.*)", ".*"] {
            if let Some(prefix) = exact.strip_suffix(any) {
                return Some(of_parts(prefix)?.into_iter().map(Paths::Prefix).collect());
            }
        }
        return Some(of_parts(exact)?.into_iter().map(Paths::Exact).collect());
    }
    Some(of_parts(inner.trim_end_matches(".*"))?.into_iter().map(Paths::Prefix).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    fn of(regex: &str, to: &str, flag: &str) -> Rewrite {
        let args = [regex, to, flag].map(str::to_owned).to_vec();
        rewrite(&Directive { name: "rewrite".into(), args, block: None, place: Place::new(&Rc::from("a"), 1) })
    }

    #[test]
    fn rewrites_that_replace_a_prefix_are_known() {
        for (regex, to, from, new) in [
            ("^/api/(.*)$", "/$1", "/api/", "/"),
            ("^/old/(.*)", "/new/$1", "/old/", "/new/"),
            ("^/app(/.*)$", "$1", "/app/", "/"),
            ("^/api/v1(/.*)$", "/v1$1", "/api/v1/", "/v1/"),
        ] {
            let Rewrite::Prefix(a, b) = of(regex, to, "break") else { panic!("{regex}") };
            assert_eq!((a.as_str(), b.as_str()), (from, new), "{regex}");
        }
        assert!(matches!(of("^/a/(.*)/b$", "/$1", "last"), Rewrite::Unknown));
    }

    #[test]
    fn rewrites_that_redirect_are_known_where_no_group_is_needed() {
        let shown = |rewrite| match rewrite {
            Rewrite::Redirect(paths, to, status) => format!("{paths:?} {to} {status}"),
            _ => "?".to_owned(),
        };
        assert_eq!(
            shown(of("^", "https://example.com$request_uri?", "permanent")),
            "[All] https://example.com$request_uri 301"
        );
        assert_eq!(
            shown(of("^/(.*)$", "https://example.com/$1", "permanent")),
            "[All] https://example.com$uri$evenkeel_query 301"
        );
        assert_eq!(
            shown(of("^(.*)$", "https://example.com$1", "redirect")),
            "[All] https://example.com$uri$evenkeel_query 302"
        );
        assert_eq!(shown(of("^/a\\.html$", "/b", "redirect")), "[Exact(\"/a.html\")] /b$evenkeel_query 302");
        assert_eq!(shown(of("^/a/(.*)$", "/b/$1", "permanent")), "?");
    }
}
