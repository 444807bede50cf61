//! Certificates and options of TLS.

use super::Conversion;
use super::entry_point::EntryPoint;
use crate::convert::ciphers;
use crate::convert::document::Node;
use crate::convert::output::{Output, Place, Table, literal};
use crate::convert::text;

/// Where an ACME client keeps its certificates, if it is certbot.
const LIVE: &str = "/etc/letsencrypt/live";

/// TLS of a listener whose routers name these options.
pub fn add(conversion: &mut Conversion<'_>, point: &EntryPoint<'_>, options: &[(String, Place)], listener: &mut Table) {
    certificates(conversion, point, listener);
    let mut names: Vec<&str> = options.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut tables: Vec<(&str, Table, Option<Place>)> = Vec::new();
    for name in names {
        let node = conversion.find(&["tls", "options"], name);
        let place = options.iter().find(|(known, _)| known == name).map_or(&point.place, |(_, place)| place);
        if node.is_none() && name != "default" {
            let why = "there are no such options: what they ask of clients is not known";
            conversion.out.findings.error(place, format!("tls.options.{name}"), why, "");
        }
        let (table, asks) = node.map(|node| of(name, node, &mut conversion.out)).unwrap_or_default();
        tables.push((name, table, asks));
    }
    // with different options for different hosts, the strictest is not the right one for all; what asks for certificates must not be lost
    let differ = tables.iter().any(|(_, table, _)| !same(table, &tables[0].1));
    if differ {
        for (name, _, _) in &tables {
            let place = options.iter().find(|(known, _)| known == name).map_or(&point.place, |(_, place)| place);
            let why = "routers of one entry point have different options of TLS: a listener has one set, and that of `default` or the first holds";
            conversion.out.findings.error(
                place,
                format!("tls.options.{name}"),
                why,
                "give the hosts listeners of their own, at other addresses or ports",
            );
        }
    }
    let chosen = tables.iter().find(|(name, ..)| *name == "default").or(tables.first());
    if let Some((_, table, _)) = chosen {
        for entry in &table.entries {
            let place = entry.from.first().unwrap_or(&point.place);
            listener.put(&["tls", &entry.key], entry.value.clone(), place);
        }
    }
    // a listener that should ask for certificates and can't lets nobody in
    if let Some(place) =
        tables.iter().find_map(|(_, _, asks)| asks.clone()).or_else(|| lost_certificates(&tables, differ, point))
    {
        listener.close(&place);
    }
}

/// The certificates of all documents, the default first; where there are none, those that certbot keeps.
fn certificates(conversion: &mut Conversion<'_>, point: &EntryPoint<'_>, listener: &mut Table) {
    let mut any = false;
    if let Some(node) = conversion.find(&["tls", "stores"], "default").and_then(|store| store.get("defaultCertificate"))
    {
        any |= certificate(node, listener);
    }
    for document in conversion.dynamic.clone() {
        let Some(tls) = document.get("tls") else { continue };
        for node in tls.items("certificates") {
            node.get("stores");
            any |= certificate(node, listener);
        }
        if let Some(stores) = tls.get("stores") {
            for (name, store) in stores.fields() {
                if let Some(generated) = store.get("defaultGeneratedCert") {
                    generated.seen();
                    let why = "certificates are not fetched by Evenkeel itself (ACME)";
                    conversion.out.findings.warning(&generated.place, format!("tls.stores.{name}"), why, "docs/tls.md");
                }
            }
        }
    }
    if !any {
        let mut folder = Table::default();
        folder.put(&["folder"], LIVE, &point.place);
        listener.push(&["tls", "certificates"], folder);
        let why = format!("its certificates came from ACME or were made up: those of certbot in {LIVE} are served");
        let advice = "get them with certbot (they are watched: a renewal needs no reload), or name another folder";
        conversion.out.findings.warning(&point.place, format!("entryPoints.{}", point.name), why, advice);
    }
}

fn lost_certificates(tables: &[(&str, Table, Option<Place>)], differ: bool, point: &EntryPoint<'_>) -> Option<Place> {
    let asks = |table: &Table| table.text(&["client_auth"]) == Some("required");
    (differ && tables.iter().any(|(_, table, _)| asks(table))).then(|| point.place.clone())
}

fn same(a: &Table, b: &Table) -> bool {
    let plain = |table: &Table| {
        table.entries.iter().map(|entry| (entry.key.clone(), format!("{:?}", entry.value))).collect::<Vec<_>>()
    };
    plain(a) == plain(b)
}

fn certificate(node: &Node, listener: &mut Table) -> bool {
    let (Some(cert), Some(key)) = (node.text("certFile"), node.text("keyFile")) else { return false };
    let mut table = Table::default();
    table.put(&["cert"], literal(cert), &node.place);
    table.put(&["key"], literal(key), &node.place);
    listener.push(&["tls", "certificates"], table);
    true
}

/// Options by keys of `[listener.tls]`, and where something that is asked of clients could not be carried over.
fn of(name: &str, node: &Node, out: &mut Output) -> (Table, Option<Place>) {
    let mut table = Table::default();
    let what = |key: &str| format!("tls.options.{name}.{key}");
    if let Some(version) = node.get("minVersion") {
        let word = if version.scalar() == Some("VersionTLS13") { "1.3" } else { "1.2" };
        table.put(&["min_version"], word, &version.place);
        if matches!(version.scalar(), Some("VersionTLS10" | "VersionTLS11")) {
            out.findings.warning(&version.place, what("minVersion"), "TLS 1.0 and 1.1 are not spoken", "");
        }
    }
    if let Some(version) = node.get("maxVersion")
        && version.scalar() != Some("VersionTLS13")
    {
        out.findings.warning(&version.place, what("maxVersion"), "TLS 1.3 is always spoken", "");
    }
    choices(name, node, &mut table, out);
    if node.flag("sniStrict") {
        let why = "a client that asks for another name is shown the first certificate, and its requests are answered with 421";
        out.findings.note(&node.place, what("sniStrict"), why, "");
    }
    node.get("preferServerCipherSuites");
    if let Some(tickets) = node.get("disableSessionTickets") {
        out.findings.warning(
            &tickets.place,
            what("disableSessionTickets"),
            "sessions are resumed by tickets",
            "docs/tls.md",
        );
    }
    let asks = node.get("clientAuth").and_then(|auth| client_auth(name, auth, &mut table, out));
    (table, asks)
}

/// Cipher suites, groups and protocols.
fn choices(name: &str, node: &Node, table: &mut Table, out: &mut Output) {
    if let Some(suites) = node.get("cipherSuites") {
        let names: Vec<String> = node.texts("cipherSuites").iter().map(|name| text::openssl_name(name)).collect();
        match ciphers::known(&names.join(":")) {
            Some(known) => table.put(&["ciphers"], known.to_vec(), &suites.place),
            None => out.findings.warning(
                &suites.place,
                format!("tls.options.{name}.cipherSuites"),
                "none of them is spoken: those of Evenkeel are (docs/tls.md)",
                "",
            ),
        }
    }
    if let Some(curves) = node.get("curvePreferences") {
        let group = |name: &&str| match *name {
            "X25519MLKEM768" => Some("X25519MLKEM768"),
            "X25519" => Some("x25519"),
            "CurveP256" => Some("secp256r1"),
            "CurveP384" => Some("secp384r1"),
            _ => None,
        };
        let groups: Vec<&str> = node.texts("curvePreferences").iter().filter_map(group).collect();
        if !groups.is_empty() {
            table.put(&["groups"], groups, &curves.place);
        }
    }
    if let Some(protocols) = node.get("alpnProtocols") {
        let known: Vec<String> = node
            .texts("alpnProtocols")
            .iter()
            .filter(|name| matches!(**name, "h2" | "http/1.1"))
            .map(|name| (*name).to_owned())
            .collect();
        if !known.is_empty() {
            table.put(&["alpn"], known, &protocols.place);
        }
    }
}

/// Who has to show a certificate. Gives back the place where that could not be carried over.
fn client_auth(name: &str, auth: &Node, table: &mut Table, out: &mut Output) -> Option<Place> {
    let what = format!("tls.options.{name}.clientAuth");
    let kind = auth.text("clientAuthType").unwrap_or("NoClientCert");
    let files = auth.texts("caFiles");
    let (mode, remark) = match kind {
        "NoClientCert" => return None,
        "RequestClientCert" => ("optional", Some("a certificate that is shown is verified; Traefik only asks for one")),
        "VerifyClientCertIfGiven" => ("optional", None),
        "RequireAnyClientCert" => ("required", Some("a certificate is verified by client_ca; Traefik takes any")),
        _ => ("required", None),
    };
    if let Some(remark) = remark {
        out.findings.warning(&auth.place, &what, remark, "");
    }
    match files[..] {
        [file] => {
            table.put(&["client_auth"], mode, &auth.place);
            table.put(&["client_ca"], literal(file), &auth.place);
            None
        }
        [] if mode == "optional" => {
            out.findings.warning(
                &auth.place,
                &what,
                "no authority is named that could verify certificates: none is asked for",
                "client_auth and client_ca",
            );
            None
        }
        _ => {
            let why = if files.is_empty() {
                "no authority is named"
            } else {
                "several files of authorities are named, and client_ca is one"
            };
            out.findings.error(
                &auth.place,
                &what,
                format!("{why}: nobody comes in"),
                "put the authorities into one PEM file, and name it in client_ca with client_auth = \"required\"",
            );
            Some(auth.place.clone())
        }
    }
}
