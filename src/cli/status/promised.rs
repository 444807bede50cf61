//! How the promise of a service stands: a line of the status.

use serde_json::Value;

use super::plain;
use crate::clock::{Stamp, parse_rfc3339};
use crate::report::phrase;

/// A line about the promise of a service, as `GET /api/v1/sla` has it; empty where nothing is promised.
pub(super) fn line(of: &Value) -> String {
    let Some(target) = of["target"].as_f64() else { return String::new() };
    let parts =
        [Some(state(of)), incident(of), alerts(of), budget(of), lasts(of), protected(of), next(of), trouble(of)];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    format!("  promise of {}: {}\n", phrase::target(target), parts.join("; "))
}

fn state(of: &Value) -> String {
    match of["maintenance_until"].as_str() {
        Some(until) => format!("maintenance until {}", moment(until)),
        None => plain(&of["state"]).to_owned(),
    }
}

fn incident(of: &Value) -> Option<String> {
    let id = of["incident"].as_i64()?;
    let open = of["incidents"].as_array().into_iter().flatten().find(|incident| incident["id"] == id);
    let since = open.and_then(|open| open["began"].as_str()).map(|began| format!(" since {}", moment(began)));
    Some(format!("incident {id} under way{}", since.unwrap_or_default()))
}

fn alerts(of: &Value) -> Option<String> {
    let alerts = of["alerts"].as_array().filter(|alerts| !alerts.is_empty())?;
    let mut words: Vec<_> = alerts.iter().map(|alert| plain(&alert["severity"])).collect();
    words.sort_unstable();
    words.dedup();
    Some(format!("alerts on: {}", words.join(", ")))
}

fn budget(of: &Value) -> Option<String> {
    let left = |name: &str, by: &str| Some(format!("{} {by}", phrase::left(of["budget"][name].as_f64()?)));
    let each = [left("left_by_time", "by time"), left("left_by_requests", "by requests")];
    let each: Vec<_> = each.into_iter().flatten().collect();
    (!each.is_empty()).then(|| format!("budget left {}", each.join(", ")))
}

fn lasts(of: &Value) -> Option<String> {
    let lasts_s = of["budget"]["exhausted_in_s"].as_f64().filter(|lasts_s| *lasts_s > 0.0)?;
    Some(format!("used up in {} at this rate", phrase::span((lasts_s * 1e3) as i64)))
}

fn protected(of: &Value) -> Option<String> {
    (of["protected"] == true).then(|| "protected: others give way".to_owned())
}

fn next(of: &Value) -> Option<String> {
    Some(format!("next maintenance {}", moment(of["next_maintenance"]["from"].as_str()?)))
}

fn trouble(of: &Value) -> Option<String> {
    of["ledger_trouble"].as_str().map(|why| format!("the ledger: {why}"))
}

/// A moment to the second, in UTC.
fn moment(text: &str) -> String {
    parse_rfc3339(text).map_or_else(|| text.to_owned(), |at| format!("{} UTC", phrase::moment(Stamp::from(at))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_promise_of_a_service_is_a_line() {
        let mut of = json!({
            "target": 0.999, "state": "up", "maintenance_until": null, "incident": null, "alerts": [], "protected": false,
            "budget": { "left_by_time": 0.9971, "left_by_requests": -132.2931, "exhausted_in_s": 0.0 },
            "next_maintenance": null,
        });
        assert_eq!(line(&of), "  promise of 99.9 %: up; budget left 99.7 % by time, \u{2212}13,230 % by requests\n");
        of["state"] = json!("down");
        of["incident"] = json!(7);
        of["incidents"] = json!([{ "id": 7, "began": "2026-11-29T01:09:12.972Z" }]);
        of["alerts"] = json!([{ "severity": "ticket" }, { "severity": "page" }, { "severity": "page" }]);
        of["protected"] = json!(true);
        of["budget"] = json!({ "left_by_time": 0.5, "left_by_requests": null, "exhausted_in_s": 5400.0 });
        of["next_maintenance"] = json!({ "from": "2026-12-06T01:00:00.000Z" });
        assert_eq!(
            line(&of),
            "  promise of 99.9 %: down; incident 7 under way since 2026-11-29 01:09:12 UTC; alerts on: page, ticket; budget left 50 % by \
             time; used up in 1 h 30 min at this rate; protected: others give way; next maintenance 2026-12-06 01:00:00 UTC\n"
        );
        of["maintenance_until"] = json!("2026-11-29T03:00:00.000Z");
        assert!(line(&of).starts_with("  promise of 99.9 %: maintenance until 2026-11-29 03:00:00 UTC; "));
        assert_eq!(line(&Value::Null), "");
    }
}
