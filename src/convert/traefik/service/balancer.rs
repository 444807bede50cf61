//! A load balancer with its servers as a service with its backends.

use super::Target;
use super::health;
use crate::convert::document::Node;
use crate::convert::output::{Output, Place, Table, literal};
use crate::convert::text::{self, Url};
use crate::convert::traefik::middleware::ServiceKey;
use crate::convert::traefik::{Conversion, transport};

/// The service of a load balancer.
pub fn convert(conversion: &mut Conversion<'_>, name: &str, node: &Node, wants: &[ServiceKey]) -> Target {
    let what = format!("http.services.{name}");
    let service = conversion.service_names.unique(name);
    let place = node.place.clone();
    let mut table = Table::at(&place);
    let mut schemes = Vec::new();
    let mut host = servers(&mut conversion.out, &what, node, &mut table, &mut schemes, false);
    if table.get(&["backend"]).is_none() {
        conversion.out.findings.warning(&place, &what, "it has no servers: requests are answered with 503", "");
        return Target::Missing(503);
    }
    scheme(conversion, &what, node, &schemes, &mut table);
    balance(&mut conversion.out, &what, node, &mut table);
    health::convert(&mut conversion.out, &what, node, &mut table);
    if node.text("passHostHeader").is_none_or(|text| text != "false") {
        host = None;
    } else if host.is_none() {
        let why = "backends get the client's Host, and not each its own: they are several";
        conversion.out.findings.warning(
            &place,
            format!("{what}.passHostHeader"),
            why,
            "`rewrite = { host = \"...\" }` of the routes, if it is the same for all",
        );
    }
    if let Some(forwarding) = node.get("responseForwarding") {
        forwarding.seen();
    }
    for (key, value, from) in wants {
        table.put(key, value.clone(), from);
    }
    conversion.out.services.push((service.clone(), table));
    Target::Service { name: service, host }
}

/// The backends; and the host of the only one.
fn servers(
    out: &mut Output,
    what: &str,
    node: &Node,
    table: &mut Table,
    schemes: &mut Vec<(String, Place)>,
    backup: bool,
) -> Option<String> {
    let servers = node.items("servers");
    let mut host = None;
    let weighted = servers.iter().any(|server| server.text("weight").is_some_and(|weight| weight != "1"));
    for server in servers {
        let Some(url) = server.get("url") else {
            out.findings.warning(&server.place, what, "a server without `url` is left out", "");
            continue;
        };
        let Some(parsed) = url.scalar().and_then(Url::parse).filter(|url| !url.host.is_empty()) else {
            out.findings.warning(&url.place, what, "this address can't be read, and the server is left out", "");
            continue;
        };
        let mut backend = Table::at(&url.place);
        backend.put(&["address"], literal(&parsed.address()), &url.place);
        if weighted && !backup {
            let weight = server.text("weight").and_then(|text| text.parse::<i64>().ok()).unwrap_or(1);
            backend.put(&["weight"], weight.clamp(0, 65_535), &url.place);
        }
        if backup {
            backend.put(&["backup"], true, &url.place);
        }
        if server.flag("preservePath") && parsed.path.len() > 1 {
            let why = format!("the path {} of the server is left out", parsed.path);
            out.findings.warning(
                &server.place,
                format!("{what}.preservePath"),
                why,
                "`rewrite = { prefix = ... }` of the routes",
            );
        }
        host =
            (servers.len() == 1).then(|| if parsed.port.is_empty() { parsed.host.clone() } else { parsed.address() });
        schemes.push((parsed.scheme, url.place.clone()));
        table.push(&["backend"], backend);
    }
    host
}

/// What is spoken to the backends: by the scheme of their addresses, and by the transport.
fn scheme(conversion: &mut Conversion<'_>, what: &str, node: &Node, schemes: &[(String, Place)], table: &mut Table) {
    let Some((first, place)) = schemes.first() else { return };
    if let Some((other, at)) = schemes.iter().find(|(scheme, _)| scheme != first) {
        let why = format!("servers with {first} and {other} can't be of one service: all are asked by {first}");
        // TLS for all is not less safe, none for one that had it is
        let findings = &mut conversion.out.findings;
        if first == "https" {
            findings.warning(at, what, why, "make two services, and a split of them");
        } else {
            findings.error(at, what, why, "make two services, and a split of them");
        }
    }
    let named = node.get("serversTransport").and_then(|name| Some((name.scalar()?.to_owned(), name.place.clone())));
    let root = conversion.fixed.and_then(|fixed| fixed.get("serversTransport"));
    let settings = match &named {
        Some((name, at)) => {
            let found = conversion.find(&["http", "serversTransports"], name);
            if found.is_none() {
                conversion.out.findings.error(
                    at,
                    format!("{what}.serversTransport"),
                    format!("there is no `{name}`: what it says of certificates is not known, and they are verified"),
                    "",
                );
            }
            found
        }
        None => root,
    };
    match first.as_str() {
        "h2c" => table.put(&["protocol"], "h2", place),
        "https" => {
            table.put(&["tls"], Table::default(), place);
            let http1 = settings.is_some_and(|settings| settings.flag("disableHTTP2"));
            if !http1 {
                table.put(&["protocol"], "auto", place);
            }
        }
        _ => {}
    }
    if let Some(settings) = settings {
        of_transport(&mut conversion.out, what, settings, first == "https", table);
    }
}

fn of_transport(out: &mut Output, what: &str, node: &Node, secure: bool, table: &mut Table) {
    let mut tls: Vec<(&str, crate::convert::output::Value, Place)> = Vec::new();
    if let Some(name) = node.get("serverName") {
        tls.push(("server_name", literal(name.scalar().unwrap_or_default()).into(), name.place.clone()));
    }
    if node.flag("insecureSkipVerify") {
        tls.push(("verify", false.into(), node.place.clone()));
    }
    let authorities = node.texts("rootCAs");
    if let Some(list) = node.get("rootCAs") {
        match authorities[..] {
            [] => {}
            [file] => tls.push(("ca", literal(file).into(), list.place.clone())),
            [file, ..] => {
                tls.push(("ca", literal(file).into(), list.place.clone()));
                out.findings.warning(
                    &list.place,
                    format!("{what} rootCAs"),
                    "`ca` is one file: the first is named",
                    "put the authorities into one PEM file",
                );
            }
        }
    }
    for (index, certificate) in node.items("certificates").iter().enumerate() {
        let (cert, key) =
            (certificate.text("certFile").unwrap_or_default(), certificate.text("keyFile").unwrap_or_default());
        if index == 0 {
            tls.push(("cert", literal(cert).into(), certificate.place.clone()));
            tls.push(("key", literal(key).into(), certificate.place.clone()));
        } else {
            out.findings.warning(
                &certificate.place,
                format!("{what} certificates"),
                "one certificate is shown to backends: the first",
                "",
            );
        }
    }
    not_carried_over(out, what, node);
    if secure {
        for (key, value, place) in tls {
            table.put(&["tls", key], value, &place);
        }
    }
    times(node, table);
    if let Some(idle) = node.get("maxIdleConnsPerHost")
        && let Some(number) =
            idle.scalar().and_then(|text| text.parse::<i64>().ok()).filter(|number| (1..=65_535).contains(number))
    {
        table.put(&["pool", "max_idle"], number, &idle.place);
    }
}

/// Other ways to verify a certificate, and what makes no difference.
fn not_carried_over(out: &mut Output, what: &str, node: &Node) {
    for key in ["peerCertURI", "peerCertSANs", "spiffe"] {
        if let Some(node) = node.get(key) {
            node.seen();
            let why = "a certificate is verified by the host in its address or `server_name`, and not by this";
            out.findings.error(&node.place, format!("{what} {key}"), why, "`server_name` in `[service.NAME.tls]`");
        }
    }
    for key in ["cipherSuites", "minVersion", "maxVersion", "disableHTTP2"] {
        node.get(key).into_iter().for_each(Node::seen);
    }
}

fn times(node: &Node, table: &mut Table) {
    let Some(times) = node.get("forwardingTimeouts") else { return };
    for (key, ours) in [
        ("dialTimeout", ["timeout", "connect"]),
        ("responseHeaderTimeout", ["timeout", "response"]),
        ("idleConnTimeout", ["pool", "idle_timeout"]),
    ] {
        if let Some(time) = times.get(key)
            && let Some(duration) = transport::positive(time)
        {
            table.put(&ours, duration, &time.place);
        }
    }
    for key in ["readIdleTimeout", "pingTimeout"] {
        times.get(key);
    }
}

/// How a backend is chosen.
fn balance(out: &mut Output, what: &str, node: &Node, table: &mut Table) {
    let weighted = table.get(&["backend"]).is_some_and(|list| format!("{list:?}").contains("\"weight\""));
    let strategy = node.get("strategy");
    let place = strategy.map_or(&node.place, |node| &node.place).clone();
    let algorithm = match strategy.and_then(Node::scalar).unwrap_or("wrr") {
        "p2c" => "power_of_two",
        "hrw" => "consistent_hash",
        "leasttime" => "response_time",
        _ if weighted => "weighted_round_robin",
        _ => "round_robin",
    };
    if algorithm != "round_robin" {
        table.put(&["balance"], algorithm, &place);
    }
    if algorithm == "consistent_hash" {
        table.put(&["hash", "on"], "client_ip", &place);
    }
    let Some(sticky) = node.get("sticky") else { return };
    let cookie = sticky.get("cookie");
    table.put(&["affinity", "by"], "cookie", &sticky.place);
    let name = cookie.and_then(|cookie| cookie.get("name"));
    if let Some(name) = name {
        table.put(&["affinity", "name"], literal(name.scalar().unwrap_or_default()), &name.place);
    }
    if let Some(age) = cookie.and_then(|cookie| cookie.get("maxAge"))
        && let Some(seconds) = age.scalar().and_then(|text| text.parse::<u64>().ok()).filter(|seconds| *seconds > 0)
    {
        table.put(&["affinity", "ttl"], text::duration(std::time::Duration::from_secs(seconds)), &age.place);
    }
    sticky.seen();
    let why = "the cookie is signed and has HttpOnly, SameSite=Lax and, over TLS, Secure; sessions with Traefik's cookie begin anew";
    out.findings.note(&sticky.place, format!("{what}.sticky"), why, "docs/sessions.md");
}

/// `failover`: the backends of the second service are backups of those of the first.
pub fn failover(conversion: &mut Conversion<'_>, name: &str, node: &Node, wants: &[ServiceKey]) -> Target {
    let what = format!("http.services.{name}");
    let (first, second) = (node.text("service").unwrap_or_default(), node.text("fallback").unwrap_or_default());
    node.get("healthCheck").into_iter().for_each(Node::seen);
    if let Some(errors) = node.get("errors") {
        errors.seen();
        let advice = "`[service.NAME.retry] on` says after which answers another backend is asked";
        conversion.out.findings.warning(
            &errors.place,
            format!("{what}.errors"),
            "the second is asked when no backend of the first can be used",
            advice,
        );
    }
    let balancer = |name: &str| conversion.find(&["http", "services"], name).and_then(|node| node.get("loadBalancer"));
    let (Some(main), Some(spare)) = (balancer(first), balancer(second)) else {
        let why = "both have to be services with servers of their own: requests go to the first";
        conversion.out.findings.warning(
            &node.place,
            &what,
            why,
            "`backup = true` of a backend, or a `failover` strategy: docs/recovery.md",
        );
        return super::made(conversion, first, &node.place, wants, 1);
    };
    let target = convert(conversion, name, main, wants);
    let mut schemes = Vec::new();
    if let Target::Service { name: service, .. } = &target
        && let Some(at) = conversion.out.services.iter().position(|(known, _)| known == service)
    {
        let mut table = std::mem::take(&mut conversion.out.services[at].1);
        servers(&mut conversion.out, &what, spare, &mut table, &mut schemes, true);
        spare.seen();
        if main.get("healthCheck").is_none() {
            let why = "without checks the second is used when requests show that no backend of the first can be";
            conversion.out.findings.note(&node.place, &what, why, "`[service.NAME.health]`");
        }
        conversion.out.services[at].1 = table;
    }
    target
}
