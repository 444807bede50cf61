//! `backend` (and the half of `listen` that is one): servers, how one is picked, checks, times.

use super::check;
use super::format::translated;
use super::options::options;
use super::parse::{Line, Section};
use super::server_tls::tls_of_all;
use crate::convert::output::{Findings, Table, Value};
use crate::convert::plain::once;
use crate::convert::units;

/// Puts a service together.
pub fn service(section: &Section, service: &mut Table, findings: &mut Findings) {
    balance(section, service, findings);
    let lines = section.lines.iter().filter(|line| matches!(line.word(0), "server" | "server-template"));
    let servers: Vec<(&Line, Line)> = lines.map(|line| (line, options(section, line))).collect();
    for (line, options) in &servers {
        if line.word(0) == "server" {
            server(line, options, service, findings);
        } else {
            template(line, service, findings);
        }
    }
    tls_of_all(&servers, service, findings);
    once(service, findings);
    check::health(section, service, findings);
    sticky(section, service, findings);
    retries(section, service, findings);
    times(section, service);
    answers(section, "http-response", &["response_headers"], service, findings);
    answers(section, "http-after-response", &["response_headers"], service, findings);
    if let Some(line) = section.one(&["source"]) {
        let address = line.word(1).split(':').next().unwrap_or_default();
        if address.parse::<std::net::IpAddr>().is_ok_and(|ip| !ip.is_unspecified()) {
            service.put(&["source"], vec![address], &line.place);
        }
        if line.has("usesrc") {
            findings.warning(
                &line.place,
                line.text(),
                "backends see our address",
                "`send_proxy_protocol`, or X-Forwarded-For",
            );
        }
    }
    if let Some(line) = section.one(&["http-reuse"]).filter(|line| line.word(1) == "never") {
        service.put(&["pool", "max_idle"], 0, &line.place);
    }
    if let Some(line) = section.option("httpclose") {
        service.put(&["pool", "max_idle"], 0, &line.place);
    }
}

fn server(line: &Line, options: &Line, service: &mut Table, findings: &mut Findings) {
    let place = &line.place;
    let mut backend = Table::at(place);
    let address = line.word(2).trim_start_matches("ipv4@").trim_start_matches("ipv6@");
    let address = match address.strip_prefix("unix@").or_else(|| address.starts_with('/').then_some(address)) {
        Some(path) => format!("unix:{path}"),
        None => with_port(address, options.has("ssl")),
    };
    backend.put(&["address"], address, place);
    let id = crate::convert::output::name(line.word(1));
    let taken = matches!(service.get(&["backend"]), Some(Value::List(known)) if known.iter().any(|one| {
        matches!(one, Value::Table(table) if table.text(&["id"]) == Some(id.as_str()))
    }));
    if !taken {
        backend.put(&["id"], id, place);
    }
    if let Some(weight) = number(options, "weight") {
        backend.put(&["weight"], weight, place);
    }
    if let Some(most) = number(options, "maxconn").filter(|most| *most > 0) {
        backend.put(&["max_connections"], most, place);
    }
    if options.has("backup") {
        backend.put(&["backup"], true, place);
    }
    if options.has("disabled") {
        backend.put(&["weight"], 0, place);
    }
    service.push(&["backend"], backend);
    if let Some(ms) = options.after("slowstart").and_then(|text| units::milliseconds(text, 1)) {
        service.put(&["slow_start"], units::duration(ms), place);
    }
    for (option, version) in
        [("send-proxy-v2", "v2"), ("send-proxy-v2-ssl", "v2"), ("send-proxy-v2-ssl-cn", "v2"), ("send-proxy", "v1")]
    {
        if options.has(option) {
            service.put(&["send_proxy_protocol"], version, place);
            break;
        }
    }
    if options.after("proto") == Some("h2") || options.after("alpn").is_some_and(|alpn| alpn.starts_with("h2")) {
        service.put(&["protocol"], "h2", place);
    }
    if let Some(port) = number(options, "agent-port") {
        service.put(&["load_reports", "agent", "port"], port, place);
    }
    for (option, why) in [
        ("socks4", "connections through SOCKS are not made"),
        ("track", "checks of another server are not looked at: each is checked by itself"),
        ("redir", "requests are not redirected to servers"),
        ("namespace", "namespaces are not entered"),
    ] {
        if options.has(option) {
            findings.warning(place, line.text(), format!("`{option}`: {why}"), "");
        }
    }
}

fn number(line: &Line, word: &str) -> Option<i64> {
    line.after(word)?.parse().ok()
}

fn with_port(address: &str, secure: bool) -> String {
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !port.is_empty() => (host, port),
        _ => (address, if secure { "443" } else { "80" }),
    };
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// `server-template app 1-10 app.internal:80 resolvers dns`
fn template(line: &Line, service: &mut Table, findings: &mut Findings) {
    let (address, place) = (line.word(3), &line.place);
    if address.starts_with('_') {
        service.put(&["discover", "srv"], address.split(':').next().unwrap_or_default(), place);
    } else {
        service.put(&["discover", "dns"], with_port(address, line.has("ssl")), place);
    }
    findings.note(place, line.text(), "every address of the name is a backend, however many there are", "");
}

fn balance(section: &Section, service: &mut Table, findings: &mut Findings) {
    let servers = || section.lines.iter().filter(|line| line.word(0) == "server").map(|line| options(section, line));
    let weights: Vec<_> = servers().map(|options| number(&options, "weight").unwrap_or(1)).collect();
    let weighted = weights.iter().any(|weight| *weight > 1);
    let round = if weighted { "weighted_round_robin" } else { "round_robin" };
    let Some(line) = section.one(&["balance"]) else {
        if weighted {
            service.put(&["balance"], "weighted_round_robin", &section.head.place);
        }
        return;
    };
    let place = &line.place;
    let (algorithm, argument) = line
        .word(1)
        .split_once('(')
        .map_or((line.word(1), line.word(2)), |(name, argument)| (name, argument.trim_end_matches(')')));
    let mut hash = |on: String| {
        service.put(&["balance"], "consistent_hash", place);
        service.put(&["hash", "on"], on, place);
        if let Some(factor) = section
            .one(&["hash-balance-factor"])
            .and_then(|line| line.word(1).parse::<f64>().ok())
            .filter(|factor| *factor > 100.0)
        {
            service.put(&["hash", "bounded_load"], factor / 100.0, place);
        }
    };
    match algorithm {
        "roundrobin" | "static-rr" => service.put(&["balance"], round, place),
        "leastconn" => {
            service.put(&["balance"], if weighted { "weighted_least_connections" } else { "least_connections" }, place)
        }
        "random" => service.put(&["balance"], "power_of_two", place),
        "source" => hash("client_ip".to_owned()),
        "uri" => hash(if line.has("whole") { "uri".to_owned() } else { "path".to_owned() }),
        "url_param" => hash(format!("query:{argument}")),
        "hdr" => hash(format!("header:{}", argument.to_ascii_lowercase())),
        "hash" if argument == "src" || line.word(2) == "src" => hash("client_ip".to_owned()),
        "first" => {
            service.put(&["balance"], round, place);
            findings.warning(
                place,
                line.text(),
                "the first server with room can't be chosen: they take turns",
                "`backup = true` for those that are to come last",
            );
        }
        _ => {
            service.put(&["balance"], round, place);
            findings.warning(
                place,
                line.text(),
                "such a choice is not known: backends take turns",
                "docs/balancing.md",
            );
        }
    }
}

/// Cookies and stick tables that keep a client with its server.
fn sticky(section: &Section, service: &mut Table, findings: &mut Findings) {
    if let Some(line) = section.all("cookie").next() {
        let place = &line.place;
        if line.has("prefix") || line.has("rewrite") {
            service.put(&["affinity", "by"], format!("cookie:{}", line.word(1)), place);
            let why = "the application's cookie is looked at and not changed; where each client went is kept in memory";
            findings.note(place, line.text(), why, "`affinity.store` shares it with other instances");
        } else {
            service.put(&["affinity", "by"], "cookie", place);
            service.put(&["affinity", "name"], line.word(1), place);
        }
        if let Some(ms) =
            line.after("maxlife").or(line.after("maxidle")).and_then(|text| units::milliseconds(text, 1000))
        {
            service.put(&["affinity", "ttl"], units::duration(ms), place);
        }
        if line.has("domain") {
            findings.warning(place, line.text(), "the cookie is for the host that was asked for", "");
        }
    }
    let stick = section
        .lines
        .iter()
        .find(|line| line.is(&["stick", "on"]) || line.is(&["stick", "store-request"]) || line.is(&["stick", "match"]));
    let Some(line) = stick else { return };
    let fetch = line.word(2).split(',').next().unwrap_or_default();
    let (fetch, argument) =
        fetch.split_once('(').map_or((fetch, ""), |(fetch, argument)| (fetch, argument.trim_end_matches(')')));
    let by = match fetch {
        "src" => "client_ip".to_owned(),
        "req.cook" | "cook" | "cookie" => format!("cookie:{argument}"),
        "hdr" | "req.hdr" => format!("header:{}", argument.to_ascii_lowercase()),
        "url_param" | "urlp" => format!("query:{argument}"),
        _ => {
            findings.warning(
                &line.place,
                line.text(),
                "clients can't be told apart by that: none stays with its server",
                "docs/sessions.md",
            );
            return;
        }
    };
    service.put(&["affinity", "by"], by, &line.place);
    if let Some(table) = section.all("stick-table").next() {
        if let Some(ms) = table.after("expire").and_then(|text| units::milliseconds(text, 1)) {
            service.put(&["affinity", "ttl"], units::duration(ms), &table.place);
        }
        if let Some(size) = table.after("size").and_then(units::bytes).and_then(|size| i64::try_from(size).ok()) {
            service.put(&["affinity", "max_entries"], size, &table.place);
        }
    }
}

fn retries(section: &Section, service: &mut Table, findings: &mut Findings) {
    if let Some(line) = section.one(&["retries"])
        && let Ok(number) = line.word(1).parse::<i64>()
    {
        service.put(&["retry", "attempts"], number, &line.place);
    }
    let Some(line) = section.one(&["retry-on"]) else { return };
    let mut on: Vec<String> = Vec::new();
    for word in &line.words[1..] {
        match word.as_str() {
            "none" => service.put(&["retry", "attempts"], 0, &line.place),
            "conn-failure" => on.push("connect".to_owned()),
            "empty-response" | "junk-response" => on.push("reset".to_owned()),
            "response-timeout" => on.push("504".to_owned()),
            "0rtt-rejected" => {}
            "all-retryable-errors" => on.extend(["connect", "reset", "500", "502", "503", "504"].map(str::to_owned)),
            status => on.push(status.to_owned()),
        }
    }
    let mut seen = std::collections::HashSet::new();
    on.retain(|one| seen.insert(one.clone()));
    if !on.is_empty() {
        service.put(&["retry", "on"], on, &line.place);
        findings.note(&line.place, line.text(), "a POST is never sent twice once any of it may have been executed", "");
    }
}

/// Time-outs towards servers.
fn times(section: &Section, service: &mut Table) {
    let of = |what: &str| {
        let line = section.one(&["timeout", what])?;
        let ms = units::milliseconds(line.word(2), 1).filter(|ms| *ms > 0)?;
        Some((units::duration(ms), line.place.clone()))
    };
    for (theirs, ours) in
        [("connect", "connect"), ("server", "response"), ("server", "idle"), ("queue", "queue"), ("tunnel", "idle")]
    {
        // where there is a time for tunnels, it is that of silent WebSockets; a time of both would be the longer one
        if let Some((time, place)) = of(theirs) {
            service.put(&["timeout", ours], time, &place);
        }
    }
}

/// Fields of answers, where a line has no condition.
pub fn answers(section: &Section, word: &str, at: &[&str], table: &mut Table, findings: &mut Findings) {
    for line in section.lines.iter().filter(|line| line.word(0) == word) {
        let place = &line.place;
        let field = line.word(2).to_ascii_lowercase();
        let verb = line.word(1);
        let keeps_back =
            matches!(verb, "deny" | "return" | "silent-drop" | "send-spoe-group") || verb.starts_with("lua.");
        if keeps_back || matches!(verb, "wait-for-body" | "redirect") {
            if keeps_back {
                findings.error(place, line.text(), "answers are not looked at", "have the backend keep it back");
            } else {
                findings.warning(place, line.text(), "it is not done", "");
            }
            continue;
        }
        if line.has("if") || line.has("unless") {
            findings.warning(
                place,
                line.text(),
                "answers have no conditions here: the line is left out",
                "`response_headers` of a route",
            );
            continue;
        }
        let path = |key| at.iter().copied().chain([key]).collect::<Vec<_>>();
        match (line.word(1), translated(line.word(3), true, true)) {
            ("del-header", _) => table.push_from(&path("remove"), field, place),
            ("set-header", Ok(value)) => {
                table.put(&[&path("set") as &[&str], &[field.as_str()]].concat(), value, place)
            }
            ("add-header", Ok(value)) => {
                table.put(&[&path("add") as &[&str], &[field.as_str()]].concat(), value, place)
            }
            ("set-header" | "add-header", Err(unknown)) => {
                findings.warning(
                    place,
                    line.text(),
                    format!("there is no variable for {}", unknown.join(", ")),
                    "docs/headers.md lists the variables",
                );
            }
            ("set-status" | "replace-header" | "replace-value" | "set-map" | "cache-store", _) => {
                findings.warning(place, line.text(), "it is not done", "")
            }
            _ => findings.note(place, line.text(), "nothing is done for it here", ""),
        }
    }
}
