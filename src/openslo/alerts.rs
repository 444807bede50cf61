//! The alerts of the Google SRE workbook (chapter 5, table 5-8) as OpenSLO has them: a policy, a condition, and somebody to tell.
//!
//! The workbook's alerts look at two windows each; a condition of OpenSLO has one. The long window is the `lookbackWindow`, because it alone
//! says how much of the budget is gone; the short one, which only ends the alert sooner, is an annotation.

use serde_json::{Value, json};

use super::{API_VERSION, annotation};

/// An alert: how fast the budget burns, over what windows, and how bad that is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alert {
    /// The name of its policy and of its condition.
    pub name: &'static str,
    /// `page` or `ticket`.
    pub severity: &'static str,
    /// How many times faster than would use up the budget in the whole window.
    pub threshold: f64,
    /// The long window.
    pub long: &'static str,
    /// The short window.
    pub short: &'static str,
}

/// The workbook's alerts.
pub const ALERTS: [Alert; 4] = [
    Alert { name: "evenkeel-page-1h", severity: "page", threshold: 14.4, long: "1h", short: "5m" },
    Alert { name: "evenkeel-page-6h", severity: "page", threshold: 6.0, long: "6h", short: "30m" },
    Alert { name: "evenkeel-ticket-1d", severity: "ticket", threshold: 3.0, long: "1d", short: "2h" },
    Alert { name: "evenkeel-ticket-3d", severity: "ticket", threshold: 1.0, long: "3d", short: "6h" },
];

/// Who is told: OpenSLO wants at least one target for a policy.
const TARGET: &str = "evenkeel-notify";

/// What an SLO has in its `alertPolicies`: references to all of them. So wants it the specification ("alertPolicyRef"), and so does the project's
/// library for Go read it. The JSON schemas, which the project has withdrawn in favour of that library, wanted bare names.
pub fn references() -> Value {
    ALERTS.iter().map(|alert| json!({ "alertPolicyRef": alert.name })).collect()
}

/// The policies, their conditions and whom they tell. All SLOs of the file [refer](references) to them.
pub fn objects() -> Vec<Value> {
    let mut objects = vec![json!({
        "apiVersion": API_VERSION,
        "kind": "AlertNotificationTarget",
        "metadata": { "name": TARGET },
        "spec": { "target": "webhook", "description": "Whoever [[notify]] of proxy.toml names." },
    })];
    objects.extend(ALERTS.iter().flat_map(|alert| [condition(alert), policy(alert)]));
    objects
}

/// Whether this is the name of a policy of ours.
pub fn is_policy(name: &str) -> bool {
    ALERTS.iter().any(|alert| alert.name == name)
}

/// Whether one of ours is the condition that looks at this long window for this threshold.
pub fn is_ours(threshold: f64, long: &str) -> bool {
    ALERTS.iter().any(|alert| alert.threshold == threshold && alert.long == long)
}

fn condition(alert: &Alert) -> Value {
    let Alert { name, severity, threshold, long, short } = alert;
    json!({
        "apiVersion": API_VERSION,
        "kind": "AlertCondition",
        "metadata": { "name": name, "annotations": { annotation::SHORT_WINDOW: short } },
        "spec": {
            "description": format!("The error budget burns at {threshold} times its rate over {long}, and over the last {short}."),
            "severity": severity,
            "condition": {
                "kind": "burnrate",
                "op": "gte",
                "threshold": threshold,
                "lookbackWindow": long,
                // the schema wants one, and does not take zero
                "alertAfter": "1m",
            },
        },
    })
}

fn policy(alert: &Alert) -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": "AlertPolicy",
        "metadata": { "name": alert.name },
        "spec": {
            "alertWhenBreaching": true,
            "alertWhenResolved": true,
            "alertWhenNoData": false,
            "conditions": [{ "conditionRef": alert.name }],
            "notificationTargets": [{ "targetRef": TARGET }],
        },
    })
}
