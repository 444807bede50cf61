//! Entry points as listeners.

use std::time::Duration;

use ipnet::IpNet;

use super::{Conversion, transport};
use crate::convert::document::Node;
use crate::convert::networks;
use crate::convert::output::{Output, Place, Table};
use crate::convert::text;
use crate::convert::units;

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

/// The proxies in front that are believed in X-Forwarded-For, so that the client is another one than the peer.
pub fn trusted(point: &EntryPoint<'_>) -> Vec<IpNet> {
    let listed = |key: &str| point.node.and_then(|node| node.get(key)).map(|node| node.texts("trustedIPs"));
    if listed("proxyProtocol").is_some_and(|peers| !peers.is_empty()) {
        return Vec::new();
    }
    listed("forwardedHeaders").unwrap_or_default().into_iter().filter_map(networks::parse).collect()
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
        listener.put(&["limits", "max_header_bytes"], units::size(bytes), &most.place);
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
