//! `nginx.conf` as a `proxy.toml`.

mod access;
mod answer;
mod branch;
mod condition;
mod directives;
mod header;
mod hosts;
mod leads;
mod limits;
mod listen;
mod listener;
mod location;
mod pages;
mod parse;
mod pass;
mod paths;
mod proxy;
mod rewrites;
mod routes;
mod sequence;
mod site;
mod stream;
#[cfg(test)]
mod tests;
mod tls;
mod upstream;
mod variables;
mod world;

use parse::Directive;
use world::{Scope, World};

use super::original::Original;
use super::output::Output;
use super::units;

/// Converts a file, with all that it includes.
pub fn convert(original: &Original<'_>) -> Output {
    let mut out = Output::new("nginx", original.file);
    let directives = parse::read(original, &mut out.findings);
    let main: Vec<&Directive> = directives.iter().collect();
    process(&main, &mut out);
    let blocks = |name: &str| -> Vec<&Directive> {
        directives.iter().filter(|directive| directive.name == name).flat_map(|directive| directive.inner()).collect()
    };
    let mut http = blocks("http");
    if http.is_empty() {
        // a file of conf.d or sites-available: what is in `http`, without it
        http = directives
            .iter()
            .filter(|directive| !matches!(directive.name.as_str(), "stream" | "events" | "mail"))
            .collect();
    }
    let mut world = World::new(original, http, out);
    servers(&mut world);
    let out = std::mem::replace(&mut world.out, Output::new("nginx", original.file));
    let mut world = World::new(original, blocks("stream"), out);
    stream::servers(&mut world);
    let mut out = world.out;
    directives::tell(&directives, &mut out.findings);
    if out.listeners.is_empty() {
        let advice = "is it the file that has `http`, or one of conf.d? Others are read where they are included";
        out.findings.warning(&original.whole(), "", "there is no server in it, and so no listener", advice);
    }
    out
}

/// `http`: a listener for each address.
fn servers(world: &mut World<'_>) {
    let scope = Scope::of(world.top.clone());
    let servers: Vec<&Directive> =
        world.top.iter().filter(|directive| directive.name == "server" && directive.block.is_some()).copied().collect();
    for server in &servers {
        for listen in listen::listens(server) {
            if listen.has("quic") || listen.has("http3") {
                let directive = listen.directive;
                let advice = "QUIC can be passed on to backends that speak it, by a UDP listener: docs/layer4.md";
                world.findings().warning(&directive.place, directive.text(), "HTTP/3 is not spoken to clients", advice);
            }
        }
    }
    for group in listen::groups(&servers) {
        listener::listener(world, &scope, &servers, &group);
    }
    if let Some(server) = servers.first() {
        let why = "TRACE goes on to backends, which nginx answers with 405";
        let advice =
            "a route with `methods = [\"TRACE\"]` and `respond = { status = 405 }`, where a backend answers it";
        world.findings().note(&server.place, "server", why, advice);
    }
    logs(world, &scope, &servers);
}

/// What is said of the process.
fn process(main: &[&Directive], out: &mut Output) {
    let one = |name: &str| main.iter().find(|directive| directive.name == name);
    if let Some(directive) = one("worker_processes")
        && let Ok(workers) = directive.arg(0).parse::<i64>()
    {
        out.server.put(&["workers"], workers, &directive.place);
    }
    if let Some(directive) = one("worker_shutdown_timeout")
        && let Some(ms) = units::milliseconds(directive.arg(0), 1000)
    {
        out.server.put(&["drain_timeout"], units::duration(ms), &directive.place);
    }
    if let Some(directive) = one("error_log") {
        log_level(directive, out);
    }
}

fn log_level(directive: &Directive, out: &mut Output) {
    let level = match directive.arg(1) {
        "debug" => "debug",
        "info" | "notice" => "info",
        "warn" => "warn",
        _ => "error",
    };
    let why = format!(
        "the log goes to standard error, from where the service manager takes it; its level would be `{level}`, and is \"info\""
    );
    out.findings.note(&directive.place, directive.text(), why, "`[log] level`");
}

/// The access log is one for all.
fn logs(world: &mut World<'_>, scope: &Scope<'_>, servers: &[&Directive]) {
    let all = scope
        .here("access_log")
        .into_iter()
        .chain(servers.iter().flat_map(|server| scope.within(server).here("access_log")));
    let said: Vec<_> = all.filter(|directive| directive.arg(0) != "off").collect();
    let Some(first) = said.first() else { return };
    let place = &first.place;
    let to = match first.arg(0).strip_prefix("syslog:server=") {
        Some(server) => match server.split(',').next().unwrap_or_default() {
            socket if socket.starts_with("unix:") => format!("syslog:{socket}"),
            host if host.contains(':') => format!("syslog:udp://{host}"),
            host => format!("syslog:udp://{host}:514"),
        },
        None if first.arg(0) == "/dev/stdout" => "stdout".to_owned(),
        None => first.arg(0).to_owned(),
    };
    if variables::has_any(&to) {
        world.findings().note(
            place,
            first.text(),
            "the access log is one file, whose name has no variables",
            "`[log] access`",
        );
        return;
    }
    world.out.log.put(&["access"], to, place);
    if matches!(first.arg(1), "" | "combined") {
        world.out.log.put(&["access_format"], "combined", place);
    } else {
        world.findings().note(
            place,
            first.text(),
            "lines are JSON, not of this format",
            "`access_format`, `access_fields`, `access_template`: docs/operations.md",
        );
    }
    for other in said.iter().filter(|other| other.arg(0) != first.arg(0)) {
        world.findings().note(
            &other.place,
            other.text(),
            "the access log is one for all; lines say the listener and the host",
            "",
        );
    }
}
