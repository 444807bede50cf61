//! TLS towards clients: what servers at one address say, as one section.

use super::parse::Directive;
use super::variables;
use super::world::{Scope, World};
use crate::convert::output::{Place, Table};

/// The certificates and choices of all servers at an address.
pub fn listener(world: &mut World<'_>, scopes: &[Scope<'_>], place: &Place, listener: &mut Table) {
    let mut known: Vec<(&str, &str)> = Vec::new();
    for scope in scopes {
        let keys = scope.all("ssl_certificate_key");
        for (number, cert) in scope.all("ssl_certificate").into_iter().enumerate() {
            let Some(key) = keys.get(number).or(keys.last()) else { continue };
            if variables::has_any(cert.arg(0)) || cert.arg(0).starts_with("data:") {
                let advice = "name the files, or a folder with all of them: `certificates = [{ folder = \"...\" }]`";
                world.findings().warning(&cert.place, cert.text(), "a name with variables is not known here", advice);
                continue;
            }
            if known.contains(&(cert.arg(0), key.arg(0))) {
                continue;
            }
            known.push((cert.arg(0), key.arg(0)));
            let mut certificate = Table::default();
            certificate.put(&["cert"], cert.arg(0), &cert.place);
            certificate.put(&["key"], key.arg(0), &key.place);
            if let Some(ocsp) = scope.one("ssl_stapling_file") {
                certificate.put(&["ocsp"], ocsp.arg(0), &ocsp.place);
            }
            listener.push(&["tls", "certificates"], certificate);
        }
        if scope.is_on("ssl_stapling")
            && scope.one("ssl_stapling_file").is_none()
            && let Some(directive) = scope.one("ssl_stapling")
        {
            let advice = "fetch responses by `openssl ocsp -respout`, and name the file in `ocsp` of the certificate";
            world.findings().note(&directive.place, directive.text(), "responses are not fetched here", advice);
        }
    }
    if known.is_empty() {
        let why = "no server at this address has a certificate that is known";
        world.findings().warning(place, "listen", why, "name one in `certificates` of [listener.tls]");
    }
    client_certificates(world, scopes, listener);
    versions(world, scopes, listener);
    let tickets: Vec<_> = scopes.iter().filter_map(|scope| scope.one("ssl_session_ticket_key")).collect();
    if let Some(directive) = tickets.first() {
        if let Some(other) = tickets.iter().find(|other| other.arg(0) != directive.arg(0)) {
            let why =
                format!("an address has one file of keys for tickets: that of line {} is used", directive.place.line);
            world.findings().warning(&other.place, other.text(), why, "give these hosts a listener of their own");
        }
        listener.put(&["tls", "ticket_keys"], directive.arg(0), &directive.place);
    }
}

/// `ssl_verify_client`: a listener asks all clients for the same.
fn client_certificates(world: &mut World<'_>, scopes: &[Scope<'_>], listener: &mut Table) {
    let said: Vec<_> = scopes.iter().map(|scope| scope.one("ssl_verify_client")).collect();
    let asked: Vec<_> = said.iter().flatten().filter(|directive| directive.arg(0) != "off").copied().collect();
    let Some(first) = asked.first() else { return };
    let strictest = asked.iter().find(|directive| directive.arg(0) == "on").unwrap_or(first);
    for directive in asked.iter().filter(|directive| directive.arg(0) == "optional_no_ca") {
        let why = "certificates that nobody verifies are not taken: they are verified by `client_ca`";
        world.findings().error(&directive.place, directive.text(), why, "name the authorities in `client_ca`");
    }
    let differ = said.iter().any(|one| one.map_or("off", |directive| directive.arg(0)) != strictest.arg(0));
    if differ {
        let why = "all hosts of an address ask for the same here: what the strictest of them asks for holds for all";
        world.findings().error(
            &strictest.place,
            strictest.text(),
            why,
            "give hosts that don't ask a listener of their own",
        );
    }
    let mode = if strictest.arg(0) == "on" { "required" } else { "optional" };
    listener.put(&["tls", "client_auth"], mode, &strictest.place);
    let authorities: Vec<_> = scopes
        .iter()
        .filter_map(|scope| scope.one("ssl_client_certificate").or_else(|| scope.one("ssl_trusted_certificate")))
        .collect();
    match authorities.first() {
        Some(authority) => {
            listener.put(&["tls", "client_ca"], authority.arg(0), &authority.place);
            for other in authorities.iter().filter(|other| other.arg(0) != authority.arg(0)) {
                let why = format!("a listener has one file of authorities: `{}` is used", authority.arg(0));
                world.findings().error(&other.place, other.text(), why, "give these hosts a listener of their own");
            }
        }
        None => {
            world.findings().error(
                &strictest.place,
                strictest.text(),
                "no `ssl_client_certificate` says whose certificates are taken",
                "name the authorities in `client_ca`",
            );
            listener.close(&strictest.place);
        }
    }
    for crl in scopes.iter().filter_map(|scope| scope.one("ssl_crl")) {
        let advice =
            "have short-lived certificates, or refuse the names of those that were revoked by `auth.client_cert`";
        world.findings().error(&crl.place, crl.text(), "lists of revoked certificates are not looked at", advice);
    }
}

/// `ssl_protocols` and `ssl_ciphers`. An address has one lowest version: the highest that any of its servers asks for.
fn versions(world: &mut World<'_>, scopes: &[Scope<'_>], listener: &mut Table) {
    let said: Vec<_> = scopes.iter().filter_map(|scope| scope.one("ssl_protocols")).collect();
    let has = |directive: &Directive, version: &str| directive.args.iter().any(|arg| arg == version);
    for directive in &said {
        if ["TLSv1", "TLSv1.1", "SSLv3"].iter().any(|version| has(directive, version)) {
            world.findings().note(&directive.place, directive.text(), "only TLS 1.2 and 1.3 are spoken", "");
        }
    }
    let newest = |directive: &&&Directive| {
        has(directive, "TLSv1.3") && !["TLSv1", "TLSv1.1", "TLSv1.2"].iter().any(|version| has(directive, version))
    };
    let Some(directive) = said.iter().find(newest) else { return ciphers(world, scopes, listener) };
    listener.put(&["tls", "min_version"], "1.3", &directive.place);
    if said.iter().any(|other| !newest(&other)) || said.len() < scopes.len() {
        let why = "an address has one lowest version of TLS: clients of its other hosts need TLS 1.3 as well";
        let advice = "give the other hosts a listener of their own";
        world.findings().warning(&directive.place, directive.text(), why, advice);
    }
}

/// Those of a list that are spoken here, where it is a list of names.
fn ciphers(world: &mut World<'_>, scopes: &[Scope<'_>], listener: &mut Table) {
    let Some(directive) = scopes.iter().find_map(|scope| scope.one("ssl_ciphers")) else { return };
    let others: Vec<_> = scopes.iter().filter_map(|scope| scope.one("ssl_ciphers")).collect();
    if let Some(other) = others.iter().find(|other| other.arg(0) != directive.arg(0)) {
        let why = format!("an address has one list of ciphers: that of line {} is used", directive.place.line);
        world.findings().error(&other.place, other.text(), why, "give these hosts a listener of their own");
    }
    match crate::convert::ciphers::known(directive.arg(0)) {
        Some(names) => listener.put(&["tls", "ciphers"], names, &directive.place),
        None => {
            let why = "the list is not carried over: suites are those of TLS 1.3, and ECDHE with AES-GCM or ChaCha20-Poly1305";
            world.findings().note(
                &directive.place,
                directive.text(),
                why,
                "`ciphers` of [listener.tls], by OpenSSL's names",
            );
        }
    }
}
