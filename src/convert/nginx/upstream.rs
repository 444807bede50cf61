//! `upstream`: backends, and how one of them is picked.

use super::directives;
use super::parse::Directive;
use super::variables;
use super::world::World;
use crate::convert::output::{Place, Table};
use crate::convert::plain::once;
use crate::convert::units;

/// Puts what an upstream says into a service. `port` is for servers that name none.
pub fn fill(world: &mut World<'_>, upstream: &Directive, port: u16, service: &mut Table) {
    let servers: Vec<_> = upstream.inner().iter().filter(|directive| directive.name == "server").collect();
    let option =
        |server: &Directive, name: &str| server.args.iter().find_map(|arg| arg.strip_prefix(name)).map(str::to_owned);
    let weighted = servers.iter().any(|server| option(server, "weight=").is_some_and(|weight| weight != "1"));
    balance(world, upstream, weighted, service);
    for server in &servers {
        let place = &server.place;
        let mut backend = Table::at(place);
        backend.put(&["address"], address(server.arg(0), port), place);
        for arg in &server.args[1..] {
            let (name, value) = arg.split_once('=').unwrap_or((arg, ""));
            match name {
                "weight" => backend.put(&["weight"], value.parse().unwrap_or(1_i64), place),
                "max_conns" => backend.put(&["max_connections"], value.parse().unwrap_or(0_i64), place),
                "backup" => backend.put(&["backup"], true, place),
                "down" => backend.put(&["weight"], 0, place),
                "drain" => backend.put(&["drain"], true, place),
                "slow_start" => {
                    if let Some(ms) = units::milliseconds(value, 1000) {
                        service.put(&["slow_start"], units::duration(ms), place);
                    }
                }
                "max_fails" | "fail_timeout" | "resolve" => {}
                "service" | "route" => {
                    let advice = "SRV records: `discover = { dns = ... }` of the service (docs/configuration.md)";
                    world.findings().warning(place, arg.clone(), "it is not carried over", advice);
                }
                _ => world.findings().note(place, arg.clone(), "it is not carried over", ""),
            }
        }
        service.push(&["backend"], backend);
    }
    once(service, world.findings());
    outliers(world, &servers, service);
    kept(world, upstream, service);
}

fn address(text: &str, port: u16) -> String {
    let has_port = text.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
    if text.starts_with("unix:") || has_port { text.to_owned() } else { format!("{text}:{port}") }
}

/// How a backend is picked.
fn balance(world: &mut World<'_>, upstream: &Directive, weighted: bool, service: &mut Table) {
    let least = if weighted { "weighted_least_connections" } else { "least_connections" };
    let mut said = false;
    for directive in upstream.inner() {
        let place = &directive.place;
        match directive.name.as_str() {
            "least_conn" => service.put(&["balance"], least, place),
            "least_time" => service.put(&["balance"], "response_time", place),
            "random" => service.put(&["balance"], "power_of_two", place),
            "ip_hash" => {
                hash(service, "client_ip", place);
                let why = "nginx hashes the first three bytes of an IPv4 address, and this the whole: clients may come to other backends than before";
                world.findings().note(place, "ip_hash", why, "");
            }
            "hash" => match hashed(directive.arg(0)) {
                Some(on) => hash(service, &on, place),
                None => {
                    let why = format!("`{}` can't be hashed; backends take turns", directive.arg(0));
                    let advice = "`hash.on` takes client_ip, path, uri, header:NAME, cookie:NAME or query:NAME";
                    world.findings().warning(place, directive.text(), why, advice);
                    continue;
                }
            },
            "sticky" => {
                sticky(world, directive, service);
                continue;
            }
            _ => continue,
        }
        said = true;
    }
    if !said && weighted {
        service.put(&["balance"], "weighted_round_robin", &upstream.place);
    }
}

fn hash(service: &mut Table, on: &str, place: &Place) {
    service.put(&["balance"], "consistent_hash", place);
    service.put(&["hash", "on"], on, place);
}

/// What of a request a variable is, as `hash.on`, `rate_limit.by` and `split_by` name it.
pub fn hashed(key: &str) -> Option<String> {
    Some(match variables::sole(key)? {
        "remote_addr" | "binary_remote_addr" => "client_ip".to_owned(),
        "request_uri" => "uri".to_owned(),
        "uri" | "document_uri" => "path".to_owned(),
        name => {
            let (kind, name) = name.split_once('_')?;
            match kind {
                "cookie" => format!("cookie:{name}"),
                "arg" => format!("query:{name}"),
                "http" => format!("header:{}", name.replace('_', "-")),
                _ => return None,
            }
        }
    })
}

fn sticky(world: &mut World<'_>, directive: &Directive, service: &mut Table) {
    let place = &directive.place;
    if directive.arg(0) != "cookie" {
        let advice = "a session cookie of the application: `affinity.by = \"cookie:NAME\"`";
        world.findings().warning(place, directive.text(), "only `sticky cookie` is carried over", advice);
        return;
    }
    service.put(&["affinity", "by"], "cookie", place);
    service.put(&["affinity", "name"], directive.arg(1), place);
    if let Some(ms) = directive.args.iter().find_map(|arg| units::milliseconds(arg.strip_prefix("expires=")?, 1000)) {
        service.put(&["affinity", "ttl"], units::duration(ms), place);
    }
}

/// `max_fails` and `fail_timeout`, which are of each server there and of the service here.
fn outliers(world: &mut World<'_>, servers: &[&Directive], service: &mut Table) {
    let said: Vec<_> = servers
        .iter()
        .filter(|server| {
            server.args.iter().any(|arg| arg.starts_with("max_fails=") || arg.starts_with("fail_timeout="))
        })
        .collect();
    let Some(first) = said.first() else { return };
    let of = |server: &Directive| {
        let option = |name: &str| server.args.iter().find_map(|arg| arg.strip_prefix(name));
        let fails: i64 = option("max_fails=").and_then(|text| text.parse().ok()).unwrap_or(1);
        (fails, option("fail_timeout=").and_then(|text| units::milliseconds(text, 1000)).unwrap_or(10_000))
    };
    let (fails, time) = of(first);
    if servers.iter().any(|server| of(server) != (fails, time)) {
        let why = "it holds for all servers of the upstream, as the first of them has it";
        world.findings().note(&first.place, "max_fails", why, "");
    }
    service.put(&["outlier", "consecutive_failures"], fails, &first.place);
    if fails == 0 {
        service.put(&["outlier", "max_ejected"], 0.0, &first.place);
        let why = "no backend is taken out by what requests of clients show: not by errors, and not by time";
        world.findings().note(&first.place, "max_fails=0", why, "take `outlier` away in the service for that");
    } else if time > 0 {
        service.put(&["outlier", "eject_for"], units::duration(time), &first.place);
    }
}

/// Connections that are kept, and who waits for a place.
fn kept(world: &mut World<'_>, upstream: &Directive, service: &mut Table) {
    for directive in upstream.inner() {
        let place = &directive.place;
        match directive.name.as_str() {
            "keepalive" => service.put(&["pool", "max_idle"], directive.arg(0).parse().unwrap_or(256_i64), place),
            "keepalive_timeout" => {
                if let Some(ms) = units::milliseconds(directive.arg(0), 1000).filter(|ms| *ms > 0) {
                    service.put(&["pool", "idle_timeout"], units::duration(ms), place);
                }
            }
            "queue" => {
                service.put(&["timeout", "queue_length"], directive.arg(0).parse().unwrap_or(1024_i64), place);
                let time =
                    directive.args.iter().find_map(|arg| units::milliseconds(arg.strip_prefix("timeout=")?, 1000));
                service.put(&["timeout", "queue"], units::duration(time.unwrap_or(60_000)), place);
            }
            "server" | "least_conn" | "least_time" | "random" | "ip_hash" | "hash" | "sticky" | "zone"
            | "keepalive_requests" | "keepalive_time" | "resolver" | "resolver_timeout" => {}
            "ntlm" | "state" | "check" | "check_http_send" | "check_http_expect_alive" | "check_keepalive_requests" => {
                world.findings().warning(place, directive.text(), "it is not carried over", "");
            }
            _ => directives::not_known(directive, world.findings()),
        }
    }
}
