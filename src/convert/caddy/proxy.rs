//! `reverse_proxy`: a service with its backends, and changes of fields on the way.

mod transport;
mod work;

use std::rc::Rc;

use super::change::{self, Put};
use super::lexer::ENVIRONMENT;
use super::scope::At;
use super::tree::Directive;
use super::{Conversion, left_out};
use crate::convert::decision::{Does, Step, Treatment};
use crate::convert::output::{Place, Table, literal};
use crate::convert::text::{self, Url};

/// A service that was made.
pub struct Service {
    /// Its name.
    pub name: String,
    /// The address of its only backend.
    pub only: Option<String>,
}

/// What is gathered of the backends.
#[derive(Default)]
struct Upstreams {
    addresses: Vec<(String, Place)>,
    /// Schemes that were written.
    secure: Option<Place>,
    h2c: Option<Place>,
}

/// `reverse_proxy [MATCHER] UPSTREAM... { ... }`
pub fn convert(conversion: &mut Conversion, at: &At<'_>) -> Vec<Rc<Step>> {
    let upstreams = at.args.clone();
    let Some(service) = service(conversion, at, "", &upstreams, at.directive.inner()) else {
        let place = at.place().clone();
        return vec![at.step(Does::End(Rc::new(move |treatment: &mut Treatment| {
            treatment.table.put(&["respond", "status"], 503, &place);
            treatment.denies = true;
        })))];
    };
    let mut steps = Vec::new();
    let (mut up, mut down): (Vec<Put>, Vec<Put>) = (Vec::new(), Vec::new());
    for directive in at.directive.inner() {
        let place = directive.place();
        match directive.word() {
            "header_up" if directive.arg(0).is_some_and(|name| name.eq_ignore_ascii_case("host")) => {
                let value = directive.arg(1).unwrap_or_default();
                let host = if value.contains("upstream.hostport") || value == "{upstream_hostport}" {
                    service.only.clone()
                } else {
                    Some(value.to_owned()).filter(|value| !value.contains('{'))
                };
                match host {
                    Some(value) => steps.push(change::rewrite_host(
                        at,
                        Put { kind: "set", name: "host".into(), value: literal(&value), place: place.clone() },
                    )),
                    // the host as it came is what backends get anyway
                    None if matches!(
                        value,
                        "{host}" | "{hostport}" | "{http.request.host}" | "{http.request.hostport}"
                    ) => {}
                    None => left_out(
                        &mut conversion.out,
                        place,
                        "header_up Host",
                        "backends get the client's Host, and not each its own",
                        "`rewrite = { host = \"...\" }` of the route",
                    ),
                }
            }
            // these are sent by themselves
            "header_up" if forwarded(directive) => {}
            "header_up" => up.extend(change::put(&mut conversion.out, "header_up", &directive.texts(), place)),
            "header_down" => down.extend(change::put(&mut conversion.out, "header_down", &directive.texts(), place)),
            _ => {}
        }
    }
    steps.extend(change::step(at, "request_headers", up));
    steps.extend(change::step(at, "response_headers", down));
    let place = at.place().clone();
    let end = move |treatment: &mut Treatment| treatment.table.put_first("service", service.name.clone(), &place);
    steps.push(at.step(Does::End(Rc::new(end))));
    steps
}

/// Whether a `header_up` says what backends are told in any case.
fn forwarded(directive: &Directive) -> bool {
    let name = directive.arg(0).unwrap_or_default().to_ascii_lowercase();
    let value = directive.arg(1).unwrap_or_default();
    match name.as_str() {
        "x-forwarded-for" => {
            matches!(value, "{remote_host}" | "{http.request.remote.host}" | "{remote}" | "{client_ip}")
        }
        "x-forwarded-proto" => value == "{scheme}" || value == "{http.request.scheme}",
        "x-forwarded-host" => {
            matches!(value, "{host}" | "{hostport}" | "{http.request.host}" | "{http.request.hostport}")
        }
        _ => false,
    }
}

/// The service of these upstreams. `None` = there are none.
pub fn service(
    conversion: &mut Conversion,
    at: &At<'_>,
    prefix: &str,
    upstreams: &[&str],
    inner: &[Directive],
) -> Option<Service> {
    let mut table = Table::at(at.place());
    let mut found = Upstreams::default();
    for upstream in upstreams {
        address(conversion, at.place(), upstream, &mut found);
    }
    for directive in inner.iter().filter(|directive| directive.word() == "to") {
        for upstream in directive.texts() {
            address(conversion, directive.place(), upstream, &mut found);
        }
    }
    let weights = work::convert(conversion, at.word(), inner, &mut table);
    transport::convert(conversion, inner, &found.secure, &mut table);
    spoken(&found, at.place(), &mut table);
    let first = inner.iter().any(|directive| directive.word() == "lb_policy" && directive.arg(0) == Some("first"));
    backends(&found, &weights, first, &mut table);
    if found.addresses.is_empty() && table.get(&["discover"]).is_none() {
        let why = "it has no backend: requests are answered with 503";
        left_out(&mut conversion.out, at.place(), at.word(), why, "`[[service.NAME.backend]]`");
        return None;
    }
    let wanted = match found.addresses.first() {
        Some((upstream, _)) => text::split_port(upstream).0.trim_start_matches("unix:").to_owned(),
        None => "found".to_owned(),
    };
    let plain = wanted.parse::<std::net::IpAddr>().is_err() && !wanted.contains(['/', '[', ENVIRONMENT]);
    let base = if plain { wanted } else { format!("line-{}", at.place().line) };
    let base = if prefix.is_empty() { base } else { format!("{prefix}-{base}") };
    let name = same(conversion, &table).unwrap_or_else(|| {
        let name = conversion.service_names.unique(&base);
        conversion.out.services.push((name.clone(), table));
        name
    });
    let only = match &found.addresses[..] {
        [(upstream, _)] => Some(upstream.clone()),
        _ => None,
    };
    Some(Service { name, only })
}

/// What is spoken to the backends.
fn spoken(found: &Upstreams, place: &Place, table: &mut Table) {
    if let Some(place) = &found.secure
        && table.get(&["tls"]).is_none()
    {
        table.put(&["tls"], Table::default(), place);
    }
    if table.get(&["tls"]).is_some() && table.get(&["protocol"]).is_none() {
        table.put(&["protocol"], "auto", found.secure.as_ref().unwrap_or(place));
    }
    if let Some(place) = &found.h2c {
        table.put(&["protocol"], "h2", place);
    }
}

/// The backends. `first`: all but the first are backups.
fn backends(found: &Upstreams, weights: &[i64], first: bool, table: &mut Table) {
    // kept by the service until there are backends to have it
    let most = table.remove(&["max_connections"]);
    for (index, (upstream, place)) in found.addresses.iter().enumerate() {
        let mut backend = Table::at(place);
        backend.put(&["address"], literal(upstream), place);
        if let Some(weight) = weights.get(index) {
            backend.put(&["weight"], *weight, place);
        }
        if first && index > 0 {
            backend.put(&["backup"], true, place);
        }
        if let Some(most) = &most {
            backend.put(&["max_connections"], most.clone(), place);
        }
        table.push(&["backend"], backend);
    }
}

/// A service that has the same keys, which was made for the same directive of another site.
fn same(conversion: &Conversion, table: &Table) -> Option<String> {
    conversion.out.services.iter().find(|(_, known)| known == table).map(|(name, _)| name.clone())
}

/// An upstream: `host:port`, `http://`, `https://`, `h2c://`, `unix//path`, and a range of ports.
fn address(conversion: &mut Conversion, place: &Place, upstream: &str, found: &mut Upstreams) {
    let out = &mut conversion.out;
    if let Some(path) = upstream.strip_prefix("unix//").or_else(|| upstream.strip_prefix("unix/")) {
        found.addresses.push((format!("unix:/{}", path.trim_start_matches('/')), place.clone()));
        return;
    }
    // a variable may have the port in it
    if upstream.contains(ENVIRONMENT) && text::split_port(upstream).1.is_empty() {
        found.addresses.push((upstream.to_owned(), place.clone()));
        return;
    }
    if upstream.contains('{') {
        let why = "an address that depends on the request can't be had: the backend is left out";
        left_out(out, place, upstream, why, "a route for each, by its conditions");
        return;
    }
    let url = Url::parse(upstream.trim_end_matches('/')).or_else(|| {
        // a range of ports is none of a URL
        upstream.contains('-').then(|| Url::parse(&upstream.replacen('-', "0000000", 1))).flatten()
    });
    let Some(url) = url.filter(|url| !url.host.contains('*')) else {
        left_out(out, place, upstream, "this address can't be read, and the backend is left out", "");
        return;
    };
    match url.scheme.as_str() {
        "https" => found.secure = Some(place.clone()),
        "h2c" => found.h2c = Some(place.clone()),
        "" | "http" => {}
        scheme => left_out(out, place, upstream, &format!("`{scheme}` is not spoken: http is"), ""),
    }
    if !url.path.is_empty() {
        left_out(
            out,
            place,
            upstream,
            "the path of a backend is left out",
            "`rewrite = { prefix = ... }` of the route",
        );
    }
    ports(upstream, url.scheme == "https", place, found);
}

/// The address of an upstream, or several where it has a range of ports.
fn ports(upstream: &str, secure: bool, place: &Place, found: &mut Upstreams) {
    let written = upstream.split_once("://").map_or(upstream, |(_, rest)| rest);
    let (host, port) = text::split_port(written);
    let host = if host.is_empty() { "127.0.0.1" } else { host };
    match port.split_once('-') {
        Some((from, to)) => {
            let (from, to) = (from.parse::<u16>().unwrap_or(0), to.parse::<u16>().unwrap_or(0));
            for port in (from..=to).take(256) {
                found.addresses.push((format!("{host}:{port}"), place.clone()));
            }
        }
        None if port.is_empty() => {
            found.addresses.push((format!("{host}:{}", if secure { 443 } else { 80 }), place.clone()))
        }
        None => {
            // Caddy takes port 443 for TLS
            if port == "443" && !upstream.contains("://") {
                found.secure = Some(place.clone());
            }
            found.addresses.push((format!("{host}:{port}"), place.clone()));
        }
    }
}
