//! `stream`: sessions of TCP, of TLS by its name, and of UDP.

use super::access;
use super::listen::{Listen, listens};
use super::parse::Directive;
use super::proxy::{self, Target};
use super::tls;
use super::upstream::hashed;
use super::variables;
use super::world::{Scope, World};
use crate::convert::output::Table;
use crate::convert::units;

/// A listener for each address of each server.
pub fn servers<'a>(world: &mut World<'a>) {
    let scope = Scope::of(world.top.clone());
    let servers: Vec<&'a Directive> =
        world.top.iter().filter(|directive| directive.name == "server").copied().collect();
    for server in servers {
        for listen in listens(server) {
            listener(world, &scope.within(server), server, &listen);
        }
    }
}

fn listener<'a>(world: &mut World<'a>, scope: &Scope<'a>, server: &'a Directive, listen: &Listen<'a>) {
    let place = &listen.directive.place;
    let mut table = Table::at(place);
    let udp = listen.has("udp");
    let preread = scope.is_on("ssl_preread");
    let protocol = if udp {
        "udp"
    } else if preread {
        "tls"
    } else {
        "tcp"
    };
    table.put(&["name"], world.out.names.unique(&format!("{protocol}-{}", listen.port)), place);
    table.put(&["bind"], listen.bind.as_str(), place);
    table.put(&["protocol"], protocol, scope.one("ssl_preread").map_or(place, |directive| &directive.place));
    let Some(pass) = scope.here("proxy_pass").into_iter().last() else {
        let what = server.inner().iter().find(|inner| inner.name == "return").unwrap_or(server);
        world.findings().warning(
            &what.place,
            what.text(),
            "sessions that are passed to no backend are not known: the listener is left out",
            "",
        );
        return;
    };
    if listen.has("ssl") {
        tls::listener(world, std::slice::from_ref(scope), place, &mut table);
    }
    if listen.has("proxy_protocol") {
        trusted(world, scope, listen, &mut table);
    }
    let rules = access::rules(world, &scope.any(&["allow", "deny"]));
    access::put_lists(&rules, &mut table);
    limits(world, scope, &mut table);
    if let Some(directive) = scope.one("proxy_timeout")
        && let Some(ms) = units::milliseconds(directive.arg(0), 1000).filter(|ms| *ms > 0)
    {
        table.put(&["idle_timeout"], units::duration(ms), &directive.place);
    } else {
        // ours is shorter, and would end sessions that nginx keeps
        table.put(&["idle_timeout"], "10m", &server.place);
    }
    if goes_to(world, scope, pass, &mut table) {
        world.out.listeners.push(table);
    }
}

fn trusted(world: &mut World<'_>, scope: &Scope<'_>, listen: &Listen<'_>, table: &mut Table) {
    let place = &listen.directive.place;
    table.put(&["proxy_protocol"], "accept", place);
    for directive in scope.all("set_real_ip_from") {
        table.push_from(&["trusted_proxies"], directive.arg(0), &directive.place);
    }
    if table.get(&["trusted_proxies"]).is_none() {
        table.put(&["trusted_proxies"], vec!["127.0.0.0/8"], place);
        let why = "PROXY headers are taken from those only who are named, and no `set_real_ip_from` names any";
        world.findings().error(place, "listen", why, "put the load balancers in front into `trusted_proxies`");
    }
}

fn limits(world: &mut World<'_>, scope: &Scope<'_>, table: &mut Table) {
    for directive in scope.all("limit_conn") {
        let key = world.zones.get(directive.arg(0)).map_or("", |zone| zone.key);
        if hashed(key).as_deref() == Some("client_ip") {
            table.put(&["client_limits", "connections"], directive.arg(1).parse().unwrap_or(1_i64), &directive.place);
        } else {
            let why = format!("only clients are counted (`{key}`), so nothing limits this");
            world.findings().error(
                &directive.place,
                directive.text(),
                why,
                "`max_connections` of the listener or of backends",
            );
        }
    }
}

/// Where sessions go: one service, or one for each name. `false`: nowhere.
fn goes_to<'a>(world: &mut World<'a>, scope: &Scope<'a>, pass: &'a Directive, table: &mut Table) -> bool {
    let Some(variable) = variables::sole(pass.arg(0)) else {
        let Some(service) = service(world, scope, pass.arg(0), pass) else { return false };
        table.put(&["service"], service, &pass.place);
        return true;
    };
    let Some((_, lines)) = world.map(variable).filter(|(key, _)| *key == "$ssl_preread_server_name") else {
        let advice = "a `tls` listener routes by the name that the client asks for: docs/layer4.md";
        world.findings().warning(
            &pass.place,
            pass.text(),
            "it can't be said where sessions go: the listener is left out",
            advice,
        );
        return false;
    };
    for line in lines {
        let host = line.name.trim_start_matches('\\').trim_end_matches('.');
        if matches!(host, "hostnames" | "volatile") {
            continue;
        }
        if host.starts_with('~') {
            world.findings().warning(
                &line.place,
                line.text(),
                "a route can't have an expression as its host",
                "write the names out",
            );
            continue;
        }
        let Some(service) = service(world, scope, line.arg(0), line) else { continue };
        if host == "default" {
            table.put(&["service"], service, &line.place);
            continue;
        }
        let hosts = host
            .strip_prefix('.')
            .map_or_else(|| vec![host.to_owned()], |domain| vec![domain.to_owned(), format!("*.{domain}")]);
        for host in hosts {
            let mut route = Table::at(&line.place);
            route.put(&["host"], host, &line.place);
            route.put(&["service"], service.as_str(), &line.place);
            table.push(&["route"], route);
        }
    }
    true
}

fn service<'a>(world: &mut World<'a>, scope: &Scope<'a>, to: &str, directive: &'a Directive) -> Option<String> {
    let scheme = if scope.is_on("proxy_ssl") { "https" } else { "http" };
    let target = Target { scheme: scheme.to_owned(), authority: to.to_owned(), path: None };
    let before = world.out.services.len();
    let service = proxy::service(world, scope, &target, directive)?;
    let made = world.out.services.len() > before;
    let connect =
        scope.one("proxy_connect_timeout").and_then(|said| Some((said, units::milliseconds(said.arg(0), 1000)?)));
    let sends = scope.is_on("proxy_protocol");
    if let Some((_, table)) = world.out.services.iter_mut().find(|(known, _)| *known == service)
        && made
    {
        if let Some((said, ms)) = connect {
            table.put(&["timeout", "connect"], units::duration(ms), &said.place);
        }
        if sends && let Some(said) = scope.one("proxy_protocol") {
            table.put(&["send_proxy_protocol"], "v1", &said.place);
        }
    }
    if scope.value("proxy_next_upstream", "on") == "off"
        && made
        && let Some((_, table)) = world.out.services.iter_mut().find(|(known, _)| *known == service)
        && let Some(said) = scope.one("proxy_next_upstream")
    {
        table.put(&["retry", "attempts"], 0, &said.place);
    }
    Some(service)
}
