//! Middlewares that redirect.

use std::rc::Rc;

use super::{At, Chain};
use crate::convert::decision::{Clause, Conditions, Does, Host, Path, Step, Treatment};
use crate::convert::hosts;
use crate::convert::output::{Output, Place, literal};

/// The same URL with another scheme and port.
pub fn scheme_url(scheme: &str, port: &str) -> String {
    let own = match scheme {
        "https" => "443",
        _ => "80",
    };
    let port = if port.is_empty() || port == own { String::new() } else { format!(":{port}") };
    format!("{scheme}://${{host}}{port}${{path}}${{query}}")
}

/// A redirect of everything. GET gets 301 or 302, and all else 308 or 307, so that it is not made a GET.
pub fn redirect_steps(to: &str, permanent: bool, place: &Place, what: &str) -> Vec<Rc<Step>> {
    let (get, other) = if permanent { (301, 308) } else { (302, 307) };
    let is_get = Conditions { methods: Some(["GET".to_owned()].into()), ..Conditions::default() };
    let end = |status: i64| {
        let (to, place) = (to.to_owned(), place.clone());
        Does::End(Rc::new(move |treatment: &mut Treatment| {
            treatment.table.put(&["redirect", "to"], to.clone(), &place);
            treatment.table.put(&["redirect", "status"], status, &place);
        }))
    };
    let step = |when: Clause, does: Does| {
        Rc::new(Step { when: vec![when], does, place: place.clone(), what: what.to_owned() })
    };
    vec![step(is_get.into(), end(get)), step(Clause::default(), end(other))]
}

/// Adds one of them.
pub fn add(out: &mut Output, kind: &str, at: &At<'_>, chain: &mut Chain) {
    let permanent = at.node.flag("permanent");
    if kind == "redirectscheme" {
        let scheme = at.node.text("scheme").unwrap_or("https").to_ascii_lowercase();
        let port = at.node.text("port").unwrap_or_default();
        if (scheme == "https") == chain.tls {
            if chain.tls && !port.is_empty() && port != "443" {
                out.findings.note(&at.place, &at.what, "clients come by https already: it does nothing", "");
            }
            return;
        }
        chain.steps.extend(redirect_steps(&scheme_url(&scheme, port), permanent, &at.place, &at.what));
        return;
    }
    let (regex, replacement) =
        (at.node.text("regex").unwrap_or_default(), at.node.text("replacement").unwrap_or_default());
    match by_regex(regex, replacement, chain.tls) {
        Some(Redirect { hosts, path, to }) => {
            if hosts.is_empty() {
                return;
            }
            let clauses = hosts
                .into_iter()
                .map(|host| Conditions { host, path: path.clone(), ..Conditions::default() }.into())
                .collect();
            let inner = redirect_steps(&to, permanent, &at.place, &at.what);
            let step = Step {
                when: vec![Clause::default()],
                does: Does::Choice(vec![(clauses, inner)]),
                place: at.place.clone(),
                what: at.what.clone(),
            };
            chain.steps.push(Rc::new(step));
        }
        None => {
            let why = "a redirect knows the whole path only, and no groups of a regular expression: it is left out";
            let advice = "write a route with `redirect = { to = \"https://...${path}${query}\" }` for the host or path that is meant";
            // one that leads to https keeps requests from being served in clear
            if replacement.starts_with("https:") && !chain.tls {
                out.findings.error(
                    &at.place,
                    &at.what,
                    format!("{why}, and what it would lead to https is served in clear"),
                    advice,
                );
            } else {
                out.findings.warning(&at.place, &at.what, why, advice);
            }
        }
    }
}

/// How expressions begin; whether they match URLs in clear, and those over TLS.
const SCHEMES: [(&str, bool, bool); 6] = [
    ("https?://", true, true),
    ("http(s)?://", true, true),
    ("(http|https)://", true, true),
    ("(https?)://", true, true),
    ("https://", false, true),
    ("http://", true, false),
];

#[derive(Debug, PartialEq)]
struct Redirect {
    /// Empty = no request that comes here.
    hosts: Vec<Host>,
    path: Path,
    to: String,
}

/// `^https?://HOST/(.*)` by `https://OTHER/$1`, with the beginning of a path as well if it stays the same; or a whole URL by another.
fn by_regex(regex: &str, replacement: &str, tls: bool) -> Option<Redirect> {
    let rest = regex.strip_prefix('^').unwrap_or(regex);
    let schemes = SCHEMES;
    let (rest, plain, secure) =
        schemes.into_iter().find_map(|(start, plain, secure)| Some((rest.strip_prefix(start)?, plain, secure)))?;
    let rest = rest.strip_suffix('$').unwrap_or(rest);
    let groups_before = regex.find(rest).map_or(0, |end| regex[..end].matches('(').count());
    // the host ends at the first slash outside of a group
    let end = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let groups = host.matches('(').count() - host.matches("(?:").count() + groups_before;
    let (hosts, exact) = match host {
        "(.*)" | "(.+)" | "([^/]+)" | "[^/]+" => (vec![Host::Any], true),
        host => hosts::of_regex(&format!("^{host}$"))?,
    };
    if !exact || if tls { !secure } else { !plain } {
        return (if tls { !secure } else { !plain }).then(|| Redirect {
            hosts: Vec::new(),
            path: Path::Any,
            to: String::new(),
        });
    }
    let wild = ["(.*)", "(.+)", ".*", ""].into_iter().find(|end| path.ends_with(end))?;
    let beginning = path.strip_suffix(wild)?.replace("\\.", ".").replace("\\/", "/");
    if beginning.contains(['(', '[', '*', '+', '?', '|', '\\', '^']) {
        return None;
    }
    let group = |text: &str| {
        let own = groups + 1;
        [format!("${{{own}}}"), format!("${own}")]
            .into_iter()
            .find_map(|end| text.strip_suffix(end.as_str()).map(str::to_owned))
    };
    let path = match (wild, beginning.as_str()) {
        ("", "") => return None,
        ("", whole) => Path::Exact(whole.to_owned()),
        (_, "" | "/") => Path::Any,
        (_, beginning) => Path::Prefix(beginning.to_owned()),
    };
    let to = match (wild.starts_with('('), group(replacement)) {
        (true, Some(before)) if !before.contains('$') => {
            let target = before.split_once("://")?.1;
            let (host, kept) = target.split_at(target.find('/').unwrap_or(target.len()));
            // what stands before the group has to be what stood there
            if kept != beginning {
                return None;
            }
            format!("{}://{}${{path}}${{query}}", before.split_once("://")?.0, literal(host))
        }
        _ if !replacement.contains('$') => literal(replacement),
        _ => return None,
    };
    Some(Redirect { hosts, path, to })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_to_another_host_keep_the_path() {
        let found = by_regex("^https?://www\\.example\\.com/(.*)", "https://example.com/${1}", false).unwrap();
        assert_eq!(found.hosts, [Host::Exact("www.example.com".into())]);
        assert_eq!((found.path, found.to.as_str()), (Path::Any, "https://example.com${path}${query}"));
        let found = by_regex("^https://(www\\.)?a\\.com/docs/(.*)$", "https://docs.a.com/docs/$2", true).unwrap();
        assert_eq!((found.hosts.len(), found.path), (2, Path::Prefix("/docs/".into())));
        let found = by_regex("^http://a\\.com/old$", "https://a.com/new", false).unwrap();
        assert_eq!((found.path, found.to.as_str()), (Path::Exact("/old".into()), "https://a.com/new"));
    }

    #[test]
    fn redirects_that_take_the_path_apart_are_not_made() {
        assert_eq!(by_regex("^https://a\\.com/old/(.*)", "https://a.com/new/$1", true), None);
        assert_eq!(by_regex("^https://a\\.com/(\\d+)/(.*)", "https://a.com/$2", true), None);
    }

    #[test]
    fn a_redirect_of_the_other_scheme_does_nothing() {
        assert!(by_regex("^http://a\\.com/(.*)", "https://a.com/$1", true).unwrap().hosts.is_empty());
    }
}
