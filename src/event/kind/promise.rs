//! What happens to a promise: incidents, the error budget, maintenance.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tracing::{error, info, warn};

use super::Level;
use super::protection::{GivingWay, ProtectionEnd};
use crate::clock::Stamp;
use crate::sla::burn::{Alert, AlertChange, Lookback, Severity};
use crate::sla::{Cause, Incident};

/// A change of what a promise is about.
#[derive(Debug, Clone, PartialEq)]
pub enum PromiseChange {
    /// A service is down.
    IncidentBegan(Incident),
    /// It is up again, and has been for a while.
    IncidentEnded(Incident),
    /// It is not back within the time that was promised.
    RtoExceeded(Incident),
    /// The error budget burns so fast that somebody has to know, or does so no more.
    Alert(AlertChange),
    /// More of the error budget is spent than there was.
    BudgetSpent {
        /// What is left of it, as a share: below 0.
        left: f64,
        /// The share of the time in the window that the service was up.
        by_time: Option<f64>,
        /// The share of its requests in the window that were good.
        by_requests: Option<f64>,
        /// What is promised.
        target: f64,
    },
    /// To save the error budget, others give way.
    ProtectionBegan {
        /// Who.
        gives_way: GivingWay,
        /// Why: the alert that is on.
        reason: String,
    },
    /// Nobody has to give way any more.
    ProtectionEnded {
        /// Why.
        why: ProtectionEnd,
        /// How long they had to.
        lasted: Duration,
    },
    /// What happens to the service now was announced, and does not count.
    MaintenanceBegan {
        /// Until when, or until when that is known.
        until: Stamp,
        /// Why.
        reason: String,
        /// Who announced it; `configuration` or a caller of the admin address.
        who: String,
    },
    /// What happens to the service counts again.
    MaintenanceEnded,
}

impl PromiseChange {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::IncidentBegan(_) => "incident_began",
            Self::IncidentEnded(_) => "incident_ended",
            Self::RtoExceeded(_) => "rto_exceeded",
            Self::Alert(AlertChange { is_raised: true, .. }) => "budget_alert_raised",
            Self::Alert(_) => "budget_alert_cleared",
            Self::BudgetSpent { .. } => "budget_spent",
            Self::ProtectionBegan { .. } => "budget_protection_began",
            Self::ProtectionEnded { .. } => "budget_protection_ended",
            Self::MaintenanceBegan { .. } => "maintenance_began",
            Self::MaintenanceEnded => "maintenance_ended",
        }
    }

    pub(super) fn level(&self) -> Level {
        match self {
            Self::IncidentBegan(_) | Self::RtoExceeded(_) => Level::Error,
            Self::Alert(AlertChange { is_raised: true, alert }) if alert.severity == Severity::Page => Level::Error,
            Self::Alert(AlertChange { is_raised: true, .. })
            | Self::BudgetSpent { .. }
            | Self::ProtectionBegan { .. } => Level::Warn,
            _ => Level::Info,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::IncidentBegan(incident) => {
                format!("incident {}: the service is down: {}", incident.id, incident.cause.text)
            }
            Self::IncidentEnded(incident) => format!(
                "incident {} is over: the service was down for {} s, and {} requests were lost{}",
                incident.id,
                seconds(incident.down_ms),
                incident.lost,
                if incident.is_within_rto() { "" } else { "; that is longer than was promised (rto)" },
            ),
            Self::RtoExceeded(incident) => {
                format!("incident {}: the service is not back within {} s (rto)", incident.id, seconds(incident.rto_ms))
            }
            Self::Alert(change) => alert_text(change),
            Self::BudgetSpent { left, target, .. } => format!(
                "the error budget is spent: {:.1} times what the target of {} allows in its window is gone",
                1.0 - left,
                percent(*target)
            ),
            Self::ProtectionBegan { gives_way, .. } => gives_way.text(),
            Self::ProtectionEnded { why, lasted } => {
                format!("{}: nobody gives way to the service any more, after {:.1} s", why.text(), lasted.as_secs_f64())
            }
            Self::MaintenanceBegan { until, reason, who } if reason.is_empty() => {
                format!("maintenance until {until}, as announced by {who}")
            }
            Self::MaintenanceBegan { until, reason, who } => {
                format!("maintenance until {until}, as announced by {who}: {reason}")
            }
            Self::MaintenanceEnded => "maintenance is over: what happens counts again".to_owned(),
        }
    }

    pub(super) fn cause(&self) -> Value {
        match self {
            Self::IncidentBegan(incident) | Self::IncidentEnded(incident) | Self::RtoExceeded(incident) => {
                incident_json(incident)
            }
            Self::Alert(change) => alert(&change.alert),
            Self::BudgetSpent { left, by_time, by_requests, target } => json!({
                "error_budget_left": left,
                "by_time": by_time,
                "by_requests": by_requests,
                "target": target,
            }),
            Self::ProtectionBegan { gives_way, reason } => gives_way.json(reason),
            Self::ProtectionEnded { why, lasted } => {
                json!({ "by": why.by(), "reason": why.text(), "lasted_s": (lasted.as_secs_f64() * 1e3).round() / 1e3 })
            }
            Self::MaintenanceBegan { until, reason, who } => {
                json!({ "until": until.to_string(), "reason": reason, "who": who })
            }
            Self::MaintenanceEnded => Value::Object(Map::new()),
        }
    }

    pub(super) fn log(&self, service: Option<&str>) {
        match self.level() {
            Level::Error => error!(service, "{}", self.text()),
            Level::Warn => warn!(service, "{}", self.text()),
            Level::Info => info!(service, "{}", self.text()),
        }
    }
}

/// An incident as the events show it.
fn incident_json(incident: &Incident) -> Value {
    let Cause { kind, text } = &incident.cause;
    json!({
        "incident": incident.id,
        "began": incident.began.to_string(),
        "detected": incident.detected.to_string(),
        "ended": incident.ended.map(|ended| ended.to_string()),
        "lasted_s": seconds(incident.lasted_ms),
        "down_s": seconds(incident.down_ms),
        "rto_s": seconds(incident.rto_ms),
        "within_rto": incident.is_within_rto(),
        "requests_lost": incident.lost,
        "cause": { "kind": kind.as_str(), "text": text },
        "backends": incident.backends.iter().map(|backend| &**backend).collect::<Vec<_>>(),
    })
}

fn alert_text(change: &AlertChange) -> String {
    let Alert { severity, long, short, factor, measure, long_rate, bad, counted, down_ms, .. } = &change.alert;
    let (severity, measure) = (severity.as_str(), measure.as_str());
    if !change.is_raised {
        return format!("the error budget burns too fast no more (was a {severity} by {measure})");
    }
    format!(
        "the error budget burns {long_rate:.1} times too fast by {measure} ({severity}: {factor} over {} and {}): {} in the last {}",
        long.as_str(),
        short.as_str(),
        lost(*bad, *counted, *down_ms),
        stretch(*long),
    )
}

/// What was lost in a stretch of time: requests, time, or both. What was not is left out.
fn lost(bad: i64, counted: i64, down_ms: i64) -> String {
    let requests = (bad > 0).then(|| format!("{bad} of {counted} requests were lost"));
    let time = (down_ms > 0).then(|| format!("the service was down for {} s", seconds(down_ms)));
    match (requests, time) {
        (Some(requests), Some(time)) => format!("{requests} and {time}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "nothing was lost".to_owned(),
    }
}

/// A stretch of time in words.
fn stretch(of: Lookback) -> &'static str {
    match of {
        Lookback::FiveMinutes => "5 minutes",
        Lookback::HalfHour => "half hour",
        Lookback::Hour => "hour",
        Lookback::TwoHours => "2 hours",
        Lookback::SixHours => "6 hours",
        Lookback::Day => "day",
        Lookback::ThreeDays => "3 days",
    }
}

/// An alert as the events and the API show it.
pub fn alert(alert: &Alert) -> Value {
    json!({
        "severity": alert.severity.as_str(),
        "measure": alert.measure.as_str(),
        "windows": [alert.long.as_str(), alert.short.as_str()],
        "factor": alert.factor,
        "burn_rates": [alert.long_rate, alert.short_rate],
        "requests_lost": alert.bad,
        "requests": alert.counted,
        "down_s": seconds(alert.down_ms),
        "since": alert.since.to_string(),
    })
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1e3
}

/// A share as a percentage, to three places.
fn percent(share: f64) -> String {
    format!("{} %", (share * 1e5).round() / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_tells_only_of_what_was_lost() {
        assert_eq!(lost(6, 14, 0), "6 of 14 requests were lost");
        assert_eq!(lost(0, 0, 336), "the service was down for 0.336 s");
        assert_eq!(lost(48, 937, 799), "48 of 937 requests were lost and the service was down for 0.799 s");
        assert_eq!((stretch(Lookback::Hour), stretch(Lookback::ThreeDays)), ("hour", "3 days"));
    }
}
