//! The rules of a section, in the order in which HAProxy goes through them: each has a condition, and what is done.

use super::act::{Act, Rule};
use super::condition::{Around, Term, of_line};
use super::format::translated;
use super::maps;
use super::matching::Path;
use super::parse::{Line, Section};
use crate::convert::output::{Findings, Place, Table, Value};

/// All rules of a section, `http-request` before redirects and those before `use_backend`.
pub fn rules(around: &Around<'_>, findings: &mut Findings) -> Vec<Rule> {
    let section = around.section;
    let mut all = Vec::new();
    for group in [&["tcp-request"] as &[&str], &["http-request", "block"], &["redirect"], &["use_backend"]] {
        let before: Vec<&Line> =
            section.defaults.iter().chain(&section.lines).filter(|line| group.contains(&line.word(0))).collect();
        for line in before {
            if line.word(0) == "use_backend" && line.word(1).contains('%') {
                all.extend(maps::rules(around, line, findings));
                continue;
            }
            let Some(act) = act(around, line, findings) else { continue };
            let acts = |terms| Rule { terms, act: act.clone(), line: line.clone() };
            all.extend(of_line(around, line).into_iter().map(acts));
        }
    }
    if let Some(line) = section.lines.iter().find(|line| line.word(0) == "monitor-uri") {
        let mut answer = Table::at(&line.place);
        answer.put(&["respond", "status"], 200, &line.place);
        answer.put(&["respond", "body"], "<html><body><h1>200 OK</h1>\nService ready.\n</body></html>\n", &line.place);
        answer.put(&["respond", "content_type"], "text/html", &line.place);
        let conditions =
            super::matching::Conditions { path: Some(Path::Exact(line.word(1).to_owned())), ..Default::default() };
        let terms = vec![Term { ask: super::condition::Ask::Routes(vec![conditions]), holds: true }];
        all.insert(0, Rule { terms, act: Act::Answer(answer), line: line.clone() });
    }
    if let Some(line) = section.one(&["default_backend"]) {
        all.push(Rule { terms: Vec::new(), act: Act::Backend(line.word(1).to_owned()), line: line.clone() });
    }
    all
}

/// What a line does; nothing, where it is told elsewhere or can't be done.
fn act(around: &Around<'_>, line: &Line, findings: &mut Findings) -> Option<Act> {
    let place = &line.place;
    match (line.word(0), line.word(1)) {
        ("use_backend", name) => Some(Act::Backend(name.to_owned())),
        ("redirect", _) => redirect(around, line, 1, findings).map(Act::Answer),
        ("block", _) => Some(refused(line, 403)),
        ("tcp-request", kind) => match (kind, line.word(2)) {
            ("connection" | "content" | "session", "reject") => Some(refused(line, 403)),
            ("connection" | "content" | "session", "accept") if !waits_for_hello(line) => Some(Act::Allow),
            _ => None,
        },
        ("http-request", "deny" | "reject" | "silent-drop" | "tarpit") => {
            let usual = if line.word(1) == "tarpit" { 500 } else { 403 };
            let said = line.after("deny_status").or(line.after("status")).and_then(|status| status.parse().ok());
            Some(refused(line, said.unwrap_or(usual)))
        }
        ("http-request", "allow") => Some(Act::Allow),
        ("http-request", "auth") => Some(Act::Password),
        ("http-request", "redirect") => redirect(around, line, 2, findings).map(Act::Answer),
        ("http-request", "return") => answered(around, line, findings).map(Act::Answer),
        ("http-request", "set-header" | "add-header" | "del-header") => {
            changed(around, line, findings).map(Act::Change)
        }
        ("http-request", "replace-path" | "set-path") => path(line, findings),
        ("http-request", other) => {
            told(line, other, place, findings);
            None
        }
        _ => None,
    }
}

/// A rule for connections that only waits until the name of TLS is there.
fn waits_for_hello(line: &Line) -> bool {
    line.words.iter().any(|word| word.contains("ssl_hello_type"))
}

fn refused(line: &Line, status: i64) -> Act {
    let mut answer = Table::at(&line.place);
    answer.put(&["respond", "status"], if (200..=599).contains(&status) { status } else { 403 }, &line.place);
    Act::Refuse(answer)
}

/// What has no place among routes.
fn told(line: &Line, what: &str, place: &Place, findings: &mut Findings) {
    let text = line.text();
    match what {
        w if w.starts_with("track-sc") => {}
        "set-log-level" | "set-nice" | "set-mark" | "set-tos" | "set-dst" | "set-dst-port" | "disable-l7-retry"
        | "wait-for-body" | "capture" | "set-bc-mark" => {
            findings.note(place, text, "nothing is done for it here", "");
        }
        "set-src" | "set-src-port" => findings.note(
            place,
            text,
            "the client's address is taken from X-Forwarded-For of `trusted_proxies`",
            "name the proxies in front there",
        ),
        w if w.starts_with("lua.")
            || w == "use-service"
            || w == "send-spoe-group"
            || w == "wait-for-handshake"
            || w == "normalize-uri"
            || w == "jwt" =>
        {
            findings.error(
                place,
                text,
                "it is not done, and may be there to refuse requests",
                "`auth.forward` asks a service about each request: docs/access.md",
            );
        }
        "set-var" | "unset-var" | "set-var-fmt" => {
            findings.note(place, text, "there are no variables of this kind; lines that use it are told of", "")
        }
        "set-priority-class" | "set-priority-offset" => {
            findings.warning(place, text, "it is not done", "`priority` of a route, with [service.NAME.concurrency]")
        }
        "set-timeout" => findings.warning(place, text, "it is not done", "`timeout` of a route"),
        _ => findings.warning(place, text, "it is not done", "docs/migrating.md has what there is"),
    }
}

/// `scheme https code 301`, `location URL`, `prefix URL`
fn redirect(around: &Around<'_>, line: &Line, from: usize, findings: &mut Findings) -> Option<Table> {
    let (kind, to) = (line.word(from), line.word(from + 1));
    let place = &line.place;
    let status: i64 = line.after("code").and_then(|code| code.parse().ok()).unwrap_or(302);
    let query = if line.has("drop-query") { "" } else { "${query}" };
    let to = match (kind, translated(to, around.secure, false)) {
        ("scheme", Ok(to)) => format!("{to}://${{host}}${{path}}{query}"),
        ("prefix", Ok(to)) => format!("{}${{path}}{query}", to.trim_end_matches('/')),
        ("location", Ok(to)) => to,
        (_, result) => {
            let why = result.err().map_or_else(
                || "it is not known".to_owned(),
                |unknown| format!("there is no variable for {}", unknown.join(", ")),
            );
            findings.warning(
                place,
                line.text(),
                format!("{why}: requests are not redirected"),
                "docs/headers.md lists the variables of redirects",
            );
            return None;
        }
    };
    if !to.starts_with('/') && !to.starts_with("http") && !to.starts_with("${scheme}") {
        findings.warning(place, line.text(), "this is no URL and no path: requests are not redirected", "");
        return None;
    }
    for option in ["set-cookie", "clear-cookie", "append-slash"] {
        if line.has(option) {
            findings.warning(
                place,
                line.text(),
                format!("`{option}` is not done"),
                "`response_headers` of the route can set a cookie",
            );
        }
    }
    let mut answer = Table::at(place);
    answer.put(&["redirect", "to"], to, place);
    answer.put(&["redirect", "status"], status, place);
    Some(answer)
}

/// `http-request return status 200 content-type text/plain string "..."`
fn answered(around: &Around<'_>, line: &Line, findings: &mut Findings) -> Option<Table> {
    let place = &line.place;
    let mut answer = Table::at(place);
    let status: i64 = line.after("status").and_then(|status| status.parse().ok()).unwrap_or(200);
    answer.put(&["respond", "status"], status, place);
    let body = match (line.after("string"), line.after("lf-string"), line.after("file").or(line.after("lf-file"))) {
        (Some(text), ..) => Some(crate::convert::output::literal(text)),
        (_, Some(text), _) => translated(text, around.secure, false).ok(),
        (_, _, Some(file)) => match around.original.read(file) {
            Ok((_, text)) if text.len() <= 4096 => Some(crate::convert::output::literal(&text)),
            _ => {
                findings.warning(
                    place,
                    line.text(),
                    "the file is not carried over: the body is empty",
                    "put a short text into `respond.body`",
                );
                None
            }
        },
        _ => None,
    };
    if let Some(body) = body {
        answer.put(&["respond", "body"], body, place);
    }
    if let Some(kind) = line.after("content-type") {
        answer.put(&["respond", "content_type"], kind, place);
    }
    let hdrs: Vec<usize> = line.words.iter().enumerate().filter(|(_, word)| *word == "hdr").map(|(at, _)| at).collect();
    for at in hdrs {
        if let Ok(value) = translated(line.word(at + 2), around.secure, true) {
            answer.put(&["response_headers", "set", &line.word(at + 1).to_ascii_lowercase()], value, place);
        }
    }
    Some(answer)
}

/// Fields that belong to the connection, which are ours to write.
const OF_THE_CONNECTION: [&str; 5] = ["connection", "upgrade", "content-length", "transfer-encoding", "keep-alive"];

/// `set-header`, `add-header`, `del-header`
fn changed(around: &Around<'_>, line: &Line, findings: &mut Findings) -> Option<Table> {
    let (verb, field, value) = (line.word(1), line.word(2).to_ascii_lowercase(), line.word(3));
    let place = &line.place;
    let mut change = Table::default();
    let automatic = match field.as_str() {
        "x-forwarded-for" => matches!(value, "%[src]" | "%ci"),
        "x-forwarded-proto" => {
            value == if around.secure { "https" } else { "http" } || value == "%[ssl_fc,iif(https,http)]"
        }
        "x-forwarded-host" => matches!(value, "%[hdr(host)]" | "%[req.hdr(host)]" | "%[req.hdr(Host)]"),
        _ => false,
    };
    if automatic || OF_THE_CONNECTION.contains(&field.as_str()) {
        return None;
    }
    if verb == "del-header" {
        if line.after("-m").is_some_and(|method| method != "str") {
            findings.error(
                place,
                line.text(),
                "fields are taken out by their whole names only",
                "write a line for each",
            );
            return None;
        }
        change.push_from(&["request_headers", "remove"], field, place);
        return Some(change);
    }
    match translated(value, around.secure, false) {
        Ok(host) if field == "host" && !host.contains("${") => change.put(&["rewrite", "host"], host, place),
        Ok(_) if field == "host" => {
            findings.warning(place, line.text(), "a host can't be made of variables: it goes on as it came", "")
        }
        Ok(value) => {
            let key = if verb == "add-header" { "add" } else { "set" };
            change.put(&["request_headers", key, &field], value, place);
        }
        Err(unknown) => {
            let why = format!(
                "there is no variable for {}; the field is taken out, so that no client can send it",
                unknown.join(", ")
            );
            let advice = if value.contains("ssl_c_") {
                "`client_cert_header` of [listener.tls] tells backends of the client's certificate (RFC 9440)"
            } else {
                "docs/headers.md lists the variables"
            };
            findings.warning(place, line.text(), why, advice);
            if verb == "set-header" {
                change.push_from(&["request_headers", "remove"], field, place);
            }
        }
    }
    (!change.is_empty()).then_some(change)
}

/// `replace-path /old/(.*) /new/\1`, `set-path /new%[path]`
fn path(line: &Line, findings: &mut Findings) -> Option<Act> {
    let (regex, to) = (line.word(2), line.word(3));
    if line.word(1) == "set-path" {
        if let Some(before) = regex.strip_suffix("%[path]").filter(|before| !before.contains('%')) {
            return Some(Act::Prefix("/".to_owned(), format!("{}/", before.trim_end_matches('/'))));
        }
    } else {
        let inner = regex.trim_start_matches('^').trim_end_matches('$');
        let group = inner
            .strip_suffix("(.*)")
            .map(|from| (from, "\\1"))
            .or_else(|| inner.strip_suffix("(/.*)").map(|from| (from, "\\1")));
        if let Some((from, reference)) = group
            && !from.contains(['(', '[', '*', '+', '?', '|'])
            && let Some(to) = to.strip_suffix(reference)
        {
            let slash = if inner.ends_with("(/.*)") { "/" } else { "" };
            let from = from.replace('\\', "");
            let new = format!("{to}{slash}");
            return Some(Act::Prefix(format!("{from}{slash}"), if new.is_empty() { "/".to_owned() } else { new }));
        }
    }
    findings.warning(
        &line.place,
        line.text(),
        "the path goes on as it came",
        "`rewrite.prefix` replaces what `path` or `path_prefix` matched",
    );
    None
}

/// Whether an answer refuses.
pub fn refuses(answer: &Table) -> bool {
    matches!(answer.get(&["respond", "status"]), Some(Value::Number(status)) if *status >= 400)
}

/// The section's own name for `listen`, whose requests go to itself where no rule takes them.
pub fn own_backend(section: &Section) -> Option<Rule> {
    let has_servers = section.lines.iter().any(|line| matches!(line.word(0), "server" | "server-template"));
    (section.kind == "listen" && has_servers).then(|| Rule {
        terms: Vec::new(),
        act: Act::Backend(section.name.clone()),
        line: section.head.clone(),
    })
}
