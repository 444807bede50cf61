//! `frontend` (and the half of `listen` that is one): a listener for each address, with its routes.

use super::act::{Act, Rule};
use super::backend;
use super::bind::{self, Bind};
use super::changes::{self, Changes};
use super::condition::Around;
use super::expand::Expander;
use super::limits;
use super::matching::Conditions;
use super::pages;
use super::parse::{Line, Section};
use super::password::Passwords;
use super::rule;
use super::userlist::Userlists;
use super::ways::{End, Way, Ways};
use crate::convert::original::Original;
use crate::convert::output::{Findings, Output, Table, literal};
use crate::convert::plain::{default_service, hoist};
use crate::convert::units;

/// All listeners of a frontend.
pub fn listeners(
    original: &Original<'_>,
    (sections, section): (&[Section], &Section),
    users: &mut Userlists,
    out: &mut Output,
) {
    let lines: Vec<&Line> = section.all("bind").collect();
    for line in lines {
        for bind in bind::addresses(line, &mut out.findings) {
            listener(original, (sections, section), &bind, users, out);
        }
    }
}

fn listener(
    original: &Original<'_>,
    (sections, section): (&[Section], &Section),
    bind: &Bind<'_>,
    users: &mut Userlists,
    out: &mut Output,
) {
    let tcp = section.is_tcp();
    let place = &section.head.place;
    let mut listener = Table::at(place);
    let wanted = if section.name.is_empty() { "listener" } else { &section.name };
    listener.put(&["name"], out.names.unique(wanted), place);
    listener.put(&["bind"], bind.address.as_str(), &bind.line.place);
    let by_name = tcp && !bind.is_secure() && asks_for_names(section);
    if tcp {
        let protocol = if by_name { "tls" } else { "tcp" };
        listener.put(&["protocol"], protocol, section.one(&["mode"]).map_or(place, |line| &line.place));
    }
    bind::options((original, sections), bind, tcp, &mut listener, &mut out.findings);
    in_common(section, tcp, &mut listener, &mut out.findings);
    let around = Around { original, section, secure: bind.is_secure(), port: bind.port };
    let mut rules = rule::rules(&around, &mut out.findings);
    rules.extend(rule::own_backend(section));
    let secure = bind.is_secure();
    let of_backend = |name: &str, findings: &mut Findings| {
        backend_rules(original, sections, section, (name, secure, bind.port), findings)
    };
    // `http-response` is for answers of backends, `http-after-response` for all
    let mut changes = Changes::default();
    if !tcp {
        backend::answers(section, "http-response", &["response_headers"], &mut changes.keys, &mut out.findings);
    }
    let passwords = Passwords { users, files: &mut out.files };
    let mut expander = Expander::new((sections, section), &of_backend, &mut listener, &mut out.findings, passwords);
    expander.go(&Conditions::default(), &rules, changes);
    let mut ways = std::mem::take(&mut expander.ways);
    ways.order(&section.head, &mut out.findings);
    routes(ways, (tcp, by_name), &mut listener, out);
    if !tcp {
        backend::answers(section, "http-after-response", &["response_headers"], &mut listener, &mut out.findings);
    }
    if !tcp {
        pages::of_listener(original, section, &mut listener, out);
    }
    hoist(&mut listener);
    default_service(&mut listener);
    limits::tell_of_several(&listener, &mut out.findings);
    leads_nowhere(section, tcp, &mut listener, &mut out.findings);
    out.listeners.push(listener);
}

/// A frontend without any way.
fn leads_nowhere(section: &Section, tcp: bool, listener: &mut Table, findings: &mut Findings) {
    if listener.get(&["service"]).is_some() || listener.get(&["route"]).is_some() {
        return;
    }
    let place = &section.head.place;
    let why = "nothing says where its requests go: they are answered with 503, as in the original";
    findings.warning(place, section.head.text(), why, "");
    if !tcp {
        let mut route = Table::at(place);
        route.put(&["respond", "status"], 503, place);
        listener.push(&["route"], route);
    }
}

/// Writes ways as routes.
fn routes(ways: Ways, (tcp, by_name): (bool, bool), listener: &mut Table, out: &mut Output) {
    let mut services =
        ways.all.iter().filter_map(|way| if let End::Service(name) = &way.end { Some(name.clone()) } else { None });
    let service = services.next_back();
    for way in ways.all {
        let mut route = Table::at(&way.place);
        way.conditions.put(&way.place, &mut route);
        match &way.end {
            End::Service(service) => route.put(&["service"], service.as_str(), &way.place),
            End::Answer(answer) => changes::merge(&mut route, answer),
        }
        way.changes.put(&mut route, &mut out.findings);
        if tcp && !by_name {
            session(&way, route, listener, out);
        } else if tcp && matches!(way.end, End::Answer(_)) {
            refused_by_name(&way, route, service.as_deref(), listener);
        } else {
            listener.push(&["route"], route);
        }
    }
}

/// A listener of sessions answers nothing: a route to a service that lets nobody in keeps those out whom another route would take. Without such a one, who
/// has no route does not come in.
fn refused_by_name(way: &Way, mut route: Table, service: Option<&str>, listener: &mut Table) {
    let Some(service) = service.filter(|_| !way.conditions.is_empty()) else { return };
    for key in ["respond", "redirect", "allow"] {
        route.remove(&[key]);
    }
    route.put(&["service"], service, &way.place);
    route.put(&["deny"], vec!["0.0.0.0/0", "::/0"], &way.place);
    listener.push(&["route"], route);
}

/// The one way of a listener that sees no requests.
fn session(way: &Way, route: Table, listener: &mut Table, out: &mut Output) {
    // only what could not be carried over leaves a remark
    let is_closed = !listener.remarks.is_empty();
    if !way.conditions.is_empty() {
        let place = &way.place;
        let guards =
            matches!(way.end, End::Answer(_)) || ["allow", "deny"].iter().any(|key| route.get(&[key]).is_some());
        if guards {
            let why = "sessions are told apart by the name that TLS asks for only, and not where TLS ends: who is refused by it can't be told";
            out.findings.error(place, "tcp-request", why, "docs/layer4.md");
            listener.close(place);
        } else {
            let why = "sessions are routed by the name that TLS asks for only: this way is left out";
            out.findings.warning(place, "use_backend", why, "docs/layer4.md");
        }
        return;
    }
    for entry in route.entries {
        match entry.key.as_str() {
            "allow" | "deny" if is_closed => {}
            "service" | "allow" | "deny" => listener.entries.push(entry),
            "respond" => listener.close(&listener.from[0].clone()),
            _ => {}
        }
    }
    listener.remarks.extend(route.remarks.into_iter().filter(|_| !is_closed));
}

/// Whether sessions are told apart by the name in TLS.
fn asks_for_names(section: &Section) -> bool {
    section.lines.iter().any(|line| line.words.iter().any(|word| word.contains("ssl_sni")))
}

/// The rules of a backend; `None`: there is none with that name. Without servers, its requests are answered here.
fn backend_rules(
    original: &Original<'_>,
    sections: &[Section],
    from: &Section,
    (name, secure, port): (&str, bool, u16),
    findings: &mut Findings,
) -> Option<Vec<Rule>> {
    let section = sections
        .iter()
        .find(|section| matches!(section.kind.as_str(), "backend" | "listen") && section.name == name)?;
    let around = Around { original, section, secure, port };
    // those of a `listen` were gone through already, when it was the frontend
    let mut rules = if section.head.place == from.head.place { Vec::new() } else { rule::rules(&around, findings) };
    rules.retain(|rule| !matches!(rule.act, Act::Backend(_)));
    let mut change = Table::default();
    compress(section, &mut change);
    if !change.is_empty() && section.head.place != from.head.place {
        rules.insert(0, Rule { terms: Vec::new(), act: Act::Change(change), line: section.head.clone() });
    }
    let has_servers = section.lines.iter().any(|line| matches!(line.word(0), "server" | "server-template"));
    if !has_servers || super::is_disabled(section) {
        let mut answer = Table::at(&section.head.place);
        answer.put(&["respond", "status"], 503, &section.head.place);
        let line = section.one(&["errorfile", "503"]);
        if let Some((line, (_, body))) = line.and_then(|line| Some((line, pages::body(original, line)?))) {
            answer.put(&["respond", "body"], literal(&body), &line.place);
            answer.put(&["respond", "content_type"], "text/html", &line.place);
        }
        rules.push(Rule { terms: Vec::new(), act: Act::Answer(answer), line: section.head.clone() });
    }
    Some(rules)
}

/// What is said of all connections of a frontend.
fn in_common(section: &Section, tcp: bool, listener: &mut Table, findings: &mut Findings) {
    if let Some(line) = section.lines.iter().find(|line| line.word(0) == "maxconn")
        && let Ok(most) = line.word(1).parse::<i64>()
        && listener.get(&["max_connections"]).is_none()
    {
        listener.put(&["max_connections"], most, &line.place);
    }
    let time = |what: &str| {
        let line = section.one(&["timeout", what])?;
        Some((units::milliseconds(line.word(2), 1).filter(|ms| *ms > 0)?, line.place.clone()))
    };
    let idle = if tcp { time("client") } else { time("http-keep-alive").or_else(|| time("client")) };
    if let Some((ms, place)) = idle {
        listener.put(&["idle_timeout"], units::duration(ms), &place);
    }
    if let Some((ms, place)) = time("http-request").filter(|_| !tcp) {
        listener.put(&["limits", "header_timeout"], units::duration(ms), &place);
    }
    compress(section, listener);
    if let Some(line) = section.option("forwardfor")
        && let Some(header) = line.after("header").filter(|header| !header.eq_ignore_ascii_case("x-forwarded-for"))
    {
        listener.put(&["client_ip_header"], header.to_ascii_lowercase(), &line.place);
    }
    if let Some(line) = section.one(&["unique-id-header"]) {
        listener.put(&["request_id"], "uuidv7", &line.place);
        listener.put(&["request_id_header"], line.word(1).to_ascii_lowercase(), &line.place);
    }
    if let Some(line) = section.lines.iter().find(|line| line.is(&["rate-limit", "sessions"])) {
        findings.error(
            &line.place,
            line.text(),
            "connections of all clients together are not limited by rate",
            "`client_limits.new_connections` limits each client",
        );
    }
    for line in section.lines.iter().filter(|line| line.word(0) == "filter") {
        filter(line, listener, findings);
    }
}

/// `compression algo gzip`, `compression type text/html`
fn compress(section: &Section, table: &mut Table) {
    let Some(line) = section.one(&["compression", "algo"]) else { return };
    let algorithms: Vec<&str> = line.words[2..].iter().map(String::as_str).filter(|one| *one == "gzip").collect();
    if algorithms.is_empty() {
        table.put(&["compress"], true, &line.place);
    } else {
        table.put(&["compress", "algorithms"], algorithms, &line.place);
    }
    if let Some(types) = section.one(&["compression", "type"])
        && table.get(&["compress", "algorithms"]).is_some()
    {
        table.put(&["compress", "types"], types.words[2..].to_vec(), &types.place);
    }
}

fn filter(line: &Line, listener: &mut Table, findings: &mut Findings) {
    let place = &line.place;
    match line.word(1) {
        kind @ ("bwlim-out" | "bwlim-in") => {
            let key = if kind == "bwlim-out" { "download" } else { "upload" };
            match line
                .after("default-limit")
                .or(line.after("limit"))
                .and_then(units::bytes)
                .filter(|bytes| *bytes >= 1024)
            {
                Some(bytes) => {
                    listener.put(&["client_limits", key], format!("{}/s", units::size(bytes)), place);
                    findings.note(place, line.text(), "it is of each client, over all its connections", "");
                }
                None => findings.error(
                    place,
                    line.text(),
                    "such a bandwidth can't be set",
                    "`client_limits` of the listener",
                ),
            }
        }
        "spoe" => findings.error(
            place,
            line.text(),
            "agents are not asked, and may be there to refuse requests",
            "`auth.forward` asks a service about each request: docs/access.md",
        ),
        "compression" => {
            findings.warning(place, line.text(), "answers go on as backends compress them", "see docs/migrating.md")
        }
        "trace" | "cache" | "opentracing" | "fcgi-app" => findings.warning(place, line.text(), "it is not done", ""),
        _ => findings.warning(place, line.text(), "it is not known here", ""),
    }
}
