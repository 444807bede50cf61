//! `tls` of a site: its certificate, and what is asked of clients.

use super::tree::Directive;
use super::{Conversion, left_out};
use crate::convert::ciphers;
use crate::convert::output::{Place, Table, literal};
use crate::convert::text;

/// What sites of a listener say together.
#[derive(Debug, Default)]
pub struct Tls {
    /// Tables of `certificates`.
    pub certificates: Vec<Table>,
    /// Where sites stand whose certificates came from ACME.
    pub fetched: Vec<Place>,
    /// Keys of `[listener.tls]`, of each site.
    pub keys: Vec<(Place, Table)>,
}

/// What a site says, in `tls` or by having none. `None` for the second: what the site asks of clients could not be carried over.
pub fn of_site(conversion: &mut Conversion, body: &[Directive], place: &Place, tls: &mut Tls) -> Option<()> {
    let Some(directive) = body.iter().find(|directive| directive.word() == "tls") else {
        tls.fetched.push(place.clone());
        tls.keys.push((place.clone(), Table::default()));
        return Some(());
    };
    match directive.texts()[..] {
        [cert, key] => {
            let mut certificate = Table::default();
            certificate.put(&["cert"], literal(cert), directive.place());
            certificate.put(&["key"], literal(key), directive.place());
            if !tls.certificates.contains(&certificate) {
                tls.certificates.push(certificate);
            }
        }
        ["internal"] => {
            let why = "certificates of an authority of its own are not made";
            conversion.out.findings.note(
                directive.place(),
                "tls internal",
                why,
                "make them with openssl or mkcert, and name them in `certificates`",
            );
            tls.fetched.push(directive.place().clone());
        }
        _ => tls.fetched.push(directive.place().clone()),
    }
    let mut keys = Table::default();
    let mut good = Some(());
    for inner in directive.inner() {
        match inner.word() {
            "client_auth" => good = client_auth(conversion, inner, &mut keys),
            "load" => {
                for folder in inner.texts() {
                    let mut certificate = Table::default();
                    certificate.put(&["folder"], literal(folder), inner.place());
                    tls.certificates.push(certificate);
                }
                tls.fetched.retain(|place| place != directive.place());
            }
            "protocols" | "ciphers" | "curves" | "alpn" => choice(conversion, inner, &mut keys),
            word => {
                let why = "certificates are not fetched by Evenkeel itself (ACME)";
                let advice = "have certbot or another client keep them: docs/tls.md";
                conversion.out.findings.note(inner.place(), format!("tls {word}"), why, advice);
            }
        }
    }
    tls.keys.push((directive.place().clone(), keys));
    good
}

/// Versions, cipher suites, groups and protocols.
fn choice(conversion: &mut Conversion, directive: &Directive, keys: &mut Table) {
    let place = directive.place();
    let of = |known: &[&str]| -> Vec<String> {
        directive.texts().into_iter().filter(|name| known.contains(name)).map(str::to_owned).collect()
    };
    let (key, values) = match directive.word() {
        "protocols" => {
            let word = if directive.arg(0) == Some("tls1.3") { "1.3" } else { "1.2" };
            keys.put(&["min_version"], word, place);
            return;
        }
        "ciphers" => {
            let names: Vec<String> = directive.texts().into_iter().map(text::openssl_name).collect();
            let known = ciphers::known(&names.join(":")).unwrap_or_default();
            ("ciphers", known.into_iter().map(str::to_owned).collect())
        }
        "curves" => ("groups", of(&["x25519", "secp256r1", "secp384r1"])),
        _ => ("alpn", of(&["h2", "http/1.1"])),
    };
    if values.is_empty() {
        let why = "none of them is spoken: those of Evenkeel are";
        left_out(&mut conversion.out, place, &format!("tls {}", directive.word()), why, "docs/tls.md");
    } else {
        keys.put(&[key], values, place);
    }
}

fn client_auth(conversion: &mut Conversion, directive: &Directive, keys: &mut Table) -> Option<()> {
    let out = &mut conversion.out;
    let mut files: Vec<String> = Vec::new();
    let mut mode = None;
    let mut unknown = false;
    for inner in directive.inner() {
        match inner.word() {
            "mode" => mode = inner.arg(0).map(str::to_owned),
            "trusted_ca_cert_file" => files.extend(inner.arg(0).map(str::to_owned)),
            "trust_pool" if inner.arg(0) == Some("file") => {
                files.extend(inner.texts().into_iter().skip(1).map(str::to_owned));
                files.extend(
                    inner
                        .inner()
                        .iter()
                        .filter(|inner| inner.word() == "pem_file")
                        .flat_map(Directive::texts)
                        .map(str::to_owned),
                );
            }
            _ => unknown = true,
        }
    }
    let mode = match mode.as_deref() {
        Some("request" | "verify_if_given") => "optional",
        _ => "required",
    };
    match &files[..] {
        [file] if !unknown => {
            keys.put(&["client_auth"], mode, directive.place());
            keys.put(&["client_ca"], literal(file), directive.place());
            Some(())
        }
        _ if mode == "optional" && !unknown => {
            left_out(
                out,
                directive.place(),
                "client_auth",
                "no authority is named that could verify certificates: none is asked for",
                "client_auth and client_ca",
            );
            Some(())
        }
        _ => {
            let why = "which certificates come in can't be said by one file of authorities: nobody comes in";
            out.findings.error(directive.place(), "client_auth", why, "put the authorities into one PEM file, and name it in client_ca with client_auth = \"required\"; which names come in is said by `auth = { client_cert = ... }` of routes");
            None
        }
    }
}
