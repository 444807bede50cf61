//! The small languages inside the strings of the file: addresses, hosts, header names, and so on.
//!
//! Each has one function that reads it. The shape check (which knows a language by the name that the schema gives it) uses
//! it to find what is wrong, the building of the model to get the value; so the two can't disagree.

pub(super) mod service;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr as _;

use http::header::{HeaderName, HeaderValue};
use http::{Method, Uri};
use ipnet::IpNet;
use regex::Regex;

use super::units::{Size, Span, UnitError};
use crate::event::Filter;
use crate::route::Host;

pub(super) const DURATION: &str = "a duration: a whole number and one of ms, s, m, h, d, such as \"30s\"";
pub(super) const SIZE: &str = "a size: a whole number and one of B, KiB, MiB, GiB, TiB, such as \"64KiB\"";
const LISTEN: &str = "an address with a port, such as \"0.0.0.0:8080\", or \"unix:/path/of/socket\"";
const SOCKET: &str = "an address with a port, such as \"127.0.0.1:9900\"";
const BACKEND: &str = "address:port, name:port or \"unix:/path/of/socket\"";

/// The longest path that fits `sockaddr_un`, its closing zero left out.
const UNIX_PATH_MAX: usize = 107;

/// Why a string can't be used.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) expected: String,
    pub(super) suggestion: Option<String>,
    pub(super) help: Option<String>,
}

type Result<T> = std::result::Result<T, Problem>;

impl Problem {
    fn new(message: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { message: message.into(), expected: expected.into(), suggestion: None, help: None }
    }

    fn suggest(mut self, suggestion: Option<String>) -> Self {
        self.suggestion = suggestion;
        self
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Checks a string against the language that the schema names (`x-syntax`).
pub(super) fn check(language: &str, text: &str) -> Result<()> {
    match language {
        "duration" => duration(text).map(drop),
        "size" => size(text).map(drop),
        "listen" => listen(text).map(drop),
        "socket" => socket(text).map(drop),
        "backend" => backend(text).map(drop),
        "host" => host(text).map(drop),
        "authority" => authority(text).map(drop),
        "path" => path(text).map(drop),
        "regex" => regex(text).map(drop),
        "method" => method(text).map(drop),
        "network" => network(text).map(drop),
        "header-name" => header_name(text).map(drop),
        "header-value" => header_value(text).map(drop),
        "hash-key" => service::hash_key(text).map(drop),
        "session-key" => service::session_key(text).map(drop),
        "cookie-name" => service::cookie_name(text),
        "health-path" => service::health_path(text),
        "authority-or-empty" => service::authority_or_empty(text),
        "status-ranges" => service::status_ranges(text).map(drop),
        "retry-condition" => service::retry_condition(text).map(drop),
        "name-and-port" => service::name_and_port(text).map(drop),
        "srv-name" => service::srv_name(text),
        "redirect" => redirect(text),
        "log-filter" => log_filter(text),
        "name" => name(text),
        "webhook" => webhook(text).map(drop),
        "event" => event(text),
        "text" => plain(text),
        other => Err(Problem::new(format!("the schema names an unknown syntax `{other}`"), "one that is known")),
    }
}

pub(super) fn duration(text: &str) -> Result<Span> {
    Span::parse(text).map_err(|e| unit_problem(text, e, DURATION, "a duration of at most 3650d"))
}

pub(super) fn size(text: &str) -> Result<Size> {
    Size::parse(text).map_err(|e| unit_problem(text, e, SIZE, "a size below 8388608TiB"))
}

fn unit_problem(text: &str, error: UnitError, form: &str, limit: &str) -> Problem {
    match error {
        UnitError::Form(meant) => Problem::new(format!("`{text}` can't be read"), form).suggest(meant),
        UnitError::TooLarge => Problem::new(format!("`{text}` is too large"), limit),
    }
}

/// Where something may listen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Listen {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

pub(super) fn listen(text: &str) -> Result<Listen> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix_path(path, LISTEN).map(Listen::Unix);
    }
    match SocketAddr::from_str(text) {
        Ok(address) => Ok(Listen::Tcp(address)),
        Err(_) => Err(bad_socket(text, LISTEN)),
    }
}

pub(super) fn socket(text: &str) -> Result<SocketAddr> {
    SocketAddr::from_str(text).map_err(|_| bad_socket(text, SOCKET))
}

fn bad_socket(text: &str, expected: &str) -> Problem {
    let problem = Problem::new(format!("`{text}` is not an address to listen on"), expected);
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let port_ok = port.parse::<u16>().is_ok();
    if text.parse::<u16>().is_ok() {
        return problem.suggest(Some(format!("127.0.0.1:{text}")));
    }
    if port_ok && (host.is_empty() || host == "*") {
        return problem.suggest(Some(format!("0.0.0.0:{port}")));
    }
    if port_ok && host.eq_ignore_ascii_case("localhost") {
        return problem.suggest(Some(format!("127.0.0.1:{port}")));
    }
    if text.starts_with('/') {
        return problem.suggest(Some(format!("unix:{text}")));
    }
    if IpAddr::from_str(text).is_ok() {
        return problem.help("the port is missing");
    }
    if IpAddr::from_str(host).is_ok() && !port_ok {
        return problem.help("a port is a number from 0 to 65535");
    }
    problem
}

fn unix_path(path: &str, expected: &str) -> Result<PathBuf> {
    if path.is_empty() || path.contains('\0') {
        return Err(Problem::new("a Unix socket needs a path", expected));
    }
    if path.len() > UNIX_PATH_MAX {
        let message = format!("the path of this Unix socket has {} bytes", path.len());
        return Err(Problem::new(message, format!("a path of at most {UNIX_PATH_MAX} bytes")));
    }
    Ok(PathBuf::from(path))
}

/// Where a backend is, before a name has been looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Tcp(SocketAddr),
    Name { host: String, port: u16 },
    Unix(PathBuf),
}

pub(super) fn backend(text: &str) -> Result<Target> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix_path(path, BACKEND).map(Target::Unix);
    }
    let bad = || Problem::new(format!("`{text}` is not the address of a backend"), BACKEND);
    for scheme in ["http://", "https://"] {
        if let Some(rest) = text.strip_prefix(scheme) {
            let help = "an address has no scheme; TLS towards the backends is [service.NAME.tls]";
            return Err(bad().suggest(Some(rest.trim_end_matches('/').to_owned())).help(help));
        }
    }
    let target = match SocketAddr::from_str(text) {
        Ok(address) => Target::Tcp(address),
        Err(_) => {
            let Some((host, port)) = text.rsplit_once(':') else {
                return Err(bad().help("the port is missing"));
            };
            let Ok(port) = port.parse::<u16>() else {
                return Err(bad().help("a port is a number from 1 to 65535"));
            };
            if !is_host_name(host) {
                return Err(bad());
            }
            Target::Name { host: host.to_ascii_lowercase(), port }
        }
    };
    match target {
        Target::Tcp(a) if a.port() == 0 => Err(bad().help("a backend can't be on port 0")),
        Target::Name { port: 0, .. } => Err(bad().help("a backend can't be on port 0")),
        Target::Tcp(a) if a.ip().is_unspecified() => {
            Err(bad().help("this means \"every address of this machine\", which is no place to connect to"))
        }
        target => Ok(target),
    }
}

/// A DNS name as it is used for hosts: labels of letters, digits, `-` and `_`. Not a number that only looks like one.
fn is_host_name(text: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    let all_numeric = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    text.len() <= 253 && text.split('.').all(label) && !all_numeric
}

/// An IP address (IPv6 in brackets) or a name, as it stands in `Host`.
fn is_host(text: &str) -> bool {
    let bracketed = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    match bracketed {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => is_host_name(text) || text.parse::<std::net::Ipv4Addr>().is_ok(),
    }
}

/// Where events are posted to.
pub(super) fn webhook(text: &str) -> Result<Uri> {
    const URL: &str = "a URL such as \"https://alerts.example.com/hook\"";
    let problem = |what: &str| Problem::new(format!("`{text}` {what}"), URL);
    let uri: Uri = text.parse().map_err(|_| problem("is not a URL"))?;
    let authority = match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) if !authority.host().is_empty() => authority,
        (None, _) => return Err(problem("has no scheme").suggest(Some(format!("https://{text}")))),
        _ => return Err(problem("is not an http or https URL")),
    };
    match authority.as_str().contains('@') {
        true => Err(problem("has a user in it, which is not sent")),
        false => Ok(uri),
    }
}

/// A level or a kind of events.
fn event(text: &str) -> Result<()> {
    match Filter::default().add(text) {
        true => Ok(()),
        false => Err(Problem::new(
            format!("`{text}` is neither a level nor a kind of events"),
            "\"info\", \"warn\", \"error\", or a kind such as \"service_down\" or \"backend_*\"",
        )
        .suggest(nearest(text, Filter::words()).map(str::to_owned))),
    }
}

pub(super) fn host(text: &str) -> Result<Host> {
    let expected = "a host name such as \"api.example.com\", or \"*.example.com\" for every name below it";
    let bad = || Problem::new(format!("`{text}` is not a host"), expected);
    if !text.is_ascii() {
        return Err(bad().help("write a name with other letters in Punycode (\"xn--...\")"));
    }
    let lower = text.to_ascii_lowercase();
    if let Some(parent) = lower.strip_prefix("*.") {
        return if is_host_name(parent) { Ok(Host::Wildcard(parent.to_owned())) } else { Err(bad()) };
    }
    if is_host(&lower) {
        return Ok(Host::Exact(lower));
    }
    if lower == "*" {
        return Err(bad().help("leave `host` out to take every host"));
    }
    let stripped = lower.trim_start_matches("http://").trim_start_matches("https://");
    let stripped = stripped.split('/').next().unwrap_or("");
    let stripped = stripped.rsplit_once(':').map_or(stripped, |(host, _)| host).trim_end_matches('.');
    let near = (stripped != lower && is_host(stripped)).then(|| stripped.to_owned());
    Err(bad().suggest(near))
}

/// A host with or without a port, as in `Host`.
pub(super) fn authority(text: &str) -> Result<HeaderValue> {
    let bad = || Problem::new(format!("`{text}` is not a host"), "a host name, with or without a port");
    let host = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            port.parse::<u16>().map_err(|_| bad())?;
            host
        }
        _ => text,
    };
    if !is_host(host) {
        return Err(bad());
    }
    HeaderValue::from_str(text).map_err(|_| bad())
}

pub(super) fn path(text: &str) -> Result<String> {
    let expected = "a path that begins with \"/\"";
    if !text.starts_with('/') {
        let near = Some(format!("/{text}")).filter(|_| !text.contains("://"));
        return Err(Problem::new(format!("`{text}` does not begin with \"/\""), expected).suggest(near));
    }
    if let Some(wrong) = text.chars().find(|c| matches!(c, '?' | '#') || !c.is_ascii_graphic()) {
        let problem = Problem::new(format!("a path can't contain {wrong:?}"), expected);
        return Err(match wrong {
            '?' => problem.help("the query has a condition of its own: query = { \"name\" = \"value\" }"),
            _ => problem.help("write it percent-encoded, as it arrives"),
        });
    }
    Ok(text.to_owned())
}

pub(super) fn regex(text: &str) -> Result<Regex> {
    Regex::new(text).map_err(|error| {
        let reason = match &error {
            regex::Error::CompiledTooBig(limit) => format!("it needs more than {limit} bytes when compiled"),
            other => other.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
        };
        Problem::new(format!("this regular expression is wrong: {reason}"), "a regular expression")
            .help("the syntax is that of https://docs.rs/regex (no look-around, no back-references)")
    })
}

pub(super) fn method(text: &str) -> Result<Method> {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    let bad = || Problem::new(format!("`{text}` is not a method"), "a method such as \"GET\"");
    let upper = text.to_ascii_uppercase();
    if upper != text && KNOWN.contains(&upper.as_str()) {
        return Err(bad().suggest(Some(upper)).help("methods are case-sensitive"));
    }
    Method::from_bytes(text.as_bytes()).map_err(|_| bad())
}

pub(super) fn network(text: &str) -> Result<IpNet> {
    if let Ok(address) = IpAddr::from_str(text) {
        return Ok(IpNet::from(address));
    }
    let bad = || {
        let message = format!("`{text}` is not a network");
        Problem::new(message, "a network such as \"10.0.0.0/8\", or one address")
    };
    let net = IpNet::from_str(text).map_err(|_| bad())?;
    if net.addr() != net.network() {
        return Err(bad().suggest(Some(net.trunc().to_string())).help("its address has bits set behind the prefix"));
    }
    Ok(net)
}

pub(super) fn header_name(text: &str) -> Result<HeaderName> {
    HeaderName::from_str(text).map_err(|_| {
        let message = format!("{text:?} is not the name of a header");
        Problem::new(message, "letters, digits and \"-\", such as \"x-request-id\"")
    })
}

pub(super) fn header_value(text: &str) -> Result<HeaderValue> {
    let bad = |what: &str| Problem::new(format!("the value of a header can't {what}"), "one line of text");
    if text.trim_matches([' ', '\t']) != text {
        return Err(bad("begin or end with white space"));
    }
    HeaderValue::from_str(text)
        .or_else(|_| HeaderValue::from_bytes(text.as_bytes()))
        .map_err(|_| bad("contain line breaks or control characters"))
}

fn redirect(text: &str) -> Result<()> {
    let expected = "\"https://...\" or a path, in which ${host}, ${path} and ${query} are filled in";
    let bad = || Problem::new(format!("`{text}` is not a target to redirect to"), expected);
    let filled = text.replace("${host}", "host.example").replace("${path}", "/path").replace("${query}", "?a=b");
    let absolute = filled.starts_with("https://") || filled.starts_with("http://");
    if !absolute && !filled.starts_with('/') {
        let near = text.starts_with("www.").then(|| format!("https://{text}"));
        return Err(bad().suggest(near));
    }
    match Uri::from_str(&filled) {
        Ok(_) => Ok(()),
        Err(error) => Err(bad().help(format!("it would be no URL: {error}"))),
    }
}

fn log_filter(text: &str) -> Result<()> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let bad = |part: &str| {
        let message = format!("`{part}` is not a level of the log");
        let expected = "error, warn, info, debug, trace or off; or a filter such as \"info,evenkeel=debug\"";
        Problem::new(message, expected)
    };
    for part in text.split(',').map(str::trim) {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
        let known = LEVELS.iter().any(|l| l.eq_ignore_ascii_case(level));
        // A bare word that is no level would be taken for the name of a module, and everything else be silent.
        if !known && !part.contains('[') {
            return Err(bad(part).suggest(nearest(level, LEVELS).map(str::to_owned)));
        }
    }
    match tracing_subscriber::EnvFilter::builder().parse(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(bad(text).help(error.to_string())),
    }
}

fn name(text: &str) -> Result<()> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if !text.is_empty() && text.bytes().all(good) {
        return Ok(());
    }
    let message = format!("{text:?} can't be a name");
    Err(Problem::new(message, "letters, digits, \"-\", \"_\" and \".\"").help("names appear in metrics and in URLs"))
}

/// Text that is shown to people and can't be empty.
fn plain(text: &str) -> Result<()> {
    if !text.is_empty() && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Problem::new(format!("{text:?} can't be used here"), "text without control characters, not empty"))
}

/// The name that was probably meant: at most a third of the letters wrong.
pub(super) fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |s: &str| s.to_ascii_lowercase().replace('-', "_");
    let wanted = fold(text);
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(&wanted, &fold(name)), name))
        .filter(|(distance, name)| *distance <= (name.len().max(wanted.len()) / 3).max(1) && *distance < name.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
