//! Matchers: which requests a directive is for.

use std::collections::{BTreeMap, HashMap};

use super::tree::Directive;
use crate::convert::decision::Clause;
use crate::convert::decision::conditions::{Conditions, Host, Meet, Path};
use crate::convert::{expression, networks};

/// The networks that `private_ranges` stands for.
pub const PRIVATE: [&str; 6] = ["192.168.0.0/16", "172.16.0.0/12", "10.0.0.0/8", "127.0.0.1/8", "fd00::/8", "::1"];

/// More alternatives than that are not written out.
const MOST: usize = 128;

/// Named matchers that are known at a place, and what is there for all requests.
#[derive(Debug, Clone, Default)]
pub struct Matchers {
    /// By name, with the `@`: what they take, or why that can't be said.
    pub named: HashMap<String, Result<Vec<Clause>, String>>,
    /// Whether clients come by TLS.
    pub tls: bool,
    /// Whether `remote_ip` is whom lists are about here.
    pub peers: bool,
    /// The same of `client_ip`.
    pub clients: bool,
}

/// Which requests a first argument stands for; `None` = it is no matcher.
pub fn token(text: &str, quoted: bool, matchers: &Matchers) -> Option<Result<Vec<Clause>, String>> {
    if quoted {
        return None;
    }
    match text {
        "*" => Some(Ok(vec![Clause::default()])),
        path if path.starts_with('/') => Some(sure_path(path).map(|path| vec![Conditions::path(path).into()])),
        name if name.starts_with('@') => {
            Some(matchers.named.get(name).cloned().unwrap_or_else(|| Err(format!("there is no matcher `{name}`"))))
        }
        _ => None,
    }
}

/// A path of a matcher; an error where more than stars is in it.
fn sure_path(text: &str) -> Result<Path, String> {
    if text.contains(['[', '\\', '{']) {
        return Err(format!("the path `{text}` has more than stars in it"));
    }
    Ok(of_path(text))
}

/// A path with stars.
pub fn of_path(text: &str) -> Path {
    let (first, last) = (text.starts_with('*'), text.ends_with('*'));
    let inner = text.trim_start_matches('*').trim_end_matches('*');
    if text.is_empty() || text == "*" || text == "/*" {
        return Path::Any;
    }
    if inner.contains(['*', '?', '[']) {
        // as Go's path.Match has it: a star is no slash
        let pattern = regex::escape(text).replace("\\*", "[^/]*").replace("\\?", "[^/]");
        return Path::Regex(expression::insensitive(&format!("^{pattern}$")));
    }
    match (first, last) {
        (true, true) => Path::Regex(expression::insensitive(&regex::escape(inner))),
        (true, false) => Path::Regex(expression::insensitive(&format!("{}$", regex::escape(inner)))),
        (false, true) => Path::Prefix(inner.to_owned()),
        (false, false) => Path::Exact(text.to_owned()),
    }
}

/// A host, as matchers and addresses write it.
pub fn of_host(text: &str) -> Host {
    let is_variable = text.contains(super::lexer::ENVIRONMENT);
    let text = if is_variable { text.to_owned() } else { text.to_ascii_lowercase() };
    match text.strip_prefix("*.") {
        _ if text == "*" || text.is_empty() => Host::Any,
        Some(rest) => Host::Below(rest.to_owned()),
        None => Host::Exact(text),
    }
}

/// The definition of a named matcher: `@name { ... }`, or `@name path /x`.
pub fn defined(directive: &Directive, matchers: &Matchers) -> Result<Vec<Clause>, String> {
    if directive.args.is_empty() {
        return all_of(directive.inner(), matchers);
    }
    let mut args = directive.args.clone();
    let name = args.remove(0);
    one(&Directive { name, args, block: directive.block.clone() }, matchers)
}

/// Requests that all of these matchers take. Those of one kind are alternatives where Caddy makes one list of them.
fn all_of(list: &[Directive], matchers: &Matchers) -> Result<Vec<Clause>, String> {
    let mut merged: Vec<Directive> = Vec::new();
    for directive in list {
        let listed = matches!(directive.word(), "path" | "host" | "method" | "remote_ip" | "client_ip" | "query");
        let of_field = |known: &Directive| {
            let field = |of: &Directive| of.arg(0).map(str::to_ascii_lowercase);
            directive.word() == "header" && field(known) == field(directive)
        };
        match merged.iter_mut().find(|known| known.word() == directive.word() && (listed || of_field(known))) {
            // values of one field are alternatives
            Some(known) if !listed => known.args.extend(directive.args.iter().skip(1).cloned()),
            Some(known) => known.args.extend(directive.args.iter().cloned()),
            None => merged.push(directive.clone()),
        }
    }
    let mut all = vec![Clause::default()];
    for directive in &merged {
        let next = one(directive, matchers)?;
        let mut both = Vec::new();
        for (a, b) in all.iter().flat_map(|a| next.iter().map(move |b| (a, b))) {
            match a.is.meet(&b.is) {
                Meet::Both(is) => both.push(Clause { is, not: a.not.iter().chain(&b.not).cloned().collect() }),
                Meet::Never => {}
                Meet::Unknown => {
                    return Err(
                        "a regular expression and other conditions on the path together can't be said".to_owned()
                    );
                }
            }
        }
        all = both;
    }
    Ok(all)
}

fn one(directive: &Directive, matchers: &Matchers) -> Result<Vec<Clause>, String> {
    let args = directive.texts();
    let name = directive.word();
    let cannot = || format!("`{name} {}` can't be said by conditions of ours", args.join(" "));
    let each = |make: &dyn Fn(&str) -> Conditions| Ok(args.iter().map(|text| make(text).into()).collect());
    match name {
        "path" => args.iter().map(|text| sure_path(text).map(|path| Conditions::path(path).into())).collect(),
        "host" => each(&|text| Conditions::host(of_host(text))),
        "method" => {
            let methods = args.iter().map(|text| text.to_ascii_uppercase()).collect();
            Ok(vec![Conditions { methods: Some(methods), ..Conditions::default() }.into()])
        }
        "path_regexp" => {
            let regex = args.last().copied().unwrap_or_default();
            regex::Regex::new(regex).map_err(|_| cannot())?;
            Ok(vec![Conditions::path(Path::Regex(expression::of_path(regex))).into()])
        }
        "header" => match args[..] {
            [field, ref values @ ..] if plain_field(field, values) => {
                let with = |value: &&str| {
                    let headers = [(field.to_ascii_lowercase(), (*value).to_owned())].into();
                    Conditions { headers, ..Conditions::default() }.into()
                };
                Ok(values.iter().map(with).collect())
            }
            _ => Err(cannot()),
        },
        "query" => query(&args).ok_or_else(cannot),
        "remote_ip" if !matchers.peers => {
            Err("`remote_ip` is the proxy in front, where there are trusted_proxies, and lists here are about the client that it names: use `client_ip`".to_owned())
        }
        "client_ip" if !matchers.clients => {
            Err("`client_ip` is found otherwise there than by the X-Forwarded-For of trusted_proxies".to_owned())
        }
        "remote_ip" | "client_ip" => {
            let names = args.iter().flat_map(|text| match *text {
                "private_ranges" => PRIVATE.to_vec(),
                text => vec![text],
            });
            let nets = names.map(networks::parse).collect::<Option<Vec<_>>>().ok_or_else(cannot)?;
            Ok(vec![Conditions { networks: Some(nets), ..Conditions::default() }.into()])
        }
        "protocol" => match args[..] {
            ["https"] => Ok(if matchers.tls { vec![Clause::default()] } else { Vec::new() }),
            ["http"] => Ok(if matchers.tls { Vec::new() } else { vec![Clause::default()] }),
            _ => Err(cannot()),
        },
        "not" => {
            let inner = if args.is_empty() {
                all_of(directive.inner(), matchers)?
            } else {
                let mut args = directive.args.clone();
                let name = args.remove(0);
                one(&Directive { name, args, block: directive.block.clone() }, matchers)?
            };
            contrary(&inner).ok_or_else(cannot)
        }
        _ => Err(cannot()),
    }
}

/// Whether a field is compared with whole values, of which there is one at least.
fn plain_field(field: &str, values: &[&str]) -> bool {
    let whole = |value: &&str| !value.is_empty() && !value.contains(['*', '{']);
    !field.starts_with('!') && !field.eq_ignore_ascii_case("host") && !values.is_empty() && values.iter().all(whole)
}

/// Each parameter has to be there; the values of one are alternatives.
fn query(args: &[&str]) -> Option<Vec<Clause>> {
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for text in args {
        let (name, value) = text.split_once('=').filter(|(_, value)| *value != "*" && !text.contains('{'))?;
        names.entry(name).or_default().push(value);
    }
    let mut all = vec![Conditions::default()];
    for (name, values) in names {
        let with = |query: &Conditions, value: &str| {
            let mut query = query.clone();
            query.query.insert(name.to_owned(), value.to_owned());
            query
        };
        all = all.iter().flat_map(|known| values.iter().map(|value| with(known, value))).collect();
        if all.len() > MOST {
            return None;
        }
    }
    (!args.is_empty()).then(|| all.into_iter().map(Clause::from).collect())
}

/// What none of the alternatives takes.
fn contrary(inner: &[Clause]) -> Option<Vec<Clause>> {
    let plain = inner.iter().all(|clause| clause.not.is_empty());
    match inner {
        _ if plain && inner.iter().any(|clause| clause.is == Conditions::default()) => Some(Vec::new()),
        _ if plain => Some(vec![Clause {
            is: Conditions::default(),
            not: inner.iter().map(|clause| clause.is.clone()).collect(),
        }]),
        // not (not ...)
        [Clause { is, not }] if *is == Conditions::default() => Some(not.iter().cloned().map(Clause::from).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_stars_are_prefixes_ends_and_expressions() {
        assert_eq!(of_path("/api/*"), Path::Prefix("/api/".into()));
        assert_eq!(of_path("/api"), Path::Exact("/api".into()));
        assert_eq!(of_path("*.php"), Path::Regex("(?i)\\.php$".into()));
        assert_eq!(of_path("/a/*/b"), Path::Regex("(?i)^/a/[^/]*/b$".into()));
        assert_eq!(of_path("/*"), Path::Any);
    }

    #[test]
    fn a_host_with_a_star_is_every_name_below() {
        assert_eq!(of_host("*.Example.com"), Host::Below("example.com".into()));
        assert_eq!(of_host("a.example.com"), Host::Exact("a.example.com".into()));
    }
}
