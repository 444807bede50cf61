//! Where requests go: `proxy_pass` and `grpc_pass`, and what is said of the way there.

use super::parse::Directive;
use super::upstream;
use super::variables;
use super::world::{Scope, World};
use crate::convert::output::{Place, Table, name};
use crate::convert::units;

/// The address that requests are passed to.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// `http`, `https`, `grpc`, `grpcs`
    pub scheme: String,
    /// The upstream, or host and port.
    pub authority: String,
    /// The path that is put in the place of the location's, with variables; `None`: the path goes on as it came.
    pub path: Option<String>,
}

/// The parts of a URL to pass requests to. Variables that `set` makes constant are filled in.
pub fn target(scope: &Scope<'_>, url: &str) -> Target {
    let mut url = url.to_owned();
    for _ in 0..4 {
        let Some(name) = url.strip_prefix('$').map(|rest| {
            rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default().to_owned()
        }) else {
            break;
        };
        match scope.set(&name) {
            Some(value) => url = format!("{value}{}", &url[name.len() + 1..]),
            None => break,
        }
    }
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", &url));
    if let Some(socket) = rest.strip_prefix("unix:") {
        let (socket, path) = match socket.split_once(':') {
            Some((socket, path)) => (socket, Some(path.to_owned())),
            None => (socket, None),
        };
        return Target { scheme: scheme.to_owned(), authority: format!("unix:{socket}"), path };
    }
    let end = rest.find('/').unwrap_or(rest.len());
    // a variable with a path directly behind the name: `http://app$request_uri`
    let end = ["$request_uri", "$uri"].iter().filter_map(|v| rest.find(v)).chain([end]).min().unwrap_or(end);
    let (authority, path) = rest.split_at(end);
    let mut authority = authority.to_owned();
    if let Some(value) = variables::sole(&authority).and_then(|name| scope.set(name)) {
        authority = value.trim_start_matches("http://").trim_start_matches("https://").to_owned();
    }
    let whole = path.replace("$is_args$args", "").replace("?$args", "");
    let path = match whole.as_str() {
        "" | "$request_uri" | "$uri" => None,
        _ => Some(whole),
    };
    Target { scheme: scheme.to_owned(), authority, path }
}

/// The service that passes requests there as the blocks around say, made when no service does it like that yet. `None`: it can't be said which one.
pub fn service(world: &mut World<'_>, scope: &Scope<'_>, target: &Target, directive: &Directive) -> Option<String> {
    if variables::has_any(&target.authority) || target.authority.is_empty() {
        let why = format!("where requests go is known only when one comes: `{}`", target.authority);
        let advice = "make a route for each value, and a service for each backend; the route answers 501 until then";
        world.findings().warning(&directive.place, directive.text(), why, advice);
        return None;
    }
    let mut made = Table::at(&directive.place);
    let secure = matches!(target.scheme.as_str(), "https" | "grpcs");
    let port = if secure { 443 } else { 80 };
    let wanted = match world.upstreams.get(target.authority.as_str()).copied() {
        Some(found) => {
            made.from = vec![found.place.clone()];
            upstream::fill(world, found, port, &mut made);
            target.authority.clone()
        }
        None => {
            let mut backend = Table::at(&directive.place);
            let has_port =
                target.authority.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
            let address = if has_port { target.authority.clone() } else { format!("{}:{port}", target.authority) };
            backend.put(&["address"], address, &directive.place);
            made.push(&["backend"], backend);
            target.authority.trim_start_matches("unix:").to_owned()
        }
    };
    if target.scheme.starts_with("grpc") {
        made.put(&["protocol"], "h2", &directive.place);
    }
    let prefix = if target.scheme.starts_with("grpc") { "grpc" } else { "proxy" };
    if secure {
        tls(world, scope, prefix, target, &mut made, &directive.place);
    }
    retry(world, scope, prefix, &mut made);
    checks(scope, &mut made);
    if let Some(bind) = scope.one(&format!("{prefix}_bind")).filter(|bind| !matches!(bind.arg(0), "off")) {
        match bind.arg(0).parse::<std::net::IpAddr>() {
            Ok(address) => made.put(&["source"], vec![address.to_string()], &bind.place),
            Err(_) => world.findings().warning(&bind.place, bind.text(), "only an address can be a `source`", ""),
        }
    }
    Some(keep(world, &name(&wanted), made))
}

/// The name of the service that is like this one: a known one, or a new one.
fn keep(world: &mut World<'_>, wanted: &str, made: Table) -> String {
    let mut found = wanted.to_owned();
    let mut number = 2;
    loop {
        match world.out.services.iter().find(|(known, _)| *known == found) {
            Some((_, table)) if table.same(&made) => return found,
            Some(_) => found = format!("{wanted}-{number}"),
            None => {
                world.out.services.push((found.clone(), made));
                return found;
            }
        }
        number += 1;
    }
}

fn tls(world: &mut World<'_>, scope: &Scope<'_>, prefix: &str, target: &Target, made: &mut Table, place: &Place) {
    let of = |option: &str| scope.one(&format!("{prefix}_ssl_{option}"));
    let host =
        of("name").map_or_else(|| target.authority.split(':').next().unwrap_or_default(), |directive| directive.arg(0));
    let verified = of("verify").is_some_and(|directive| directive.arg(0) == "on");
    made.put(&["tls", "verify"], verified, of("verify").map_or(place, |directive| &directive.place));
    if !verified {
        let why = "certificates of the backends are not verified, as in the original (nginx does not by default)";
        world.findings().note(
            place,
            target.scheme.clone(),
            why,
            "take `verify = false` away in [service.NAME.tls], and name the authority in `ca`",
        );
    }
    let is_name = !variables::has_any(host) && host.parse::<std::net::IpAddr>().is_err() && host.contains('.');
    if is_name {
        made.put(&["tls", "server_name"], host, of("name").map_or(place, |directive| &directive.place));
    } else if verified {
        let why = format!("the name that backends' certificates are verified against is not known: `{host}`");
        world.findings().error(place, format!("{prefix}_ssl_name"), why, "set `server_name` in [service.NAME.tls]");
    }
    for (option, key) in [("trusted_certificate", "ca"), ("certificate", "cert"), ("certificate_key", "key")] {
        if let Some(directive) = of(option) {
            made.put(&["tls", key], directive.arg(0), &directive.place);
        }
    }
    if let Some(crl) = of("crl") {
        world.findings().error(
            &crl.place,
            crl.text(),
            "lists of revoked certificates are not looked at",
            "take backends whose certificate is revoked out, or have short-lived ones",
        );
    }
}

/// `proxy_next_upstream`
fn retry(world: &mut World<'_>, scope: &Scope<'_>, prefix: &str, made: &mut Table) {
    if let Some(directive) = scope.one(&format!("{prefix}_next_upstream")) {
        let mut on: Vec<&str> = Vec::new();
        for arg in &directive.args {
            match arg.as_str() {
                "off" => made.put(&["retry", "attempts"], 0, &directive.place),
                "error" => on.extend(["connect", "reset"]),
                "timeout" => on.push("504"),
                "invalid_header" => {}
                "non_idempotent" => {
                    let why = "a POST is never sent twice";
                    world.findings().warning(
                        &directive.place,
                        directive.text(),
                        why,
                        "let the client repeat it, or make the operation a PUT",
                    );
                }
                status => on.extend(status.strip_prefix("http_")),
            }
        }
        on.dedup();
        if !directive.args.iter().any(|arg| arg == "off") {
            made.put(&["retry", "on"], on, &directive.place);
        }
    }
    if let Some(tries) = scope.one(&format!("{prefix}_next_upstream_tries"))
        && let Some(tries) = tries.arg(0).parse::<i64>().ok().filter(|tries| *tries > 0)
        && made.get(&["retry", "attempts"]).is_none()
        && let Some(directive) = scope.one(&format!("{prefix}_next_upstream_tries"))
    {
        made.put(&["retry", "attempts"], tries - 1, &directive.place);
    }
}

/// `health_check` of NGINX Plus.
fn checks(scope: &Scope<'_>, made: &mut Table) {
    let Some(directive) = scope.one("health_check") else { return };
    made.put(&["health", "kind"], "http", &directive.place);
    for arg in &directive.args {
        let (option, value) = arg.split_once('=').unwrap_or((arg, ""));
        match (option, units::milliseconds(value, 1000), value.parse::<i64>()) {
            ("interval", Some(ms), _) => made.put(&["health", "interval"], units::duration(ms), &directive.place),
            ("fails", _, Ok(number)) => made.put(&["health", "fall"], number, &directive.place),
            ("passes", _, Ok(number)) => made.put(&["health", "rise"], number, &directive.place),
            ("port", _, Ok(number)) => made.put(&["health", "port"], number, &directive.place),
            ("uri", ..) => made.put(&["health", "path"], value, &directive.place),
            _ => {}
        }
    }
}

/// The time-outs of a route.
pub fn timeouts(scope: &Scope<'_>, prefix: &str, route: &mut Table) {
    let of = |what: &str| {
        let directive = scope.one(&format!("{prefix}_{what}_timeout"))?;
        let ms = units::milliseconds(directive.arg(0), 1000).filter(|ms| *ms > 0)?;
        Some((units::duration(ms), &directive.place))
    };
    if let Some((time, place)) = of("connect") {
        route.put(&["timeout", "connect"], time, place);
    }
    if let Some((time, place)) = of("read") {
        route.put(&["timeout", "response"], time.clone(), place);
        route.put(&["timeout", "idle"], time, place);
    }
}
