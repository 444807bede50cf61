//! The report for spreadsheets: one table as RFC 4180 has it, in UTF-8, with a header.
//!
//! The first column says what a row is, so that a filter on it gives a table of one kind:
//!
//! * `service`: the whole period of a service
//! * `day`: one of its days
//! * `incident`: one of its incidents; `good` and `failed` are the requests that ended well and those that were lost meanwhile
//! * `maintenance`: a window of maintenance; `result` is `planned` (by the configuration, whose rule is the `cause`) or `by hand` (with the reason as
//!   `cause`), and `notes` says who announced it
//! * `gap`: a time in which nobody watched, with the `cause`
//! * `not_known`: a sentence about what is not known, in `notes`
//! * `ledger`: the hash of the ledger's last record, in `notes`
//!
//! Times are UTC as `2026-11-03 14:07:09`, which spreadsheets take for times; durations are seconds, shares 0 to 1. What a row has no value for is
//! empty. Text that a spreadsheet would take for a formula begins with an apostrophe.

use super::grade::Grade;
use super::model::{Gap, MaintenanceWindow, RecordedIncident, Report, ServiceReport};
use super::{account, figures, phrase};
use crate::clock::Stamp;
use crate::sla::Tally;

/// The columns.
pub const COLUMNS: [&str; 23] = [
    "kind",
    "service",
    "start_utc",
    "end_utc",
    "target",
    "result",
    "by_time",
    "by_requests",
    "budget_left",
    "uptime_s",
    "downtime_s",
    "planned_s",
    "unknown_s",
    "good",
    "failed",
    "slow",
    "excluded",
    "incident",
    "lasted_s",
    "within_rto",
    "cause",
    "backends",
    "notes",
];

/// Writes the report.
pub fn write(report: &Report) -> String {
    let services = || report.services.iter();
    let wholes = services().map(|service| whole(report, service));
    let days = services().flat_map(|service| days(report, service));
    let incidents =
        services().flat_map(|service| service.incidents.iter().map(move |recorded| incident(service, recorded)));
    let mut out = COLUMNS.join(",") + "\r\n";
    let known = wholes.chain(days).chain(incidents).chain(report.windows.iter().map(maintenance));
    for row in known.chain(report.gaps.iter().map(gap)).chain(sentences(report)) {
        out += &line(&row);
    }
    out
}

/// The values of a row by their columns.
type Row = Vec<(&'static str, String)>;

/// The columns that rows about a service share.
fn row(kind: &str, service: &ServiceReport, time: [Option<Stamp>; 2], result: &str) -> Row {
    let mut row = timed(kind, time);
    row.extend([
        ("service", quoted(&service.name)),
        ("target", service.promise.target.to_string()),
        ("result", result.to_owned()),
    ]);
    row
}

/// The columns that all rows share which are about a time.
fn timed(kind: &str, [start, end]: [Option<Stamp>; 2]) -> Row {
    let moment = |at: Option<Stamp>| at.map(phrase::moment).unwrap_or_default();
    vec![("kind", kind.to_owned()), ("start_utc", moment(start)), ("end_utc", moment(end))]
}

fn maintenance(window: &MaintenanceWindow) -> Row {
    let (result, cause) = match &window.rule {
        Some(rule) => ("planned", rule),
        None => ("by hand", &window.reason),
    };
    let mut row = timed("maintenance", [Some(window.time.start), Some(window.time.end)]);
    row.extend([
        ("service", quoted(&window.service)),
        ("result", result.to_owned()),
        ("lasted_s", seconds(window.time.end.since(window.time.start))),
        ("cause", quoted(cause)),
        ("notes", quoted(&window.who)),
    ]);
    row
}

fn gap(gap: &Gap) -> Row {
    let mut row = timed("gap", [Some(gap.time.start), Some(gap.time.end)]);
    let lasted = gap.time.end.since(gap.time.start);
    row.extend([("result", "not known".to_owned()), ("lasted_s", seconds(lasted)), ("cause", quoted(&gap.why))]);
    row
}

/// What stands below the tables in the other formats.
fn sentences(report: &Report) -> impl Iterator<Item = Row> {
    let said = |kind: &str, text: &str| vec![("kind", kind.to_owned()), ("notes", quoted(text))];
    let not_known = account::not_known(report).into_iter().map(move |sentence| said("not_known", &sentence));
    not_known.chain(report.head.iter().map(move |hash| said("ledger", hash)))
}

fn sums(tally: &Tally) -> Row {
    vec![
        ("by_time", number(tally.by_time())),
        ("by_requests", number(tally.by_requests())),
        ("uptime_s", seconds(tally.up)),
        ("downtime_s", seconds(tally.down)),
        ("planned_s", seconds(tally.planned)),
        ("unknown_s", seconds(tally.unknown)),
        ("good", tally.good.to_string()),
        ("failed", tally.failed.to_string()),
        ("slow", tally.slow.to_string()),
        ("excluded", tally.excluded.to_string()),
    ]
}

fn whole(report: &Report, service: &ServiceReport) -> Row {
    let summary = &service.summary;
    let result = figures::met(report, service);
    let mut row = row("service", service, [Some(report.period.start), Some(report.period.end)], &result);
    row.extend(sums(&summary.tally));
    row.push(("budget_left", number(summary.budget.left())));
    row
}

fn days(report: &Report, service: &ServiceReport) -> impl Iterator<Item = Row> {
    service.days.iter().enumerate().map(|(at, day)| {
        let end = service.days.get(at + 1).map_or(report.known_until(), |next| next.start);
        let grade = Grade::of(&day.tally, service.promise.target);
        let mut row = row("day", service, [Some(day.start), Some(end)], grade.as_str());
        row.extend(sums(&day.tally));
        row
    })
}

fn incident(service: &ServiceReport, recorded: &RecordedIncident) -> Row {
    let incident = &recorded.incident;
    let result = match incident.ended {
        None => "under way",
        Some(_) if incident.is_cut => "end not known",
        Some(_) => "over",
    };
    let notes: Vec<_> =
        recorded.notes.iter().map(|note| format!("{} {}: {}", phrase::moment(note.at), note.who, note.text)).collect();
    let mut row = row("incident", service, [Some(incident.began), incident.ended], result);
    row.extend([
        ("downtime_s", seconds(incident.down_ms)),
        ("good", incident.good.to_string()),
        ("failed", incident.lost.to_string()),
        ("incident", incident.id.to_string()),
        ("lasted_s", seconds(incident.lasted_ms)),
        ("within_rto", if incident.is_within_rto() { "yes" } else { "no" }.to_owned()),
        ("cause", quoted(&format!("{}: {}", incident.cause.kind.as_str(), incident.cause.text))),
        ("backends", quoted(&incident.backends.join(" "))),
        ("notes", quoted(&notes.join("; "))),
    ]);
    row
}

fn number(share: Option<f64>) -> String {
    share.map(|share| share.to_string()).unwrap_or_default()
}

fn seconds(millis: i64) -> String {
    (millis as f64 / 1000.0).to_string()
}

/// A cell of text. A formula in it could fetch or run something on the machine of whoever opens the file, so it is made text (OWASP, "CSV
/// Injection").
fn quoted(text: &str) -> String {
    let text: String = phrase::printable(text).collect();
    // the wide forms as well: spreadsheets in East Asian locales take them for the same
    let is_formula =
        text.trim_start().starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    format!("\"{}{}\"", if is_formula { "'" } else { "" }, text.replace('"', "\"\""))
}

fn line(row: &Row) -> String {
    let value = |column| row.iter().find(|(name, _)| *name == column).map_or("", |(_, value)| value.as_str());
    COLUMNS.map(value).join(",") + "\r\n"
}
