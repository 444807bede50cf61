//! TLS towards the servers of a backend.

use super::parse::Line;
use crate::convert::output::{Findings, Table};

/// TLS towards the servers: all of a service have the same, and where they differ what is asked of one is asked of all.
pub fn tls_of_all(servers: &[(&Line, Line)], service: &mut Table, findings: &mut Findings) {
    let asked = |(_, options): &(&Line, Line)| {
        let words =
            ["verify", "ca-file", "verifyhost", "sni", "crt"].map(|word| options.after(word).map(str::to_owned));
        (options.has("ssl"), options.has("ssl").then_some(words))
    };
    // the strictest comes last, and its words count
    let mut ordered: Vec<&(&Line, Line)> = servers.iter().collect();
    ordered.sort_by_key(|(_, options)| is_verified(options));
    if let Some((line, _)) = servers.iter().find(|server| asked(server) != asked(&servers[0])) {
        let why = "all servers of a service are spoken to in the same way: by TLS, and verified, where one of them is";
        findings.error(&line.place, line.text(), why, "a service for each kind, with a `split` or a route to each");
    }
    if let Some((_, last)) = ordered.last()
        && is_verified(last)
    {
        ordered.retain(|(_, options)| is_verified(options));
    }
    for (line, options) in ordered {
        tls(line, options, service, findings);
    }
}

fn is_verified(options: &Line) -> bool {
    options.has("ssl") && options.after("verify") != Some("none") && options.after("ca-file").is_some()
}

/// TLS towards one server.
fn tls(line: &Line, options: &Line, service: &mut Table, findings: &mut Findings) {
    if !options.has("ssl") {
        if options.has("check-ssl") {
            findings.warning(&line.place, line.text(), "checks go as requests do: without TLS", "");
        }
        return;
    }
    let place = &line.place;
    let verified = is_verified(options);
    service.put(&["tls", "verify"], verified, place);
    if !verified {
        let why = "certificates of the servers are not verified, as in the original";
        findings.note(
            place,
            line.text(),
            why,
            "take `verify = false` away in [service.NAME.tls], and name the authority in `ca`",
        );
    }
    if let Some(authorities) = options.after("ca-file").filter(|file| !file.starts_with('@')) {
        service.put(&["tls", "ca"], authorities, place);
    }
    let sni = options.after("sni").and_then(|sni| sni.strip_prefix("str(")).map(|name| name.trim_end_matches(')'));
    match options.after("verifyhost").or(sni) {
        Some(name) => service.put(&["tls", "server_name"], name, place),
        None if options.has("sni") => findings.warning(
            place,
            line.text(),
            "the name for TLS is one for all requests",
            "`server_name` of [service.NAME.tls]",
        ),
        None => {}
    }
    if let Some(cert) = options.after("crt") {
        service.put(&["tls", "cert"], cert, place);
        service.put(&["tls", "key"], cert, place);
    }
    if options.has("crl-file") {
        findings.error(
            place,
            line.text(),
            "lists of revoked certificates are not looked at",
            "take servers whose certificate is revoked out",
        );
    }
}
