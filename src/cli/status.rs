//! `evenkeel status`

mod not_taken;
mod promised;
mod refused;

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::ask::AdminOptions;
use super::canary;
use super::recovery::attempt;
use super::{fail, print};

/// Of so many backends a line of an algorithm in the shadow has the shares.
const SHOWN: usize = 8;

/// What is left of a certificate is told in hours when it is less than so many days.
const IN_HOURS: i64 = 3;

/// Certificates that are valid for less than so many days are told of.
const SOON: i64 = 21;

#[derive(Debug, Args)]
pub(super) struct Status {
    /// Print the JSON of the admin address
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminOptions,
}

pub(super) fn run(Status { json, admin }: &Status) -> ExitCode {
    match admin.ask("GET", "/api/v1/status").map(|answer| answer.success()) {
        Ok(Ok(body)) if !body["services"].is_object() => fail("what answers there is not Evenkeel's admin address"),
        Ok(Ok(body)) if *json => print(&format!("{body:#}\n")),
        Ok(Ok(body)) => print(&text(&body, &promises(admin))),
        Ok(Err(code)) => code,
        Err(why) => fail(&why),
    }
}

/// How the promises stand; null where that can't be read, as of an older process.
fn promises(admin: &AdminOptions) -> Value {
    admin
        .ask("GET", "/api/v1/sla")
        .map_or(Value::Null, |answer| if answer.status == 200 { answer.body } else { Value::Null })
}

/// The status for people.
fn text(status: &Value, promises: &Value) -> String {
    let mut out = format!(
        "evenkeel {}, up {} s, configuration {}\n\n",
        plain(&status["version"]),
        status["uptime_s"],
        status["config_generation"]
    );
    out += &not_taken::reload(&status["reload_refused"]);
    out += &not_taken::files(&status["certificates_refused"]);
    out += &cluster(&status["cluster"]);
    // writing to a String can't fail
    for listener in status["listeners"].as_array().into_iter().flatten() {
        let (name, address) = (plain(&listener["name"]), plain(&listener["address"]));
        let (protocol, tls) = (plain(&listener["protocol"]), if listener["tls"] == true { ", TLS" } else { "" });
        let expiry = expiry(&listener["certificate"]);
        let _ = writeln!(out, "{name}  {address} {protocol}{tls}  {} connections{expiry}", listener["connections"]);
        out += &maintenance_page(&listener["maintenance_page"]);
        out += &refused::by_listener(listener, &status["limits"]);
    }
    out += &backup(&status["ledger_backup"]);
    for (name, service) in status["services"].as_object().into_iter().flatten() {
        out += &service_text(name, service);
        out += &promised::line(&promises[name]);
        service["backends"].as_array().into_iter().flatten().for_each(|of| out += &backend(of));
    }
    out
}

/// A service without its backends.
fn service_text(name: &str, service: &Value) -> String {
    let recent = &service["stats_5m"];
    let mut out = String::new();
    // writing to a String can't fail
    let _ = writeln!(
        out,
        "\n{name}  {}{}, {} of {} healthy; last 5 minutes: {}, {} failed{}",
        plain(&service["balance"]),
        if service["panic"] == true { ", PANIC (too few are healthy, so all are asked)" } else { "" },
        service["healthy"],
        service["total"],
        requests(&recent["total"]),
        recent["failed"].as_u64().unwrap_or_default().saturating_sub(refused::all_shed(recent)),
        match (&recent["p50_ms"], &recent["p99_ms"]) {
            (Value::Number(p50), Value::Number(p99)) => format!(", p50 {p50} ms, p99 {p99} ms"),
            _ => String::new(),
        }
    );
    out += &maintenance_page(&service["maintenance_page"]);
    out += &refused::by_service(&service["concurrency"], recent);
    out += &hedges(&service["hedges"]);
    if service["canary"].is_object() {
        out += &format!("  canary: {}", canary::text(name, &service["canary"]));
    }
    out += &discovery(&service["discovery"]);
    out += &zones(&service["zones"]);
    out += &recovery(&service["recovery"]);
    out += &shadow(&service["shadow"]);
    out
}

fn backend(backend: &Value) -> String {
    let why = match (plain(&backend["state"]), backend["reason"].as_str()) {
        ("up", _) | (_, None | Some("")) => String::new(),
        (_, Some(reason)) => format!(" ({reason})"),
    };
    format!(
        "  {}  {}{why}  weight {}, {} in flight, {}, {} failed\n",
        plain(&backend["id"]),
        plain(&backend["state"]),
        backend["weight"],
        backend["in_flight"],
        requests(&backend["requests"]),
        backend["failures"],
    )
}

/// The page that clients are shown in place of what they ask for: a line.
fn maintenance_page(of: &Value) -> String {
    let Some(who) = of["who"].as_str() else { return String::new() };
    let word = |name: &str, before: &str| of[name].as_str().map(|word| format!("{before}{word}")).unwrap_or_default();
    format!(
        "  MAINTENANCE: clients are shown the page{}{} (by {who})\n",
        word("until", " until "),
        word("reason", ": ")
    )
}

/// The certificate of a listener that expires first, where that is soon.
fn expiry(of: &Value) -> String {
    let path = plain(&of["path"]);
    match of["days_left"].as_i64() {
        Some(..0) => format!("; the certificate {path} HAS EXPIRED on {}", plain(&of["not_after"])),
        Some(days @ ..SOON) => format!("; the certificate {path} expires in {}", left(of, days)),
        _ => String::new(),
    }
}

/// How long a certificate is valid, in hours where it is not much longer than a day or two: "1 day" may be nearly two.
fn left(of: &Value, days: i64) -> String {
    let hours = match of["hours_left"].as_i64() {
        Some(hours) if days < IN_HOURS => hours,
        _ => return counted(days, "day"),
    };
    if hours == 0 { "less than an hour".to_owned() } else { counted(hours, "hour") }
}

fn requests(of: &Value) -> String {
    of.as_i64().map_or_else(|| format!("{of} requests"), |number| counted(number, "request"))
}

/// A number and what is counted.
fn counted(number: i64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The copies of the ledger, where some are wanted: a line.
fn backup(of: &Value) -> String {
    let Some(to) = of["to"].as_str() else { return String::new() };
    let newest = of["age_s"].as_i64().map_or("none so far".to_owned(), |age| format!("the newest is {age} s old"));
    let trouble = of["reason"].as_str().map(|why| format!("; FAILING: {why}")).unwrap_or_default();
    format!("copies of the ledger  {to}  {newest}{trouble}\n")
}

/// Which of several instances this is, and which one leads: a line.
fn cluster(of: &Value) -> String {
    let Some(name) = of["name"].as_str() else { return String::new() };
    let zone = of["zone"].as_str().map(|zone| format!(" in zone {zone}")).unwrap_or_default();
    let leads = match (of["elected"] == true, of["leader"] == true) {
        (false, _) => "one of several, each of which does everything".to_owned(),
        (true, true) => format!("the leader, with the fencing token {}", of["token"]),
        (true, false) => format!("not the leader: {}", plain(&of["why_not"])),
    };
    format!("{name}{zone} is {leads}\n\n")
}

/// What came of second attempts beside those that were late: a line.
fn hedges(of: &Value) -> String {
    if !of.is_object() {
        return String::new();
    }
    let after =
        of["after_ms"].as_f64().map_or("not yet, too little is known".to_owned(), |after| format!("after {after} ms"));
    let counts = of.as_object().into_iter().flatten().filter(|(name, _)| *name != "after_ms");
    let counts: Vec<String> = counts.map(|(name, count)| format!("{count} {}", name.replace('_', " "))).collect();
    format!("  hedges: {after}; {}\n", counts.join(", "))
}

/// Where further backends come from: a line.
fn discovery(of: &Value) -> String {
    let Some(source) = of["source"].as_str() else { return String::new() };
    let backends = of["backends"].as_u64().map_or("no answer so far".to_owned(), |count| format!("{count} backends"));
    let trouble = of["reason"].as_str().map(|why| format!("; FAILING: {why}")).unwrap_or_default();
    let first = &of["first_refused"][0];
    let refused = match of["refused"].as_u64() {
        None | Some(0) => String::new(),
        Some(count) => {
            format!("; {count} can't be used, such as {}: {}", plain(&first["key"]), plain(&first["reason"]))
        }
    };
    format!("  discovery: {source}; {backends}{trouble}{refused}\n")
}

/// Which zones have what share of the work, where zones are preferred: a line.
fn zones(of: &Value) -> String {
    let Some(own) = of["own"].as_str() else { return String::new() };
    let shares = of["shares"].as_object().into_iter().flatten().filter_map(|(zone, share)| {
        let zone = if zone.is_empty() { "no zone" } else { zone };
        Some(format!("{zone} {:.1} %", share.as_f64()? * 100.0))
    });
    let shares: Vec<String> = shares.collect();
    let shares = if shares.is_empty() { "all backends alike".to_owned() } else { shares.join(", ") };
    format!(
        "  zones: this is {own}; {shares}; {} picks in the same, {} in others\n",
        of["picks"]["same"], of["picks"]["other"]
    )
}

/// What is done about the faults of a service that is repaired: a line.
fn recovery(of: &Value) -> String {
    if !of.is_object() {
        return String::new();
    }
    let how = match (of["paused"] == true, of["dry_run"] == true, of["approve"] == "ask") {
        (true, ..) => "PAUSED",
        (_, true, _) => "dry run",
        (_, _, true) => "asks before each attempt",
        _ => "on",
    };
    let attempts: Vec<String> = of["attempts"].as_array().into_iter().flatten().map(attempt::short).collect();
    let attempts = if attempts.is_empty() { "nothing is under way".to_owned() } else { attempts.join("; ") };
    let braked = of["braked"].as_str().map(|why| format!("; held back: {why}")).unwrap_or_default();
    format!("  recovery: {how}; {attempts}{braked}\n")
}

/// What each algorithm in the shadow would have done: a line for each.
fn shadow(of: &Value) -> String {
    let time = |of: &Value| match (&of["mean_ms"], &of["p99_ms"]) {
        (Value::Number(mean), Value::Number(p99)) => format!(", mean {mean} ms, p99 {p99} ms"),
        _ => String::new(),
    };
    let mut out = String::new();
    for (name, algorithm) in of["algorithms"].as_object().into_iter().flatten() {
        let agrees = algorithm["agreement"].as_f64().map(|share| format!(", picks the same in {:.0} %", share * 100.0));
        let shares = of["backends"].as_object().into_iter().flatten().filter_map(|(id, backend)| {
            let percent = |share: &Value| share.as_f64().map(|share| format!("{:.0} %", share * 100.0));
            Some(format!("{id} {} for {}", percent(&backend["shares"][name])?, percent(&backend["real"])?))
        });
        let shares: Vec<String> = shares.take(SHOWN).collect();
        let shares = if shares.is_empty() { String::new() } else { format!("; {}", shares.join(", ")) };
        // writing to a String can't fail
        let _ = writeln!(
            out,
            "  in the shadow: {name}, {} picks{}{} (now{}){shares}",
            algorithm["picks"],
            agrees.unwrap_or_default(),
            time(algorithm),
            time(&of["real"]).replacen(',', "", 1),
        );
    }
    out
}

fn plain(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_certificate_that_expires_soon_is_told() {
        let of =
            |days: i64| expiry(&json!({ "path": "a.pem", "not_after": "2026-01-01T00:00:00Z", "days_left": days }));
        assert_eq!((of(21), expiry(&Value::Null)), (String::new(), String::new()));
        assert_eq!(of(20), "; the certificate a.pem expires in 20 days");
        // an older process does not tell hours
        assert_eq!(of(1), "; the certificate a.pem expires in 1 day");
        assert_eq!(of(-1), "; the certificate a.pem HAS EXPIRED on 2026-01-01T00:00:00Z");
    }

    #[test]
    fn what_is_left_of_a_certificate_is_told_in_hours_when_it_is_little() {
        let of = |days: i64, hours: i64| expiry(&json!({ "path": "a.pem", "days_left": days, "hours_left": hours }));
        assert_eq!(of(3, 72), "; the certificate a.pem expires in 3 days");
        assert_eq!(of(2, 71), "; the certificate a.pem expires in 71 hours");
        assert_eq!(of(1, 47), "; the certificate a.pem expires in 47 hours");
        assert_eq!(of(0, 1), "; the certificate a.pem expires in 1 hour");
        assert_eq!(of(0, 0), "; the certificate a.pem expires in less than an hour");
    }

    #[test]
    fn the_page_of_maintenance_is_a_line() {
        let mut of = json!({ "who": "token ci", "reason": "disks", "until": "T" });
        assert_eq!(maintenance_page(&of), "  MAINTENANCE: clients are shown the page until T: disks (by token ci)\n");
        (of["reason"], of["until"]) = (Value::Null, Value::Null);
        assert_eq!(maintenance_page(&of), "  MAINTENANCE: clients are shown the page (by token ci)\n");
        assert_eq!(maintenance_page(&Value::Null), "");
    }

    #[test]
    fn hedges_are_a_line() {
        let mut of = json!({ "after_ms": 41.0, "won": 67, "lost": 26, "over_budget": 6 });
        assert_eq!(hedges(&of), "  hedges: after 41 ms; 26 lost, 6 over budget, 67 won\n");
        of["after_ms"] = Value::Null;
        assert_eq!(hedges(&of), "  hedges: not yet, too little is known; 26 lost, 6 over budget, 67 won\n");
        assert_eq!(hedges(&Value::Null), "");
    }

    #[test]
    fn what_is_done_about_faults_is_a_line() {
        let attempt = |id: i64, phase: &str, in_force: bool| {
            json!({ "id": id, "service": "api", "backend": "a", "fault": "unresponsive", "strategy": "restart", "phase": phase,
                    "in_force": in_force, "outcome": if in_force { json!("healed") } else { Value::Null } })
        };
        let mut of = json!({ "paused": false, "dry_run": false, "approve": "auto", "braked": null, "attempts": [] });
        assert_eq!(recovery(&of), "  recovery: on; nothing is under way\n");
        of["attempts"] = json!([attempt(7, "acting", false), attempt(8, "proposed", false), attempt(5, "ended", true)]);
        (of["paused"], of["braked"]) = (json!(true), json!("recovery is paused (paused)"));
        assert_eq!(
            recovery(&of),
            "  recovery: PAUSED; attempt 7: restart of api/a against unresponsive, acting; \
             attempt 8: restart of api/a against unresponsive, waits to be approved; \
             attempt 5: restart of api/a against unresponsive, healed, in force; held back: recovery is paused (paused)\n"
        );
        assert_eq!(recovery(&Value::Null), "", "nothing is said of a service that nobody wants to be repaired");
    }

    #[test]
    fn an_algorithm_in_the_shadow_has_a_line() {
        let of = json!({
            "real": { "mean_ms": 12.5, "p99_ms": 40.0 },
            "algorithms": { "response_time": { "picks": 200, "agreement": 0.5, "mean_ms": 8.0, "p99_ms": 20.0 } },
            "backends": { "a": { "real": 0.5, "shares": { "response_time": 0.9 } } },
        });
        assert_eq!(
            shadow(&of),
            "  in the shadow: response_time, 200 picks, picks the same in 50 %, mean 8.0 ms, p99 20.0 ms \
             (now mean 12.5 ms, p99 40.0 ms); a 90 % for 50 %\n"
        );
        assert_eq!(shadow(&Value::Null), "");
    }

    #[test]
    fn a_status_reads_from_the_whole_to_its_parts() {
        let status = json!({
            "version": "1.0", "uptime_s": 5, "config_generation": 2,
            "reload_refused": { "at": "x", "age_s": 7, "reason": "the configuration can't be used\nerror: ..." },
            "listeners": [{ "name": "web", "address": "a:1", "protocol": "http", "tls": true, "connections": 3 }],
            "services": { "api": {
                "balance": "round_robin", "healthy": 1, "total": 1,
                "stats_5m": { "total": 9, "failed": 1, "p50_ms": 0.5, "p99_ms": 2.0 },
                "backends": [
                    { "id": "b", "state": "up", "reason": "status 200", "weight": 1, "in_flight": 0, "requests": 9, "failures": 1 },
                    { "id": "c", "state": "down", "reason": "refused", "weight": 1, "in_flight": 0, "requests": 0, "failures": 0 },
                ],
            } },
        });
        assert_eq!(
            text(&status, &Value::Null),
            "evenkeel 1.0, up 5 s, configuration 2\n\n\
             not reloaded 7 s ago, what ran before runs on: the configuration can't be used (`evenkeel check` says more)\n\nweb  a:1 http, TLS  3 connections\n\n\
             api  round_robin, 1 of 1 healthy; last 5 minutes: 9 requests, 1 failed, p50 0.5 ms, p99 2.0 ms\n  \
             b  up  weight 1, 0 in flight, 9 requests, 1 failed\n  \
             c  down (refused)  weight 1, 0 in flight, 0 requests, 0 failed\n"
        );
    }
}
