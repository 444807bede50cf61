//! `evenkeel maintenance SERVICE`: what happens to the service meanwhile does not count, and its clients are shown a page where that is wanted.
//! `evenkeel maintenance --listener NAME`: all clients of the listener are shown a page.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Args;
use serde_json::{Value, json};

use super::ask::{AdminOptions, segment};
use super::{fail, print};
use crate::clock::{parse_duration, rfc3339};

#[derive(Debug, Args)]
pub(super) struct Maintenance {
    /// The service
    #[arg(required_unless_present = "listener", conflicts_with = "listener")]
    service: Option<String>,
    /// A listener in place of a service: its clients are shown the page, whatever its routes say
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// For how long, such as 30m or 2d; at most seven days where what happens meanwhile does not count
    #[arg(long = "for", value_name = "TIME", value_parser = span, required_unless_present_any = ["end", "show", "only_page", "listener"])]
    span: Option<Duration>,
    /// Why; it is in the log, in the events and in the report
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["end", "show"])]
    reason: Option<String>,
    /// Show clients the page of maintenance meanwhile; with --end: end what clients see, and nothing else
    #[arg(long, conflicts_with_all = ["listener", "show"])]
    page: bool,
    /// Show clients the page, and let what happens meanwhile count
    #[arg(long, conflicts_with_all = ["listener", "page", "end", "show"])]
    only_page: bool,
    /// End what is under way
    #[arg(long, conflicts_with_all = ["span", "reason", "show"])]
    end: bool,
    /// Show what is under way
    #[arg(long, conflicts_with_all = ["span", "reason"])]
    show: bool,
    #[command(flatten)]
    admin: AdminOptions,
}

fn span(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "a time is such as 30s, 5m, 1h30m or 2d".to_owned())
}

pub(super) fn run(asked: &Maintenance) -> ExitCode {
    let (method, target, body) = request(asked, SystemTime::now());
    match asked.admin.ask_with(method, &target, body.as_ref(), Duration::ZERO).map(|answer| answer.success()) {
        Ok(Ok(answer)) => print(&(text(asked, &answer) + &next(asked))),
        Ok(Err(code)) => code,
        Err(why) => fail(&why),
    }
}

/// What is asked of the admin address.
fn request(asked: &Maintenance, now: SystemTime) -> (&'static str, String, Option<Value>) {
    let of = match (&asked.listener, &asked.service) {
        (Some(listener), _) => format!("/api/v1/listeners/{}/maintenance", segment(listener)),
        (None, service) => format!("/api/v1/services/{}/maintenance", segment(service.as_deref().unwrap_or_default())),
    };
    if asked.show {
        return ("GET", of, None);
    }
    if asked.end {
        return ("DELETE", if asked.page { format!("{of}?only=page") } else { of }, None);
    }
    let mut body = json!({ "until": asked.span.map(|span| rfc3339(now + span)), "reason": asked.reason });
    if asked.page || asked.only_page {
        body["page"] = json!(true);
    }
    if asked.only_page {
        body["planned"] = json!(false);
    }
    ("POST", of, Some(body))
}

/// The next window that the configuration plans for the service: a line, where it is asked what is under way. An older process does not tell.
fn next(asked: &Maintenance) -> String {
    let Some(service) = asked.service.as_deref().filter(|_| asked.show) else { return String::new() };
    match asked.admin.ask("GET", "/api/v1/sla") {
        Ok(answer) if answer.status == 200 => next_text(&answer.body[service]["next_maintenance"]),
        _ => String::new(),
    }
}

fn next_text(next: &Value) -> String {
    match (next["from"].as_str(), next["to"].as_str(), next["rule"].as_str()) {
        (Some(from), Some(to), Some(rule)) => {
            format!("the configuration plans the next one from {from} to {to} ({rule})\n")
        }
        _ => String::new(),
    }
}

fn text(asked: &Maintenance, answer: &Value) -> String {
    let word = |name: &str| answer[name].as_str().unwrap_or("?").to_owned();
    let name = match (&asked.listener, &asked.service) {
        (Some(listener), _) => format!("the listener {listener}"),
        (None, service) => service.clone().unwrap_or_default(),
    };
    if answer.is_null() {
        return format!("{name} is in no maintenance that was started by hand\n");
    }
    let kept = match answer["kept"] == false {
        true => " (it is not on the disk so far)",
        false => "",
    };
    // an older process tells neither, and has no pages
    let (planned, page) = match &asked.listener {
        Some(_) => (false, true),
        None => (answer["planned"] != false, answer["page"] == true),
    };
    if asked.end {
        let planned = planned.then(|| format!("the maintenance of {name} is over: what happens counts again{kept}\n"));
        let page = page.then(|| format!("the clients of {name} get through again{kept}\n"));
        return planned.into_iter().chain(page).collect();
    }
    let until = answer["until"].as_str().map(|until| format!(" until {until}")).unwrap_or_default();
    let reason = answer["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
    let who = word("who");
    if let Some(rule) = answer["rule"].as_str() {
        let page = if page { ", and its clients are shown the page" } else { "" };
        let service = asked.service.as_deref().unwrap_or_default();
        return format!(
            "{name} is in maintenance{until}{page}, as the configuration plans ({rule}); to end it sooner, take that window out of \
             service.{service}.sla.maintenance and reload\n"
        );
    }
    match (planned, page) {
        (true, false) => format!("{name} is in maintenance{until}{reason} (by {who}){kept}\n"),
        (true, true) => {
            format!("{name} is in maintenance{until}, and its clients are shown the page{reason} (by {who}){kept}\n")
        }
        (false, _) => {
            let counts = if answer["counts"] == true { "; what they miss counts" } else { "" };
            format!("the clients of {name} are shown the page of maintenance{until}{counts}{reason} (by {who}){kept}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        maintenance: Maintenance,
    }

    fn asked(line: &str) -> Result<Maintenance, String> {
        let words = std::iter::once("maintenance").chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.maintenance).map_err(|error| error.to_string())
    }

    #[test]
    fn the_answer_says_until_when_why_and_by_whom() {
        let text = |line: &str, answer: &Value| text(&asked(line).unwrap(), answer);
        let (show, end) = ("api --show", "api --end");
        // as an older process answers
        let answer = json!({ "until": "T", "reason": "disks", "who": "127.0.0.1", "kept": true });
        assert_eq!(text(show, &answer), "api is in maintenance until T: disks (by 127.0.0.1)\n");
        let unkept = json!({ "kept": false });
        assert!(text(end, &unkept).contains("over") && text(end, &unkept).contains("not on the disk"));
        assert_eq!(text(show, &Value::Null), "api is in no maintenance that was started by hand\n");
        let planned = json!({
            "until": "T", "reason": null, "who": "configuration", "rule": "Sun 02:00-04:00", "planned": true, "page": false,
        });
        let told = "api is in maintenance until T, as the configuration plans (Sun 02:00-04:00); to end it sooner, take that window out \
                    of service.api.sla.maintenance and reload\n";
        assert_eq!(text(show, &planned), told);
        let next = json!({ "from": "A", "to": "B", "rule": "Sun 02:00-04:00" });
        assert_eq!(next_text(&next), "the configuration plans the next one from A to B (Sun 02:00-04:00)\n");
        assert_eq!(next_text(&Value::Null), "");
        let mut both = answer;
        (both["planned"], both["page"]) = (json!(true), json!(true));
        assert_eq!(
            text(show, &both),
            "api is in maintenance until T, and its clients are shown the page: disks (by 127.0.0.1)\n"
        );
        assert_eq!(text(end, &both).lines().count(), 2);
        let page =
            json!({ "until": null, "reason": "disks", "who": "ci", "planned": false, "page": true, "counts": true });
        assert_eq!(
            text(show, &page),
            "the clients of api are shown the page of maintenance; what they miss counts: disks (by ci)\n"
        );
        let listener = json!({ "until": "T", "reason": "disks", "who": "ci" });
        assert_eq!(
            text("--listener web --show", &listener),
            "the clients of the listener web are shown the page of maintenance until T: disks (by ci)\n"
        );
        assert_eq!(text("--listener web --end", &listener), "the clients of the listener web get through again\n");
    }

    #[test]
    fn what_was_asked_before_there_were_pages_is_asked_as_before() {
        let of = |line: &str| request(&asked(line).unwrap(), SystemTime::UNIX_EPOCH);
        let path = "/api/v1/services/api/maintenance".to_owned();
        let body = json!({ "until": "1970-01-01T00:30:00.000Z", "reason": "disks" });
        assert_eq!(of("api --for 30m --reason disks"), ("POST", path.clone(), Some(body.clone())));
        let two_days = json!({ "until": "1970-01-03T00:00:00.000Z", "reason": "disks" });
        assert_eq!(of("api --for 2d --reason disks").2, Some(two_days));
        assert_eq!(of("api --show"), ("GET", path.clone(), None));
        assert_eq!(of("api --end"), ("DELETE", path.clone(), None));
        assert_eq!(of("api --end --page"), ("DELETE", format!("{path}?only=page"), None));
        let mut both = body.clone();
        both["page"] = json!(true);
        assert_eq!(of("api --for 30m --reason disks --page").2, Some(both));
        let only = json!({ "until": null, "reason": "disks", "page": true, "planned": false });
        assert_eq!(of("api --reason disks --only-page").2, Some(only));
        let listener = json!({ "until": null, "reason": "disks" });
        let path = "/api/v1/listeners/web/maintenance".to_owned();
        assert_eq!(of("--listener web --reason disks"), ("POST", path, Some(listener)));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "",
            "api",
            "api --reason disks",
            "api --reason disks --page",
            "api --for 30m",
            "api --for soon --reason disks",
            "api --listener web --reason disks",
            "--listener web",
            "--listener web --reason disks --page",
            "api --show --page",
            "api --end --only-page",
        ] {
            assert!(asked(line).is_err(), "{line}");
        }
    }
}
