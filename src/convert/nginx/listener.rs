//! A listener: what all servers at an address have in common, and the routes of each.

use std::collections::HashSet;

use super::hosts;
use super::leads;
use super::limits;
use super::listen::Group;
use super::pages;
use super::parse::Directive;
use super::routes;
use super::site::{Made, Site};
use super::tls;
use super::world::{Scope, World};
use crate::convert::networks;
use crate::convert::output::Table;
use crate::convert::plain::{default_service, hoist, refuse_ambiguous};
use crate::convert::units;

/// The listener of an address.
pub fn listener<'a>(world: &mut World<'a>, http: &Scope<'a>, servers: &[&'a Directive], group: &Group<'a>) {
    let Some(directive) = group.directive() else { return };
    let place = &directive.place;
    let mut listener = Table::at(place);
    let secure = group.has("ssl") || group.members.iter().any(|(number, _)| http.within(servers[*number]).is_on("ssl"));
    let wanted = match (secure, group.port) {
        (true, 443) => "https".to_owned(),
        (false, 80) => "http".to_owned(),
        (_, 0) => "socket".to_owned(),
        (true, port) => format!("https-{port}"),
        (false, port) => format!("http-{port}"),
    };
    listener.put(&["name"], world.out.names.unique(&wanted), place);
    listener.put(&["bind"], group.bind.as_str(), place);
    if let Some(twin) = &group.twin {
        world.findings().note(place, "listen", format!("`{}` takes connections to {twin} as well", group.bind), "");
    }
    let scopes: Vec<_> = group.members.iter().map(|(number, _)| http.within(servers[*number])).collect();
    let with_locations: Vec<Scope<'a>> = scopes
        .iter()
        .zip(&group.members)
        .flat_map(|(scope, (number, _))| inner_scopes(scope, servers[*number]))
        .collect();
    in_common(world, (&scopes, &with_locations), group, &mut listener);
    if secure {
        tls::listener(world, &scopes, place, &mut listener);
    }
    compressed(world, &scopes, &mut listener);
    let limited = limited_as_a_whole(&scopes);
    if limited {
        limits::requests(world, &scopes[0], &mut listener);
    }
    limits::at_a_time(world, &scopes[0], scopes.len() > 1, &mut listener);
    for scope in &with_locations {
        if !scope.here("limit_conn").is_empty() {
            limits::at_a_time(world, scope, true, &mut listener);
        }
    }
    let passing: Vec<Scope<'a>> = with_locations.iter().filter(|scope| passes(scope)).cloned().collect();
    limits::bodies(world, if passing.is_empty() { &scopes } else { &passing }, &mut listener);
    let all_hosts: Vec<Vec<String>> =
        group.members.iter().map(|(number, _)| hosts_of(world, servers[*number])).collect();
    let wildcards = all_hosts.iter().flatten().any(|host| host.starts_with("*."));
    let known: HashSet<String> = all_hosts.iter().flatten().cloned().collect();
    for ((number, _), hosts) in group.members.iter().zip(all_hosts) {
        let server = servers[*number];
        let names = server.inner().iter().find(|directive| directive.name == "server_name");
        let name = names.map_or("", |names| names.arg(0));
        let site = Site { server, scope: http.within(server), hosts, name, port: group.port, secure };
        let made = routes::of_server(world, &site, limited);
        let is_default = *number == group.default_server();
        place_routes(&mut listener, &site, made, (is_default, wildcards), &known);
    }
    refuse_ambiguous(&mut listener, world.findings());
    hoist(&mut listener);
    default_service(&mut listener);
    world.out.listeners.push(listener);
}

/// The names of a server as routes can have them.
fn hosts_of(world: &mut World<'_>, server: &Directive) -> Vec<String> {
    let refuses = leads::refuses_any(world, server);
    hosts::hosts(world, server, refuses)
}

/// An `if` that asks a `geo` block.
fn by_geo<'a>(world: &World<'_>, scope: &Scope<'a>) -> Option<&'a Directive> {
    let named = |directive: &&Directive| {
        directive.args.iter().any(|arg| world.geos.contains_key(arg.trim_matches(['(', ')', '$'])))
    };
    scope.here("if").into_iter().find(named)
}

/// The blocks of a server and of its locations.
fn inner_scopes<'a>(scope: &Scope<'a>, server: &'a Directive) -> Vec<Scope<'a>> {
    let locations = super::location::all(scope, server);
    [scope.clone()].into_iter().chain(locations.into_iter().map(|location| location.scope)).collect()
}

/// Whether requests of clients go on to backends from here: only there it matters how large their bodies are.
fn passes(scope: &Scope<'_>) -> bool {
    let is_here = |name: &str| !scope.here(name).is_empty();
    is_here("proxy_pass") && !is_here("internal") || is_here("grpc_pass") || is_here("try_files")
}

/// `gzip`, where all servers say the same of it.
fn compressed(world: &mut World<'_>, scopes: &[Scope<'_>], listener: &mut Table) {
    if pages::compress_alike(scopes) {
        pages::compress(&scopes[0], listener);
    } else if let Some(directive) = scopes.iter().find_map(|scope| scope.one("gzip")) {
        let why = "servers of one address say different things of it: it is not done";
        world.findings().warning(&directive.place, directive.text(), why, "`compress` of routes: docs/compression.md");
    }
}

/// Whether one `limit_req` is for all requests of the address, and so is the listener's.
fn limited_as_a_whole(scopes: &[Scope<'_>]) -> bool {
    let Some(first) = scopes.first().map(|scope| scope.all("limit_req")).filter(|found| !found.is_empty()) else {
        return false;
    };
    let same = |scope: &Scope<'_>| {
        let found = scope.all("limit_req");
        found.len() == first.len() && found.iter().zip(&first).all(|(a, b)| a.place == b.place)
    };
    let server_has_none = |scope: &Scope<'_>| {
        !scope.here("location").iter().any(|location| location.inner().iter().any(|inner| inner.name == "limit_req"))
    };
    scopes.iter().all(|scope| same(scope) && server_has_none(scope))
}

/// Whose word about clients' addresses counts, and which field has it.
fn real_ip<'a>(world: &mut World<'a>, scope: &Scope<'a>, inner: &[Scope<'a>], listener: &mut Table) {
    let header = scope.value("real_ip_header", "X-Real-IP").to_ascii_lowercase();
    let trusted: Vec<_> = scope.all("set_real_ip_from");
    for directive in &trusted {
        match networks::parse(directive.arg(0)) {
            Some(network) => listener.push_from(&["trusted_proxies"], networks::write(&network), &directive.place),
            None => world.findings().warning(
                &directive.place,
                directive.text(),
                "only networks can be trusted",
                "write the addresses",
            ),
        }
    }
    if let Some(first) = trusted.first()
        && !matches!(header.as_str(), "x-forwarded-for" | "proxy_protocol")
    {
        let place = scope.one("real_ip_header").map_or(&first.place, |directive| &directive.place);
        listener.put(&["client_ip_header"], header.as_str(), place);
        let why =
            format!("`{header}` of a trusted proxy counts where it sends no X-Forwarded-For, and backends get it");
        let asks = inner.iter().find_map(|scope| {
            ["allow", "deny", "limit_req", "limit_conn"]
                .iter()
                .find_map(|name| scope.one(name))
                .or_else(|| by_geo(world, scope))
        });
        match asks {
            // clients may write X-Forwarded-For, and a proxy that sets another field passes it on
            Some(asks) => {
                let why = format!(
                    "{why}: `{}` of line {} is asked about an address that clients may write",
                    asks.name, asks.place.line
                );
                let advice = "have the proxy in front set X-Forwarded-For, or take the field away there";
                world.findings().error(place, "real_ip_header", why, advice);
            }
            None => world.findings().note(place, "real_ip_header", why, ""),
        }
    }
}

/// What is a listener's here and a server's there: the proxies in front, times, sizes.
fn in_common<'a>(
    world: &mut World<'a>,
    (scopes, inner): (&[Scope<'a>], &[Scope<'a>]),
    group: &Group<'_>,
    listener: &mut Table,
) {
    let Some(scope) = scopes.first() else { return };
    real_ip(world, scope, inner, listener);
    let trusted = scope.all("set_real_ip_from");
    if group.has("proxy_protocol") {
        let place = &listener.from[0].clone();
        listener.put(&["proxy_protocol"], "accept", place);
        if trusted.is_empty() {
            listener.put(&["trusted_proxies"], vec!["127.0.0.0/8"], place);
            let why = "PROXY headers are taken from those only who are named, and no `set_real_ip_from` names any";
            world.findings().error(place, "listen", why, "put the load balancers in front into `trusted_proxies`");
        }
    }
    if let Some(directive) = scope.one("keepalive_timeout") {
        match units::milliseconds(directive.arg(0), 1000) {
            Some(0) => listener.put(&["limits", "max_requests_per_connection"], 1, &directive.place),
            Some(ms) => listener.put(&["idle_timeout"], units::duration(ms), &directive.place),
            None => {}
        }
    }
    if let Some(directive) = scope.one("client_header_timeout")
        && let Some(ms) = units::milliseconds(directive.arg(0), 1000).filter(|ms| *ms > 0)
    {
        listener.put(&["limits", "header_timeout"], units::duration(ms), &directive.place);
    }
    if let Some(directive) = scope.one("large_client_header_buffers")
        && let (Ok(number), Some(each)) = (directive.arg(0).parse::<u64>(), units::bytes(directive.arg(1)))
        && let Some(bytes) = number.checked_mul(each).filter(|bytes| (1 << 10..=16 << 20).contains(bytes))
    {
        listener.put(&["limits", "max_header_bytes"], units::size(bytes), &directive.place);
    }
    if let Some(directive) = scope.one("max_headers")
        && let Ok(number) = directive.arg(0).parse::<i64>()
    {
        listener.put(&["limits", "max_headers"], number.clamp(1, 10_000), &directive.place);
    }
    if let Some(directive) = scope.one("keepalive_requests")
        && let Ok(number) = directive.arg(0).parse::<i64>()
    {
        listener.put(&["limits", "max_requests_per_connection"], number, &directive.place);
    }
}

/// Writes the routes of a server for each of its hosts. `known` has the hosts of all servers at the address.
fn place_routes(
    listener: &mut Table,
    site: &Site<'_>,
    made: Vec<Made>,
    (is_default, wildcards): (bool, bool),
    known: &HashSet<String>,
) {
    let mut hosts: Vec<Option<&str>> = Vec::new();
    // hosts that only conditions name: those that come to this server, and to no other one
    let is_within =
        |host: &str| site.hosts.iter().filter_map(|own| own.strip_prefix('*')).any(|own| host.ends_with(own));
    let is_own = |host: &str| site.hosts.iter().any(|own| own == host);
    let comes = |host: &&str| is_own(host) || !known.contains(*host) && (is_default || is_within(host));
    let named: Vec<&str> = made.iter().flat_map(|one| one.hosts.named()).map(String::as_str).filter(comes).collect();
    if is_default {
        hosts.push(None);
        hosts.extend(named.into_iter().map(Some));
        if wildcards {
            hosts.extend(site.hosts.iter().map(|host| Some(host.as_str())));
        }
    } else {
        hosts.extend(site.hosts.iter().map(|host| Some(host.as_str())));
        hosts.extend(named.into_iter().map(Some));
    }
    let mut seen = HashSet::new();
    hosts.retain(|host| seen.insert(*host));
    let names = site.server.inner().iter().find(|directive| directive.name == "server_name");
    for host in hosts {
        for one in made.iter().filter(|one| one.hosts.has(host)) {
            let mut route = one.route.clone();
            if let Some(host) = host {
                route.put_first("host", host, &names.unwrap_or(site.server).place);
            }
            listener.push(&["route"], route);
        }
    }
}
