//! Entry points as listeners.

use std::time::Duration;

use super::{Conversion, router, session, tls, transport};
use crate::convert::decision::networks;
use crate::convert::document::Node;
use crate::convert::output::{Output, Place, Table};
use crate::convert::text;

/// Where clients come in.
#[derive(Debug, Clone)]
pub struct EntryPoint<'a> {
    /// Its name, as routers say it.
    pub name: String,
    /// What the static configuration says of it.
    pub node: Option<&'a Node>,
    /// Where it says so, or else the whole.
    pub place: Place,
    /// Host, which may be empty, and port.
    pub address: (String, String),
    /// Whether it takes datagrams.
    pub udp: bool,
    /// Whether routers that name no entry point use it.
    pub by_default: bool,
}

/// Makes a listener of each entry point.
pub fn convert(conversion: &mut Conversion<'_>) {
    let points = match conversion.fixed {
        Some(root) => configured(root, conversion),
        None => guessed(conversion),
    };
    for point in &points {
        if point.udp {
            session::udp(conversion, point);
            continue;
        }
        let tcp = session::tcp_routers(conversion, point);
        let http = router::of(conversion, point);
        let redirects = point.node.and_then(|node| node.at(&["http", "redirections", "entryPoint"]));
        if http.is_empty() && redirects.is_none() {
            if tcp.is_empty() {
                point.node.into_iter().for_each(Node::seen);
                let what = format!("entryPoints.{}", point.name);
                conversion.out.findings.note(&point.place, what, "no router uses it, and it is left out", "");
            } else {
                session::tcp(conversion, point, &tcp);
            }
            continue;
        }
        for router in &tcp {
            router.node.seen();
            let why =
                "an entry point that has routers for HTTP can't have them for TCP: a listener speaks one of the two";
            conversion.out.findings.warning(
                &router.node.place,
                format!("tcp.routers.{}", router.name),
                why,
                "give it a port of its own",
            );
        }
        router::listener(conversion, point, &points, http, redirects);
    }
    not_on_any(conversion, &points);
    let out = &mut conversion.out;
    if out.listeners.is_empty() && !out.findings.any_error() {
        out.findings.error(&conversion.place, "", "there is nothing that could be a listener", "");
    }
}

fn configured<'a>(root: &'a Node, conversion: &mut Conversion<'a>) -> Vec<EntryPoint<'a>> {
    let mut points: Vec<EntryPoint<'a>> = Vec::new();
    for (name, node) in root.below("entryPoints") {
        let address = node.text("address").unwrap_or_default();
        let (address, udp) = match address.rsplit_once('/') {
            Some((address, protocol)) => (address, protocol.eq_ignore_ascii_case("udp")),
            None => (address, false),
        };
        let (host, port) = text::split_port(address);
        let by_default = node.flag("asDefault");
        let address = (host.to_owned(), port.to_owned());
        points.push(EntryPoint {
            name: name.to_owned(),
            node: Some(node),
            place: node.place.clone(),
            address,
            udp,
            by_default,
        });
    }
    if points.is_empty() {
        let place = conversion.place.clone();
        conversion.out.findings.note(&place, "entryPoints", "there are none, and Traefik has one at port 80 then", "");
        let address = (String::new(), "80".to_owned());
        points.push(EntryPoint { name: "http".to_owned(), node: None, place, address, udp: false, by_default: true });
    }
    if points.iter().all(|point| !point.by_default) {
        points.iter_mut().for_each(|point| point.by_default = !point.udp && point.name != "traefik");
    }
    points
}

/// The entry points that routers name, where only the dynamic configuration is there: by the names that Traefik's documentation uses.
fn guessed<'a>(conversion: &mut Conversion<'a>) -> Vec<EntryPoint<'a>> {
    let mut points: Vec<EntryPoint<'a>> = Vec::new();
    for (way, udp) in [(["http", "routers"], false), (["tcp", "routers"], false), (["udp", "routers"], true)] {
        for (_, node) in conversion.all(&way) {
            let mut names: Vec<String> = node.texts("entryPoints").into_iter().map(str::to_owned).collect();
            if names.is_empty() {
                names.push(if node.get("tls").is_some() { "websecure" } else { "web" }.to_owned());
            }
            for name in names {
                if points.iter().any(|point| point.name == name) {
                    continue;
                }
                let (host, port) = match name.as_str() {
                    "web" | "http" => ("", "80"),
                    "websecure" | "https" => ("", "443"),
                    _ => ("127.0.0.1", "0"),
                };
                let place = conversion.place.clone();
                let what = format!("entryPoints.{name}");
                let why = if port == "0" {
                    format!("the port of `{name}` is not in this file: the kernel chooses one")
                } else {
                    format!("the address of `{name}` is not in this file: port {port} is assumed")
                };
                conversion.out.findings.warning(
                    &place,
                    what,
                    why,
                    "give the static configuration with the entry points, or write `bind`",
                );
                let address = (host.to_owned(), port.to_owned());
                points.push(EntryPoint { name, node: None, place, address, udp, by_default: true });
            }
        }
    }
    points
}

/// Routers that name only entry points that are not there.
fn not_on_any(conversion: &mut Conversion<'_>, points: &[EntryPoint<'_>]) {
    for kind in ["http", "tcp", "udp"] {
        for (name, node) in conversion.all(&[kind, "routers"]) {
            let named = node.texts("entryPoints");
            if !named.is_empty() && !named.iter().any(|name| points.iter().any(|point| point.name == **name)) {
                let why = format!("none of its entry points ({}) is there: it takes nothing", named.join(", "));
                conversion.out.findings.warning(&node.place, format!("{kind}.routers.{name}"), why, "");
                node.seen();
            }
        }
    }
}

/// The listener of an entry point, without its routes.
pub fn table(conversion: &mut Conversion<'_>, point: &EntryPoint<'_>, protocol: &str) -> Table {
    let out = &mut conversion.out;
    let mut listener = Table::at(&point.place);
    let name = out.names.unique(&point.name);
    listener.put(&["name"], name, &point.place);
    let at = point.node.and_then(|node| node.get("address")).map_or(&point.place, |node| &node.place);
    listener.put(&["bind"], text::bind(&point.address.0, &point.address.1), at);
    if protocol == "http" {
        // Traefik tells backends in this field, too
        listener.put(&["client_ip_header"], "x-real-ip", &point.place);
    } else {
        listener.put(&["protocol"], protocol, &point.place);
    }
    if let Some(node) = point.node {
        proxies(node, point, &mut listener, out);
        transport_of(node, &mut listener, out, protocol);
        protocols(node, point, &mut listener, out);
    }
    listener
}

/// The networks in `trustedIPs`.
fn nets(node: &Node, out: &mut Output) -> Vec<String> {
    let good = |text: &str| networks::parse(text).map(|net| networks::write(&net));
    let texts = node.texts("trustedIPs");
    if texts.iter().any(|text| good(text).is_none()) {
        let why = "one of the networks can't be read, and is not trusted";
        out.findings.warning(&node.place, "trustedIPs", why, "");
    }
    texts.into_iter().filter_map(good).collect()
}

/// Who in front is believed.
fn proxies(node: &Node, point: &EntryPoint<'_>, listener: &mut Table, out: &mut Output) {
    let mut trusted = Vec::new();
    if let Some(forwarded) = node.get("forwardedHeaders") {
        trusted = nets(forwarded, out);
        if !trusted.is_empty() {
            listener.put(&["trusted_proxies"], trusted.clone(), &forwarded.place);
        }
        if forwarded.flag("insecure") {
            let why = "X-Forwarded-* of anybody is not believed: trusted_proxies names who is";
            out.findings.warning(
                &forwarded.place,
                "forwardedHeaders.insecure",
                why,
                "name the proxies in front in trusted_proxies",
            );
        }
        for key in ["connection", "notAppendXForwardedFor", "addXForwardedSchemeHeaders"] {
            if let Some(node) = forwarded.get(key) {
                node.seen();
                out.findings.warning(
                    &node.place,
                    format!("forwardedHeaders.{key}"),
                    "it is left out",
                    "docs/headers.md says what backends are told",
                );
            }
        }
    }
    if let Some(header) = node.get("proxyProtocol") {
        let peers = nets(header, out);
        let insecure = header.flag("insecure");
        let what = format!("entryPoints.{}.proxyProtocol", point.name);
        if peers.is_empty() {
            let why = if insecure { "a PROXY header of anybody is not believed" } else { "it trusts nobody" };
            out.findings.warning(
                &header.place,
                what,
                format!("{why}, and connections with one are not taken"),
                "proxy_protocol = \"accept\" with trusted_proxies",
            );
            return;
        }
        listener.put(&["proxy_protocol"], "accept", &header.place);
        listener.put(&["trusted_proxies"], peers.clone(), &header.place);
        let why = "every connection has to begin with a PROXY header, and come from trusted_proxies; Traefik takes others without one as well";
        out.findings.note(&header.place, &what, why, "");
        if !trusted.is_empty() && trusted != peers {
            let why = "forwardedHeaders.trustedIPs names others: here one list says who is believed, and that of the PROXY header holds";
            out.findings.warning(
                &header.place,
                &what,
                why,
                "add those of forwardedHeaders to trusted_proxies if they may send PROXY headers, too",
            );
        }
    }
}

/// Time-outs and how the process stops.
fn transport_of(node: &Node, listener: &mut Table, out: &mut Output, protocol: &str) {
    let Some(transport) = node.get("transport") else { return };
    if let Some(times) = transport.get("respondingTimeouts") {
        if let Some(idle) = times.get("idleTimeout")
            && let Some(duration) = transport::positive(idle)
        {
            listener.put(&["idle_timeout"], duration, &idle.place);
        }
        for key in ["readTimeout", "writeTimeout"] {
            let Some(time) = times.get(key) else { continue };
            if transport::positive(time).is_some() {
                let why = "requests and answers are not given a time as a whole: each read and write is";
                let advice = "`limits.header_timeout`, `limits.min_body_rate` of the listener and `timeout.total` of a service are like it";
                out.findings.warning(&time.place, format!("respondingTimeouts.{key}"), why, advice);
            }
        }
    }
    if let Some(life) = transport.get("lifeCycle") {
        if let Some(grace) = life.get("graceTimeOut")
            && let Some(duration) = transport::duration_of(grace, 1)
        {
            out.server.put(&["drain_timeout"], duration, &grace.place);
        }
        if let Some(grace) = life.get("requestAcceptGraceTimeout") {
            let advice = "have what is in front look at `/readyz` of the admin address";
            out.findings.warning(
                &grace.place,
                "requestAcceptGraceTimeout",
                "no request is taken any more when it is told to stop",
                advice,
            );
        }
    }
    if let Some(most) = transport.get("keepAliveMaxRequests")
        && protocol == "http"
        && let Some(number) = most.scalar().and_then(|text| text.parse::<i64>().ok()).filter(|number| *number > 0)
    {
        listener.put(&["limits", "max_requests_per_connection"], number, &most.place);
    }
    if let Some(time) = transport.get("keepAliveMaxTime") {
        out.findings.warning(
            &time.place,
            "keepAliveMaxTime",
            "clients' connections have no greatest age",
            "`limits.max_requests_per_connection`",
        );
    }
}

fn protocols(node: &Node, point: &EntryPoint<'_>, listener: &mut Table, out: &mut Output) {
    for key in ["asDefault", "allowACMEByPass", "reusePort", "observability"] {
        node.get(key).into_iter().for_each(Node::seen);
    }
    if let Some(http3) = node.get("http3") {
        http3.seen();
        out.findings.warning(
            &http3.place,
            format!("entryPoints.{}.http3", point.name),
            "HTTP/3 is not spoken: clients use HTTP/2",
            "",
        );
    }
    if let Some(http2) = node.get("http2") {
        if let Some(most) = http2.get("maxConcurrentStreams")
            && let Some(number) = most.scalar().and_then(|text| text.parse::<i64>().ok()).filter(|number| *number > 0)
        {
            listener.put(&["limits", "max_concurrent_streams"], number, &most.place);
        }
        http2.get("maxDecoderHeaderTableSize");
        http2.get("maxEncoderHeaderTableSize");
    }
    if let Some(idle) = node.at(&["udp", "timeout"])
        && let Some(time) = idle.scalar().and_then(|time| text::go_duration(time, Duration::from_secs(1)))
    {
        listener.put(&["idle_timeout"], text::duration(time), &idle.place);
    }
    let Some(http) = node.get("http") else { return };
    if let Some(most) = http.get("maxHeaderBytes")
        && let Some(bytes) = most.scalar().and_then(text::size).filter(|bytes| (1024..=16 << 20).contains(bytes))
    {
        listener.put(&["limits", "max_header_bytes"], text::bytes(bytes), &most.place);
    }
    for key in ["encodedCharacters", "encodeQuerySemicolons", "sanitizePath", "underscoreHeadersStrategy"] {
        if let Some(setting) = http.get(key) {
            setting.seen();
            let advice =
                "`paths`, `ambiguous_paths` and `limits.allow_encoded_controls` of the listener: docs/routing.md";
            out.findings.warning(
                &setting.place,
                format!("http.{key}"),
                "paths are read as docs/routing.md says",
                advice,
            );
        }
    }
}

/// Whether TLS ends at the entry point itself, for all routers.
pub fn has_tls(point: &EntryPoint<'_>) -> bool {
    point.node.is_some_and(|node| node.at(&["http", "tls"]).is_some())
}

/// TLS of the entry point's listener, for routers with these options.
pub fn add_tls(
    conversion: &mut Conversion<'_>,
    point: &EntryPoint<'_>,
    options: &[(String, Place)],
    listener: &mut Table,
) {
    tls::add(conversion, point, options, listener);
}
