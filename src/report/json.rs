//! The report for programs, and what the API says of a service.
//!
//! A report is `{ made, from, to, is_over, label, version, services: { NAME: SERVICE }, maintenance: [SENTENCE], maintenance_windows: [{ service, from, to,
//! rule, reason, who }], gaps: [{ from, to, lasted_s, reason, why }], clock_jumps: [{ at, by_s }], ledger_head, counted: [SENTENCE], not_known: [SENTENCE] }`. A SERVICE is what [`service`] gives, with `days: [{ start, grade, by_time, by_requests,
//! TALLY... }]` and `attempts: [ATTEMPT]` beside it, of which [`attempt`] gives each. Times of day are RFC 3339 in UTC, durations seconds (members that end in `_s`), shares 0 to 1 and exact, as JSON can
//! have them. A member is `null` where there is nothing to say: no failure, no mean time between failures.

mod attempt;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

pub use attempt::attempt;

use super::model::{ClockJump, Day, Gap, MaintenanceWindow, RecordedIncident, Report, ServiceReport};
use super::{account, grade::Grade};
use crate::sla::budget::{YEAR_MS, allowed_ms};
use crate::sla::{Action, Tally, Window};

/// The whole report. Only one service at a time is held as a tree: a year of a hundred services would take a hundred megabytes.
pub fn write(report: &Report) -> String {
    // nothing in a report can fail to be written
    serde_json::to_string_pretty(&Whole(report)).unwrap_or_default() + "\n"
}

struct Whole<'a>(&'a Report);

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let report = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("made", &report.made.to_string())?;
        map.serialize_entry("from", &report.period.start.to_string())?;
        map.serialize_entry("to", &report.period.end.to_string())?;
        map.serialize_entry("is_over", &report.is_over())?;
        map.serialize_entry("label", &report.label)?;
        map.serialize_entry("version", &report.version)?;
        map.serialize_entry("services", &Services(&report.services))?;
        map.serialize_entry("maintenance", &report.maintenance)?;
        map.serialize_entry("maintenance_windows", &report.windows.iter().map(window_of).collect::<Vec<_>>())?;
        map.serialize_entry("gaps", &report.gaps.iter().map(gap).collect::<Vec<_>>())?;
        map.serialize_entry("clock_jumps", &report.jumps.iter().map(jump).collect::<Vec<_>>())?;
        map.serialize_entry("ledger_head", &report.head)?;
        map.serialize_entry("counted", &account::counted())?;
        map.serialize_entry("not_known", &account::not_known(report))?;
        map.end()
    }
}

struct Services<'a>(&'a [ServiceReport]);

impl Serialize for Services<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|of| (&of.name, with(service(of), days(of)))))
    }
}

fn gap(gap: &Gap) -> Value {
    let (from, to) = (gap.time.start, gap.time.end);
    json!({ "from": from.to_string(), "to": to.to_string(), "lasted_s": seconds(gap.lasted()), "reason": gap.reason, "why": gap.why })
}

fn window_of(window: &MaintenanceWindow) -> Value {
    json!({
        "service": window.service,
        "from": window.time.start.to_string(),
        "to": window.time.end.to_string(),
        "rule": window.rule,
        "reason": Some(&window.reason).filter(|reason| !reason.is_empty()),
        "who": window.who,
    })
}

fn jump(jump: &ClockJump) -> Value {
    json!({ "at": jump.at.to_string(), "by_s": seconds(jump.by_ms) })
}

/// One service, as the API and the report give it. `burn_rate` is empty: it is of the last hours and days, which the API knows and adds, while the
/// period of a report may be long over.
///
/// `availability` is the one by time, which a promise of so many nines is about; `by_time` is the same, beside `by_requests`. `compliant` needs both,
/// and `error_budget_left` is the smaller of `budget.left_by_time` and `budget.left_by_requests`.
pub fn service(of: &ServiceReport) -> Value {
    let (promise, summary) = (&of.promise, &of.summary);
    let budget = &summary.budget;
    let figures = json!({
        "tier": promise.tier.map(|tier| tier.as_str()),
        "target": promise.target,
        "availability": summary.tally.by_time(),
        "by_time": summary.tally.by_time(),
        "by_requests": summary.tally.by_requests(),
        "failures": summary.failures,
        "recoveries": summary.recoveries,
        "mttd_s": summary.mttd_ms.map(seconds),
        "mttr_s": summary.mttr_ms.map(seconds),
        "mtbf_s": summary.mtbf_ms.map(seconds),
        "mttr_met": summary.mttr_met,
        "mtbf_met": summary.mtbf_met,
        "longest_outage_s": summary.longest_ms.map(seconds),
        "rto_violations": summary.rto_violations,
        "requests_lost": summary.tally.bad(),
        "error_budget_left": budget.left(),
        "budget": {
            "allowed_s": seconds(budget.allowed_ms),
            "spent_s": seconds(budget.spent_ms),
            "left_by_time": budget.left_by_time(),
            "allowed_requests": budget.allowed_requests,
            "spent_requests": budget.spent_requests,
            "left_by_requests": budget.left_by_requests(),
        },
        "burn_rate": {},
        "compliant": summary.compliant,
        "deleted_s": seconds(summary.deleted_ms),
        "recovery_point": {
            "crashes": of.recovery_point.crashes,
            "longest_gap_s": seconds(of.recovery_point.longest_ms),
            "within_rpo": of.rpo_met(),
        },
        "recovery": attempt::counts(&of.attempts),
        "incidents": of.incidents.iter().map(|recorded| incident(recorded, of)).collect::<Vec<_>>(),
        "promise": {
            "rto_s": promise.rto.as_secs_f64(),
            "rpo_s": promise.rpo.as_secs_f64(),
            "mttr_s": promise.mttr.as_secs_f64(),
            "mtbf_s": promise.mtbf.as_secs_f64(),
            "latency_s": promise.latency.map(|time| time.as_secs_f64()),
            "floor": promise.floor,
            "protect": promise.protect,
            "window": window(promise.window),
            "allowed_per_year_s": seconds(allowed_ms(promise.target, YEAR_MS)),
        },
    });
    with(figures, tally(&summary.tally))
}

fn window(window: Window) -> Value {
    match window {
        Window::Rolling(time) => json!({ "rolling_s": time.as_secs_f64() }),
        Window::Calendar(unit) => json!({ "calendar": unit.as_str() }),
    }
}

fn incident(recorded: &RecordedIncident, of: &ServiceReport) -> Value {
    let incident = &recorded.incident;
    let said = |action: &Action| json!({ "at": action.at.to_string(), "text": action.text });
    let notes =
        recorded.notes.iter().map(|note| json!({ "at": note.at.to_string(), "who": note.who, "text": note.text }));
    json!({
        "id": incident.id,
        "began": incident.began.to_string(),
        "detected": incident.detected.to_string(),
        "ended": incident.ended.map(|ended| ended.to_string()),
        "cut": incident.is_cut,
        "lasted_s": seconds(incident.lasted_ms),
        "down_s": seconds(incident.down_ms),
        "rto_s": seconds(incident.rto_ms),
        "within_rto": incident.is_within_rto(),
        "cause": { "kind": incident.cause.kind.as_str(), "text": incident.cause.text },
        "backends": incident.backends.iter().map(|id| &**id).collect::<Vec<_>>(),
        "actions": incident.actions.iter().map(said).collect::<Vec<_>>(),
        "ended_by_attempt": of.ended_by(incident).map(|attempt| attempt.id),
        "requests_lost": incident.lost,
        "requests_good": incident.good,
        "notes": notes.collect::<Vec<_>>(),
        "sealed": recorded.is_sealed,
    })
}

fn days(of: &ServiceReport) -> Value {
    json!({
        "days": of.days.iter().map(|it| day(it, of.promise.target)).collect::<Vec<_>>(),
        "attempts": of.attempts.iter().map(attempt).collect::<Vec<_>>(),
    })
}

fn day(day: &Day, target: f64) -> Value {
    let shares = json!({
        "start": day.start.to_string(),
        "grade": Grade::of(&day.tally, target).as_str(),
        "by_time": day.tally.by_time(),
        "by_requests": day.tally.by_requests(),
    });
    with(shares, tally(&day.tally))
}

fn tally(tally: &Tally) -> Value {
    json!({
        "uptime_s": seconds(tally.up),
        "downtime_s": seconds(tally.down),
        "planned_s": seconds(tally.planned),
        "unknown_s": seconds(tally.unknown),
        "requests": { "good": tally.good, "failed": tally.failed, "slow": tally.slow, "excluded": tally.excluded },
    })
}

/// The members of both.
fn with(mut one: Value, other: Value) -> Value {
    if let (Value::Object(members), Value::Object(more)) = (&mut one, other) {
        members.extend(more);
    }
    one
}

fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}
