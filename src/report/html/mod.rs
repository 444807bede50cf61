//! The report for customers: one page that needs nothing else, no script and no other file, and that can be printed. It is well-formed as XML is,
//! so that a test can check it.
//!
//! Nothing is said by colour alone: what met its target has a tick, a bad day has a cross, planned time is hatched. Contrasts are those of WCAG 2.2
//! AA, light and dark.

mod curve;
mod days;
mod escape;
mod service;

use self::escape::text;
use super::model::Report;
use super::{account, figures, phrase, windows};

/// Writes the report.
pub fn write(report: &Report) -> String {
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n<meta name=\"robots\" content=\"noindex\"/>\n\
         <title>Availability: {}</title>\n<style>\n{}</style>\n</head>\n<body>\n",
        text(&report.label),
        include_str!("style.css"),
    );
    out += &header(report);
    out += "<main>\n";
    out += &overview(report);
    for (at, of) in report.services.iter().enumerate() {
        out += &service::section(at, of, report);
    }
    out += &account(report);
    out += "</main>\n";
    out += &footer(report);
    out + "</body>\n</html>\n"
}

fn header(report: &Report) -> String {
    let [from, to, made] = [report.period.start, report.period.end, report.made].map(phrase::moment);
    let [met, missed, unknown] = report.outcomes();
    let whole = report.services.len();
    let headline = match (missed, unknown) {
        _ if whole == 0 => "There is no service with a promise.".to_owned(),
        (0, 0) => format!(
            "Target met by {}.",
            if whole == 1 { "the one service".to_owned() } else { format!("all {whole} services") }
        ),
        (_, 0) => format!("Target met by {met} of {}, missed by {missed}.", phrase::many(whole, "service")),
        _ => format!(
            "Target met by {met} of {}, missed by {missed}; not known of {unknown}.",
            phrase::many(whole, "service")
        ),
    };
    format!(
        "<header>\n<p class=\"kicker\">Availability report</p>\n<h1><bdi>{}</bdi></h1>\n<p class=\"headline\">{headline}</p>\n\
         <p class=\"quiet\">From {from} to {to} UTC. Made at {made} UTC.</p>\n</header>\n",
        text(&report.label)
    )
}

fn overview(report: &Report) -> String {
    if report.services.len() < 2 {
        return String::new();
    }
    let row = |(at, service): (usize, &super::ServiceReport)| {
        let summary = &service.summary;
        format!(
            "<tr><th scope=\"row\"><a href=\"#service-{at}\"><bdi>{}</bdi></a></th><td data-name=\"Target\">{}</td><td data-name=\"By time\">{}</td>\
             <td data-name=\"By requests\">{}</td><td data-name=\"Budget left\">{}</td><td data-name=\"Over RTO\">{}</td><td data-name=\"Target is\">{}</td></tr>\n",
            text(&service.name),
            text(&phrase::promised(&service.promise)),
            figures::by_time(&summary.tally),
            figures::by_requests(&summary.tally),
            figures::left(summary.budget.left()),
            figures::over_rto(service),
            service::badge(service, report),
        )
    };
    let rows: String = report.services.iter().enumerate().map(row).collect();
    format!(
        "<section>\n<h2>Services</h2>\n<table class=\"stack numbers\">\n<thead><tr><th scope=\"col\">Service</th><th scope=\"col\">Target</th><th scope=\"col\">By time</th>\
         <th scope=\"col\">By requests</th><th scope=\"col\">Budget left</th><th scope=\"col\">Over RTO</th><th scope=\"col\">Target is</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n</section>\n"
    )
}

fn account(report: &Report) -> String {
    let not_known = account::not_known(report);
    let not_known = if not_known.is_empty() {
        "<p>Nothing: all of the period was watched.</p>\n".to_owned()
    } else {
        list(&not_known)
    };
    let maintenance = if report.maintenance.is_empty() {
        String::new()
    } else {
        let announced = list(&report.maintenance);
        format!("<section class=\"account\">\n<h2>Maintenance started by hand</h2>\n{announced}</section>\n")
    };
    let planned = windows::sentences(&report.windows);
    let planned = if planned.is_empty() {
        String::new()
    } else {
        let planned = list(&planned);
        format!("<section class=\"account\">\n<h2>Maintenance planned by the configuration</h2>\n{planned}</section>\n")
    };
    format!(
        "{maintenance}{planned}<section class=\"account\">\n<h2>What is not known</h2>\n{not_known}</section>\n<section class=\"account\">\n<h2>How it was counted</h2>\n{}</section>\n",
        list(account::counted())
    )
}

fn list(sentences: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let items: String =
        sentences.into_iter().map(|line| format!("<li><bdi>{}</bdi></li>\n", text(line.as_ref()))).collect();
    format!("<ul>\n{items}</ul>\n")
}

fn footer(report: &Report) -> String {
    let head = report.head.as_deref().map_or_else(
        || "The ledger has no hash.".to_owned(),
        |hash| format!("Hash of the ledger's last record: <code>{}</code>", text(hash)),
    );
    format!("<footer>\n<p>{head}</p>\n<p>Made by Evenkeel {}.</p>\n</footer>\n", text(&report.version))
}
