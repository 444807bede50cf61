//! The days of a service: as a bar with a cell a day, and as a table.

use super::super::figures;
use super::super::grade::Grade;
use super::super::model::{Day, ServiceReport};
use super::super::phrase;

/// The least height of a stripe, in percent of its cell: less would not be seen.
const LEAST: f64 = 18.0;

/// A cell for each day, oldest first. What of a day was planned or is not known stands as a stripe at its foot.
pub(super) fn bar(service: &ServiceReport) -> String {
    let (Some(first), Some(last)) = (service.days.first(), service.days.last()) else {
        return String::new();
    };
    let cells: String = service.days.iter().map(|day| cell(day, service.promise.target)).collect();
    let legend: String = Grade::ALL
        .map(|grade| {
            format!("<li><span class=\"cell {0}\">{1}</span> {2}</li>", grade.as_str(), sign(grade), grade.meaning())
        })
        .concat();
    format!(
        "<h3>Day by day</h3>\n<ol class=\"bar\">\n{cells}</ol>\n<p class=\"ends\"><span>{}</span><span>{}</span></p>\n<ul class=\"legend\">{legend}</ul>\n",
        phrase::day(first.start),
        phrase::day(last.start),
    )
}

fn cell(day: &Day, target: f64) -> String {
    let grade = Grade::of(&day.tally, target);
    let words = words(day, grade);
    let stripe = |class: &str, millis: i64| {
        let height = (millis as f64 / day.tally.elapsed().max(1) as f64 * 100.0).clamp(LEAST, 100.0);
        let is_shown = millis > 0 && !matches!(grade, Grade::Planned | Grade::Unknown);
        if is_shown { format!("<i class=\"{class}\" style=\"height:{height:.0}%\"></i>") } else { String::new() }
    };
    format!(
        "<li class=\"cell {}\" title=\"{words}\"><span aria-hidden=\"true\">{}</span><span class=\"spoken\">{words}</span>{}{}</li>\n",
        grade.as_str(),
        sign(grade),
        stripe("planned", day.tally.planned),
        stripe("unknown", day.tally.unknown),
    )
}

fn sign(grade: Grade) -> &'static str {
    match grade {
        Grade::Met | Grade::Planned => "",
        Grade::Missed => "!",
        Grade::Bad => "\u{2715}",
        Grade::Unknown => "?",
    }
}

fn words(day: &Day, grade: Grade) -> String {
    let tally = &day.tally;
    let mut words = format!("{}: {}", phrase::day(day.start), grade.meaning());
    if tally.by_time().is_some() {
        words += &format!("; {} by time", figures::by_time(tally));
    }
    if tally.by_requests().is_some() {
        words += &format!("; {} by requests", figures::by_requests(tally));
    }
    for (millis, what) in [(tally.down, "down"), (tally.planned, "planned"), (tally.unknown, "not known")] {
        if millis > 0 {
            words += &format!("; {} {what}", phrase::span(millis));
        }
    }
    words
}

/// The same in figures, folded away.
pub(super) fn table(service: &ServiceReport) -> String {
    const COLUMNS: [&str; 9] =
        ["Day", "By time", "By requests", "Down", "Planned", "Unknown", "Requests", "Lost", "Graded"];
    let header: String = COLUMNS.map(|name| format!("<th scope=\"col\">{name}</th>")).concat();
    let row = |day: &Day| {
        let tally = &day.tally;
        let cells = [
            phrase::day(day.start),
            figures::by_time(tally),
            figures::by_requests(tally),
            phrase::span(tally.down),
            phrase::span(tally.planned),
            phrase::span(tally.unknown),
            phrase::count(tally.counted()),
            phrase::count(tally.bad()),
            Grade::of(tally, service.promise.target).meaning().to_owned(),
        ];
        let cells: String =
            COLUMNS.iter().zip(cells).map(|(name, cell)| format!("<td data-name=\"{name}\">{cell}</td>")).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let rows: String = service.days.iter().map(row).collect();
    format!(
        "<details>\n<summary>The days in figures</summary>\n<table class=\"stack numbers\">\n<thead><tr>{header}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</details>\n"
    )
}
