//! Routers for TCP and UDP as listeners with sessions.

use super::entry_point::{self, EntryPoint};
use super::{Conversion, rule, tls, transport};
use crate::convert::decision::Host;
use crate::convert::document::Node;
use crate::convert::networks;
use crate::convert::output::{Place, Table, literal};

/// A router for TCP.
pub struct TcpRouter<'a> {
    /// Its name.
    pub name: String,
    /// What is said of it.
    pub node: &'a Node,
}

/// The routers for TCP of an entry point, in the order in which they are asked.
pub fn tcp_routers<'a>(conversion: &Conversion<'a>, point: &EntryPoint<'a>) -> Vec<TcpRouter<'a>> {
    let mut routers = Vec::new();
    for (name, node) in conversion.all(&["tcp", "routers"]) {
        let named = node.texts("entryPoints");
        if if named.is_empty() { point.by_default } else { named.contains(&point.name.as_str()) } {
            let priority =
                node.text("priority").and_then(|text| text.parse::<i64>().ok()).filter(|priority| *priority != 0);
            let priority = priority.unwrap_or_else(|| node.text("rule").map_or(0, str::len) as i64);
            routers.push((priority, TcpRouter { name, node }));
        }
    }
    routers.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.name.cmp(&other.name)));
    routers.into_iter().map(|(_, router)| router).collect()
}

/// What is served at an entry point with routers for TCP alone.
pub fn tcp(conversion: &mut Conversion<'_>, point: &EntryPoint<'_>, routers: &[TcpRouter<'_>]) {
    let passes = |router: &TcpRouter<'_>| router.node.get("tls").is_some_and(|tls| tls.flag("passthrough"));
    let ends = |router: &TcpRouter<'_>| router.node.get("tls").is_some() && !passes(router);
    let by_name = routers.iter().any(passes);
    let protocol = if by_name { "tls" } else { "tcp" };
    let mut listener = entry_point::table(conversion, point, protocol);
    if !by_name && routers.iter().any(ends) {
        let options: Vec<(String, Place)> = routers
            .iter()
            .map(|router| {
                let name = router.node.get("tls").and_then(|tls| tls.text("options")).unwrap_or("default");
                (name.to_owned(), router.node.place.clone())
            })
            .collect();
        tls::add(conversion, point, &options, &mut listener);
    }
    for router in routers {
        router.node.get("ruleSyntax");
        if let Some(tls) = router.node.get("tls") {
            tls.seen();
        }
        let what = format!("tcp.routers.{}", router.name);
        let place = router.node.place.clone();
        let hosts = router.node.text("rule").and_then(rule::server_names);
        let Some(hosts) = hosts else {
            let why = "sessions are chosen by the name that the client asks for alone: the router is left out";
            conversion.out.findings.error(&place, &what, why, "`protocol = \"tls\"` with `host`; `allow` and `deny`");
            router.node.seen();
            continue;
        };
        if by_name && !passes(router) {
            let why = "where one router passes TLS on, all have to: this one is left out";
            conversion.out.findings.warning(&place, &what, why, "give it a port of its own");
            router.node.seen();
            continue;
        }
        route(conversion, router, &what, &hosts, by_name, &mut listener);
    }
    conversion.out.listeners.push(listener);
}

fn route(
    conversion: &mut Conversion<'_>,
    router: &TcpRouter<'_>,
    what: &str,
    hosts: &[Host],
    by_name: bool,
    listener: &mut Table,
) {
    let place = router.node.place.clone();
    let service = router.node.text("service").unwrap_or_default().to_owned();
    let shares = service_of(conversion, "tcp", &service, &place, 0);
    let mut access = Table::default();
    for name in router.node.texts("middlewares") {
        middleware(conversion, name, &place, &mut access, listener);
    }
    let plain = access.is_empty() && matches!(shares[..], [(_, _)]);
    for host in hosts {
        if !by_name && *host != Host::Any {
            let why = "where TLS ends here, sessions are not told apart by name: the first router that takes all, or this one, gets them";
            conversion.out.findings.warning(
                &place,
                what,
                why,
                "give it a port of its own, or pass TLS on (`protocol = \"tls\"`)",
            );
        }
        let whole = *host == Host::Any || !by_name;
        if whole && listener.get(&["service"]).is_some() {
            continue;
        }
        match &shares[..] {
            [] => continue,
            [(name, _)] if whole && plain => listener.put(&["service"], name.clone(), &place),
            [(name, _)] if whole => {
                listener.put(&["service"], name.clone(), &place);
                access.entries.iter().for_each(|entry| {
                    listener.put(&[&entry.key], entry.value.clone(), &place);
                });
            }
            shares => {
                let mut route = Table::at(&place);
                match host {
                    Host::Exact(name) if by_name => route.put(&["host"], literal(name), &place),
                    Host::Below(name) if by_name => route.put(&["host"], literal(&format!("*.{name}")), &place),
                    _ => {}
                }
                match shares {
                    [(name, _)] => route.put(&["service"], name.clone(), &place),
                    shares => route.put(&["split"], sides(shares, &place), &place),
                }
                access.entries.iter().for_each(|entry| route.put(&[&entry.key], entry.value.clone(), &place));
                listener.push(&["route"], route);
            }
        }
    }
}

fn sides(shares: &[(String, i64)], place: &Place) -> Vec<Table> {
    let side = |(name, weight): &(String, i64)| {
        let mut side = Table::default();
        side.put(&["service"], name.clone(), place);
        side.put(&["weight"], *weight, place);
        side
    };
    shares.iter().map(side).collect()
}

fn middleware(conversion: &mut Conversion<'_>, name: &str, place: &Place, access: &mut Table, listener: &mut Table) {
    let what = format!("tcp.middlewares.{name}");
    let Some(node) = conversion.find(&["tcp", "middlewares"], name) else {
        conversion.out.findings.error(place, &what, "it is not there: nobody comes in", "write by hand what it does");
        access.close(place);
        return;
    };
    for (kind, body) in node.fields() {
        match kind.to_ascii_lowercase().as_str() {
            "ipallowlist" | "ipwhitelist" => {
                let nets: Vec<String> = body
                    .texts("sourceRange")
                    .into_iter()
                    .filter_map(networks::parse)
                    .map(|net| networks::write(&net))
                    .collect();
                if access.get(&["allow"]).is_some() || nets.is_empty() {
                    conversion.out.findings.error(
                        &body.place,
                        &what,
                        "its networks can't be carried over: nobody comes in",
                        "`allow` of the listener",
                    );
                    access.close(&body.place);
                } else if access.get(&["deny"]).is_none() {
                    access.put(&["allow"], nets, &body.place);
                }
            }
            "inflightconn" => {
                if let Some(amount) =
                    body.text("amount").and_then(|text| text.parse::<i64>().ok()).filter(|amount| *amount > 0)
                {
                    listener.put(&["client_limits", "connections"], amount, &body.place);
                }
            }
            _ => {
                body.seen();
                conversion.out.findings.error(
                    &body.place,
                    &what,
                    "what it does is not known: nobody comes in",
                    "write it by hand",
                );
                access.close(&body.place);
            }
        }
    }
}

/// A service for sessions, or several with their weights.
fn service_of(
    conversion: &mut Conversion<'_>,
    kind: &'static str,
    name: &str,
    place: &Place,
    depth: usize,
) -> Vec<(String, i64)> {
    let what = format!("{kind}.services.{name}");
    let Some(node) = conversion.find(&[kind, "services"], name).filter(|_| depth < 8) else {
        conversion.out.findings.warning(place, what, "there is no such service: sessions are reset", "");
        return Vec::new();
    };
    if let Some(weighted) = node.get("weighted") {
        weighted.get("healthCheck").into_iter().for_each(Node::seen);
        let mut shares = Vec::new();
        for item in weighted.items("services") {
            let weight = item.text("weight").and_then(|text| text.parse::<i64>().ok()).unwrap_or(1);
            let inner = item.text("name").unwrap_or_default().to_owned();
            shares.extend(
                service_of(conversion, kind, &inner, &item.place, depth + 1)
                    .into_iter()
                    .map(|(name, _)| (name, weight)),
            );
        }
        return shares;
    }
    let key = format!("{kind}: {name}");
    if let Some((_, super::service::Target::Service { name, .. })) =
        conversion.made.iter().find(|(known, _)| *known == key)
    {
        return vec![(name.clone(), 1)];
    }
    let Some(balancer) = node.get("loadBalancer") else { return Vec::new() };
    let service = conversion.service_names.unique(&if conversion.find(&["http", "services"], name).is_some() {
        format!("{name}-{kind}")
    } else {
        name.to_owned()
    });
    let mut table = Table::at(&balancer.place);
    for server in balancer.items("servers") {
        let Some(address) = server.get("address") else { continue };
        let mut backend = Table::at(&address.place);
        backend.put(&["address"], literal(address.scalar().unwrap_or_default()), &address.place);
        table.push(&["backend"], backend);
        if server.flag("tls") {
            table.put(&["tls"], Table::default(), &server.place);
        }
    }
    if let Some(header) = balancer.get("proxyProtocol") {
        let version = if header.text("version") == Some("1") { "v1" } else { "v2" };
        table.put(&["send_proxy_protocol"], version, &header.place);
    }
    details(conversion, &what, balancer, &mut table);
    conversion.made.push((key, super::service::Target::Service { name: service.clone(), host: None }));
    conversion.out.services.push((service.clone(), table));
    vec![(service, 1)]
}

fn details(conversion: &mut Conversion<'_>, what: &str, balancer: &Node, table: &mut Table) {
    balancer.get("terminationDelay");
    if let Some(check) = balancer.get("healthCheck") {
        table.put(&["health", "kind"], "tcp", &check.place);
        for (key, ours) in [("send", "send"), ("expect", "expect")] {
            if let Some(node) = check.get(key) {
                table.put(&["health", ours], literal(node.scalar().unwrap_or_default()), &node.place);
            }
        }
        for (key, ours) in [("interval", "interval"), ("timeout", "timeout"), ("unhealthyInterval", "fast_interval")] {
            if let Some(node) = check.get(key)
                && let Some(duration) = transport::positive(node)
            {
                table.put(&["health", ours], duration, &node.place);
            }
        }
        if let Some(port) = check.get("port")
            && let Some(number) = port.scalar().and_then(|text| text.parse::<i64>().ok())
        {
            table.put(&["health", "port"], number, &port.place);
        }
    }
    let Some(name) = balancer.get("serversTransport") else { return };
    let Some(settings) = conversion.find(&["tcp", "serversTransports"], name.scalar().unwrap_or_default()) else {
        conversion.out.findings.warning(&name.place, what, "there is no such serversTransport", "");
        return;
    };
    if let Some(time) = settings.get("dialTimeout")
        && let Some(duration) = transport::positive(time)
    {
        table.put(&["timeout", "connect"], duration, &time.place);
    }
    settings.get("dialKeepAlive");
    settings.get("terminationDelay");
    if let Some(header) = settings.get("proxyProtocol") {
        let version = if header.text("version") == Some("1") { "v1" } else { "v2" };
        table.put(&["send_proxy_protocol"], version, &header.place);
    }
    if let Some(tls) = settings.get("tls").filter(|_| table.get(&["tls"]).is_some()) {
        if let Some(name) = tls.get("serverName") {
            table.put(&["tls", "server_name"], literal(name.scalar().unwrap_or_default()), &name.place);
        }
        if tls.flag("insecureSkipVerify") {
            table.put(&["tls", "verify"], false, &tls.place);
        }
        if let [file] = tls.texts("rootCAs")[..] {
            table.put(&["tls", "ca"], literal(file), &tls.place);
        }
    }
}

/// What is served at an entry point for datagrams.
pub fn udp(conversion: &mut Conversion<'_>, point: &EntryPoint<'_>) {
    let routers: Vec<(String, &Node)> = conversion
        .all(&["udp", "routers"])
        .into_iter()
        .filter(|(_, node)| {
            let named = node.texts("entryPoints");
            named.is_empty() || named.contains(&point.name.as_str())
        })
        .collect();
    let Some((name, node)) = routers.first() else {
        point.node.into_iter().for_each(Node::seen);
        let what = format!("entryPoints.{}", point.name);
        conversion.out.findings.note(&point.place, what, "no router uses it, and it is left out", "");
        return;
    };
    for (other, node) in &routers[1..] {
        node.seen();
        let why = format!("datagrams of one entry point go to one service, that of `{name}`");
        conversion.out.findings.warning(&node.place, format!("udp.routers.{other}"), why, "");
    }
    let mut listener = entry_point::table(conversion, point, "udp");
    let service = node.text("service").unwrap_or_default().to_owned();
    match &service_of(conversion, "udp", &service, &node.place, 0)[..] {
        [] => return,
        [(name, _)] => listener.put(&["service"], name.clone(), &node.place),
        shares => {
            let mut route = Table::at(&node.place);
            route.put(&["split"], sides(shares, &node.place), &node.place);
            listener.push(&["route"], route);
        }
    }
    conversion.out.listeners.push(listener);
}
