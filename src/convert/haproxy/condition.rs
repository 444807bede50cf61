//! Conditions of lines: `acl`, `if`, `unless`, and what of them routes can have.

use std::collections::HashSet;

use ipnet::IpNet;

use super::compare;
use super::limits::Counter;
use super::matching::{Conditions, Path};
use super::parse::{ENVIRONMENT, Line, Section};
use super::userlist::Wanted;
use crate::convert::expression;
use crate::convert::networks;
use crate::convert::original::Original;

/// What an expression asks.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// It holds always, or never, at this address.
    Settled(bool),
    /// One of these has to hold: they are conditions of routes.
    Routes(Vec<Conditions>),
    /// The client is in one of these networks.
    Source(Vec<IpNet>),
    /// The client has the password of one of these.
    Password(Vec<Wanted>),
    /// A counter is above a number.
    Above(Counter),
    /// No route can ask that.
    Unknown(String),
    /// It is about what an earlier rule has made of the request, which no route sees.
    Changed(String),
}

/// An expression that may be negated.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// What it asks.
    pub ask: Ask,
    /// Whether it has to hold, or must not.
    pub holds: bool,
}

/// Where a condition is looked at.
pub struct Around<'a> {
    /// The file.
    pub original: &'a Original<'a>,
    /// The section, whose `acl`s can be named.
    pub section: &'a Section,
    /// Whether there is TLS at the address.
    pub secure: bool,
    /// The port of the address.
    pub port: u16,
}

/// So many alternatives come of one `unless` at most.
const MOST_ALTERNATIVES: usize = 256;
/// The condition at the end of a line: alternatives, in each of which all terms have to hold. Without a condition it is one without terms.
pub fn of_line(around: &Around<'_>, line: &Line) -> Vec<Vec<Term>> {
    let Some(at) = line.words.iter().position(|word| word == "if" || word == "unless") else { return vec![Vec::new()] };
    let negated = line.word(at) == "unless";
    let alternatives = parsed(around, &line.words[at + 1..]);
    if !negated {
        return alternatives;
    }
    // not (A and B or C) is (not A or not B) and not C
    let mut all: Vec<Vec<Term>> = vec![Vec::new()];
    for terms in alternatives {
        if all.len() * terms.len() > MOST_ALTERNATIVES {
            // one that is cut off would be one who is refused
            let ask = Ask::Unknown(format!("more than {MOST_ALTERNATIVES} alternatives"));
            return vec![vec![Term { ask, holds: false }]];
        }
        all = all
            .iter()
            .flat_map(|before| {
                terms.iter().map(move |term| {
                    before.iter().cloned().chain([Term { ask: term.ask.clone(), holds: !term.holds }]).collect()
                })
            })
            .collect();
    }
    all
}

fn parsed(around: &Around<'_>, words: &[String]) -> Vec<Vec<Term>> {
    let mut alternatives = vec![Vec::new()];
    let mut holds = true;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let ask = match word.as_str() {
            "or" | "||" => {
                alternatives.push(Vec::new());
                continue;
            }
            "!" => {
                holds = !holds;
                continue;
            }
            "{" => {
                let inner: Vec<String> = words.by_ref().take_while(|word| *word != "}").cloned().collect();
                expression(around, &inner)
            }
            word => {
                let (word, negated) = word.strip_prefix('!').map_or((word, false), |word| (word, true));
                holds ^= negated;
                if word == "{" {
                    let inner: Vec<String> = words.by_ref().take_while(|word| *word != "}").cloned().collect();
                    expression(around, &inner)
                } else {
                    named(around, word)
                }
            }
        };
        if let Some(terms) = alternatives.last_mut() {
            terms.push(Term { ask, holds });
        }
        holds = true;
    }
    alternatives
}

/// All lines of an `acl` of that name, of which one has to hold.
fn named(around: &Around<'_>, name: &str) -> Ask {
    let lines = around.section.defaults.iter().chain(&around.section.lines).filter(|line| line.is(&["acl", name]));
    let mut asks = lines.map(|line| {
        let mut ask = expression(around, &line.words[2..]);
        if let Ask::Routes(routes) = &mut ask {
            routes.iter_mut().for_each(|one| one.places = vec![line.place.clone()]);
        }
        ask
    });
    let Some(first) = asks.next() else { return predefined(name) };
    asks.fold(first, |a, b| either(name, a, b))
}

fn predefined(name: &str) -> Ask {
    let methods = |methods: &[&str]| {
        let methods = Some(methods.iter().map(|method| (*method).to_owned()).collect());
        Ask::Routes(vec![Conditions { methods, ..Conditions::default() }])
    };
    match name {
        "TRUE" | "HTTP" | "HTTP_1.1" => Ask::Settled(true),
        "FALSE" => Ask::Settled(false),
        "METH_GET" => methods(&["GET", "HEAD"]),
        "METH_HEAD" => methods(&["HEAD"]),
        "METH_POST" => methods(&["POST"]),
        "METH_PUT" => methods(&["PUT"]),
        "METH_DELETE" => methods(&["DELETE"]),
        "METH_OPTIONS" => methods(&["OPTIONS"]),
        "METH_CONNECT" => methods(&["CONNECT"]),
        "METH_TRACE" => methods(&["TRACE"]),
        "LOCALHOST" => Ask::Source(["127.0.0.0/8", "::1"].into_iter().filter_map(networks::parse).collect()),
        "HTTP_URL_SLASH" => {
            Ask::Routes(vec![Conditions { path: Some(Path::Prefix("/".to_owned())), ..Conditions::default() }])
        }
        other => Ask::Unknown(other.to_owned()),
    }
}

/// Two lines of one name, of which one has to hold.
fn either(name: &str, a: Ask, b: Ask) -> Ask {
    match (a, b) {
        (Ask::Routes(mut a), Ask::Routes(b)) => {
            a.extend(b);
            Ask::Routes(a)
        }
        (Ask::Source(mut a), Ask::Source(b)) => {
            a.extend(b);
            Ask::Source(a)
        }
        (Ask::Password(mut a), Ask::Password(b)) => {
            a.extend(b);
            Ask::Password(a)
        }
        (Ask::Settled(true), _) | (_, Ask::Settled(true)) => Ask::Settled(true),
        (Ask::Settled(false), other) | (other, Ask::Settled(false)) => other,
        (Ask::Unknown(what), _) | (_, Ask::Unknown(what)) => Ask::Unknown(what),
        _ => Ask::Unknown(name.to_owned()),
    }
}

/// A fetch with its flags and the values that it is compared with.
struct Compared {
    fetch: String,
    argument: String,
    method: String,
    ignore_case: bool,
    values: Vec<String>,
}

fn expression(around: &Around<'_>, words: &[String]) -> Ask {
    let Some(first) = words.first() else { return Ask::Unknown(String::new()) };
    let unknown = || Ask::Unknown(words.join(" ").replace(ENVIRONMENT, "$"));
    // what a variable of the environment says is not known here
    if words.iter().any(|word| word.contains(ENVIRONMENT)) {
        return unknown();
    }
    let parts = compare::parts(first);
    let (fetch, converters) = (parts[0], &parts[1..]);
    let lowered = converters.contains(&"lower");
    let (fetch, argument) = match fetch.split_once('(') {
        Some((fetch, argument)) => (fetch, argument.strip_suffix(')').unwrap_or(argument)),
        None => (fetch, ""),
    };
    // the part before the port, which routes don't look at
    let is_host = argument.split(',').next().is_some_and(|name| name.eq_ignore_ascii_case("host"));
    if !converters.iter().all(|converter| *converter == "lower" || is_host && *converter == "field(1,:)") {
        return unknown();
    }
    let mut compared = Compared {
        fetch: fetch.to_owned(),
        argument: argument.to_owned(),
        method: String::new(),
        ignore_case: lowered,
        values: Vec::new(),
    };
    let mut rest = words[1..].iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-i" => compared.ignore_case = true,
            "-m" => compared.method = rest.next().cloned().unwrap_or_default(),
            "-n" | "--" => {}
            "-f" => match around.original.read(rest.next().map_or("", String::as_str)) {
                Ok((_, text)) => compared.values.extend(
                    text.lines()
                        .map(str::trim)
                        .filter(|line| !line.is_empty() && !line.starts_with('#'))
                        .map(str::to_owned),
                ),
                Err(_) => return unknown(),
            },
            flag if flag.len() == 2 && flag.starts_with('-') => return unknown(),
            value => compared.values.push(value.to_owned()),
        }
    }
    asked(around, compared).unwrap_or_else(unknown)
}

/// What of a route a fetch is about, with the way in which values are compared.
fn asked(around: &Around<'_>, mut of: Compared) -> Option<Ask> {
    for (end, method) in [
        ("_beg", "beg"),
        ("_end", "end"),
        ("_reg", "reg"),
        ("_dir", "dir"),
        ("_sub", "sub"),
        ("_dom", "dom"),
        ("_len", "len"),
    ] {
        if let Some(fetch) = of.fetch.strip_suffix(end) {
            of.method = method.to_owned();
            of.fetch = fetch.to_owned();
            break;
        }
    }
    let secure = around.secure;
    match of.fetch.as_str() {
        "always_true" => Some(Ask::Settled(true)),
        "always_false" => Some(Ask::Settled(false)),
        "ssl_fc" => Some(Ask::Settled(secure != (of.values.first().is_some_and(|value| value == "0")))),
        "dst_port" if matches!(of.method.as_str(), "" | "int") => {
            compare::is_number(&of.values, around.port).map(Ask::Settled)
        }
        "src" if of.values.is_empty() || !matches!(of.method.as_str(), "" | "ip") => None,
        "src" => of.values.iter().map(|value| networks::parse(value)).collect::<Option<Vec<_>>>().map(Ask::Source),
        "http_auth" if of.values.is_empty() && matches!(of.method.as_str(), "" | "bool") => password(of),
        "http_auth_group" if !of.values.is_empty() && matches!(of.method.as_str(), "" | "str") && !of.ignore_case => {
            password(of)
        }
        "method" => {
            // an expression, or a part of a name, is no method
            let is_name = |value: &String| {
                !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-')
            };
            if !matches!(of.method.as_str(), "" | "str") || of.values.is_empty() || !of.values.iter().all(is_name) {
                return None;
            }
            let methods = Some(of.values.iter().map(|value| value.to_ascii_uppercase()).collect());
            Some(Ask::Routes(vec![Conditions { methods, ..Conditions::default() }]))
        }
        "path" | "url" => path(&of),
        "req.ssl_sni" | "req_ssl_sni" | "ssl_fc_sni" => host(&of),
        "hdr" | "req.hdr" | "req.fhdr" | "req_hdr"
            if of.argument.split(',').next().is_some_and(|name| name.eq_ignore_ascii_case("host")) =>
        {
            host(&of)
        }
        "hdr" | "req.hdr" | "req.fhdr" | "url_param" | "urlp" => field_or_parameter(&of),
        _ => super::limits::counter(&of.fetch, &of.argument, &of.values).map(Ask::Above),
    }
}

/// `http_auth(LIST)`, `http_auth_group(LIST) GROUP...`
fn password(of: Compared) -> Option<Ask> {
    let list = of.argument.trim().to_owned();
    (!list.is_empty()).then(|| Ask::Password(vec![Wanted { list, groups: of.values }]))
}

/// A field, or a parameter of the query, with its whole value.
fn field_or_parameter(of: &Compared) -> Option<Ask> {
    if of.ignore_case || !compare::is_text(&of.method, &of.argument, &of.values) {
        return None;
    }
    let name = of.argument.to_ascii_lowercase();
    let is_field = !of.fetch.starts_with("url");
    if is_field && compare::NEVER_SEEN.contains(&name.as_str()) {
        return None;
    }
    let one = |value: &String| match is_field {
        true => {
            Conditions { is_narrower: true, headers: [(name.clone(), value.clone())].into(), ..Conditions::default() }
        }
        false => Conditions { query: [(of.argument.clone(), value.clone())].into(), ..Conditions::default() },
    };
    Some(Ask::Routes(of.values.iter().map(one).collect()))
}

fn path(of: &Compared) -> Option<Ask> {
    if of.fetch != "path" && of.method != "beg" || of.values.is_empty() {
        return None;
    }
    // routes compare paths in one form: what is written in another one there would never fit, or fit more
    let is_plain = |text: &str| {
        text.starts_with('/')
            && text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '%' | '\\'))
            && !text.contains("//")
            && !text.split('/').any(|part| matches!(part, "." | ".."))
    };
    let regex = |inner: String| {
        let inner = expression::of_path(&inner);
        let regex = if of.ignore_case { expression::insensitive(&inner) } else { inner };
        regex::Regex::new(&regex).ok().map(|_| Path::Regex(regex))
    };
    let one = |value: &String| {
        let escaped = regex::escape(value);
        let path = match (of.method.as_str(), of.ignore_case) {
            ("" | "str" | "beg", _) if !is_plain(value) => return None,
            ("" | "str", false) => Path::Exact(value.clone()),
            ("beg", false) => Path::Prefix(value.clone()),
            ("" | "str", true) => regex(format!("^{escaped}$"))?,
            ("beg", true) => regex(format!("^{escaped}"))?,
            ("end", _) => regex(format!("{escaped}$"))?,
            ("sub", _) => regex(escaped)?,
            ("dir", _) => regex(format!("(^|/){}(/|$)", regex::escape(value.trim_matches('/'))))?,
            ("reg", _) => regex(value.clone())?,
            _ => return None,
        };
        Some(Conditions { path: Some(path), ..Conditions::default() })
    };
    of.values.iter().map(one).collect::<Option<Vec<_>>>().map(Ask::Routes)
}

/// A host, without regard to case and port, as routes compare it.
fn host(of: &Compared) -> Option<Ask> {
    let mut all = Vec::new();
    for value in &of.values {
        let value = value.to_ascii_lowercase();
        let value = compare::without_port(&value).trim_end_matches('.').to_owned();
        match of.method.as_str() {
            "" | "str" => all.push(value),
            "beg" if value.contains('.') && !value.ends_with('.') => return None,
            "end" if value.starts_with('.') => all.push(format!("*{value}")),
            // what ends in a whole name is that name, and all below it
            "end" | "dom" if value.contains('.') => {
                all.extend([value.clone(), format!("*.{}", value.trim_start_matches('.'))])
            }
            _ => return None,
        }
    }
    // what ends in the text without a dot before it is no name below it
    let is_narrower =
        matches!(of.method.as_str(), "end" | "dom") && !of.values.iter().all(|value| value.starts_with('.'));
    // a name with two ports is one
    let mut seen = HashSet::new();
    all.retain(|host| seen.insert(host.clone()));
    let one = |host: String| Conditions { host: Some(host), is_narrower, ..Conditions::default() };
    (!all.is_empty()).then(|| Ask::Routes(all.into_iter().map(one).collect()))
}
