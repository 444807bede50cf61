//! The report for people and tickets, in Markdown as GitHub's (GFM 0.29) reads it.

pub mod recoveries;
mod syntax;

use self::syntax::{code, header, list, row, text};
use super::model::{Report, ServiceReport};
use super::{account, attempts, figures, phrase, windows};

/// Writes the report.
pub fn write(report: &Report) -> String {
    let mut out = format!("# Availability: {}\n\n", text(&report.label));
    let [from, to, made] = [report.period.start, report.period.end, report.made].map(phrase::moment);
    out += &format!("From {from} to {to} UTC. Made at {made} UTC by Evenkeel {}.\n\n", text(&report.version));
    out += &overview(report);
    for service in &report.services {
        out += &section(service, report);
    }
    if !report.maintenance.is_empty() {
        out += "## Maintenance started by hand\n\n";
        out += &list(&report.maintenance);
    }
    let planned = windows::sentences(&report.windows);
    if !planned.is_empty() {
        out += "## Maintenance planned by the configuration\n\n";
        out += &list(&planned);
    }
    out += "## How it was counted\n\n";
    out += &list(account::counted());
    out += "## What is not known\n\n";
    let not_known = account::not_known(report);
    out +=
        &if not_known.is_empty() { "Nothing: all of the period was watched.\n\n".to_owned() } else { list(&not_known) };
    let head = report.head.as_deref().map_or_else(|| phrase::NOTHING.to_owned(), |hash| format!("`{}`", code(hash)));
    out + &format!("Hash of the ledger's last record: {head}\n")
}

fn overview(report: &Report) -> String {
    let mut out = header(&["Service", "Target", "By time", "By requests", "Budget left", "Target is", "Over RTO"]);
    for service in &report.services {
        let summary = &service.summary;
        out += &row([
            text(&service.name),
            text(&phrase::promised(&service.promise)),
            figures::by_time(&summary.tally),
            figures::by_requests(&summary.tally),
            figures::left(summary.budget.left()),
            format!("**{}**", figures::met(report, service)),
            figures::over_rto(service),
        ]);
    }
    out + "\n"
}

fn section(service: &ServiceReport, report: &Report) -> String {
    let mut out = format!("## {}\n\n", text(&service.name));
    out += &header(&["Figure", "Value"]);
    for (name, value) in figures::of_service(service, report) {
        out += &row([name.to_owned(), text(&value)]);
    }
    out + "\n### Incidents\n\n" + &incidents(service) + &attempted(service)
}

fn incidents(service: &ServiceReport) -> String {
    if service.incidents.is_empty() {
        return "None.\n\n".to_owned();
    }
    let mut out = header(&figures::INCIDENT_COLUMNS);
    for recorded in &service.incidents {
        let words = figures::of_incident(recorded, service.ended_by(&recorded.incident));
        let lines: Vec<_> = words.lines.iter().map(|line| text(line)).collect();
        out += &row(words.cells.iter().map(|cell| text(cell)).chain([lines.join("<br>")]));
    }
    out + "\n"
}

/// What was done about faults; nothing where nothing was.
fn attempted(service: &ServiceReport) -> String {
    let Some(sum) = attempts::sum(&service.attempts) else { return String::new() };
    let mut out = format!("### Recoveries\n\n{sum}\n\n{}", header(&attempts::COLUMNS));
    for attempt in &service.attempts {
        out += &row(attempts::cells(attempt).iter().map(|cell| text(cell)));
    }
    out + "\n"
}
