//! Which entry points there are, and what each becomes.

use super::entry_point::EntryPoint;
use super::{Conversion, router, session};
use crate::convert::document::Node;
use crate::convert::text;

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
