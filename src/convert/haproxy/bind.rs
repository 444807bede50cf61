//! `bind`: the addresses of a frontend, and TLS there.

use super::parse::{Line, Section};
use crate::convert::ciphers;
use crate::convert::original::Original;
use crate::convert::output::{Findings, Table};

/// An address with the line that has it.
pub struct Bind<'a> {
    /// As ours writes it.
    pub address: String,
    /// The port; 0 for a Unix socket.
    pub port: u16,
    /// The line.
    pub line: &'a Line,
}

impl Bind<'_> {
    /// Whether TLS ends there.
    pub fn is_secure(&self) -> bool {
        self.line.has("ssl")
    }
}

/// The addresses of a line: several with commas between them.
pub fn addresses<'a>(line: &'a Line, findings: &mut Findings) -> Vec<Bind<'a>> {
    let mut binds = Vec::new();
    for text in line.word(1).split(',') {
        let text = text.trim_start_matches("ipv4@").trim_start_matches("ipv6@");
        if let Some(path) = text.strip_prefix("unix@").or_else(|| text.starts_with('/').then_some(text)) {
            binds.push(Bind { address: format!("unix:{path}"), port: 0, line });
            continue;
        }
        if text.starts_with("quic") {
            let advice = "QUIC can be passed on to backends that speak it, by a UDP listener: docs/layer4.md";
            findings.warning(&line.place, line.text(), "HTTP/3 is not spoken to clients", advice);
            continue;
        }
        let (host, ports) = text.rsplit_once(':').unwrap_or(("", text));
        let host = match host {
            "" | "*" if line.has("v6only") || line.has("v4v6") => "[::]".to_owned(),
            "" | "*" | "0.0.0.0" => "0.0.0.0".to_owned(),
            "::" => "[::]".to_owned(),
            "localhost" => "127.0.0.1".to_owned(),
            v6 if v6.contains(':') && !v6.starts_with('[') => format!("[{v6}]"),
            other => other.to_owned(),
        };
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        match (first.parse::<u16>(), last.parse::<u16>()) {
            (Ok(first), Ok(last)) if last >= first && last - first < 256 => {
                binds.extend((first..=last).map(|port| Bind { address: format!("{host}:{port}"), port, line }));
            }
            _ => findings.error(
                &line.place,
                line.text(),
                format!("`{text}` is no address that is known"),
                "write it as address:port",
            ),
        }
    }
    binds
}

/// What the line says beside the address.
pub fn options(
    (original, sections): (&Original<'_>, &[Section]),
    bind: &Bind<'_>,
    tcp: bool,
    listener: &mut Table,
    findings: &mut Findings,
) {
    let (line, place) = (bind.line, &bind.line.place);
    if let Some(number) = line.after("maxconn").and_then(|number| number.parse::<i64>().ok()) {
        listener.put(&["max_connections"], number, place);
    }
    if let Some(interface) = line.after("interface") {
        listener.put(&["interface"], interface, place);
    }
    if line.has("transparent") {
        listener.put(&["free_bind"], true, place);
    }
    if line.has("accept-proxy") {
        listener.put(&["proxy_protocol"], "accept", place);
        listener.put(&["trusted_proxies"], vec!["127.0.0.0/8"], place);
        let why = "PROXY headers are taken from those only who are named";
        findings.error(place, line.text(), why, "put the load balancers in front into `trusted_proxies`");
    }
    not_known(line, findings);
    if bind.is_secure() {
        versions(sections, line, listener);
        tls(original, line, tcp, listener, findings);
    }
}

/// Words of a `bind` that are carried over, told of elsewhere, or change nothing for who may come in.
const KNOWN: &str = "ssl accept-proxy transparent v4v6 v6only defer-accept tfo expose-fd allow-0rtt force-tlsv12 force-tlsv13 no-sslv3 no-tlsv10 no-tlsv11 no-tlsv12 no-tlsv13 \
    no-tls-tickets no-ca-names prefer-client-ciphers prefer-server-ciphers strict-sni generate-certificates no-alpn tls-tickets no-strict-sni";
/// Those that have a word behind them.
const WITH_VALUE: &str = "maxconn interface crt crt-list alpn npn ciphers ciphersuites verify ca-file crl-file ca-ignore-err crt-ignore-err ssl-min-ver ssl-max-ver backlog \
    expose-fd id name namespace nice process thread shards proto severity-output tcp-ut mss level curves ecdhe sigalgs client-sigalgs tls-ticket-keys \
    ca-sign-file ca-sign-pass ocsp-update quic-cc-algo quic-socket nbconn default-crt";

/// What else the line says: it may keep somebody out, as the owner and the mode of a socket do.
fn not_known(line: &Line, findings: &mut Findings) {
    let is_in = |list: &str, word: &str| list.split_whitespace().any(|known| known == word);
    let mut words = line.words.iter().skip(2);
    while let Some(word) = words.next() {
        let word = word.as_str();
        // old lines have no word before the value (`ssl crt a crt b`), and new ones may have several of a kind
        if is_in(WITH_VALUE, word) {
            words.next();
        } else if !is_in(KNOWN, word) {
            let why = format!("`{word}` is not known here, and it may keep somebody out");
            let advice = "docs/access.md has what there is for that; if it keeps nobody out, take the word away and convert again";
            findings.error(&line.place, line.text(), why, advice);
            // what stands behind it may be its value
            return;
        }
    }
}

/// Whether TLS 1.2 is off, for this address or, where it says nothing, for all.
fn versions(sections: &[Section], line: &Line, listener: &mut Table) {
    let is_new =
        |line: &Line| line.after("ssl-min-ver") == Some("TLSv1.3") || line.has("force-tlsv13") || line.has("no-tlsv12");
    let mut of_all = sections.iter().filter(|section| section.kind == "global").flat_map(|section| &section.lines);
    let found = if is_new(line) {
        Some(line)
    } else if line.has("ssl-min-ver") {
        None
    } else {
        of_all.find(|line| line.word(0) == "ssl-default-bind-options" && is_new(line))
    };
    if let Some(line) = found {
        listener.put(&["tls", "min_version"], "1.3", &line.place);
    }
}

fn tls(original: &Original<'_>, line: &Line, tcp: bool, listener: &mut Table, findings: &mut Findings) {
    let place = &line.place;
    let mut words = line.words.iter();
    while let Some(word) = words.next() {
        if word != "crt" {
            continue;
        }
        let Some(path) = words.next() else { break };
        let mut certificate = Table::default();
        let name = path.rsplit('/').next().unwrap_or_default();
        let is_file = (original.files)(path).is_ok() || name.contains('.') && !path.ends_with('/');
        if is_file {
            // one file has both
            certificate.put(&["cert"], path.as_str(), place);
            certificate.put(&["key"], path.as_str(), place);
        } else {
            certificate.put(&["folder"], path.trim_end_matches('/'), place);
        }
        listener.push_from(&["tls", "certificates"], certificate, place);
    }
    if let Some(list) = line.after("crt-list") {
        crt_list(original, line, list, listener, findings);
    }
    if let Some(alpn) = line.after("alpn") {
        let known: Vec<_> = alpn.split(',').filter(|one| matches!(*one, "h2" | "http/1.1")).collect();
        if !known.is_empty() && !tcp {
            listener.put(&["tls", "alpn"], known, place);
        }
    }
    if listener.get(&["tls", "min_version"]).is_none()
        && let Some(names) = line.after("ciphers").and_then(ciphers::known)
    {
        listener.put(&["tls", "ciphers"], names, place);
    }
    client_certificates(line, listener, findings);
    if listener.get(&["tls", "certificates"]).is_none() {
        findings.error(place, line.text(), "no certificate is named", "`certificates` of [listener.tls]");
    }
}

/// What is asked of clients by certificate.
fn client_certificates(line: &Line, listener: &mut Table, findings: &mut Findings) {
    let place = &line.place;
    match (line.after("verify"), line.after("ca-file")) {
        (Some(mode @ ("required" | "optional")), Some(authorities)) => {
            listener.put(&["tls", "client_auth"], mode, place);
            listener.put(&["tls", "client_ca"], authorities, place);
        }
        (Some("required" | "optional"), None) => {
            findings.error(
                place,
                line.text(),
                "no `ca-file` says whose certificates are taken",
                "name the authorities in `client_ca` of [listener.tls]",
            );
            listener.close(place);
        }
        _ => {}
    }
    for (option, why) in [
        ("crl-file", "lists of revoked certificates are not looked at"),
        ("ca-ignore-err", "errors of certificates are not ignored: those clients are refused"),
        ("crt-ignore-err", "errors of certificates are not ignored: those clients are refused"),
    ] {
        if line.has(option) {
            findings.error(
                place,
                line.text(),
                format!("`{option}`: {why}"),
                "docs/access.md says what is asked of clients' certificates",
            );
        }
    }
}

/// A file with one certificate a line.
fn crt_list(original: &Original<'_>, line: &Line, list: &str, listener: &mut Table, findings: &mut Findings) {
    let Ok((file, text)) = original.read(list) else {
        findings.warning(
            &line.place,
            line.text(),
            "the list can't be read",
            "name the certificates in `certificates` of [listener.tls]",
        );
        return;
    };
    for (number, text) in text.lines().enumerate() {
        let text = text.trim();
        let Some(path) = text.split([' ', '\t', '[']).next().filter(|path| !path.is_empty() && !path.starts_with('#'))
        else {
            continue;
        };
        let place = crate::convert::output::Place::new(&file, number + 1);
        let mut certificate = Table::default();
        certificate.put(&["cert"], path, &place);
        certificate.put(&["key"], path, &place);
        listener.push_from(&["tls", "certificates"], certificate, &place);
        if text.contains("verify") || text.contains("ca-file") {
            let why = "what is asked of clients by certificate is not carried over";
            findings.error(
                &place,
                text,
                why,
                "all hosts of a listener ask for the same: `client_auth` and `client_ca` of [listener.tls]",
            );
        }
    }
}
