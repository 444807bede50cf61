//! The report for people and tickets, in Markdown as GitHub's (GFM 0.29) reads it.

use super::model::{Report, ServiceReport};
use super::{account, figures, phrase};

/// Writes the report.
pub fn write(report: &Report) -> String {
    let mut out = format!("# Availability: {}\n\n", text(&report.label));
    let [from, to, made] = [report.period.start, report.period.end, report.made].map(phrase::moment);
    out += &format!("From {from} to {to} UTC. Made at {made} UTC by Evenkeel {}.\n\n", text(&report.version));
    out += &overview(report);
    for service in &report.services {
        out += &section(service);
    }
    if !report.maintenance.is_empty() {
        out += "## Maintenance started by hand\n\n";
        out += &list(&report.maintenance);
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
            format!("**{}**", phrase::met(summary.compliant)),
            figures::over_rto(service),
        ]);
    }
    out + "\n"
}

fn section(service: &ServiceReport) -> String {
    let mut out = format!("## {}\n\n", text(&service.name));
    out += &header(&["Figure", "Value"]);
    for (name, value) in figures::of_service(service) {
        out += &row([name.to_owned(), text(&value)]);
    }
    out += "\n### Incidents\n\n";
    if service.incidents.is_empty() {
        return out + "None.\n\n";
    }
    out += &header(&figures::INCIDENT_COLUMNS);
    for recorded in &service.incidents {
        let words = figures::of_incident(recorded);
        let lines: Vec<_> = words.lines.iter().map(|line| text(line)).collect();
        out += &row(words.cells.iter().map(|cell| text(cell)).chain([lines.join("<br>")]));
    }
    out + "\n"
}

fn header(columns: &[&str]) -> String {
    row(columns.iter().map(|&name| name.to_owned())) + &row(columns.iter().map(|_| "---".to_owned()))
}

fn row(cells: impl IntoIterator<Item = String>) -> String {
    format!("| {} |\n", cells.into_iter().collect::<Vec<_>>().join(" | "))
}

fn list(sentences: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let lines: String = sentences.into_iter().map(|line| format!("- {}\n", text(line.as_ref()))).collect();
    lines + "\n"
}

/// Text of others: it must neither end a cell or a line, nor be taken for markup or HTML. `_` stays, because it is no markup within a word.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in phrase::printable(text) {
        match c {
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '&' => out += "&amp;",
            '\\' | '|' | '`' | '*' | '[' | ']' | '~' | '#' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}

/// Text between backticks, where nothing can be escaped.
fn code(text: &str) -> String {
    phrase::printable(text).filter(|&c| c != '`').collect()
}
