//! Where a dependency is, and what it is asked: "tcp://HOST:PORT", "http://HOST:PORT/PATH", "grpc://HOST:PORT".

use std::net::IpAddr;

use http::uri::{Authority, PathAndQuery};

use super::address::has_good_port;
use super::host::{PORT, is_host};
use super::{Problem, Result, nearest};
use crate::config::disguise;
use crate::policy::{DependencyEndpoint, Question};

const EXPECTED: &str = "\"tcp://HOST:PORT\", \"http://HOST:PORT/PATH\" or \"grpc://HOST:PORT\"";
const SCHEMES: [&str; 3] = ["tcp", "http", "grpc"];
/// The port of http (RFC 9110, section 4.2.1); the others have none of their own.
const HTTP_PORT: u16 = 80;

pub(in crate::config) fn dependency_endpoint(text: &str) -> Result<DependencyEndpoint> {
    // some databases have their password in the URL that people paste
    let shown = disguise::user(text);
    let problem = |what: &str| Problem::new(format!("`{shown}` {what}"), EXPECTED);
    let Some((scheme, rest)) = text.split_once("://") else {
        let near = (has_port(text)).then(|| format!("tcp://{shown}"));
        return Err(problem("has no scheme").suggest(near));
    };
    if !SCHEMES.contains(&scheme) {
        return Err(bad_scheme(&shown, scheme, rest));
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let authority: Authority = authority.parse().map_err(|_| problem("has no host"))?;
    if authority.as_str().contains('@') {
        return Err(problem("has a user in it, which is not sent"));
    }
    let host = authority.host();
    if !is_host(host.trim_end_matches('.')) {
        return Err(problem("has a host that is neither a name nor an IP address"));
    }
    if !has_good_port(&authority) {
        return Err(problem("has no port behind its \":\"").help(PORT));
    }
    let port = authority.port_u16().or((scheme == "http").then_some(HTTP_PORT));
    let port = port.ok_or_else(|| problem("has no port").help(PORT))?;
    let host = host.trim_start_matches('[').trim_end_matches([']', '.']).to_ascii_lowercase();
    if host.parse().is_ok_and(|ip: IpAddr| ip.is_unspecified()) {
        let help = "this means \"every address of this machine\", which is no place to connect to";
        return Err(problem("is nowhere").help(help));
    }
    Ok(DependencyEndpoint { host, port, question: question(scheme, path).map_err(problem)? })
}

/// The error is what is wrong.
fn question(scheme: &str, path: &str) -> std::result::Result<Question, &'static str> {
    match (scheme, path) {
        ("http", "") => Ok(Question::Get(PathAndQuery::from_static("/"))),
        ("http", path) => {
            let full = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
            let good = path.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
            let parsed = full.parse().ok().filter(|_| good);
            parsed.map(Question::Get).ok_or("has a path that can't be asked for")
        }
        ("tcp", "" | "/") => Ok(Question::Connect),
        ("tcp", _) => Err("has a path, which a connection does not ask for"),
        (_, service) => {
            let service = service.trim_start_matches('/');
            let good = service.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
            good.then(|| Question::GrpcHealth(service.to_owned())).ok_or("has a path that is no gRPC service")
        }
    }
}

fn bad_scheme(shown: &str, scheme: &str, rest: &str) -> Problem {
    let problem = Problem::new(format!("`{shown}` has the scheme `{scheme}`, which can't be checked"), EXPECTED);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match (nearest(scheme, SCHEMES), scheme) {
        (_, "https") => {
            let port = if has_port(authority) { "" } else { ":443" };
            let help = "over TLS no answer is read: a check can only see whether a connection is taken";
            problem.suggest(Some(format!("tcp://{authority}{port}"))).help(help)
        }
        (_, "udp") => problem,
        (Some(near), _) => problem.suggest(Some(disguise::user(&format!("{near}://{rest}")))),
        // of a database's URL the address is enough
        (None, _) if has_port(authority) => problem.suggest(Some(format!("tcp://{authority}"))),
        (None, _) => problem,
    }
}

fn has_port(authority: &str) -> bool {
    authority.parse::<Authority>().is_ok_and(|authority| authority.port_u16().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_follows_from_the_scheme() {
        for (text, written) in [
            ("tcp://127.0.0.1:5432", "tcp://127.0.0.1:5432"),
            ("tcp://[::1]:5432/", "tcp://[::1]:5432"),
            ("http://Api.internal", "http://api.internal:80/"),
            ("http://api.internal.:8080/up?full=1", "http://api.internal:8080/up?full=1"),
            ("http://api.internal?full=1", "http://api.internal:80/?full=1"),
            ("grpc://api:50051", "grpc://api:50051"),
            ("grpc://api:50051/shop.Cart", "grpc://api:50051/shop.Cart"),
        ] {
            assert_eq!(dependency_endpoint(text).unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_can_not_be_asked_is_told() {
        for (text, message, meant) in [
            ("127.0.0.1:5432", "has no scheme", Some("tcp://127.0.0.1:5432")),
            ("database", "has no scheme", None),
            ("tcp://database", "has no port", None),
            ("grpc://database", "has no port", None),
            ("tcp://database:", "has no port behind", None),
            ("tcp://database:0", "has no port behind", None),
            ("tcp://database:99999", "has no port behind", None),
            ("tcp://:5432", "has a host that is neither", None),
            ("tcp://", "has no host", None),
            ("tcp://0.0.0.0:5432", "is nowhere", None),
            ("tcp://a:1/b", "has a path", None),
            ("tcp://me@a:1", "has a user", None),
            ("http://a b:1", "has no host", None),
            ("http://a/b c", "has a path", None),
            ("tpc://a:1", "has the scheme `tpc`", Some("tcp://a:1")),
            ("https://a/up", "has the scheme `https`", Some("tcp://a:443")),
            ("postgres://me:secret@db:5432/shop", "has the scheme `postgres`", Some("tcp://db:5432")),
            ("tpc://me:secret@a:1", "has the scheme `tpc`", Some("tcp://***@a:1")),
            ("me:secret@a:1", "has no scheme", Some("tcp://***@a:1")),
            ("redis://db", "has the scheme `redis`", None),
            ("udp://a:1", "has the scheme `udp`", None),
        ] {
            let problem = dependency_endpoint(text).unwrap_err();
            assert!(problem.message.contains(message), "{text}: {}", problem.message);
            assert_eq!(problem.suggestion.as_deref(), meant, "{text}");
            assert!(!problem.message.contains("secret"), "{text}: {}", problem.message);
        }
    }
}
