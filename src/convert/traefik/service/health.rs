//! Checks of backends.

use crate::convert::document::Node;
use crate::convert::output::{Output, Table, literal};
use crate::convert::traefik::transport;

/// `healthCheck` and `passiveHealthCheck` of a load balancer.
pub fn convert(out: &mut Output, what: &str, node: &Node, table: &mut Table) {
    if let Some(check) = node.get("healthCheck") {
        active(out, what, check, table);
    }
    if let Some(check) = node.get("passiveHealthCheck") {
        let failures = check.get("maxFailedAttempts");
        if let Some(failures) = failures
            && let Some(number) = failures.scalar().and_then(|text| text.parse::<i64>().ok())
        {
            table.put(&["outlier", "consecutive_failures"], number.max(1), &failures.place);
        }
        if let Some(window) = check.get("failureWindow")
            && let Some(duration) = transport::positive(window)
        {
            table.put(&["outlier", "eject_for"], duration, &window.place);
        }
    }
}

fn active(out: &mut Output, what: &str, check: &Node, table: &mut Table) {
    let place = &check.place;
    let grpc = check.text("mode").is_some_and(|mode| mode.eq_ignore_ascii_case("grpc"));
    if grpc {
        table.put(&["health", "kind"], "grpc", place);
    } else if let Some(path) = check.get("path") {
        table.put(&["health", "path"], literal(path.scalar().unwrap_or("/")), &path.place);
    }
    for (key, ours) in [("method", "method"), ("hostname", "host")] {
        if let Some(node) = check.get(key).filter(|_| !grpc) {
            table.put(&["health", ours], literal(node.scalar().unwrap_or_default()), &node.place);
        }
    }
    if let Some(status) = check.get("status").filter(|node| !grpc && node.scalar() != Some("0")) {
        table.put(&["health", "expect_status"], literal(status.scalar().unwrap_or_default()), &status.place);
    }
    if let Some(port) = check.get("port")
        && let Some(number) = port.scalar().and_then(|text| text.parse::<i64>().ok()).filter(|port| *port > 0)
    {
        table.put(&["health", "port"], number, &port.place);
    }
    // Traefik's own: every 30 s, within 5 s; one result decides
    for (key, usual) in [("interval", "30s"), ("timeout", "5s")] {
        let node = check.get(key);
        let duration = node.and_then(transport::positive).unwrap_or_else(|| usual.to_owned());
        table.put(&["health", key], duration, node.map_or(place, |node| &node.place));
    }
    if let Some(fast) = check.get("unhealthyInterval")
        && let Some(duration) = transport::positive(fast)
    {
        table.put(&["health", "fast_interval"], duration, &fast.place);
    }
    table.put(&["health", "fall"], 1, place);
    table.put(&["health", "rise"], 1, place);
    for (name, value) in check.below("headers") {
        if !grpc && !name.eq_ignore_ascii_case("host") {
            table.put(
                &["health", "headers", &name.to_ascii_lowercase()],
                literal(value.scalar().unwrap_or_default()),
                &value.place,
            );
        }
    }
    if let Some(scheme) = check.get("scheme") {
        let https = scheme.scalar().is_some_and(|text| text.eq_ignore_ascii_case("https"));
        if https != table.get(&["tls"]).is_some() {
            let why = "checks go by TLS where requests do, and only there";
            out.findings.warning(&scheme.place, format!("{what}.healthCheck.scheme"), why, "");
        }
    }
    if check.text("followRedirects").is_none_or(|text| text == "true") {
        let why = "a redirect counts as well (200 to 399), and is not followed";
        out.findings.note(place, format!("{what}.healthCheck"), why, "`expect_status`");
    }
}
