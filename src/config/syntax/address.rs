//! Where something is: addresses, names of hosts, networks, URLs.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr as _;

use http::header::HeaderValue;
use http::uri::{Authority, Uri};
use ipnet::IpNet;

use super::host::{PORT, is_host, is_host_name, port};
use super::{Problem, Result, almost};
use crate::config::disguise;
use crate::policy::Origin;
use crate::route::Host;

const LISTEN: &str = "an address with a port, such as \"0.0.0.0:8080\", or \"unix:/path/of/socket\"";
const SOCKET: &str = "an address with a port, such as \"127.0.0.1:9900\"";
const BACKEND: &str = "address:port, name:port or \"unix:/path/of/socket\"";

/// The longest path that fits `sockaddr_un`, its closing zero left out.
const UNIX_PATH_MAX: usize = 107;

/// Where something may listen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::config) enum ListenAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

pub(in crate::config) fn listen(text: &str) -> Result<ListenAddress> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix_path(path, LISTEN).map(ListenAddress::Unix);
    }
    match SocketAddr::from_str(text) {
        Ok(address) => Ok(ListenAddress::Tcp(address)),
        Err(_) => Err(bad_socket(text, LISTEN)),
    }
}

pub(in crate::config) fn socket(text: &str) -> Result<SocketAddr> {
    SocketAddr::from_str(text).map_err(|_| bad_socket(text, SOCKET))
}

fn bad_socket(text: &str, expected: &str) -> Problem {
    Problem::new(format!("`{text}` is not an address to listen on"), expected).guess(almost::listen(text))
}

pub(super) fn unix_path(path: &str, expected: &str) -> Result<PathBuf> {
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
pub(in crate::config) enum BackendAddress {
    Tcp(SocketAddr),
    Name { host: String, port: u16 },
    Unix(PathBuf),
}

pub(in crate::config) fn backend(text: &str) -> Result<BackendAddress> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix_path(path, BACKEND).map(BackendAddress::Unix);
    }
    let bad = || Problem::new(format!("`{text}` is not the address of a backend"), BACKEND);
    let target = match SocketAddr::from_str(text) {
        Ok(address) => BackendAddress::Tcp(address),
        Err(_) => match text.rsplit_once(':').map(|(host, number)| (host, port(number))) {
            Some((host, Some(port))) if is_host_name(host) => {
                BackendAddress::Name { host: host.to_ascii_lowercase(), port }
            }
            _ => return Err(bad().guess(almost::backend(text))),
        },
    };
    match target {
        BackendAddress::Tcp(a) if a.port() == 0 => Err(bad().help("a backend can't be on port 0")),
        BackendAddress::Name { port: 0, .. } => Err(bad().help("a backend can't be on port 0")),
        BackendAddress::Tcp(a) if a.ip().is_unspecified() => {
            Err(bad().help("this means \"every address of this machine\", which is no place to connect to"))
        }
        target => Ok(target),
    }
}

/// Whether what follows the host in a URL is nothing or a port. `http` reads URLs with ":99999" or ":", and then has
/// no port for them, so that they would mean the scheme's own.
pub(super) fn has_good_port(authority: &Authority) -> bool {
    let shown = authority.as_str();
    let without_user = shown.rsplit_once('@').map_or(shown, |(_, host)| host);
    let number = || authority.port().and_then(|number| port(number.as_str()));
    without_user == authority.host() || number().is_some_and(|number| number > 0)
}

pub(in crate::config) fn host(text: &str) -> Result<Host> {
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
    if let guess @ Some(_) = almost::host(&lower) {
        return Err(bad().guess(guess));
    }
    let stripped = lower.trim_start_matches("http://").trim_start_matches("https://");
    let stripped = stripped.split('/').next().unwrap_or("");
    let stripped = stripped.rsplit_once(':').map_or(stripped, |(host, _)| host).trim_end_matches('.');
    let near = (stripped != lower && is_host(stripped)).then(|| stripped.to_owned());
    Err(bad().suggest(near))
}

/// A host with or without a port, as in `Host`.
pub(in crate::config) fn authority(text: &str) -> Result<HeaderValue> {
    let bad = || Problem::new(format!("`{text}` is not a host"), "a host name, with or without a port");
    let host = match text.rsplit_once(':') {
        Some((host, number)) if !number.ends_with(']') => {
            port(number).ok_or_else(|| bad().help("a port is a number from 0 to 65535"))?;
            host
        }
        _ => text,
    };
    if !is_host(host) {
        return Err(bad());
    }
    HeaderValue::from_str(text).map_err(|_| bad())
}

/// An origin, or `*` for all of them.
pub(in crate::config) fn allowed_origin(text: &str) -> Result<()> {
    if text == "*" { Ok(()) } else { origin(text).map(drop) }
}

/// An origin as browsers send it (RFC 6454, section 6.2), or those of all names below a domain.
pub(in crate::config) fn origin(text: &str) -> Result<Origin> {
    let expected = "an origin such as \"https://app.example\" or \"https://*.example.com\"";
    let bad = || Problem::new(format!("`{text}` is not an origin"), expected);
    if text == "null" {
        return Err(bad().help("\"null\" is what the sandboxed pages of anybody send"));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(bad().suggest(is_host(text).then(|| format!("https://{text}"))).help("the scheme is missing"));
    };
    let lower = text.to_ascii_lowercase();
    let bare = lower.trim_end_matches('/');
    if bare != text {
        return Err(bad().suggest(Some(bare.to_owned())).help("browsers send it in small letters and without a path"));
    }
    let (name, port) = match rest.rsplit_once(':') {
        Some((name, number)) if !number.ends_with(']') => {
            (name, Some(port(number).filter(|port| *port > 0).ok_or_else(bad)?))
        }
        _ => (rest, None),
    };
    if matches!((scheme, port), ("http", Some(80)) | ("https", Some(443))) {
        return Err(bad()
            .suggest(Some(format!("{scheme}://{name}")))
            .help("browsers leave the port of the scheme out"));
    }
    // pages of apps and extensions have schemes of their own
    let is_scheme =
        scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) && !scheme.is_empty();
    match name.strip_prefix("*.") {
        Some(domain) if is_scheme && is_host_name(domain) => {
            Ok(Origin::Below { scheme: format!("{scheme}://"), suffix: rest[1..].to_owned() })
        }
        None if is_scheme && is_host(name) => Ok(Origin::Exact(text.to_owned())),
        _ => Err(bad()),
    }
}

pub(in crate::config) fn network(text: &str) -> Result<IpNet> {
    if let Ok(address) = IpAddr::from_str(text) {
        return Ok(IpNet::from(address));
    }
    let bad = || {
        let message = format!("`{text}` is not a network");
        Problem::new(message, "a network such as \"10.0.0.0/8\", or one address")
    };
    let net = IpNet::from_str(text).map_err(|_| bad().guess(almost::network(text)))?;
    if net.addr() != net.network() {
        return Err(bad().suggest(Some(net.trunc().to_string())).help("its address has bits set behind the prefix"));
    }
    Ok(net)
}

/// One network, or a file with many.
#[derive(Debug)]
pub(in crate::config) enum NetworkSource<'a> {
    /// The network.
    Network(IpNet),
    /// The file, as it is written.
    File(&'a str),
}

/// A network, an address, or `file:PATH`, of those who may come in.
pub(in crate::config) fn network_or_file(text: &str) -> Result<NetworkSource<'_>> {
    proxy_or_file(text).map_err(|problem| {
        let all = "an `allow` denies all others by itself; all addresses are \"0.0.0.0/0\" and \"::/0\"";
        let help = problem.help.or(matches!(text, "all" | "any" | "*").then(|| all.to_owned()));
        Problem { help, ..problem }
    })
}

/// A network, an address, or `file:PATH`, of proxies.
pub(in crate::config) fn proxy_or_file(text: &str) -> Result<NetworkSource<'_>> {
    const EITHER: &str =
        "a network such as \"10.0.0.0/8\", one address, or \"file:\" and the path of a file with one a line";
    match text.strip_prefix("file:") {
        Some("") => Err(Problem::new("the path of the file is missing", EITHER)),
        Some(path) => Ok(NetworkSource::File(path)),
        None => network(text).map(NetworkSource::Network).map_err(|problem| {
            let meant = (problem.suggestion.is_none() && text.contains(['/', '.']) && text.ends_with(".txt"))
                .then(|| format!("file:{text}"));
            let suggestion = problem.suggestion.or(meant);
            Problem { expected: EITHER.to_owned(), suggestion, ..problem }
        }),
    }
}

/// Where events are posted to.
pub(in crate::config) fn webhook(text: &str) -> Result<Uri> {
    url(text, "a URL such as \"https://alerts.example.com/hook\"")
}

/// Where keys are fetched from; `expected` says what it is to be like.
pub(super) fn jwks(text: &str, expected: &'static str) -> Result<Uri> {
    url(text, expected)
}

/// Where traces and metrics are sent to.
pub(in crate::config) fn collector(text: &str) -> Result<Uri> {
    const URL: &str = "a URL such as \"http://127.0.0.1:4317\"";
    // "127.0.0.1:4317" is no URL, and "localhost:4317" is one with the scheme "localhost"
    if !text.contains("://") {
        let problem = Problem::new(format!("`{}` has no scheme", disguise::url(text)), URL);
        return Err(problem.suggest(Some(format!("http://{}", disguise::url(text)))));
    }
    let uri = url(text, URL)?;
    match uri.query() {
        None => Ok(uri),
        Some(_) => Err(Problem::new(format!("`{}` has a query, which is not sent", disguise::url(text)), URL)),
    }
}

/// Where a member of etcd takes clients.
pub(in crate::config) fn etcd(text: &str) -> Result<Uri> {
    const URL: &str = "a URL such as \"http://127.0.0.1:2379\"";
    if !text.contains("://") {
        let problem = Problem::new(format!("`{}` has no scheme", disguise::url(text)), URL);
        return Err(problem.suggest(Some(format!("http://{}", disguise::url(text)))));
    }
    let uri = url(text, URL)?;
    match (uri.query(), uri.path()) {
        (None, "" | "/") => Ok(uri),
        _ => Err(Problem::new(format!("`{}` has a path, and gRPC has paths of its own", disguise::url(text)), URL)),
    }
}

/// An http or https URL; `expected` says what it is to be like.
fn url(text: &str, expected: &'static str) -> Result<Uri> {
    let shown = disguise::url(text);
    let problem = |what: &str| Problem::new(format!("`{shown}` {what}"), expected);
    let uri: Uri =
        text.parse().map_err(|_| match text.split("://").nth(1).is_some_and(|rest| rest.starts_with("${")) {
            true => problem("has a placeholder in place of its host").help("the path and the query may have some"),
            false => problem("is not a URL"),
        })?;
    let authority = match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) if !authority.host().is_empty() => authority,
        (None, _) => return Err(problem("has no scheme").suggest(Some(format!("https://{shown}")))),
        _ => return Err(problem("is not an http or https URL")),
    };
    if authority.as_str().contains('@') {
        return Err(problem("has a user in it, which is not sent"));
    }
    if !has_good_port(authority) {
        return Err(problem("has no port behind its \":\"").help(PORT));
    }
    match is_host(authority.host().trim_end_matches('.')) {
        true => Ok(uri),
        false => Err(problem("has a host that is neither a name nor an IP address")),
    }
}
