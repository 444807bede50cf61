//! What the admin address says of recovery as a whole, as text.

use serde_json::Value;

use super::attempt;

/// Whether recovery is paused, and what is under way in each service.
pub(super) fn status(state: &Value) -> String {
    let mut out = paused(state);
    let services = state["services"].as_object();
    if services.is_none_or(|services| services.is_empty()) {
        return out + "no service is repaired: none has a strategy (`recover`)\n";
    }
    for (name, service) in services.into_iter().flatten() {
        let how = match (service["dry_run"] == true, service["approve"] == "ask") {
            (true, _) => "dry run: nothing is done",
            (false, true) => "asks before each attempt",
            (false, false) => "acts by itself",
        };
        out += &format!("\n{name}  {how}\n");
        let attempts = state["attempts"].as_array().into_iter().flatten();
        for it in attempts.filter(|attempt| attempt["service"] == **name) {
            out += &format!("  {}", attempt::line(it));
        }
        if let Some(why) = service["braked"].as_str() {
            out += &format!("  held back: {why}\n");
        }
    }
    out
}

/// Whether recovery is paused.
pub(super) fn paused(state: &Value) -> String {
    let kept = if state["kept"] == false { " (not on the disk so far: a restart forgets it)" } else { "" };
    if state["paused"] != true {
        return format!("recovery is on{kept}\n");
    }
    let who = state["who"].as_str().unwrap_or("?");
    let reason = state["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("recovery is PAUSED since {} UTC by {who}{reason}{kept}\n", attempt::moment(&state["since"]))
}

/// A line for each attempt, below one that says what is in the columns.
pub(super) fn list(all: &Value) -> String {
    let all = all.as_array().map(Vec::as_slice).unwrap_or_default();
    if all.is_empty() {
        return "nothing was done\n".to_owned();
    }
    let heading = "came to";
    let widths = all.iter().map(|it| attempt::came_to(it).chars().count());
    let width = widths.max().unwrap_or_default().max(heading.len());
    let header = format!("  No.  {:19}  {heading:width$}  what\n", "began (UTC)");
    let line = |it: &Value| {
        let (id, began) = (it["id"].to_string(), attempt::moment(&it["start"]));
        format!("{id:>5}  {began}  {:width$}  {}\n", attempt::came_to(it), attempt::what(it))
    };
    std::iter::once(header).chain(all.iter().map(line)).collect()
}

/// What was learned, by service, fault and strategy, the best of these first.
pub(super) fn effectiveness(all: &Value) -> String {
    let mut out = String::new();
    for (service, faults) in all.as_object().into_iter().flatten() {
        out += &format!("{service}\n");
        for (fault, strategies) in faults.as_object().into_iter().flatten() {
            out += &format!("  {}\n", fault.replace('_', " "));
            let value = |figures: &Value| figures["effectiveness"].as_f64().unwrap_or_default();
            let mut strategies: Vec<_> = strategies.as_object().into_iter().flatten().collect();
            strategies.sort_by(|(_, one), (_, other)| value(other).total_cmp(&value(one)));
            for (strategy, figures) in strategies {
                out += &format!(
                    "    {strategy:20} {:.2}  tried {}, healed {}, credited {}\n",
                    value(figures),
                    figures["attempts"],
                    figures["successes"],
                    figures["credited"],
                );
            }
        }
    }
    if out.is_empty() { "nothing was learned of a strategy so far\n".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_state_says_who_paused_it_and_what_runs() {
        let state = json!({
            "paused": true, "who": "token ops", "since": "2026-11-27T10:00:00.000Z", "reason": "a migration",
            "services": { "api": { "dry_run": true, "approve": "ask", "braked": "2 of 3 are unwell", "running": [7], "in_force": [] } },
            "attempts": [
                { "id": 7, "service": "api", "backend": "a", "fault": "unresponsive", "strategy": "restart", "phase": "proposed" },
                { "id": 8, "service": "web", "fault": "unresponsive", "strategy": "restart", "phase": "acting" },
            ],
        });
        assert_eq!(
            status(&state),
            "recovery is PAUSED since 2026-11-27 10:00:00 UTC by token ops: a migration\n\n\
             api  dry run: nothing is done\n  \
             attempt 7: restart of api/a against unresponsive, waits to be approved\n  held back: 2 of 3 are unwell\n"
        );
        let nothing = json!({ "paused": false, "services": {} });
        assert_eq!(status(&nothing), "recovery is on\nno service is repaired: none has a strategy (`recover`)\n");
        assert!(paused(&json!({ "paused": false, "kept": false })).contains("not on the disk"));
    }

    #[test]
    fn a_list_has_its_columns_under_each_other() {
        let attempt = |id: i64, outcome: Value| {
            json!({ "id": id, "service": "api", "backend": "a", "fault": "unresponsive", "strategy": "restart", "phase": "acting",
                    "start": "2026-11-27T10:00:01.000Z", "outcome": outcome })
        };
        assert_eq!(
            list(&json!([attempt(12, Value::Null), attempt(9, json!("not_healed"))])),
            "  No.  began (UTC)          came to     what\n   \
             12  2026-11-27 10:00:01  acting      restart of api/a against unresponsive\n    \
             9  2026-11-27 10:00:01  not healed  restart of api/a against unresponsive\n"
        );
        assert_eq!(list(&json!([])), "nothing was done\n");
    }

    #[test]
    fn of_what_was_learned_the_best_strategy_comes_first() {
        let figures = |value: f64| json!({ "effectiveness": value, "attempts": 4, "successes": 3, "credited": 2 });
        let all = json!({
            "api": { "high_latency": { "restart": figures(0.4), "scale_up": figures(0.85) } },
            "web": { "unresponsive": { "restart": figures(0.5) } },
        });
        let shown = "api\n  high latency\n    scale_up             0.85  tried 4, healed 3, credited 2\n    \
                     restart              0.40  tried 4, healed 3, credited 2\n";
        assert!(effectiveness(&all).starts_with(shown) && effectiveness(&all).contains("web\n"));
        assert_eq!(effectiveness(&json!({})), "nothing was learned of a strategy so far\n");
    }
}
