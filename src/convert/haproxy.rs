//! `haproxy.cfg` as a `proxy.toml`.

mod act;
mod backend;
mod bind;
mod changes;
mod check;
mod compare;
mod condition;
mod counted;
mod expand;
mod filters;
mod format;
mod frontend;
mod limits;
mod maps;
mod matching;
mod options;
mod pages;
mod parse;
mod password;
mod rewrite;
mod rule;
mod seen;
mod server_tls;
mod statements;
#[cfg(test)]
mod tests;
mod userlist;
mod ways;

use parse::{Line, Section};

use super::original::Original;
use super::output::{Output, Table, Value, name};
use super::{units, unused};

/// Converts a file.
pub fn convert(original: &Original<'_>) -> Output {
    let mut out = Output::new("HAProxy", original.file);
    let sections = parse::read(original, &mut out.findings);
    process(&sections, &mut out);
    let mut users = userlist::Userlists::read(&sections);
    for section in &sections {
        if is_disabled(section) && matches!(section.kind.as_str(), "frontend" | "listen") {
            let why = "it is disabled, and left out";
            out.findings.note(&section.head.place, section.head.text(), why, "");
            continue;
        }
        match section.kind.as_str() {
            "frontend" => frontend::listeners(original, (&sections, section), &mut users, &mut out),
            "listen" if !is_for_statistics(section) => {
                frontend::listeners(original, (&sections, section), &mut users, &mut out)
            }
            _ => {}
        }
    }
    for section in sections.iter().filter(|section| matches!(section.kind.as_str(), "backend" | "listen")) {
        let has_servers = section.lines.iter().any(|line| matches!(line.word(0), "server" | "server-template"));
        if has_servers && !out.has_service(&name(&section.name)) {
            let mut service = Table::at(&section.head.place);
            backend::service(section, &mut service, &mut out.findings);
            if !section.is_tcp() {
                pages::of_service(original, &sections, section, &mut service, &mut out);
            }
            out.services.push((name(&section.name), service));
        }
    }
    statements::tell(&sections, &mut out.findings);
    tell_of_unused(&mut out);
    environment(&mut out);
    if out.listeners.is_empty() {
        out.findings.warning(&original.whole(), "", "there is no frontend in it, and so no listener", "");
    }
    out
}

/// A `listen` that has nothing but the statistics page.
fn is_for_statistics(section: &Section) -> bool {
    let stats = section.lines.iter().any(|line| line.word(0) == "stats");
    stats
        && !section
            .lines
            .iter()
            .any(|line| matches!(line.word(0), "server" | "server-template" | "use_backend" | "default_backend"))
}

/// Whether a section is off: its servers get nothing, and it listens nowhere.
fn is_disabled(section: &Section) -> bool {
    let said = section.lines.iter().rev().chain(section.defaults.iter().rev());
    let said = said.map(|line| line.word(0)).find(|word| matches!(*word, "disabled" | "enabled"));
    said == Some("disabled")
}

/// Variables of the environment, as ours are written.
fn environment(out: &mut Output) {
    fn of(value: &mut Value) {
        match value {
            Value::Text(text) if text.contains(parse::ENVIRONMENT) => *text = text.replace(parse::ENVIRONMENT, "$"),
            Value::List(list) => list.iter_mut().for_each(of),
            Value::Table(table) => table.entries.iter_mut().for_each(|entry| of(&mut entry.value)),
            _ => {}
        }
    }
    let tables = out.listeners.iter_mut().chain(out.services.iter_mut().map(|(_, table)| table));
    tables.flat_map(|table| &mut table.entries).for_each(|entry| of(&mut entry.value));
}

/// Services that nobody names stay, because somebody may want them; it is told.
fn tell_of_unused(out: &mut Output) {
    let used = unused::named(out);
    let services = out.services.iter().filter(|(name, _)| !used.contains(name));
    let idle: Vec<_> = services.map(|(name, table)| (name.clone(), table.from.clone())).collect();
    for (name, from) in idle {
        if let Some(place) = from.first() {
            out.findings.note(place, format!("backend {name}"), "no route leads there", "");
        }
    }
}

/// What is said of the process.
fn process(sections: &[Section], out: &mut Output) {
    let global = |word: &str| {
        sections
            .iter()
            .filter(|section| section.kind == "global")
            .flat_map(|section| &section.lines)
            .find(|line| line.word(0) == word)
    };
    if let Some(line) = global("nbthread")
        && let Ok(threads) = line.word(1).parse::<i64>()
    {
        out.server.put(&["workers"], threads, &line.place);
    }
    if let Some(line) = global("hard-stop-after")
        && let Some(ms) = units::milliseconds(line.word(1), 1)
    {
        out.server.put(&["drain_timeout"], units::duration(ms), &line.place);
    }
    let logs = |section: &&Section| matches!(section.kind.as_str(), "global" | "defaults" | "frontend" | "listen");
    let all: Vec<&Line> = sections
        .iter()
        .filter(logs)
        .flat_map(|section| section.all("log"))
        .filter(|line| line.word(1) != "global")
        .collect();
    if let Some(line) = all.first() {
        access_log(line, out);
    }
    for line in all.iter().skip(1) {
        out.findings.note(&line.place, line.text(), "the access log is one for all", "");
    }
}

/// `log /dev/log local0`, `log 127.0.0.1:514 local0`, `log stdout format raw local0`
fn access_log(line: &Line, out: &mut Output) {
    let place = &line.place;
    let to = match line.word(1) {
        "stdout" | "stderr" | "fd@1" | "fd@2" => "stdout".to_owned(),
        path if path.starts_with('/') => format!("syslog:unix:{path}"),
        host if host.starts_with("ring@") || host.starts_with("tcp@") => {
            out.findings.note(place, line.text(), "it is not carried over", "`[log] access`");
            return;
        }
        host if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) => {
            format!("syslog:udp://{host}")
        }
        host => format!("syslog:udp://{host}:514"),
    };
    out.log.put(&["access"], to.as_str(), place);
    let facility = line.words.iter().skip(2).find(|word| {
        word.starts_with("local") || matches!(word.as_str(), "daemon" | "user" | "auth" | "mail" | "news" | "syslog")
    });
    if let Some(facility) = facility.filter(|_| to.starts_with("syslog:")) {
        out.log.put(&["access_facility"], facility.as_str(), place);
    }
    out.findings.note(place, line.text(), "lines are JSON", "`access_format`: docs/operations.md");
}
