//! The figures of a service and of an incident in words, for the formats that people read.

use super::model::{RecordedIncident, RecoveryPoint, Report, ServiceReport};
use super::phrase::{self, NOTHING};
use crate::recover::Attempt;
use crate::sla::budget::{YEAR_MS, allowed_ms};
use crate::sla::{Incident, Tally};

/// Availability by time.
pub(super) fn by_time(tally: &Tally) -> String {
    phrase::share(tally.up, tally.up + tally.down).unwrap_or_else(nothing)
}

/// Availability by requests.
pub(super) fn by_requests(tally: &Tally) -> String {
    phrase::share(tally.good, tally.counted()).unwrap_or_else(nothing)
}

/// What is left of a budget.
pub(super) fn left(share: Option<f64>) -> String {
    share.map_or_else(nothing, phrase::left)
}

fn nothing() -> String {
    NOTHING.to_owned()
}

fn span(millis: Option<i64>) -> String {
    millis.map_or_else(nothing, phrase::span)
}

/// Whether the target was met; of a period that is not over, so far.
pub(super) fn met(report: &Report, service: &ServiceReport) -> String {
    let met = phrase::met(service.summary.compliant);
    let is_open = !report.is_over() && service.summary.compliant.is_some();
    format!("{met}{}", if is_open { " so far" } else { "" })
}

/// How many incidents lasted longer than the recovery time objective.
pub(super) fn over_rto(service: &ServiceReport) -> String {
    match service.incidents.len() {
        0 => "no incident".to_owned(),
        all => format!("{} of {}", service.summary.rto_violations, phrase::many(all, "incident")),
    }
}

/// When the budget by time is used up, if time goes on to be lost as it was so far; `None` = the period is over, or it is not known. By requests there
/// is no such time: what they allow grows with them.
pub(super) fn used_up(service: &ServiceReport, report: &Report) -> Option<String> {
    let (tally, budget) = (&service.summary.tally, &service.summary.budget);
    let left_ms = budget.allowed_ms - budget.spent_ms;
    if report.is_over() || tally.up + tally.down == 0 || budget.allowed_ms == 0 {
        return None;
    }
    let lasts_ms = (tally.down > 0).then(|| left_ms as f64 * (tally.up + tally.down) as f64 / tally.down as f64);
    Some(match lasts_ms {
        Some(_) if left_ms <= 0 => "it is".to_owned(),
        Some(lasts) if lasts < report.period.end.since(report.made) as f64 => {
            format!("on {} at the rate so far", phrase::moment(report.made.plus(lasts as i64)))
        }
        _ => "not in the period at the rate so far".to_owned(),
    })
}

/// Each figure of a service with its name.
pub(super) fn of_service(service: &ServiceReport, report: &Report) -> Vec<(&'static str, String)> {
    let (promise, summary) = (&service.promise, &service.summary);
    let (tally, budget) = (&summary.tally, &summary.budget);
    let aimed = |figure: Option<i64>, goal: String, is_met: Option<bool>| match is_met {
        Some(_) => format!("{} (aim: {goal}; {})", span(figure), phrase::met(is_met)),
        None => format!("{} (aim: {goal})", span(figure)),
    };
    let spent = |spent: String, allowed: String, left: Option<f64>| {
        left.map_or_else(
            || format!("{spent} of {allowed}"),
            |left| format!("{spent} of {allowed}: {} left", phrase::left(left)),
        )
    };
    let requests = [("good", tally.good), ("failed", tally.failed), ("slow", tally.slow), ("excluded", tally.excluded)]
        .map(|(how, number)| format!("{} {how}", phrase::count(number)));
    let time_spent = spent(phrase::span(budget.spent_ms), phrase::span(budget.allowed_ms), budget.left_by_time());
    let allowed_requests = phrase::allowed(budget.allowed_requests);
    let requests_spent = spent(phrase::count(budget.spent_requests), allowed_requests, budget.left_by_requests());
    let mut figures = vec![
        ("Target", format!("{} over {}", phrase::promised(promise), phrase::window(promise.window))),
        ("Allowed downtime a year", phrase::span(allowed_ms(promise.target, YEAR_MS))),
        ("Counts as up", rule(service)),
        ("Uptime", phrase::span(tally.up)),
        ("Downtime", phrase::span(tally.down)),
        ("Planned maintenance", phrase::span(tally.planned)),
        ("Unknown", phrase::span(tally.unknown)),
        ("Requests", requests.join(", ")),
        ("Budget spent by time", time_spent),
        ("Budget spent by requests", requests_spent),
        ("Failures, recoveries", format!("{}, {}", summary.failures, summary.recoveries)),
        ("Mean time to detect", span(summary.mttd_ms)),
        ("Mean time to repair", aimed(summary.mttr_ms, phrase::setting(promise.mttr), summary.mttr_met)),
        ("Mean time between failures", aimed(summary.mtbf_ms, phrase::setting(promise.mtbf), summary.mtbf_met)),
        ("Longest outage", span(summary.longest_ms)),
        ("Longer than the RTO", over_rto(service)),
        (
            "Recovery objectives",
            format!("time (RTO) {}, point (RPO) {}", phrase::setting(promise.rto), phrase::setting(promise.rpo)),
        ),
        ("History lost in crashes", recovery_point(service)),
    ];
    if let Some(when) = used_up(service, report) {
        let at = figures.iter().position(|(name, _)| *name == "Budget spent by requests").unwrap_or(figures.len());
        figures.insert(at, ("Budget used up by time", when));
    }
    figures
}

/// What crashes have cost of the history, and whether that is within what was promised, as far as it can be known.
fn recovery_point(service: &ServiceReport) -> String {
    let RecoveryPoint { crashes, longest_ms, is_partial } = service.recovery_point;
    let rpo = phrase::setting(service.promise.rpo);
    let met = phrase::met(service.rpo_met());
    let (times, longest) = (phrase::many(crashes, "time"), phrase::span(longest_ms));
    match crashes {
        0 if is_partial => format!("not known: a part of the history is missing (RPO {rpo}: {met})"),
        0 => format!("none: Evenkeel never ended without a word (RPO {rpo}: {met})"),
        _ if service.rpo_met() == Some(true) => {
            format!("Evenkeel ended {times} without a word: at most {longest} each (RPO {rpo}: {met})")
        }
        _ => format!(
            "Evenkeel ended {times} without a word: of the time before, at most the RPO of {rpo} each, as long as the ledger could be written. \
             Whether it could is not known, for nobody knows when it ended in the gaps of up to {longest}"
        ),
    }
}

fn rule(service: &ServiceReport) -> String {
    let floor = phrase::target(service.promise.floor);
    let latency = service.promise.latency.map(|time| format!(", within {}", phrase::setting(time)));
    format!("a backend is usable and at least {floor} of the requests end well{}", latency.unwrap_or_default())
}

/// The columns of the table of incidents.
pub(super) const INCIDENT_COLUMNS: [&str; 9] =
    ["No.", "Began", "Ended", "Lasted", "Within RTO", "Cause", "Backends", "Requests lost", "What was done, and notes"];

/// An incident in words; what was done and written comes as lines.
pub(super) struct IncidentWords {
    /// All columns but the last.
    pub(super) cells: [String; 8],
    /// The last column.
    pub(super) lines: Vec<String>,
}

/// An incident in words, with the attempt that has ended it.
pub(super) fn of_incident(recorded: &RecordedIncident, ended_by: Option<&Attempt>) -> IncidentWords {
    let incident = &recorded.incident;
    let actions = incident.actions.iter().map(|action| format!("{} {}", phrase::moment(action.at), action.text));
    let healed = ended_by.map(|attempt| format!("ended by attempt {}: {}", attempt.id, attempt.strategy));
    let notes = recorded.notes.iter().map(|note| format!("{} {}: {}", phrase::moment(note.at), note.who, note.text));
    IncidentWords {
        cells: [
            incident.id.to_string(),
            phrase::moment(incident.began),
            ended(incident),
            phrase::span(incident.lasted_ms),
            within_rto(incident),
            cause(incident),
            if incident.backends.is_empty() { nothing() } else { incident.backends.join(", ") },
            phrase::count(incident.lost),
        ],
        lines: actions.chain(healed).chain(notes).collect(),
    }
}

fn ended(incident: &Incident) -> String {
    match incident.ended {
        None => "under way".to_owned(),
        Some(ended) if incident.is_cut => format!("not known; last seen {}", phrase::moment(ended)),
        Some(ended) => phrase::moment(ended),
    }
}

fn within_rto(incident: &Incident) -> String {
    if incident.is_within_rto() {
        return "yes".to_owned();
    }
    format!("no, {} over", phrase::span(incident.lasted_ms - incident.rto_ms))
}

fn cause(incident: &Incident) -> String {
    let (kind, text) = (incident.cause.kind.as_str(), &incident.cause.text);
    if text.is_empty() { kind.to_owned() } else { format!("{kind}: {text}") }
}
