//! `if`: the few conditions that a route can have too. [`branch`](super::branch) makes routes of them.

use super::access::geo;
use super::answer::{self, Paths};
use super::parse::Directive;
use super::site::Site;
use super::upstream::hashed;
use super::variables;
use super::world::World;
use crate::convert::output::Place;
use crate::convert::{expression, networks};

/// A condition as routes can have it.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// It always holds at this address, or never.
    Settled(bool),
    /// The host is one of these, or (`false`) none.
    Host(Vec<String>, bool),
    /// The method is one of these, or none.
    Method(Vec<String>, bool),
    /// A key of `headers` or `query` has this value, or not.
    Field(&'static str, String, String, bool),
    /// The path is one of these.
    Path(Vec<Paths>),
    /// The path fits an expression.
    PathRegex(String),
    /// The client is in one of these networks.
    Networks(Vec<String>, Vec<Place>),
    /// Routes have no such condition. `true`: it is about who may come in.
    Unknown(bool),
}

/// What a condition of an `if` is at this address.
pub fn condition(world: &World<'_>, site: &Site<'_>, directive: &Directive) -> Condition {
    let text = directive.args.join(" ");
    let inner = text.trim_start_matches('(').trim();
    let inner = inner.strip_suffix(')').unwrap_or(inner).trim();
    let (variable, operator, value) = match inner.split_once(' ') {
        None => (inner, "", ""),
        Some((variable, rest)) => {
            let (operator, value) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
            (variable, operator, value.trim())
        }
    };
    let Some(name) = variables::sole(variable) else { return Condition::Unknown(operator.starts_with('!')) };
    let negated = operator.starts_with('!');
    let values = match operator {
        "=" | "!=" => Some(vec![value.to_owned()]),
        "~" | "!~" => listed(value),
        // what is compared in any case here, or has one case only
        "~*" | "!~*" if ANY_CASE.contains(&name) => listed(&value.to_ascii_lowercase()),
        _ => None,
    };
    match (name, values) {
        ("scheme", Some(values)) => Condition::Settled(values.iter().any(|v| (v == "https") == site.secure) != negated),
        ("https", Some(values)) => Condition::Settled(values.iter().any(|v| (v == "on") == site.secure) != negated),
        ("server_port", Some(values)) => {
            Condition::Settled(values.iter().any(|v| *v == site.port.to_string()) != negated)
        }
        ("ssl_protocol", Some(_)) if value.is_empty() => Condition::Settled(site.secure == negated),
        // the first name of the server, whichever of them was asked for
        ("server_name", Some(values)) => Condition::Settled(values.iter().any(|v| v == site.name) != negated),
        ("host" | "http_host", Some(values)) if values.iter().all(|value| is_host(value)) => {
            Condition::Host(values, !negated)
        }
        ("request_method", values) => of_method(value, values, negated),
        ("uri" | "request_uri" | "document_uri", _) if !negated && !operator.is_empty() => {
            of_path(name, operator, value)
        }
        (name, None) if operator.is_empty() => of_geo(world, name),
        (name, Some(values)) if values.len() == 1 => of_field(name, &values[0], !negated),
        (name, _) => Condition::Unknown(negated || name.starts_with("ssl_client")),
    }
}

/// Variables whose values are the same in any case.
const ANY_CASE: [&str; 5] = ["host", "http_host", "request_method", "scheme", "https"];

/// All values that an expression fits: it has to say both ends, as `^(GET|HEAD)$` does. Without them it is a text somewhere in the value.
fn listed(regex: &str) -> Option<Vec<String>> {
    let inner = regex.strip_prefix('^')?.strip_suffix('$')?;
    super::hosts::of_parts(inner).filter(|values| !values.is_empty())
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

fn of_method(value: &str, values: Option<Vec<String>>, negated: bool) -> Condition {
    // `!~ GET|HEAD` refuses all that have neither in them; those that are neither are a few more
    let loose = || {
        let inner = value.trim_start_matches(['^', '(']).trim_end_matches(['$', ')']);
        inner.split('|').map(super::hosts::of_parts).collect::<Option<Vec<_>>>().map(|all| all.concat())
    };
    let values = if negated { values.or_else(loose) } else { values };
    match values {
        Some(values) if values.iter().all(|one| !one.is_empty() && one.bytes().all(|b| b.is_ascii_alphabetic())) => {
            Condition::Method(values.iter().map(|one| one.to_ascii_uppercase()).collect(), !negated)
        }
        _ => Condition::Unknown(negated),
    }
}

fn of_path(name: &str, operator: &str, value: &str) -> Condition {
    let good = |path: &Paths| match path {
        Paths::All => true,
        Paths::Exact(path) | Paths::Prefix(path) => is_path(path),
    };
    let paths = match operator {
        "=" => Some(vec![Paths::Exact(value.to_owned())]),
        _ => answer::paths(value, false),
    };
    let paths = paths.filter(|paths| !paths.is_empty() && paths.iter().all(good));
    match (operator, paths) {
        ("=" | "~", Some(paths)) => Condition::Path(paths),
        ("=", None) => Condition::Unknown(false),
        // `$request_uri` has the query and what clients escaped in it: only the text that paths begin with is the same
        (_, None) if name == "request_uri" => Condition::Unknown(false),
        // routes see characters such as quotes and spaces escaped
        (_, None) if has_escaped(value) => Condition::Unknown(false),
        ("~*", _) => Condition::PathRegex(expression::insensitive(&expression::of_path(value))),
        _ => Condition::PathRegex(expression::of_path(value)),
    }
}

/// Whether a path is written as routes see it.
fn is_path(path: &str) -> bool {
    path.starts_with('/')
        && !path.contains("//")
        && !path.contains("/.")
        && path.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_' | b'~'))
}

/// Whether an expression asks for characters that are escaped in what routes see, or for white space.
fn has_escaped(regex: &str) -> bool {
    let regex = regex.replace("(?:", "(");
    regex.contains(['<', '>', '\'', '"', ' ', ';', ':', '@', '&', '=', '!', '%', '#', '`'])
        || regex.match_indices('\\').any(|(at, _)| {
            regex[at + 1..]
                .starts_with(['s', 'x', 'W', '(', ')', '[', ']', '{', '}', '*', '+', '?', '$', '|', '^', '\\', ','])
        })
}

fn of_geo(world: &World<'_>, name: &str) -> Condition {
    let Some((default, lines)) = geo(world, name) else { return Condition::Unknown(true) };
    let is_true = |value: &str| !value.is_empty() && value != "0";
    if is_true(default) || lines.iter().any(|(_, value, _)| !is_true(value)) {
        return Condition::Unknown(true);
    }
    let (networks, places) = lines.iter().map(|(network, _, place)| (networks::write(network), place.clone())).unzip();
    Condition::Networks(networks, places)
}

fn of_field(name: &str, value: &str, holds: bool) -> Condition {
    match hashed(&format!("${name}")) {
        Some(key) if !value.is_empty() => match key.split_once(':') {
            Some(("header", field)) => Condition::Field("headers", field.to_owned(), value.to_owned(), holds),
            Some(("query", field)) => Condition::Field("query", field.to_owned(), value.to_owned(), holds),
            _ => Condition::Unknown(!holds),
        },
        _ => Condition::Unknown(!holds || name.starts_with("ssl_client")),
    }
}

/// nginx finds parameters by their names in any case.
pub fn any_case(world: &mut World<'_>, directive: &Directive, condition: &Condition, denies: bool) {
    if denies && matches!(condition, Condition::Field("query", _, _, true)) {
        let why =
            "only the parameter of just this name is refused; nginx takes it in any case, and before it is decoded";
        let advice = "have the backend refuse it, or add a route for each spelling";
        world.findings().error(&directive.place, directive.text(), why, advice);
    }
}
