//! Middlewares that change the path.

use super::{At, Chain};
use crate::convert::decision::{Clause, Conditions, Does, Path, PathChange, Step, Treatment};
use crate::convert::output::{Output, Place, literal};
use std::rc::Rc;

/// Adds one of them.
pub fn add(out: &mut Output, kind: &str, at: &At<'_>, chain: &mut Chain) {
    match kind {
        "addprefix" => {
            if let Some(prefix) = at.node.text("prefix") {
                chain.add(at, Does::Path(PathChange::Add(prefix.to_owned())));
            }
        }
        "replacepath" => {
            if let Some(path) = at.node.text("path") {
                tell_backend(at, chain, "x-replaced-path", "${path}");
                chain.add(at, Does::Path(PathChange::Replace(path.to_owned())));
            }
        }
        "stripprefix" => {
            at.node.get("forceSlash");
            strip(at, chain, &at.node.texts("prefixes").into_iter().map(str::to_owned).collect::<Vec<_>>());
        }
        "stripprefixregex" => {
            let expressions = at.node.texts("regex");
            let plain: Vec<String> = expressions.iter().filter_map(|regex| plain_text(regex)).collect();
            if plain.len() < expressions.len() {
                let why =
                    "what a regular expression matches can't be taken off the path: it goes to the backend as it is";
                out.findings.warning(
                    &at.place,
                    &at.what,
                    why,
                    "have a route for each prefix, with `rewrite = { prefix = \"/\" }`",
                );
            }
            strip(at, chain, &plain);
        }
        _ => replace_by_regex(out, at, chain),
    }
}

/// Takes the first of these prefixes off that is there.
fn strip(at: &At<'_>, chain: &mut Chain, prefixes: &[String]) {
    let branches = prefixes.iter().map(|prefix| {
        let prefix = prefix.trim_end_matches('/');
        let value = literal(prefix);
        let place = at.place.clone();
        let header = move |treatment: &mut Treatment| put_header(treatment, "x-forwarded-prefix", &value, &place);
        (below(prefix), vec![step(at, Does::Path(PathChange::Strip(prefix.to_owned()))), step(at, changes(header))])
    });
    let choice = Does::Choice(branches.collect());
    chain.add(at, choice);
}

/// `^/old/(.*)` by `/new/$1` is another beginning; anything else can't be said.
fn replace_by_regex(out: &mut Output, at: &At<'_>, chain: &mut Chain) {
    let (regex, replacement) =
        (at.node.text("regex").unwrap_or_default(), at.node.text("replacement").unwrap_or_default());
    let old = regex
        .strip_prefix('^')
        .map(|rest| rest.trim_end_matches('$'))
        .and_then(|rest| rest.strip_suffix("(.*)"))
        .and_then(plain_text);
    let new = replacement.strip_suffix("$1").or_else(|| replacement.strip_suffix("${1}"));
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) if !new.contains('$') && old.ends_with('/') == new.ends_with('/') => {
            (old, new.to_owned())
        }
        _ => {
            let why = "a path can be given another beginning, but not what groups of a regular expression say: it goes to the backend as it is";
            out.findings.warning(
                &at.place,
                &at.what,
                why,
                "`rewrite = { prefix = \"/new/\" }` replaces what `path_prefix` matched",
            );
            return;
        }
    };
    let value_at = at.place.clone();
    let header = move |treatment: &mut Treatment| put_header(treatment, "x-replaced-path", "${path}", &value_at);
    let mut steps =
        vec![step(at, Does::Path(PathChange::Strip(old.trim_end_matches('/').to_owned()))), step(at, changes(header))];
    let added = new.trim_end_matches('/');
    if !added.is_empty() {
        steps.insert(1, step(at, Does::Path(PathChange::Add(added.to_owned()))));
    }
    chain.add(at, Does::Choice(vec![(below(&old), steps)]));
}

/// The text that a regular expression without any special sign matches.
fn plain_text(regex: &str) -> Option<String> {
    let mut text = String::new();
    let mut chars = regex.strip_prefix('^').unwrap_or(regex).chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.push(chars.next().filter(|c| !c.is_ascii_alphanumeric())?),
            '.' | '*' | '+' | '?' | '[' | ']' | '(' | ')' | '{' | '}' | '|' | '^' | '$' => return None,
            c => text.push(c),
        }
    }
    Some(text)
}

fn tell_backend(at: &At<'_>, chain: &mut Chain, name: &'static str, value: &'static str) {
    let place = at.place.clone();
    chain.change(at, move |treatment| put_header(treatment, name, value, &place));
}

fn put_header(treatment: &mut Treatment, name: &str, value: &str, place: &Place) {
    treatment.table.put(&["request_headers", "set", name], value, place);
}

fn changes(change: impl Fn(&mut Treatment) + 'static) -> Does {
    Does::Change { change: Rc::new(change), protects: false }
}

fn step(at: &At<'_>, does: Does) -> Rc<Step> {
    Rc::new(Step { when: vec![Clause::default()], does, place: at.place.clone(), what: at.what.clone() })
}

/// Requests with this beginning of the path.
fn below(prefix: &str) -> Vec<Clause> {
    vec![Conditions::path(Path::Prefix(prefix.to_owned())).into()]
}
