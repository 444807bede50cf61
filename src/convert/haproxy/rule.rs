//! The rules of a section, in the order in which HAProxy goes through them: each has a condition, and what is done.

use super::act::{Act, OF_THE_CONNECTION, Part, Rule};
use super::condition::{Around, Term, of_line};
use super::format::translated;
use super::maps;
use super::matching::Path;
use super::parse::{Line, Section};
use super::rewrite::{altered, path, replaced};
use crate::convert::output::{Findings, Place, Table, Value};

/// Groups of rules, one after the other: what is let in by one of them is looked at by the next.
const PHASES: &[(&[&str], &str)] = &[
    (&["tcp-request"], "connection"),
    (&["tcp-request"], "session"),
    (&["tcp-request"], "content"),
    (&["http-request", "block"], ""),
    (&["redirect"], ""),
    (&["use_backend"], ""),
];

/// All rules of a section, `http-request` before redirects and those before `use_backend`.
pub fn rules(around: &Around<'_>, findings: &mut Findings) -> Vec<Rule> {
    let section = around.section;
    let mut all = Vec::new();
    for (groups, kind) in PHASES {
        let lines = section.defaults.iter().chain(&section.lines);
        let of_phase = |line: &&Line| groups.contains(&line.word(0)) && (kind.is_empty() || line.word(1) == *kind);
        let before: Vec<&Line> = lines.filter(of_phase).collect();
        for line in before {
            if line.word(0) == "use_backend" && line.word(1).contains('%') {
                all.extend(maps::rules(around, line, findings));
                continue;
            }
            let Some(act) = act(around, line, findings) else { continue };
            let acts = |terms| Rule { terms, act: act.clone(), line: line.clone() };
            all.extend(of_line(around, line).into_iter().map(acts));
        }
        if let Some(last) = all.last().filter(|rule: &&Rule| rule.act != Act::Phase) {
            let line = last.line.clone();
            all.push(Rule { terms: Vec::new(), act: Act::Phase, line });
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
        ("redirect", _) => Some(redirect(around, line, 1, findings)),
        ("block", _) => Some(refused(line, 403)),
        ("tcp-request", _) => of_connections(line, findings),
        ("http-request", "deny" | "reject" | "silent-drop" | "tarpit") => {
            let usual = if line.word(1) == "tarpit" { 500 } else { 403 };
            let said = line.after("deny_status").or(line.after("status")).and_then(|status| status.parse().ok());
            Some(refused(line, said.unwrap_or(usual)))
        }
        ("http-request", "allow") => Some(Act::Allow),
        ("http-request", "auth") => Some(Act::Password),
        ("http-request", "redirect") => Some(redirect(around, line, 2, findings)),
        ("http-request", "return") => {
            let answer = answered(around, line, findings);
            Some(if refuses(&answer) { Act::Refuse(answer) } else { Act::Answer(answer) })
        }
        ("http-request", "set-header" | "add-header" | "del-header") => {
            let field = line.word(2).to_ascii_lowercase();
            let part = if field == "host" { Part::Host } else { Part::Field(field) };
            Some(changed(around, line, findings).map_or_else(|| Act::Alter(vec![part]), Act::Change))
        }
        ("http-request", "replace-header" | "replace-value") => Some(replaced(line, findings)),
        ("http-request", "replace-path" | "set-path") => Some(path(line, findings)),
        ("http-request", other) => {
            told(line, other, place, findings);
            altered(other).map(Act::Alter)
        }
        _ => None,
    }
}

/// `tcp-request connection reject`, and what else is done with connections.
fn of_connections(line: &Line, findings: &mut Findings) -> Option<Act> {
    let (place, text) = (&line.place, line.text());
    match line.word(2) {
        "reject" | "silent-drop" => Some(refused(line, 403)),
        "accept" => (!waits_for_hello(line)).then_some(Act::Allow),
        "set-src" | "set-src-port" => {
            told(line, line.word(2), place, findings);
            altered(line.word(2)).map(Act::Alter)
        }
        verb if ["track-sc", "sc-", "set-", "unset-"].iter().any(|begin| verb.starts_with(begin))
            || verb == "capture" =>
        {
            None
        }
        "expect-proxy" | "expect-netscaler-cip" => {
            let why = "PROXY headers are taken from those only who are named";
            let advice = "`proxy_protocol = \"accept\"`, and the load balancers in front in `trusted_proxies`";
            findings.error(place, text, why, advice);
            None
        }
        _ => {
            let why = "it is not done, and may be there to refuse connections";
            findings.error(place, text, why, "`allow` and `deny` are by address: docs/access.md");
            None
        }
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
        "set-src" => findings.error(
            place,
            text,
            "the client's address is taken from X-Forwarded-For of `trusted_proxies` only, and none are named",
            "name the proxies in front in `trusted_proxies` of the listener",
        ),
        "set-src-port" | "do-log" | "cache-use" | "early-hint" | "set-fc-mark" | "set-fc-tos" | "set-bc-tos"
        | "set-retries" => {
            findings.note(place, text, "nothing is done for it here", "");
        }
        w if w.starts_with("sc-") => {}
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
        "set-bandwidth-limit"
        | "set-query"
        | "set-uri"
        | "replace-uri"
        | "set-pathq"
        | "replace-pathq"
        | "set-method" => {
            findings.warning(place, text, "it is not done", "docs/migrating.md has what there is");
        }
        _ => {
            let advice = "`auth.forward` asks a service about each request: docs/access.md";
            findings.error(place, text, "it is not done, and may be there to refuse requests", advice);
        }
    }
}

/// `scheme https code 301`, `location URL`, `prefix URL`
fn redirect(around: &Around<'_>, line: &Line, from: usize, findings: &mut Findings) -> Act {
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
            return not_redirected(line, &why, findings);
        }
    };
    if !to.starts_with('/') && !to.starts_with("http") && !to.starts_with("${scheme}") {
        return not_redirected(line, "this is no URL and no path", findings);
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
    Act::Answer(answer)
}

/// Who is sent elsewhere by it may be somebody who is not to come in: to a page of login, for one.
fn not_redirected(line: &Line, why: &str, findings: &mut Findings) -> Act {
    let why = format!("{why}: requests are not redirected, and answered with 503");
    findings.error(&line.place, line.text(), why, "docs/headers.md lists the variables of redirects");
    refused(line, 503)
}

/// `http-request return status 200 content-type text/plain string "..."`
fn answered(around: &Around<'_>, line: &Line, findings: &mut Findings) -> Table {
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
    answer
}

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
