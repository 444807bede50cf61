//! Lines of the status about what was refused, by whom and why.

use serde_json::Value;

/// What a listener and its routes have not let in, and what their rate limits have refused: a line, where there is something. `limits`: those of all listeners.
pub(super) fn by_listener(listener: &Value, limits: &Value) -> String {
    let mut told = Vec::new();
    for denied in listener["denied"].as_array().into_iter().flatten() {
        let place = place(&denied["route"]);
        let counts = denied.as_object().into_iter().flatten().filter_map(|(why, count)| Some((why, count.as_u64()?)));
        let counts = counts.filter(|(_, count)| *count > 0);
        told.extend(counts.map(|(why, count)| format!("{count} for {}{place}", why.replace('_', " "))));
    }
    for limit in limits.as_array().into_iter().flatten().filter(|limit| limit["listener"] == listener["name"]) {
        let place = place(&limit["route"]);
        let name = limit["name"].as_str().unwrap_or("?");
        for (outcome, words) in [("refused", "over"), ("would_refuse", "would be refused: over")] {
            if let Some(count @ 1..) = limit[outcome].as_u64() {
                told.push(format!("{count} {words} the rate limit {name}{place}"));
            }
        }
    }
    match told.is_empty() {
        true => String::new(),
        false => format!("  refused since the start: {}\n", told.join(", ")),
    }
}

fn place(route: &Value) -> String {
    route.as_str().map(|route| format!(" ({route})")).unwrap_or_default()
}

/// The adaptive limit of a service, and what was refused by it: a line, where it has one. `recent`: what is known of the last five minutes.
pub(super) fn by_service(concurrency: &Value, recent: &Value) -> String {
    if !concurrency.is_object() {
        return String::new();
    }
    let of = |name: &str| recent["shed"][name].as_u64().unwrap_or_default();
    format!(
        "  limit {}, {} in flight; refused in 5 minutes: {} high, {} normal, {} low\n",
        concurrency["limit"],
        concurrency["in_flight"],
        of("high"),
        of("normal"),
        of("low"),
    )
}

/// How many requests were refused by an adaptive limit.
pub(super) fn all_shed(recent: &Value) -> u64 {
    recent["shed"].as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_listener_has_refused_is_a_line_by_reason_and_place() {
        let listener = json!({ "name": "web", "denied": [
            { "route": null, "network": 2, "credentials": 0 },
            { "route": "path_prefix /admin", "network": 0, "credentials": 6, "ambiguous_path": 1 },
        ] });
        let limits = json!([
            { "listener": "web", "route": null, "name": "all", "refused": 0, "would_refuse": 3 },
            { "listener": "web", "route": "path /login", "name": "login", "refused": 172, "would_refuse": 0 },
            { "listener": "other", "route": null, "name": "x", "refused": 5 },
        ]);
        let line = by_listener(&listener, &limits);
        for part in
            ["2 for network", "6 for credentials (path_prefix /admin)", "1 for ambiguous path (path_prefix /admin)"]
        {
            assert!(line.contains(part), "{line}");
        }
        assert!(
            line.ends_with(
                "3 would be refused: over the rate limit all, 172 over the rate limit login (path /login)\n"
            ),
            "{line}"
        );
        assert_eq!(by_listener(&json!({ "name": "calm", "denied": [] }), &limits), "");
    }

    #[test]
    fn the_adaptive_limit_of_a_service_is_a_line() {
        let recent = json!({ "shed": { "high": 0, "normal": 106, "low": 1274 } });
        assert_eq!(
            by_service(&json!({ "limit": 14, "in_flight": 12 }), &recent),
            "  limit 14, 12 in flight; refused in 5 minutes: 0 high, 106 normal, 1274 low\n"
        );
        assert_eq!((by_service(&Value::Null, &recent), all_shed(&recent)), (String::new(), 1380));
    }
}
