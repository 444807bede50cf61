//! Checks of servers: `option httpchk`, `http-check`, `tcp-check`, `check inter 2s`.

use super::options::options;
use super::parse::{Line, Section};
use crate::convert::output::{Findings, Table};
use crate::convert::units;

/// Puts the checks of a backend into a service, where any of its servers has some.
pub fn health(section: &Section, service: &mut Table, findings: &mut Findings) {
    let servers: Vec<Line> = section
        .lines
        .iter()
        .filter(|line| matches!(line.word(0), "server" | "server-template"))
        .map(|line| options(section, line))
        .collect();
    let Some(first) = servers.iter().find(|options| options.has("check")) else { return };
    kind(section, first, service, findings);
    times(section, first, service);
    let differ = servers
        .iter()
        .any(|options| ["inter", "fall", "rise", "port"].iter().any(|word| options.after(word) != first.after(word)));
    if differ {
        findings.note(&first.place, "check", "all servers of a service are checked alike: as the first of them", "");
    }
    for word in ["observe", "on-error", "on-marked-down", "on-marked-up", "error-limit"] {
        if first.has(word) {
            let why = format!(
                "`{word}`: what clients' requests show of a server takes it out by itself ([service.NAME.outlier])"
            );
            findings.note(&first.place, word, why, "");
        }
    }
}

fn kind(section: &Section, first: &Line, service: &mut Table, findings: &mut Findings) {
    if let Some(line) = section.option("httpchk") {
        return http(section, line, service, findings);
    }
    let place = &first.place;
    let by_tcp = |service: &mut Table| service.put(&["health", "kind"], "tcp", place);
    by_tcp(service);
    for (option, why) in [
        ("tcp-check", ""),
        ("redis-check", ""),
        ("mysql-check", "only a connection is made"),
        ("pgsql-check", "only a connection is made"),
        ("ldap-check", "only a connection is made"),
        ("smtpchk", "only a connection is made"),
        ("ssl-hello-chk", "only a connection is made"),
        ("external-check", "only a connection is made"),
    ] {
        let Some(line) = section.option(option) else { continue };
        match option {
            "redis-check" => {
                service.put(&["health", "send"], "PING\r\n", &line.place);
                service.put(&["health", "expect"], "+PONG", &line.place);
            }
            "tcp-check" => dialogue(section, service, findings),
            _ => findings.warning(
                &line.place,
                line.text(),
                why,
                "`health.kind` may be http, tcp with `send` and `expect`, grpc or agent",
            ),
        }
    }
}

/// `tcp-check send` and `expect`, of which there can be one each.
fn dialogue(section: &Section, service: &mut Table, findings: &mut Findings) {
    let (mut sent, mut expected) = (0, 0);
    for line in section.all("tcp-check") {
        match (line.word(1), line.word(2)) {
            ("send", text) => {
                sent += 1;
                service.put(&["health", "send"], crate::convert::output::literal(text), &line.place);
            }
            ("expect", "string") => {
                expected += 1;
                service.put(&["health", "expect"], crate::convert::output::literal(line.word(3)), &line.place);
            }
            ("connect" | "comment", _) => {}
            _ => findings.warning(
                &line.place,
                line.text(),
                "it is not done",
                "a check by TCP sends one text and expects one",
            ),
        }
        if sent > 1 || expected > 1 {
            findings.warning(
                &line.place,
                line.text(),
                "a check by TCP sends one text and expects one: the last ones",
                "",
            );
        }
    }
}

/// `option httpchk GET /health HTTP/1.1\r\nHost:\ www`, and `http-check`.
fn http(section: &Section, line: &Line, service: &mut Table, findings: &mut Findings) {
    service.put(&["health", "kind"], "http", &line.place);
    let (method, path) = match line.words.len() {
        0..=2 => ("OPTIONS", "/"),
        3 => ("OPTIONS", line.word(2)),
        _ => (line.word(2), line.word(3)),
    };
    let sends = section.one(&["http-check", "send"]);
    let method = sends.and_then(|send| send.after("meth")).unwrap_or(method);
    let path = sends.and_then(|send| send.after("uri")).unwrap_or(path);
    service.put(&["health", "method"], method, &line.place);
    service.put(&["health", "path"], path, sends.map_or(&line.place, |send| &send.place));
    let version = line.words.get(4..).unwrap_or_default().join(" ");
    if let Some((_, host)) = version.split_once("Host:") {
        service.put(&["health", "host"], host.trim(), &line.place);
    }
    if let Some(send) = sends {
        let headers = send
            .words
            .iter()
            .enumerate()
            .filter(|(_, word)| *word == "hdr")
            .map(|(at, _)| (send.word(at + 1), send.word(at + 2)));
        for (name, value) in headers {
            if name.eq_ignore_ascii_case("host") {
                service.put(&["health", "host"], value, &send.place);
            } else {
                service.put(
                    &["health", "headers", &name.to_ascii_lowercase()],
                    crate::convert::output::literal(value),
                    &send.place,
                );
            }
        }
    }
    for expect in section.all("http-check").filter(|line| line.word(1) == "expect") {
        match (expect.word(2), expect.word(3)) {
            ("status", status) => service.put(&["health", "expect_status"], status, &expect.place),
            ("string", text) => {
                service.put(&["health", "expect_body"], crate::convert::output::literal(text), &expect.place)
            }
            ("rstatus", regex) => match regex.trim_start_matches('^').chars().next().and_then(|c| c.to_digit(10)) {
                Some(class) => service.put(&["health", "expect_status"], format!("{class}00-{class}99"), &expect.place),
                None => {
                    findings.warning(&expect.place, expect.text(), "200 to 399 is expected", "`health.expect_status`")
                }
            },
            _ => findings.warning(
                &expect.place,
                expect.text(),
                "it is not looked at",
                "`expect_status` and `expect_body` of [service.NAME.health]",
            ),
        }
    }
}

fn times(section: &Section, first: &Line, service: &mut Table) {
    for (theirs, ours) in [("inter", "interval"), ("fastinter", "fast_interval")] {
        if let Some(ms) = first.after(theirs).and_then(|text| units::milliseconds(text, 1)).filter(|ms| *ms > 0) {
            service.put(&["health", ours], units::duration(ms), &first.place);
        }
    }
    for word in ["fall", "rise", "port"] {
        if let Some(number) = first.after(word).and_then(|text| text.parse::<i64>().ok()) {
            service.put(&["health", word], number, &first.place);
        }
    }
    if let Some(line) = section.one(&["timeout", "check"])
        && let Some(ms) = units::milliseconds(line.word(2), 1).filter(|ms| *ms > 0)
    {
        service.put(&["health", "timeout"], units::duration(ms), &line.place);
    }
}
