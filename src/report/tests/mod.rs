//! The formats, each with the same month of three services.

mod page;
mod sample;

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::*;
use crate::clock::Stamp;
use crate::recover::{Attempt, Outcome};
use crate::sla::Tally;

/// Puts the sample into the folder that `EVENKEEL_REPORT_SAMPLES` names, if it does: to be looked at, and for a new golden file.
fn show(name: &str, written: &str) {
    if let Some(folder) = std::env::var_os("EVENKEEL_REPORT_SAMPLES") {
        fs::write(Path::new(&folder).join(name), written).unwrap();
    }
}

/// Whether the sample is what the golden file beside the tests holds.
fn assert_golden(name: &str, written: &str, golden: &str) {
    show(name, written);
    for (line, (now, before)) in written.lines().zip(golden.lines()).enumerate() {
        assert_eq!(now, before, "line {} of {name}", line + 1);
    }
    assert!(written == golden, "{name} has another length or other line ends");
}

#[test]
fn markdown_is_as_it_was() {
    assert_golden("report.md", &Format::Markdown.write(&sample::report()), include_str!("report.md"));
}

#[test]
fn recoveries_in_markdown_are_as_they_were() {
    let made = sample::report().made;
    let text = markdown::recoveries::write(&sample::attempts(), made);
    assert_golden("recoveries.md", &text, include_str!("recoveries.md"));
    assert!(markdown::recoveries::write(&[], made).ends_with("Nothing was done.\n"));
}

#[test]
fn an_incident_names_the_attempt_that_ended_it() {
    let report = sample::report();
    let checkout = &report.services[0];
    let ended_by = |at: usize| checkout.ended_by(&checkout.incidents[at].incident).map(|attempt| attempt.id);
    assert_eq!((ended_by(0), ended_by(1)), (None, Some(6)));
    let with = |change: fn(&mut Attempt)| {
        let mut attempts = sample::attempts();
        attempts.iter_mut().for_each(change);
        let changed = checkout.clone().with_attempts(attempts);
        changed.ended_by(&changed.incidents[1].incident).map(|attempt| attempt.id)
    };
    assert_eq!(with(|attempt| attempt.dry_run = true), None, "nothing was done");
    assert_eq!(with(|attempt| attempt.outcome = Some(Outcome::NotHealed)), None);
    assert_eq!(with(|attempt| attempt.acted = Some(i64::MAX)), None, "it was over before");
    let shown = &parsed(&report)["services"]["checkout"];
    assert_eq!(
        (&shown["incidents"][0]["ended_by_attempt"], &shown["incidents"][1]["ended_by_attempt"]),
        (&Value::Null, &6.into())
    );
    let counts = serde_json::json!({ "attempts": 3, "healed": 2, "not_healed": 1, "mean_recovery_s": 157.45 });
    assert_eq!(shown["recovery"], counts);
    assert_eq!(shown["attempts"][1]["success"], false);
}

#[test]
fn what_a_command_printed_is_no_markup() {
    let mut attempts = sample::attempts();
    let act = attempts[1].act.as_mut().unwrap();
    act.output = "```\n# not a heading\n<script>".to_owned();
    let text = markdown::recoveries::write(&attempts[1..2], sample::report().made);
    let printed: Vec<_> = text.lines().skip_while(|line| *line != "It printed:").skip(2).collect();
    assert_eq!(printed, ["    ```", "    # not a heading", "    <script>"]);
}

#[test]
fn csv_is_as_it_was() {
    assert_golden("report.csv", &Format::Csv.write(&sample::report()), include_str!("report.csv"));
}

#[test]
fn every_row_of_the_csv_has_all_columns_and_the_days_add_up_to_the_service() {
    let text = Format::Csv.write(&sample::report());
    let rows: Vec<_> = text.split_terminator("\r\n").map(cells).collect();
    assert!(rows.iter().all(|row| row.len() == csv::COLUMNS.len()));
    let at = |name| csv::COLUMNS.iter().position(|column| *column == name).unwrap();
    let sum = |kind: &str, column| -> f64 {
        let rows = rows.iter().filter(|row| row[0] == kind && row[1] == "checkout");
        rows.map(|row| row[at(column)].parse::<f64>().unwrap()).sum()
    };
    for column in ["uptime_s", "downtime_s", "planned_s", "unknown_s", "good", "failed", "slow"] {
        assert!((sum("day", column) - sum("service", column)).abs() < 0.001, "{column}");
    }
}

/// The cells of a line of CSV.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut is_quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(String::new()),
            _ => cells.last_mut().unwrap().push(c),
        }
    }
    cells
}

#[test]
fn a_cell_that_would_be_a_formula_is_text() {
    for name in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\u{0}=1", "\u{feff}=1", "\u{202e}=1", "\u{ff1d}1"] {
        let text = Format::Csv.write(&sample::of_one(name, "it was =1, said \"bob\"\r\nand\tI"));
        let row = text.lines().nth(1).unwrap();
        assert!(row.starts_with("service,\"'"), "{row}");
    }
    let text = Format::Csv.write(&sample::of_one("web", "it was =1, said \"bob\"\nand I"));
    assert!(text.contains(": it was =1, said \"\"bob\"\" and I\""), "{text}");
}

#[test]
fn names_and_notes_are_no_markup_in_markdown() {
    let text = Format::Markdown.write(&sample::of_one("a|b\n# c", "<img src=x> **x** `y` [z](http://z)"));
    assert!(text.contains("## a\\|b \\# c\n"), "{text}");
    assert!(text.contains("&lt;img src=x&gt; \\*\\*x\\*\\* \\`y\\` \\[z\\](http://z)"), "{text}");
    let columns = |line: &str| line.replace("\\|", "").matches('|').count();
    let table: Vec<_> = text.lines().skip_while(|line| !line.starts_with("| No.")).take(3).map(columns).collect();
    assert_eq!(table, [10, 10, 10]);
}

fn parsed(report: &Report) -> Value {
    serde_json::from_str(&Format::Json.write(report)).unwrap()
}

#[test]
fn json_has_the_members_of_the_api_and_more() {
    let report = parsed(&sample::report());
    let service = &report["services"]["checkout"];
    let contract = [
        "tier",
        "target",
        "availability",
        "uptime_s",
        "downtime_s",
        "planned_s",
        "unknown_s",
        "failures",
        "recoveries",
        "mttr_s",
        "mtbf_s",
        "rto_violations",
        "error_budget_left",
        "burn_rate",
        "compliant",
        "incidents",
    ];
    for member in contract {
        assert!(service.get(member).is_some(), "{member}");
    }
    let tally = sample::report().services[0].summary.tally;
    let close = |member: &str, share: Option<f64>| (service[member].as_f64().unwrap() - share.unwrap()).abs() < 1e-12;
    assert!(close("availability", tally.by_time()) && close("by_requests", tally.by_requests()), "{service}");
    assert_eq!(service["uptime_s"].as_f64(), Some(tally.up as f64 / 1000.0));
    assert_eq!(service["incidents"][1]["notes"][0]["who"], "ines");
    assert_eq!(service["days"].as_array().map(Vec::len), Some(30));
    assert_eq!(report["gaps"][0]["lasted_s"], 1320.0);
    assert_eq!(
        service["burn_rate"],
        serde_json::json!({}),
        "a report is of a past; the running proxy adds what burns now"
    );
}

#[test]
fn what_is_not_known_is_null_and_said() {
    let mut report = sample::of_one("web", "");
    let days = vec![Day { start: report.period.start, tally: Tally { unknown: 5000, ..Tally::default() } }];
    report.services[0] =
        ServiceReport::new("web", report.services[0].promise.clone(), &report.period, days, Vec::new());
    let service = &parsed(&report)["services"]["web"];
    for member in ["availability", "by_requests", "compliant", "mttr_s", "mtbf_s"] {
        assert!(service[member].is_null(), "{member}");
    }
    let text = Format::Markdown.write(&report);
    assert!(text.contains("| **not known** |"), "{text}");
    assert!(text.contains("- web: nothing is known of its availability by time.\n"), "{text}");
}

#[test]
fn a_month_that_is_not_over_says_so_and_what_is_under_way() {
    let mut report = sample::of_one("web", "");
    report.made = report.period.start.plus(90_000);
    let mut recorded = report.services[0].incidents[0].clone();
    recorded.incident.began = report.made.plus(-61_000);
    recorded.incident.ended = None;
    recorded.incident.lasted_ms = 61_000;
    let days = vec![Day { start: report.period.start, tally: Tally { up: 29_000, down: 61_000, ..Tally::default() } }];
    let promise = report.services[0].promise.clone();
    report.services[0] = ServiceReport::new("web", promise, &report.period, days, vec![recorded]);
    let said = account::not_known(&report);
    assert!(said.contains(&"web: incident 1 was under way when the report was made.".to_owned()), "{said:?}");
    assert_eq!(said[0], "The period is not over: the figures are those up to 2026-11-01 00:01:30.");
    let service = &parsed(&report)["services"]["web"];
    assert_eq!((&service["rto_violations"], &service["recoveries"]), (&1.into(), &0.into()));
    assert!(Format::Markdown.write(&report).contains("| under way | 1 min 1 s | no, 1 s over |"));
    let page = Format::Html.write(&report);
    page::assert_well_formed(&page);
    assert!(page.contains("points=\"0.0,0.0 0.0,4.7\""), "the curve ends where the report was made: {page}");
}

#[test]
fn the_csv_of_a_month_that_is_not_over_says_so_and_tells_of_maintenance_gaps_and_what_is_not_known() {
    let mut report = sample::report();
    report.made = report.period.start.plus(20 * 86_400_000);
    let text = Format::Csv.write(&report);
    let rows: Vec<_> = text.split_terminator("\r\n").map(cells).collect();
    let at = |name| csv::COLUMNS.iter().position(|column| *column == name).unwrap();
    let of = |kind: &str| rows.iter().filter(|row| row[0] == kind).collect::<Vec<_>>();
    let results: Vec<_> = of("service").iter().map(|row| row[at("result")].clone()).collect();
    assert_eq!(results, ["not met so far", "met so far", "met so far"]);
    let maintenance: Vec<_> =
        of("maintenance").iter().map(|row| [1, at("result"), at("cause")].map(|at| row[at].clone())).collect();
    assert_eq!(
        maintenance,
        [["checkout", "by hand", "new disks"], ["search", "planned", "Sun 02:00-06:00 Europe/Berlin"]]
    );
    assert_eq!((of("gap")[0][at("lasted_s")].as_str(), of("ledger").len()), ("1320", 1));
    assert!(of("not_known")[0][at("notes")].starts_with("The period is not over"));
    assert!(Format::Markdown.write(&report).contains("| **not met so far** |"));
    assert!(Format::Html.write(&report).contains("</span> met so far</span>"));
}

#[test]
fn a_period_that_is_not_over_says_when_its_budget_is_used_up() {
    let mut report = sample::of_one("web", "");
    report.made = report.period.start.plus(86_400_000);
    let promise = report.services[0].promise.clone();
    let mut words = |up: i64, down: i64| {
        let days = vec![Day { start: report.period.start, tally: Tally { up, down, ..Tally::default() } }];
        report.services[0] = ServiceReport::new("web", promise.clone(), &report.period, days, Vec::new());
        figures::used_up(&report.services[0], &report)
    };
    // a tenth of the budget of the month in its first day
    assert_eq!(words(86_140_800, 259_200).as_deref(), Some("on 2026-11-11 00:00:00 at the rate so far"));
    assert_eq!(words(86_399_000, 1_000).as_deref(), Some("not in the period at the rate so far"));
    assert_eq!(words(86_400_000, 0).as_deref(), Some("not in the period at the rate so far"));
    assert_eq!(words(80_000_000, 6_400_000).as_deref(), Some("it is"));
    report.made = report.period.end;
    assert_eq!(figures::used_up(&report.services[0], &report), None);
}

#[test]
fn the_budget_of_a_history_of_one_day_is_to_be_seen() {
    let mut report = sample::of_one("web", "");
    let dots = |report: &Report| Format::Html.write(report).matches("class=\"dot ").count();
    assert_eq!(dots(&report), 0);
    report.services[0].days.drain(..29);
    assert_eq!(dots(&report), 2);
    page::assert_well_formed(&Format::Html.write(&report));
}

#[test]
fn of_hundreds_of_gaps_the_longest_are_named_and_the_others_summed_up() {
    let mut report = sample::of_one("web", "");
    let start = report.period.start;
    let gap = |n: i64| Gap {
        time: start.plus(n * 60_000)..start.plus(n * 60_000 + n * 100),
        reason: "stopped",
        why: "stopped".to_owned(),
    };
    report.gaps = (1..=200).map(gap).collect();
    let said = account::not_known(&report);
    assert_eq!(said.iter().filter(|line| line.starts_with("Nobody watched")).count(), 10);
    // 0.1 s x (1 + ... + 190)
    assert!(
        said.contains(&"There were 190 more gaps shorter than these, of 30 min 15 s together.".to_owned()),
        "{said:?}"
    );
}

#[test]
fn each_format_is_found_by_its_name() {
    assert!(Format::ALL.into_iter().all(|format| Format::named(format.as_str()) == Some(format)));
    assert_eq!(Format::named("pdf"), None);
}

#[test]
fn a_report_on_nothing_is_written_in_every_format() {
    let report = Report { services: Vec::new(), head: None, ..sample::report() };
    for format in Format::ALL {
        assert!(!format.write(&report).is_empty());
    }
    page::assert_well_formed(&Format::Html.write(&report));
    let report = Report { period: Stamp::from_millis(0)..Stamp::from_millis(0), ..sample::report() };
    page::assert_well_formed(&Format::Html.write(&report));
}
