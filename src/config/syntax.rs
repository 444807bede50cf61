//! The small languages inside the strings of the file: addresses, hosts, header names, and so on.
//!
//! Each has one function that reads it. The shape check (which knows a language by the name that the schema gives it)
//! uses it to find mistakes, and the building of the model uses it to get the value; so the two can't disagree.

pub(super) mod access_log;
mod address;
mod almost;
mod canary;
mod endpoint;
mod host;
pub(super) mod jwt;
mod limit;
mod media_type;
mod method;
pub(super) mod network;
pub(super) mod pages;
pub(super) mod recovery;
pub(super) mod service;
pub(super) mod store;

use std::str::FromStr as _;

use http::Uri;
use http::header::{HeaderName, HeaderValue};
use regex::Regex;

use super::model::{BACKUP_PLACE, BackupPlace};
use super::other_proxies;
use super::units::{AUTO, DURATION, LATENCY_FACTOR, SIZE, Size, TimeSpan, UnitError, why_no_duration};
use crate::clock::parse_rfc3339;
use crate::event::Filter;
use crate::policy::template::Template;
use crate::policy::variables::Variable;
use crate::sla::maintenance::Recurring;
pub(super) use crate::spelling::nearest;

pub(super) use address::{
    BackendAddress, ListenAddress, NetworkSource, allowed_origin, authority, backend, collector, etcd, host, listen,
    network, network_or_file, origin, proxy_or_file, socket, webhook,
};
pub(super) use canary::percent;
pub(super) use endpoint::dependency_endpoint;
pub(super) use limit::{bandwidth, limit_key, rate};
pub(super) use media_type::media_type;
pub(super) use method::method;

/// Why a string can't be used.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) expected: String,
    pub(super) suggestion: Option<String>,
    /// The part of the string that the suggestion is for; missing = all of it.
    pub(super) part: Option<String>,
    pub(super) help: Option<String>,
}

type Result<T> = std::result::Result<T, Problem>;

impl Problem {
    fn new(message: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { message: message.into(), expected: expected.into(), suggestion: None, part: None, help: None }
    }

    fn suggest(mut self, suggestion: Option<String>) -> Self {
        self.suggestion = suggestion;
        self
    }

    /// The suggestion is for this part of the string only.
    fn part(mut self, part: impl Into<String>) -> Self {
        self.part = Some(part.into());
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
        "origin" => allowed_origin(text),
        "path" => path(text).map(drop),
        "regex" => regex(text).map(drop),
        "method" => method(text).map(drop),
        "proxy-or-file" => proxy_or_file(text).map(drop),
        "network-or-file" => network_or_file(text).map(drop),
        "source" => network::source(text).map(drop),
        "interface" => network::interface(text),
        "path-address" => network::path_address(text).map(drop),
        "header-name" => header_name(text).map(drop),
        "header-value" => header_value(text).map(drop),
        "hash-key" => service::hash_key(text).map(drop),
        "named-metric" => service::named_metric(text).map(drop),
        "limit-key" => limit_key(text).map(drop),
        "rate" => rate(text).map(drop),
        "bandwidth" => bandwidth(text).map(drop),
        "session-key" => service::session_key(text).map(drop),
        "jwks" => jwt::jwks(text).map(drop),
        "jwt-algorithm" => jwt::algorithm(text).map(drop),
        "token-from" => service::token_from(text).map(drop),
        "cookie-name" => service::cookie_name(text),
        "health-path" => service::health_path(text),
        "authority-or-empty" => service::authority_or_empty(text),
        "status-ranges" => service::status_ranges(text).map(drop),
        "retry-condition" => service::retry_condition(text).map(drop),
        "hedge" => service::hedge(text).map(drop),
        "percent" => percent(text).map(drop),
        "media-type" => media_type(text).map(drop),
        "name-and-port" => service::name_and_port(text).map(drop),
        "srv-name" => service::srv_name(text),
        "redirect" => redirect(text),
        "error-page" => pages::status(text).map(drop),
        "log-filter" => log_filter(text),
        "log-destination" => access_log::destination(text).map(drop),
        "log-field" => access_log::field(text).map(drop),
        "log-template" => access_log::template(text).map(drop),
        "name" => name(text),
        "latency-factor" => latency_factor(text),
        other => check_outward(other, text),
    }
}

/// What is strange about a string that can be read: it is used as it stands, and probably not what was meant.
///
/// `at` are the last keys on the way to it, its own first.
pub(super) fn doubt(at: [Option<&str>; 3], language: &str, text: &str) -> Option<Problem> {
    let key = at[0].unwrap_or_default();
    match language {
        "method" => method::doubt(text, at[1] == Some("route")),
        "path" if matches!(key, "path" | "path_prefix") && text.ends_with("/*") => {
            let meant = text.trim_end_matches('*');
            let problem = Problem::new("`*` in a path stands for itself", "a path as it is asked for");
            let near = (key == "path_prefix").then(|| meant.to_owned());
            Some(problem.suggest(near).help(format!("`path_prefix = \"{meant}\"` takes all that begins so")))
        }
        _ => None,
    }
}

/// The languages of what the proxy tells, asks and keeps, and of what it does about faults.
fn check_outward(language: &str, text: &str) -> Result<()> {
    match language {
        "endpoint" => dependency_endpoint(text).map(drop),
        "webhook" => webhook(text).map(drop),
        "backup-place" => backup_place(text),
        "collector" => collector(text).map(drop),
        "session-store" => store::session_store(text).map(drop),
        "etcd" => etcd(text).map(drop),
        "event" => event(text),
        "fault" => recovery::fault(text).map(drop),
        "destination" => recovery::destination(text).map(drop),
        "argument" => recovery::argument(text),
        "variable" => recovery::variable(text),
        "unit" => recovery::unit(text).map(drop),
        "time" => time(text),
        "recurring" => recurring(text),
        "text" => plain(text),
        other => Err(Problem::new(format!("the schema names an unknown syntax `{other}`"), "one that is known")),
    }
}

pub(super) fn duration(text: &str) -> Result<TimeSpan> {
    TimeSpan::parse(text).map_err(|error| {
        let why = (error == UnitError::Form(None)).then(|| why_no_duration(text)).flatten();
        Problem { help: why.map(str::to_owned), ..unit_problem(text, error, DURATION, "a duration of at most 3650d") }
    })
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

/// The text in the place of a number.
fn latency_factor(text: &str) -> Result<()> {
    if text == AUTO {
        return Ok(());
    }
    let lower = text.to_ascii_lowercase();
    let meant = match &*lower {
        "off" | "none" | "never" => Some("0.0".to_owned()),
        number if number.parse::<f64>().is_ok_and(f64::is_finite) => Some(number.to_owned()),
        word if word.starts_with(AUTO) => Some(AUTO.to_owned()),
        word => nearest(word, [AUTO]).map(str::to_owned),
    };
    Err(Problem::new(format!("`latency_factor` can't be {text:?}"), LATENCY_FACTOR).suggest(meant))
}

/// The level of events that is called so elsewhere.
fn known_level(text: &str) -> Option<&'static str> {
    other_proxies::level(text).filter(|level| Filter::words().any(|word| word == *level))
}

/// A level or a kind of events.
fn event(text: &str) -> Result<()> {
    match Filter::default().add(text) {
        true => Ok(()),
        false => Err(Problem::new(
            format!("`{text}` is neither a level nor a kind of events"),
            "\"info\", \"warn\", \"error\", or a kind such as \"service_down\" or \"backend_*\"",
        )
        .suggest(known_level(text).or_else(|| nearest(text, Filter::words())).map(str::to_owned))),
    }
}

/// A time of the wall's clock.
fn time(text: &str) -> Result<()> {
    let expected = "a time as RFC 3339 has it, such as \"2026-12-01T02:00:00Z\" or \"2026-12-01T03:00:00+01:00\"";
    match parse_rfc3339(text) {
        Some(_) => Ok(()),
        None => Err(Problem::new(format!("`{text}` is no time"), expected)),
    }
}

/// A planned time that comes again and again.
fn recurring(text: &str) -> Result<()> {
    let expected = "days, a time of day and a time zone, such as \"Sun 02:00-04:00 Europe/Berlin\"";
    Recurring::parse(text).map(drop).map_err(|why| Problem::new(format!("`{text}` can't be read: {why}"), expected))
}

pub(super) fn path(text: &str) -> Result<String> {
    let expected = "a path that begins with \"/\"";
    if !text.starts_with('/') {
        let problem = Problem::new(format!("`{text}` does not begin with \"/\""), expected);
        return Err(problem.guess(almost::path(text)));
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

/// An expression over the paths of requests, in which there is nothing but visible ASCII.
pub(super) fn regex(text: &str) -> Result<Regex> {
    if let Some(wrong) = text.chars().find(|c| !c.is_ascii()) {
        let encoded: String = wrong.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
        let problem = Problem::new(format!("a path can't contain {wrong:?}"), "a regular expression for paths");
        return Err(problem.help(format!("write it percent-encoded, as it arrives: `(?:{encoded})`")));
    }
    Regex::new(text).map_err(|error| {
        let reason = match &error {
            regex::Error::CompiledTooBig(limit) => format!("it needs more than {limit} bytes when compiled"),
            other => other.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
        };
        Problem::new(format!("this regular expression is wrong: {reason}"), "a regular expression")
            .help("the syntax is that of https://docs.rs/regex (no look-around, no back-references)")
    })
}

pub(super) fn header_name(text: &str) -> Result<HeaderName> {
    HeaderName::from_str(text).map_err(|_| {
        let message = format!("{text:?} is not the name of a header");
        let meant = text.trim().trim_end_matches(':').trim_end().replace(' ', "-");
        let problem = Problem::new(message, "letters, digits and \"-\", such as \"x-request-id\"");
        problem.suggest(Some(meant).filter(|meant| HeaderName::from_str(meant).is_ok()))
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
    let expected = "\"https://...\" or a path, in which ${host}, ${path}, ${query} and other variables are filled in";
    let bad = || Problem::new(format!("`{text}` is not a target to redirect to"), expected);
    let filled = Template::parse(text).filled_in(|variable| match variable {
        Variable::Host => "host.example",
        Variable::Path => "/path",
        Variable::Query => "?a=b",
        _ => "1",
    });
    let absolute = filled.starts_with("https://") || filled.starts_with("http://");
    if !absolute && !filled.starts_with('/') {
        let near = text.starts_with("www.").then(|| format!("https://{text}"));
        return Err(bad().suggest(near));
    }
    match Uri::from_str(&filled) {
        Ok(uri) if !uri.authority().is_none_or(address::has_good_port) => Err(bad().help(host::PORT)),
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
        // a bare word that is no level would be taken for the name of a module, and nothing else would be logged
        if !known && !part.contains('[') {
            let meant = other_proxies::level(level).or_else(|| nearest(level, LEVELS));
            return Err(bad(part).suggest(meant.map(str::to_owned)).part(level));
        }
    }
    match tracing_subscriber::EnvFilter::builder().parse(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(bad(text).help(error.to_string())),
    }
}

fn name(text: &str) -> Result<()> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if matches!(text, "." | "..") {
        let problem = Problem::new(format!("{text:?} can't be a name"), "a name with a letter or a digit");
        return Err(problem.help("names appear in URLs, out of which programs take `.` and `..`"));
    }
    if !text.is_empty() && text.bytes().all(good) {
        return Ok(());
    }
    let message = format!("{text:?} can't be a name");
    Err(Problem::new(message, "letters, digits, \"-\", \"_\" and \".\"").help("names appear in metrics and in URLs"))
}

/// Where copies of the ledger go.
fn backup_place(text: &str) -> Result<()> {
    let problem = match text.parse::<BackupPlace>() {
        Ok(_) => return Ok(()),
        Err(what) => Problem::new(format!("`{text}` {what}"), BACKUP_PLACE),
    };
    Err(problem.suggest(text.starts_with('/').then(|| format!("file://{text}"))))
}

/// Text that is shown to people and can't be empty.
fn plain(text: &str) -> Result<()> {
    if !text.is_empty() && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Problem::new(format!("{text:?} can't be used here"), "text without control characters, not empty"))
}
