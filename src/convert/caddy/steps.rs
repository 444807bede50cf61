//! The directives of a block as steps, in the order in which Caddy goes through them, which is not that of the file.

use std::rc::Rc;

use super::matcher;
use super::scope::{At, Made, Scope};
use super::tree::Directive;
use super::{Conversion, access, change, flow, left_out, proxy};
use crate::convert::decision::{Branch, Clause, Does, Path, PathChange, Step};
use crate::convert::output::Place;

/// The order of directives that Caddy's documentation gives.
pub const ORDER: [&str; 42] = [
    "tracing",
    "map",
    "vars",
    "fs",
    "root",
    "log_append",
    "skip_log",
    "log_skip",
    "log_name",
    "header",
    "copy_response_headers",
    "request_body",
    "timeouts",
    "redir",
    "method",
    "rewrite",
    "uri",
    "try_files",
    "basicauth",
    "basic_auth",
    "forward_auth",
    "request_header",
    "encode",
    "push",
    "intercept",
    "templates",
    "invoke",
    "handle",
    "handle_path",
    "route",
    "abort",
    "error",
    "copy_response",
    "respond",
    "metrics",
    "reverse_proxy",
    "php_fastcgi",
    "file_server",
    "acme_server",
    "log",
    "tls",
    "bind",
];

/// A directive, ready to be sorted.
struct Item {
    order: usize,
    kind: &'static str,
    /// Its only path, where that is its only matcher.
    path: Option<String>,
    matched: bool,
    /// Which requests it is for.
    clauses: Vec<Clause>,
    place: Place,
    made: Made,
    /// Whether what comes after it is closed.
    closes: bool,
}

/// The steps of a block. `sorted`: in Caddy's order, and not in that of the file.
pub fn of(conversion: &mut Conversion, block: &[Directive], scope: &mut Scope, sorted: bool) -> Vec<Rc<Step>> {
    for directive in block.iter().filter(|directive| directive.word().starts_with('@') && !directive.name.quoted) {
        let clauses = matcher::defined(directive, &scope.matchers);
        scope.matchers.named.insert(directive.word().to_owned(), clauses);
    }
    let mut items: Vec<Item> = Vec::new();
    for directive in block.iter().filter(|directive| !directive.word().starts_with('@')) {
        let Some((at, known)) = matched(conversion, directive, scope) else { continue };
        // a refusal that would hold for all requests closes what comes after it, which is there for whoever looks at it
        let is_block = access::is_block(directive);
        let closes = !known && (is_block || matches!(directive.word(), "abort" | "error" | "respond"));
        let made = if closes { Some(Made::Steps(vec![at.close()])) } else { one(conversion, &at, scope) };
        let Some(made) = made else { continue };
        let name = if directive.word() == "handle_path" { "handle" } else { directive.word() };
        let order = conversion.order.iter().position(|known| known == name).unwrap_or(usize::MAX);
        let kind = if name == "handle" && !closes {
            "handle"
        } else if name == "rewrite" {
            "rewrite"
        } else {
            ""
        };
        let path =
            directive.arg(0).filter(|text| text.starts_with('/') && !directive.args[0].quoted).map(str::to_owned);
        let path = path.or_else(|| only_path(block, directive.arg(0)));
        let first = directive.args.first().filter(|token| !token.quoted).map_or("", |token| token.text.as_str());
        let matched = first.starts_with(['/', '@']) && at.args.len() < directive.args.len();
        let (clauses, place) = (at.when, directive.place().clone());
        let closes = closes && is_block;
        items.push(Item { order, kind, path, matched, clauses, place, made, closes });
    }
    if sorted {
        sort(&mut items);
    }
    close_after(&mut items);
    grouped(joined(items))
}

/// Those of several that exclude each other stand where the first of them does: whatever comes after a block that closes is closed as well.
fn close_after(items: &mut [Item]) {
    let mut close: Vec<Rc<Step>> = Vec::new();
    for item in items {
        match &mut item.made {
            Made::Branch(_, inner) => drop(inner.splice(0..0, close.iter().cloned())),
            Made::Steps(steps) if item.closes => close.extend(steps.iter().cloned()),
            Made::Steps(_) => {}
        }
    }
}

/// The path of a named matcher that has nothing else.
fn only_path(block: &[Directive], name: Option<&str>) -> Option<String> {
    // most have none, and blocks may be long
    name.filter(|name| name.starts_with('@'))?;
    let definition =
        block.iter().find(|directive| name == Some(directive.word()) && directive.word().starts_with('@'))?;
    match definition.inner() {
        [only] if only.word() == "path" && only.args.len() == 1 => only.arg(0).map(str::to_owned),
        [] if definition.arg(0) == Some("path") && definition.args.len() == 2 => definition.arg(1).map(str::to_owned),
        _ => None,
    }
}

/// Caddy's order: by directive, then longer paths first, then those with a matcher. It is no total order, so each item goes as far forward as it may.
fn sort(items: &mut [Item]) {
    fn before(a: &Item, b: &Item) -> bool {
        if a.order != b.order {
            return a.order < b.order;
        }
        match (&a.path, &b.path) {
            (Some(one), Some(other)) => {
                let (short, long) = (one.strip_suffix('*').unwrap_or(one), other.strip_suffix('*').unwrap_or(other));
                match short.len().cmp(&long.len()) {
                    _ if short == long => one.len() < other.len(),
                    std::cmp::Ordering::Equal => short < long,
                    unequal => unequal.is_gt(),
                }
            }
            _ => a.matched && !b.matched,
        }
    }
    for index in 1..items.len() {
        let mut at = index;
        while at > 0 && before(&items[at], &items[at - 1]) {
            items.swap(at, at - 1);
            at -= 1;
        }
    }
}

/// Neighbours that are for the same requests as one, as Caddy makes one route of them: whether they are for a request is looked at once, before any
/// of them has changed its path.
fn joined(items: Vec<Item>) -> Vec<Item> {
    let handles = items.iter().filter(|item| item.kind == "handle").count();
    let exclusive = |item: &Item| item.kind == "rewrite" || item.kind == "handle" && handles > 1;
    let mut all: Vec<Item> = Vec::new();
    for item in items {
        let Some(last) = all.last_mut().filter(|last| last.clauses == item.clauses) else {
            all.push(item);
            continue;
        };
        let (one, other) = (exclusive(last), exclusive(&item));
        let same =
            if one || other { one && other && last.kind == item.kind } else { item.clauses != [Clause::default()] };
        if !same {
            all.push(item);
            continue;
        }
        let made = std::mem::replace(&mut last.made, Made::Steps(Vec::new()));
        let inner = [within(made, &last.clauses), within(item.made, &last.clauses)].concat();
        last.made = if one {
            Made::Branch(last.clauses.clone(), inner)
        } else {
            let does = Does::Choice(vec![(last.clauses.clone(), inner)]);
            let (place, what) = (last.place.clone(), String::from("site"));
            Made::Steps(vec![Rc::new(Step { when: vec![Clause::default()], does, place, what })])
        };
    }
    all
}

/// The steps of a directive for requests of which it is known that it is for them.
fn within(made: Made, clauses: &[Clause]) -> Vec<Rc<Step>> {
    let steps = match made {
        Made::Branch(_, inner) => return inner,
        Made::Steps(steps) => steps,
    };
    let mut all = Vec::new();
    for step in steps {
        match &step.does {
            Does::Choice(branches) if branches.len() == 1 && branches[0].0 == clauses => {
                all.extend(branches[0].1.iter().cloned());
            }
            _ if step.when == clauses => all.push(Rc::new(Step { when: vec![Clause::default()], ..(*step).clone() })),
            _ => all.push(step),
        }
    }
    all
}

/// Those that exclude each other as one step.
fn grouped(items: Vec<Item>) -> Vec<Rc<Step>> {
    let mut steps: Vec<Rc<Step>> = Vec::new();
    // where the group of a kind stands, and what is in it
    let mut groups: Vec<(&str, usize, Place, Vec<Branch>)> = Vec::new();
    let placeholder = |place: &Place| {
        Rc::new(Step { when: Vec::new(), does: Does::Choice(Vec::new()), place: place.clone(), what: String::new() })
    };
    for item in items {
        match item.made {
            Made::Steps(more) => steps.extend(more),
            Made::Branch(clauses, inner) => match groups.iter_mut().find(|(kind, ..)| *kind == item.kind) {
                Some((.., branches)) => branches.push((clauses, inner)),
                None => {
                    groups.push((item.kind, steps.len(), item.place.clone(), vec![(clauses, inner)]));
                    steps.push(placeholder(&item.place));
                }
            },
        }
    }
    for (kind, at, place, branches) in groups {
        let (when, what) = (vec![Clause::default()], kind.to_owned());
        steps[at] = Rc::new(Step { when, does: Does::Choice(branches), place, what });
    }
    steps
}

/// Takes the matcher off a directive, and whether it could be said which requests are meant. `None` = it could not, and the directive is left out.
fn matched<'a>(conversion: &mut Conversion, directive: &'a Directive, scope: &Scope) -> Option<(At<'a>, bool)> {
    let args = directive.texts();
    let all = vec![Clause::default()];
    // a redirect, rewrite or root to a path has no matcher when the path is its only argument
    let alone = matches!(directive.word(), "redir" | "rewrite" | "root" | "try_files") && args.len() == 1;
    let takes =
        !matches!(directive.word(), "tls" | "bind" | "log" | "import" | "invoke" | "log_name" | "handle_errors")
            && !alone;
    let first = directive.args.first().filter(|_| takes);
    match first.and_then(|token| matcher::token(&token.text, token.quoted, &scope.matchers)) {
        None => Some((At { directive, args, when: all }, true)),
        Some(Ok(when)) => Some((At { directive, args: args[1..].to_vec(), when }, true)),
        Some(Err(reason)) => {
            let at = At { directive, args: args[1..].to_vec(), when: all };
            let why = format!("which requests it is for can't be said: {reason}");
            if access::protects(directive) {
                conversion.out.findings.error(
                    at.place(),
                    at.word(),
                    if access::is_block(directive) {
                        format!("{why}; it is left out, and what comes after it is closed")
                    } else {
                        format!("{why}; it holds for all")
                    },
                    "write routes by hand: docs/routing.md has the conditions",
                );
                return Some((at, false));
            }
            conversion.out.findings.error(
                at.place(),
                at.word(),
                format!("{why}; it is left out"),
                "write a route by hand: docs/routing.md has the conditions",
            );
            None
        }
    }
}

fn one(conversion: &mut Conversion, at: &At<'_>, scope: &mut Scope) -> Option<Made> {
    let steps = match at.word() {
        "handle" | "handle_path" | "route" => return block(conversion, at, scope),
        "rewrite" => return flow::rewrite(conversion, at),
        "uri" => flow::uri(conversion, at),
        "redir" => flow::redir(conversion, at),
        "respond" | "error" | "abort" => flow::answer(conversion, at),
        "invoke" => invoke(conversion, at, scope),
        "header" => change::header(conversion, at),
        "encode" => change::encode(conversion, at),
        "request_header" => change::request_header(conversion, at),
        "basic_auth" | "basicauth" => access::basic(conversion, at, scope),
        "forward_auth" => access::forward(conversion, at, scope),
        "reverse_proxy" => proxy::convert(conversion, at),
        "request_body" => {
            flow::request_body(conversion, at, scope);
            Vec::new()
        }
        "file_server" | "php_fastcgi" | "templates" | "root" | "try_files" | "acme_server" | "metrics" => {
            flow::content(conversion, at)
        }
        "tls" | "bind" | "log" => Vec::new(),
        other => {
            unknown(conversion, at, other);
            Vec::new()
        }
    };
    Some(Made::Steps(steps))
}

/// `handle`, `handle_path`, `route`
fn block(conversion: &mut Conversion, at: &At<'_>, scope: &mut Scope) -> Option<Made> {
    let mut inner = scope.clone();
    inner.nested = true;
    let mut steps = of(conversion, at.directive.inner(), &mut inner, at.word() != "route");
    scope.needs = inner.needs;
    if at.word() == "handle_path" {
        let path = at.when.iter().find_map(|clause| match &clause.is.path {
            Path::Prefix(path) | Path::Exact(path) => Some(path.trim_end_matches('/').to_owned()),
            _ => None,
        });
        if let Some(prefix) = path {
            steps.insert(0, at.step_for(vec![Clause::default()], Does::Path(PathChange::Strip(prefix))));
        }
    }
    if at.word() == "route" {
        // whatever comes after the block is gone through as well
        return Some(Made::Steps(vec![
            at.step_for(vec![Clause::default()], Does::Choice(vec![(at.when.clone(), steps)])),
        ]));
    }
    Some(Made::Branch(at.when.clone(), steps))
}

/// `invoke NAME`
fn invoke(conversion: &mut Conversion, at: &At<'_>, scope: &mut Scope) -> Vec<Rc<Step>> {
    let name = at.args.first().copied().unwrap_or_default();
    // a route that invokes itself would never end
    let Some(body) = conversion.routes.remove(name) else {
        conversion.out.findings.error(
            at.place(),
            "invoke",
            format!("there is no route `{name}`, or it invokes itself"),
            "",
        );
        return vec![at.close()];
    };
    let made = of(conversion, &body, scope, false);
    conversion.routes.insert(name.to_owned(), body);
    made
}

fn unknown(conversion: &mut Conversion, at: &At<'_>, name: &str) {
    let out = &mut conversion.out;
    let (why, advice) = match name {
        "handle_errors" => (
            "pages of errors are not made by directives",
            "`error_pages` of the listener has a file for each status, 503 too, which says here that no backend can be reached (502 in Caddy): docs/error-pages.md",
        ),
        "log_skip" | "skip_log" => ("all requests are logged", "`[log] access_sample`"),
        "log_append" | "log_name" => ("lines of the access log have the fields that `[log]` says", "`access_fields`"),
        "tracing" => ("traces are for all requests", "`[otlp]`"),
        "timeouts" => (
            "time-outs are those of listener and service",
            "`limits.header_timeout` of the listener, `timeout` of the service",
        ),
        "map" | "vars" => (
            "variables of one's own are not there, and what uses them is not carried over",
            "a route for each value, by its conditions",
        ),
        "push" | "method" | "fs" | "intercept" | "copy_response" | "copy_response_headers" => ("it is left out", ""),
        _ => {
            let why = "the converter does not know it, and it is left out";
            out.findings.error(at.place(), name, why, "look whether it protects something");
            return;
        }
    };
    left_out(out, at.place(), name, why, advice);
}
