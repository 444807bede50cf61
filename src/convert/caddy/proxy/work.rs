//! How a backend of `reverse_proxy` is chosen, checked and tried again.

use std::time::Duration;

use crate::convert::caddy::tree::Directive;
use crate::convert::caddy::{Conversion, left_out};
use crate::convert::output::{Output, Table, literal};
use crate::convert::text;

/// Puts them into the service. Gives back the weights of the backends, which may be none.
pub fn convert(conversion: &mut Conversion, what: &str, inner: &[Directive], table: &mut Table) -> Vec<i64> {
    let mut weights = Vec::new();
    let out = &mut conversion.out;
    for directive in inner {
        let place = directive.place();
        match directive.word() {
            // these are looked at elsewhere
            "to" | "transport" | "header_up" | "header_down" => {}
            "lb_policy" => weights = policy(out, directive, table),
            "dynamic" => discover(out, directive, table),
            word if word.starts_with("health_") => health(out, directive, table),
            "lb_try_duration" => {
                let why = "what can be sent again is, up to `retry.attempts` times (2), and requests wait for a backend at its limit for `timeout.queue` (1s)";
                out.findings.note(place, "lb_try_duration", why, "docs/configuration.md, `[service.NAME.retry]`");
            }
            "flush_interval" | "buffer_requests" | "buffer_responses" | "request_buffers" | "response_buffers" => {
                let why = "bodies are passed on as they come, both ways, and events are flushed";
                out.findings.note(place, directive.word(), why, "");
            }
            "trusted_proxies" => {
                let why = "whom X-Forwarded-* is believed is said by the listener";
                out.findings.warning(place, "trusted_proxies", why, "`trusted_proxies` of the listener");
            }
            "handle_response" | "replace_status" => {
                let why = "answers of backends are passed on as they are";
                out.findings.error(place, directive.word(), why, "see whether it keeps something from clients");
            }
            _ if tried(directive, table) => {}
            word => left_out(
                out,
                place,
                &format!("{what} {word}"),
                "it is left out",
                "docs/configuration.md, `[service.NAME]`",
            ),
        }
    }
    // one failure is enough for Caddy, where it counts them at all
    let passive = inner.iter().find(|directive| directive.word() == "fail_duration");
    if let Some(directive) = passive
        && table.get(&["outlier", "consecutive_failures"]).is_none()
    {
        table.put(&["outlier", "consecutive_failures"], 1, directive.place());
    }
    weights
}

/// Directives that say when a backend is tried again, and when it is taken for bad. Whether it is one of them.
fn tried(directive: &Directive, table: &mut Table) -> bool {
    let place = directive.place();
    let argument = directive.arg(0).unwrap_or_default();
    let time = text::go_duration(argument, Duration::from_nanos(1)).filter(|time| !time.is_zero()).map(text::duration);
    let number = argument.parse::<i64>().ok();
    match (directive.word(), number, time) {
        ("lb_retries", Some(number), _) => table.put(&["retry", "attempts"], number, place),
        ("lb_try_interval", _, Some(time)) => table.put(&["retry", "back_off"], time, place),
        ("fail_duration", _, Some(time)) => table.put(&["outlier", "eject_for"], time, place),
        ("max_fails", Some(number), _) => table.put(&["outlier", "consecutive_failures"], number.max(1), place),
        ("unhealthy_status", ..) => table.put(&["failure_status"], statuses(&directive.texts()), place),
        ("unhealthy_request_count", Some(number), _) => table.put(&["max_connections"], number, place),
        _ => return false,
    }
    true
}

/// `2xx 404` as `200-299,404`.
fn statuses(texts: &[&str]) -> String {
    let one = |text: &&str| match text.strip_suffix("xx") {
        Some(class) => format!("{class}00-{class}99"),
        None => (*text).to_owned(),
    };
    texts.iter().map(one).collect::<Vec<_>>().join(",")
}

fn policy(out: &mut Output, directive: &Directive, table: &mut Table) -> Vec<i64> {
    let place = directive.place();
    let hashed = |on: &str, table: &mut Table| {
        table.put(&["balance"], "consistent_hash", place);
        table.put(&["hash", "on"], literal(on), place);
    };
    let name = directive.arg(1).unwrap_or_default();
    match directive.arg(0).unwrap_or("random") {
        "random" | "random_choose" => table.put(&["balance"], "power_of_two", place),
        "round_robin" => {}
        "least_conn" => table.put(&["balance"], "least_connections", place),
        "weighted_round_robin" => {
            table.put(&["balance"], "weighted_round_robin", place);
            return directive.texts().iter().skip(1).map(|text| text.parse::<i64>().unwrap_or(1)).collect();
        }
        "ip_hash" | "client_ip_hash" => hashed("client_ip", table),
        "uri_hash" => hashed("uri", table),
        "header" => hashed(&format!("header:{}", name.to_ascii_lowercase()), table),
        "query" => hashed(&format!("query:{name}"), table),
        "cookie" => {
            table.put(&["affinity", "by"], "cookie", place);
            if !name.is_empty() {
                table.put(&["affinity", "name"], literal(name), place);
            }
            out.findings.note(
                place,
                "lb_policy cookie",
                "the cookie is signed; sessions with Caddy's cookie begin anew",
                "docs/sessions.md",
            );
        }
        "first" => {
            let why = "the first backend gets all, and the others are used when it can't be: all of them then, and not the second alone";
            out.findings.note(place, "lb_policy first", why, "");
        }
        other => left_out(
            out,
            place,
            "lb_policy",
            &format!("`{other}` is not known: it is round robin"),
            "docs/balancing.md",
        ),
    }
    Vec::new()
}

fn health(out: &mut Output, directive: &Directive, table: &mut Table) {
    let place = directive.place();
    let argument = directive.arg(0).unwrap_or_default();
    // Caddy's own: every 30 s, within 5 s; one result decides
    if table.get(&["health"]).is_none() {
        for (key, usual) in [("interval", "30s"), ("timeout", "5s")] {
            table.put(&["health", key], usual, place);
        }
        for key in ["fall", "rise"] {
            table.put(&["health", key], 1, place);
        }
    }
    let number = argument.parse::<i64>().ok();
    let time = text::go_duration(argument, Duration::from_nanos(1)).filter(|time| !time.is_zero()).map(text::duration);
    match directive.word() {
        "health_uri" | "health_path" => table.put(&["health", "path"], literal(argument), place),
        "health_method" => table.put(&["health", "method"], literal(argument), place),
        "health_status" => table.put(&["health", "expect_status"], statuses(&directive.texts()), place),
        "health_interval" | "health_timeout" => {
            if let Some(time) = time {
                let key = directive.word().trim_start_matches("health_");
                table.put(&["health", key], time, place);
            }
        }
        "health_port" => {
            if let Some(number) = number {
                table.put(&["health", "port"], number, place);
            }
        }
        "health_passes" => table.put(&["health", "rise"], number.unwrap_or(1), place),
        "health_fails" => table.put(&["health", "fall"], number.unwrap_or(1), place),
        "health_body" if !argument.contains(['\\', '[', '(', '*', '+', '?', '^', '$', '|']) => {
            table.put(&["health", "expect_body"], literal(argument), place);
        }
        "health_headers" => {
            for header in directive.inner() {
                let value = header.arg(0).unwrap_or_default();
                match header.word().to_ascii_lowercase().as_str() {
                    "host" => table.put(&["health", "host"], literal(value), header.place()),
                    name => table.put(&["health", "headers", name], literal(value), header.place()),
                }
            }
        }
        word => left_out(out, place, word, "it is left out", "docs/configuration.md, `[service.NAME.health]`"),
    }
}

/// `dynamic a NAME PORT`, `dynamic srv NAME`
fn discover(out: &mut Output, directive: &Directive, table: &mut Table) {
    let place = directive.place();
    let mut name = directive.arg(1).unwrap_or_default().to_owned();
    let mut port = directive.arg(2).unwrap_or("80").to_owned();
    let mut parts = (String::new(), String::new());
    for inner in directive.inner() {
        let value = inner.arg(0).unwrap_or_default().to_owned();
        match inner.word() {
            "name" => name = value,
            "port" => port = value,
            "service" => parts.0 = value,
            "proto" => parts.1 = value,
            "refresh" => {
                if let Some(time) = text::go_duration(&value, Duration::from_nanos(1)).filter(|time| !time.is_zero()) {
                    table.put(&["discover", "refresh"], text::duration(time), inner.place());
                }
            }
            word => left_out(out, inner.place(), &format!("dynamic {word}"), "it is left out", ""),
        }
    }
    match directive.arg(0) {
        Some("a") => table.put(&["discover", "dns"], literal(&format!("{name}:{port}")), place),
        Some("srv") => {
            let full = if parts.0.is_empty() { name } else { format!("_{}._{}.{name}", parts.0, parts.1) };
            table.put(&["discover", "srv"], literal(&full), place);
        }
        other => left_out(
            out,
            place,
            "dynamic",
            &format!("backends don't come from `{}`", other.unwrap_or_default()),
            "`discover`: dns, srv, file, etcd",
        ),
    }
}
