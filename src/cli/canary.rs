//! `evenkeel canary SERVICE`: how far a new version of a service has come, and what an operator says of it.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::ask::{AdminOptions, segment};
use super::{fail, print};

#[derive(Debug, Args)]
pub(super) struct Canary {
    /// The new version: the `service` of a route's `canary`;
    /// without one, all of them are shown
    service: Option<String>,
    /// What is to happen; nothing = show how far it has come
    #[arg(value_enum)]
    word: Option<Word>,
    /// Why, for the log, the events and who looks at it later
    #[arg(long, requires = "word")]
    reason: Option<String>,
    /// Print the JSON of the admin address
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminOptions,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Word {
    /// Begin with the first step
    Start,
    /// Give it no requests
    Back,
    /// Give it what the last step does, at once and for good
    Promote,
}

pub(super) fn run(asked: &Canary) -> ExitCode {
    let Some(service) = &asked.service else { return all(asked) };
    let target = format!("/api/v1/services/{}/canary", segment(service));
    let (method, target) = match asked.word {
        None => ("GET", target),
        Some(Word::Start) => ("POST", target + "/start"),
        Some(Word::Back) => ("POST", target + "/back"),
        Some(Word::Promote) => ("POST", target + "/promote"),
    };
    let body = asked.reason.as_ref().map(|reason| json!({ "reason": reason }));
    match asked.admin.ask_with(method, &target, body.as_ref(), Duration::ZERO).map(|answer| answer.success()) {
        Ok(Ok(answer)) if asked.json => print(&format!("{answer:#}\n")),
        Ok(Ok(answer)) => print(&text(service, &answer)),
        Ok(Err(code)) => code,
        Err(why) => fail(&why),
    }
}

/// Shows all that there are.
fn all(asked: &Canary) -> ExitCode {
    match asked.admin.ask("GET", "/api/v1/status").map(|answer| answer.success()) {
        Ok(Ok(status)) => {
            let services = status["services"].as_object().into_iter().flatten();
            let canaries = services.filter_map(|(name, service)| Some((name, service.get("canary")?)));
            let canaries: Vec<_> = canaries.filter(|(_, canary)| canary.is_object()).collect();
            if asked.json {
                let all: Map<_, _> =
                    canaries.into_iter().map(|(name, canary)| (name.clone(), canary.clone())).collect();
                return print(&format!("{:#}\n", Value::from(all)));
            }
            let lines: String = canaries.iter().map(|(name, canary)| text(name, canary)).collect();
            print(if lines.is_empty() { "no route has a canary\n" } else { &lines })
        }
        Ok(Err(code)) => code,
        Err(why) => fail(&why),
    }
}

/// How far it has come, in a line; and in another what holds it, or that it is not on the disk.
pub(super) fn text(service: &str, canary: &Value) -> String {
    let word = |name: &str| canary[name].as_str().unwrap_or("?").to_owned();
    let stable = word("stable");
    let share = percent(&canary["share"]);
    let mut text = match &*word("stage") {
        "back" => format!("{service} is back, and gets no requests to {stable}: {}\n", word("reason")),
        "arrived" => format!("{service} has arrived: it gets {share} of the requests to {stable}\n"),
        _ => {
            format!("{service} gets {share} of the requests to {stable}: {}\n", progress(canary))
        }
    };
    if let Some(held) = canary["held"].as_str() {
        text += &format!("it waits: {held}\n");
    }
    if canary["kept"] == false {
        text += "this is not on the disk: it ends with the process\n";
    }
    text
}

/// Where it is in its step, what that still takes, and what comes then.
fn progress(canary: &Value) -> String {
    let steps = canary["steps"].as_array().map_or(&[][..], Vec::as_slice);
    let number = |name: &str| canary[name].as_u64().unwrap_or_default();
    let (step, lasted, requests, least) = (number("step"), number("for_s"), number("requests"), number("min_requests"));
    let every = canary["every_s"].as_f64().unwrap_or_default();
    let requests = match requests < least {
        true => format!("{requests} of the {least} requests that it needs"),
        false => format!("{requests} requests, {least} needed"),
    };
    let next = usize::try_from(step).ok().and_then(|next| steps.get(next));
    let next = next.map_or("then it has arrived".to_owned(), |next| format!("{} next", percent(next)));
    format!("step {step} of {} for {lasted} s of {every} s, {requests}; {next}", steps.len())
}

/// A share from 0 to 1, to the hundredth of a percent.
fn percent(share: &Value) -> String {
    format!("{} %", (share.as_f64().unwrap_or_default() * 1e4).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_has_come() {
        let canary = |stage: &str| {
            json!({
                "stable": "api", "stage": stage, "share": 0.05, "step": 2, "steps": [0.01, 0.05, 1.0], "for_s": 61, "requests": 40, "every_s": 600.0, "min_requests": 100,
                "held": null, "reason": "it fails",
            })
        };
        assert_eq!(
            text("next", &canary("stepping")),
            "next gets 5 % of the requests to api: step 2 of 3 for 61 s of 600 s, 40 of the 100 requests that it needs; 100 % next\n"
        );
        assert_eq!(text("next", &canary("back")), "next is back, and gets no requests to api: it fails\n");
        let mut last = canary("stepping");
        (last["step"], last["requests"]) = (json!(3), json!(200));
        assert_eq!(
            text("next", &last),
            "next gets 5 % of the requests to api: step 3 of 3 for 61 s of 600 s, 200 requests, 100 needed; then it has arrived\n"
        );
        let mut held = canary("arrived");
        (held["held"], held["kept"]) = (json!("too few"), json!(false));
        assert_eq!(
            text("next", &held),
            "next has arrived: it gets 5 % of the requests to api\nit waits: too few\nthis is not on the disk: it ends with the process\n"
        );
    }
}
