//! `transport http` of `reverse_proxy`.

use std::time::Duration;

use crate::convert::caddy::tree::Directive;
use crate::convert::caddy::{Conversion, left_out};
use crate::convert::output::{Place, Table, Value, literal};
use crate::convert::text;

/// Puts it into the service.
pub fn convert(conversion: &mut Conversion, inner: &[Directive], secure: &Option<Place>, table: &mut Table) {
    for transport in inner.iter().filter(|directive| directive.word() == "transport") {
        if transport.arg(0) != Some("http") {
            let why = format!("`{}` is not spoken to backends: http is", transport.arg(0).unwrap_or_default());
            left_out(&mut conversion.out, transport.place(), "transport", &why, "have a server for it as a backend");
            continue;
        }
        let mut tls: Option<Place> = secure.clone();
        let mut keys: Vec<(&'static str, Value, Place)> = Vec::new();
        for directive in transport.inner() {
            one(conversion, directive, table, &mut tls, &mut keys);
        }
        if let Some(place) = tls {
            table.put(&["tls"], Table::default(), &place);
            for (key, value, place) in keys {
                table.put(&["tls", key], value, &place);
            }
        }
    }
}

fn one(
    conversion: &mut Conversion,
    directive: &Directive,
    table: &mut Table,
    tls: &mut Option<Place>,
    keys: &mut Vec<(&'static str, Value, Place)>,
) {
    let place = directive.place();
    let argument = directive.arg(0).unwrap_or_default();
    let time = text::go_duration(argument, Duration::from_nanos(1)).filter(|time| !time.is_zero()).map(text::duration);
    let number = argument.parse::<i64>().ok().filter(|number| (1..=65_535).contains(number));
    let out = &mut conversion.out;
    if directive.word().starts_with("tls") {
        tls.get_or_insert_with(|| place.clone());
    }
    match (directive.word(), time) {
        (word, _) if word.starts_with("tls") => {
            if !certificate(directive, keys) {
                // certificates are verified by the system's authorities then
                let advice = "`[service.NAME.tls]`: ca, cert, key, server_name, verify";
                left_out(out, place, word, "it is left out", advice);
            }
        }
        ("versions", _) => {
            let versions = directive.texts();
            let h2 = versions.contains(&"h2c") || versions == ["2"];
            let protocol = if h2 {
                "h2"
            } else if versions.contains(&"2") {
                "auto"
            } else {
                "http1"
            };
            table.put(&["protocol"], protocol, place);
        }
        ("dial_timeout", Some(time)) => table.put(&["timeout", "connect"], time, place),
        ("response_header_timeout", Some(time)) => table.put(&["timeout", "response"], time, place),
        ("read_timeout" | "write_timeout", Some(time)) => table.put(&["timeout", "idle"], time, place),
        ("keepalive", None) if argument == "off" => table.put(&["pool", "max_idle"], 0, place),
        ("keepalive", Some(time)) => table.put(&["pool", "idle_timeout"], time, place),
        ("keepalive_idle_conns_per_host" | "keepalive_idle_conns", _) if number.is_some() => {
            table.put(&["pool", "max_idle"], number.unwrap_or(1), place);
        }
        ("max_conns_per_host", _) if number.is_some() => table.put(&["max_connections"], number.unwrap_or(1), place),
        ("proxy_protocol", _) => {
            let version = if argument == "v1" { "v1" } else { "v2" };
            table.put(&["send_proxy_protocol"], version, place);
        }
        (word, _) => {
            let what = format!("transport http {word}");
            left_out(out, place, &what, "it is left out", "docs/configuration.md, `[service.NAME]`");
        }
    }
}

/// Directives about certificates. Whether it is one that can be carried over.
fn certificate(directive: &Directive, keys: &mut Vec<(&'static str, Value, Place)>) -> bool {
    let place = directive.place();
    let argument = directive.arg(0).unwrap_or_default();
    match directive.word() {
        "tls" => {}
        "tls_insecure_skip_verify" => keys.push(("verify", false.into(), place.clone())),
        "tls_server_name" => keys.push(("server_name", literal(argument).into(), place.clone())),
        "tls_trusted_ca_certs" => keys.push(("ca", literal(argument).into(), place.clone())),
        "tls_trust_pool" if argument == "file" => {
            let file = directive.arg(1).or_else(|| directive.inner().iter().find_map(|inner| inner.arg(0)));
            keys.push(("ca", literal(file.unwrap_or_default()).into(), place.clone()));
        }
        "tls_client_auth" if directive.args.len() == 2 => {
            keys.push(("cert", literal(argument).into(), place.clone()));
            keys.push(("key", literal(directive.arg(1).unwrap_or_default()).into(), place.clone()));
        }
        _ => return false,
    }
    true
}
