//! Conditions behind rules that have changed the request: HAProxy compares what the rules before have made of it, and routes compare what the client sent.

use std::borrow::Cow;

use super::act::{Act, Part, Rule};
use super::changes::Changes;
use super::condition::{Ask, Term};
use super::matching::{Conditions, Path};
use crate::convert::output::Place;

/// What a rule asks of the request as it was sent, without what holds anyway; `None`: that never holds.
pub fn terms<'t>(rule: &'t Rule, changes: &Changes) -> Option<Vec<Cow<'t, Term>>> {
    let now = rule.terms.iter().map(|term| now(term, changes));
    let open = now.filter(|term| !matches!(term.ask, Ask::Settled(is_so) if is_so == term.holds));
    let open: Vec<_> = open.collect();
    (!open.iter().any(|term| matches!(term.ask, Ask::Settled(_)))).then_some(open)
}

/// What a term asks of the request as it was sent.
fn now<'t>(term: &'t Term, changes: &Changes) -> Cow<'t, Term> {
    if changes.prefix.is_none() && changes.altered.is_empty() {
        return Cow::Borrowed(term);
    }
    let unknown = |what: &str, place: &Place| {
        Cow::Owned(Term {
            ask: Ask::Changed(format!("{what}, after line {} has changed it", place.line)),
            holds: term.holds,
        })
    };
    match &term.ask {
        Ask::Source(_) => match changes.altered(&Part::Source) {
            Some(place) => unknown("the client's address", place),
            None => Cow::Borrowed(term),
        },
        Ask::Routes(all) => {
            if let Some((what, place)) = all.iter().find_map(|one| altered(one, changes)) {
                return unknown(what, place);
            }
            match &changes.prefix {
                Some((from, to, place)) if all.iter().any(|one| one.path.is_some()) => {
                    match all.iter().filter_map(|one| before(one, from, to).transpose()).collect::<Result<Vec<_>, _>>()
                    {
                        Ok(all) => Cow::Owned(Term { ask: settled(all), holds: term.holds }),
                        Err(Unknown) => unknown("an expression on the path", place),
                    }
                }
                _ => Cow::Borrowed(term),
            }
        }
        _ => Cow::Borrowed(term),
    }
}

/// What an act does to the request as it was sent: a prefix is replaced in what became of the path. `None`: nothing.
pub fn act(act: &Act, changes: &Changes) -> Option<Act> {
    Some(match (act, &changes.prefix) {
        (Act::Prefix(..), _) if changes.altered(&Part::Path).is_some() => return None,
        (Act::Prefix(from, to), Some((sent, became, _))) => {
            match (became.strip_prefix(from.as_str()), from.strip_prefix(became.as_str())) {
                (Some(rest), _) => Act::Prefix(sent.clone(), format!("{to}{rest}")),
                (None, Some(rest)) => Act::Prefix(format!("{sent}{rest}"), to.clone()),
                (None, None) => return None,
            }
        }
        (act, _) => act.clone(),
    })
}

/// What of these conditions is no longer what was sent, and the line that has changed it.
fn altered<'c>(one: &Conditions, changes: &'c Changes) -> Option<(&'static str, &'c Place)> {
    let fields = one.headers.keys().map(|name| ("a field", Part::Field(name.clone())));
    let parts = [
        (one.host.is_some(), "the host", Part::Host),
        (one.path.is_some(), "the path", Part::Path),
        (!one.query.is_empty(), "the query", Part::Query),
        (one.methods.is_some(), "the method", Part::Method),
    ];
    let asked = parts.into_iter().filter(|(is_asked, ..)| *is_asked).map(|(_, what, part)| (what, part));
    asked.chain(fields).find_map(|(what, part)| Some((what, changes.altered(&part)?)))
}

/// It can't be written.
#[derive(Debug)]
struct Unknown;

/// The conditions on a path of which `from` was replaced with `to`, as those on the path before; `None`: they never hold.
fn before(one: &Conditions, from: &str, to: &str) -> Result<Option<Conditions>, Unknown> {
    let back = |rest: &str| format!("{from}{rest}");
    let path = match &one.path {
        None => None,
        Some(Path::Prefix(prefix)) if to.starts_with(prefix.as_str()) => None,
        Some(Path::Prefix(prefix)) => match prefix.strip_prefix(to) {
            Some(rest) => Some(Path::Prefix(back(rest))),
            None => return Ok(None),
        },
        Some(Path::Exact(path)) => match path.strip_prefix(to) {
            Some(rest) => Some(Path::Exact(back(rest))),
            None => return Ok(None),
        },
        Some(Path::Regex(_)) => return Err(Unknown),
    };
    Ok(Some(Conditions { path, ..one.clone() }))
}

/// Alternatives of which none is left never hold; one that asks for nothing always does.
fn settled(all: Vec<Conditions>) -> Ask {
    if all.is_empty() {
        Ask::Settled(false)
    } else if all.iter().any(Conditions::is_empty) {
        Ask::Settled(true)
    } else {
        Ask::Routes(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_on_what_became_of_a_path_is_one_on_the_path_before() {
        let of = |path: Path, from: &str, to: &str| {
            before(&Conditions { path: Some(path), ..Conditions::default() }, from, to).unwrap().map(|one| one.path)
        };
        let (prefix, exact) = (|text: &str| Path::Prefix(text.to_owned()), |text: &str| Path::Exact(text.to_owned()));
        assert_eq!(of(prefix("/admin"), "/v1/", "/"), Some(Some(prefix("/v1/admin"))));
        assert_eq!(of(prefix("/admin/secret"), "/", "/admin/"), Some(Some(prefix("/secret"))));
        assert_eq!(of(prefix("/admin"), "/", "/admin/"), Some(None));
        assert_eq!(of(prefix("/other"), "/", "/admin/"), None);
        assert_eq!(of(exact("/admin/x"), "/", "/admin/"), Some(Some(exact("/x"))));
        assert_eq!(of(exact("/x"), "/", "/admin/"), None);
    }
}
