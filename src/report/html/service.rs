//! One service on the page.

use super::super::figures::{self, INCIDENT_COLUMNS};
use super::super::model::{RecordedIncident, Report, ServiceReport};
use super::super::{attempts, phrase};
use super::escape::text;
use super::{curve, days};

/// All of a service; `at` is its place in the report.
pub(super) fn section(at: usize, service: &ServiceReport, report: &Report) -> String {
    format!(
        "<section class=\"service\" id=\"service-{at}\">\n<h2><bdi>{}</bdi> {}</h2>\n{}{}{}{}{}{}</section>\n",
        text(&service.name),
        badge(service, report),
        tiles(service, report),
        days::bar(service),
        curve::figure(service, report),
        incidents(service),
        attempted(service),
        details(service, report),
    )
}

/// Whether the target was met.
pub(super) fn badge(service: &ServiceReport, report: &Report) -> String {
    let (class, sign) = match service.summary.compliant {
        Some(true) => ("met", "\u{2713}"),
        Some(false) => ("bad", "\u{2715}"),
        None => ("unknown", "?"),
    };
    format!(
        "<span class=\"badge {class}\"><span aria-hidden=\"true\">{sign}</span> {}</span>",
        figures::met(report, service)
    )
}

/// What is read first: both availabilities, the budget, the incidents.
fn tiles(service: &ServiceReport, report: &Report) -> String {
    let (summary, target) = (&service.summary, service.promise.target);
    let (tally, budget) = (&summary.tally, &summary.budget);
    let goal = format!("target {}", phrase::promised(&service.promise));
    let mut down = format!("down {} of {} allowed", phrase::span(budget.spent_ms), phrase::span(budget.allowed_ms));
    if tally.unknown > 0 {
        down += &format!("; {} not known", phrase::span(tally.unknown));
    }
    let lost = format!("{} of {} requests lost", phrase::count(budget.spent_requests), phrase::count(tally.counted()));
    let late = format!("over the RTO of {}: {}", phrase::setting(service.promise.rto), figures::over_rto(service));
    let mut lefts = vec![
        format!("by time {}", figures::left(budget.left_by_time())),
        format!("by requests {}", figures::left(budget.left_by_requests())),
    ];
    lefts.extend(figures::used_up(service, report).map(|when| format!("used up by time: {when}")));
    let lefts: Vec<_> = lefts.iter().map(String::as_str).collect();
    let missed = |share: Option<f64>| share.is_some_and(|share| share < target);
    let tiles = [
        tile("Availability by time", &figures::by_time(tally), missed(tally.by_time()), &[&goal, &down], ""),
        tile(
            "Availability by requests",
            &figures::by_requests(tally),
            missed(tally.by_requests()),
            &[&goal, &lost],
            "",
        ),
        tile(
            "Error budget left",
            &figures::left(budget.left()),
            budget.left().is_some_and(|left| left < 0.0),
            &lefts,
            &meter(budget.left()),
        ),
        tile(
            "Longest outage",
            &summary.longest_ms.map_or_else(|| "none".to_owned(), phrase::span),
            summary.rto_violations > 0,
            &[&late],
            "",
        ),
    ];
    format!("<div class=\"tiles\">\n{}</div>\n", tiles.concat())
}

fn tile(name: &str, value: &str, is_missed: bool, notes: &[&str], meter: &str) -> String {
    let class = if is_missed { " missed" } else { "" };
    let notes: String = notes.iter().map(|note| format!("<span class=\"note\">{}</span>", text(note))).collect();
    format!(
        "<div class=\"tile{class}\"><span class=\"name\">{name}</span><strong>{value}</strong>{meter}{notes}</div>\n"
    )
}

/// A bar that is as full as the budget; it is hatched all over where the budget is overspent.
fn meter(left: Option<f64>) -> String {
    let Some(left) = left else { return String::new() };
    let (class, width) = if left < 0.0 { (" over", 100.0) } else { ("", left.min(1.0) * 100.0) };
    format!("<span class=\"meter{class}\" aria-hidden=\"true\"><span style=\"width:{width:.1}%\"></span></span>")
}

fn incidents(service: &ServiceReport) -> String {
    if service.incidents.is_empty() {
        return "<h3>Incidents</h3>\n<p>None.</p>\n".to_owned();
    }
    let header: String = INCIDENT_COLUMNS.map(|name| format!("<th scope=\"col\">{name}</th>")).concat();
    let rows: String = service.incidents.iter().map(|recorded| incident(recorded, service)).collect();
    format!(
        "<h3>Incidents</h3>\n<table class=\"stack incidents\">\n<thead><tr>{header}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"
    )
}

fn incident(recorded: &RecordedIncident, service: &ServiceReport) -> String {
    let words = figures::of_incident(recorded, service.ended_by(&recorded.incident));
    let cell = |(name, value): (&&str, &String)| format!("<td data-name=\"{name}\"><bdi>{}</bdi></td>", text(value));
    let cells: String = INCIDENT_COLUMNS.iter().zip(&words.cells).map(cell).collect();
    let lines: String = words.lines.iter().map(|line| format!("<li><bdi>{}</bdi></li>", text(line))).collect();
    let lines = if lines.is_empty() { phrase::NOTHING.to_owned() } else { format!("<ul>{lines}</ul>") };
    let class = if recorded.incident.is_within_rto() { "" } else { " class=\"over\"" };
    format!("<tr{class}>{cells}<td data-name=\"{}\">{lines}</td></tr>\n", INCIDENT_COLUMNS[8])
}

/// What was done about faults; nothing where nothing was.
fn attempted(service: &ServiceReport) -> String {
    let Some(sum) = attempts::sum(&service.attempts) else { return String::new() };
    let header: String = attempts::COLUMNS.map(|name| format!("<th scope=\"col\">{name}</th>")).concat();
    let cell = |(name, value): (&&str, &String)| format!("<td data-name=\"{name}\"><bdi>{}</bdi></td>", text(value));
    let row = |attempt| {
        let cells: String = attempts::COLUMNS.iter().zip(&attempts::cells(attempt)).map(cell).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let rows: String = service.attempts.iter().map(row).collect();
    format!(
        "<h3>Recoveries</h3>\n<p>{}</p>\n<table class=\"stack attempts\">\n<thead><tr>{header}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n",
        text(&sum)
    )
}

/// What is read by whoever wants to know more.
fn details(service: &ServiceReport, report: &Report) -> String {
    let figure = |(name, value): (&str, String)| format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", text(&value));
    let figures: String = figures::of_service(service, report).into_iter().map(figure).collect();
    format!("<h3>Figures</h3>\n<dl>\n{figures}</dl>\n{}", days::table(service))
}
