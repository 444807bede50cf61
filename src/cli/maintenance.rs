//! `evenkeel maintenance SERVICE`: what happens to the service meanwhile does not count.

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
    service: String,
    /// For how long, such as 30m; at most seven days
    #[arg(long = "for", value_name = "TIME", value_parser = span, required_unless_present_any = ["end", "show"])]
    span: Option<Duration>,
    /// Why; it is in the log, in the events and in the report
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["end", "show"])]
    reason: Option<String>,
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
    parse_duration(text).ok_or_else(|| "a time is such as 30s, 5m or 1h30m".to_owned())
}

pub(super) fn run(asked: &Maintenance) -> ExitCode {
    let target = format!("/api/v1/services/{}/maintenance", segment(&asked.service));
    let until = asked.span.map(|span| rfc3339(SystemTime::now() + span));
    let body = json!({ "until": until, "reason": asked.reason });
    let (method, body) = match (asked.show, asked.end) {
        (true, _) => ("GET", None),
        (_, true) => ("DELETE", None),
        _ => ("POST", Some(&body)),
    };
    match asked.admin.ask_with(method, &target, body, Duration::ZERO).map(|answer| answer.success()) {
        Ok(Ok(answer)) => print(&text(&asked.service, asked.end, &answer)),
        Ok(Err(code)) => code,
        Err(why) => fail(&why),
    }
}

fn text(service: &str, has_ended: bool, answer: &Value) -> String {
    let word = |name: &str| answer[name].as_str().unwrap_or("?").to_owned();
    if answer.is_null() {
        return format!("{service} is in no maintenance that was started by hand\n");
    }
    let kept = match answer["kept"] == false {
        true => " (it is not on the disk so far)",
        false => "",
    };
    match has_ended {
        true => format!("the maintenance of {service} is over: what happens counts again{kept}\n"),
        false => {
            let (until, reason, who) = (word("until"), word("reason"), word("who"));
            format!("{service} is in maintenance until {until}: {reason} (by {who}){kept}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_says_until_when_why_and_by_whom() {
        let answer = json!({ "until": "T", "reason": "disks", "who": "127.0.0.1", "kept": true });
        assert_eq!(text("api", false, &answer), "api is in maintenance until T: disks (by 127.0.0.1)\n");
        let unkept = json!({ "kept": false });
        assert!(text("api", true, &unkept).contains("over") && text("api", true, &unkept).contains("not on the disk"));
        assert_eq!(text("api", false, &Value::Null), "api is in no maintenance that was started by hand\n");
    }
}
