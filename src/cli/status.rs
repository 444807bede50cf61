//! `evenkeel status`

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::ask::AdminOptions;
use super::{fail, print};

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
        Ok(Ok(body)) => print(&text(&body)),
        Ok(Err(code)) => code,
        Err(why) => fail(&why),
    }
}

/// The status for people.
fn text(status: &Value) -> String {
    let mut out = format!(
        "evenkeel {}, up {} s, configuration {}\n\n",
        plain(&status["version"]),
        status["uptime_s"],
        status["config_generation"]
    );
    // writing to a String can't fail
    for listener in status["listeners"].as_array().into_iter().flatten() {
        let (name, address) = (plain(&listener["name"]), plain(&listener["address"]));
        let (protocol, tls) = (plain(&listener["protocol"]), if listener["tls"] == true { ", TLS" } else { "" });
        let _ = writeln!(out, "{name}  {address} {protocol}{tls}  {} connections", listener["connections"]);
    }
    for (name, service) in status["services"].as_object().into_iter().flatten() {
        let recent = &service["stats_5m"];
        let _ = writeln!(
            out,
            "\n{name}  {}{}, {} of {} healthy; last 5 minutes: {} requests, {} failed{}",
            plain(&service["balance"]),
            if service["panic"] == true { ", PANIC (too few are healthy, so all are asked)" } else { "" },
            service["healthy"],
            service["total"],
            recent["total"],
            recent["failed"],
            match (&recent["p50_ms"], &recent["p99_ms"]) {
                (Value::Number(p50), Value::Number(p99)) => format!(", p50 {p50} ms, p99 {p99} ms"),
                _ => String::new(),
            }
        );
        for backend in service["backends"].as_array().into_iter().flatten() {
            let why = match (plain(&backend["state"]), backend["reason"].as_str()) {
                ("up", _) | (_, None | Some("")) => String::new(),
                (_, Some(reason)) => format!(" ({reason})"),
            };
            let _ = writeln!(
                out,
                "  {}  {}{why}  weight {}, {} in flight, {} requests, {} failed",
                plain(&backend["id"]),
                plain(&backend["state"]),
                backend["weight"],
                backend["in_flight"],
                backend["requests"],
                backend["failures"],
            );
        }
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
    fn a_status_reads_from_the_whole_to_its_parts() {
        let status = json!({
            "version": "1.0", "uptime_s": 5, "config_generation": 2,
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
            text(&status),
            "evenkeel 1.0, up 5 s, configuration 2\n\nweb  a:1 http, TLS  3 connections\n\n\
             api  round_robin, 1 of 1 healthy; last 5 minutes: 9 requests, 1 failed, p50 0.5 ms, p99 2.0 ms\n  \
             b  up  weight 1, 0 in flight, 9 requests, 1 failed\n  \
             c  down (refused)  weight 1, 0 in flight, 0 requests, 0 failed\n"
        );
    }
}
