//! `evenkeel canary SERVICE`: how far a new version of a service has come, and what an operator says of it.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::ask::{AdminOptions, segment};
use super::{fail, print};

#[derive(Debug, Args)]
pub(super) struct Canary {
    /// The new version: the `service` of a route's `canary`
    service: String,
    /// What is to happen; nothing = show how far it has come
    #[arg(value_enum)]
    word: Option<Word>,
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
    let target = format!("/api/v1/services/{}/canary", segment(&asked.service));
    let (method, target) = match asked.word {
        None => ("GET", target),
        Some(Word::Start) => ("POST", target + "/start"),
        Some(Word::Back) => ("POST", target + "/back"),
        Some(Word::Promote) => ("POST", target + "/promote"),
    };
    match asked.admin.ask(method, &target).map(|answer| answer.success()) {
        Ok(Ok(answer)) if asked.json => print(&format!("{answer:#}\n")),
        Ok(Ok(answer)) => print(&text(&asked.service, &answer)),
        Ok(Err(code)) => code,
        Err(why) => fail(&why),
    }
}

/// How far it has come, in a line; and in another what holds it, or that it is not on the disk.
fn text(service: &str, canary: &Value) -> String {
    let word = |name: &str| canary[name].as_str().unwrap_or("?").to_owned();
    let stable = word("stable");
    let share = canary["share"].as_f64().unwrap_or_default() * 100.0;
    let share = format!("{} %", (share * 100.0).round() / 100.0);
    let steps = canary["steps"].as_array().map_or(0, Vec::len);
    let lasted = canary["for_s"].as_u64().unwrap_or_default();
    let mut text = match &*word("stage") {
        "back" => format!("{service} is back, and gets no requests to {stable}: {}\n", word("reason")),
        "arrived" => format!("{service} has arrived: it gets {share} of the requests to {stable}\n"),
        _ => {
            let (step, requests) = (&canary["step"], &canary["requests"]);
            format!(
                "{service} gets {share} of the requests to {stable}: step {step} of {steps}, {requests} requests in {lasted} s\n"
            )
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_how_far_it_has_come() {
        let canary = |stage: &str| {
            json!({
                "stable": "api", "stage": stage, "share": 0.05, "step": 2, "steps": [0.01, 0.05, 1.0], "for_s": 61, "requests": 40,
                "held": null, "reason": "it fails",
            })
        };
        assert_eq!(
            text("next", &canary("stepping")),
            "next gets 5 % of the requests to api: step 2 of 3, 40 requests in 61 s\n"
        );
        assert_eq!(text("next", &canary("back")), "next is back, and gets no requests to api: it fails\n");
        let mut held = canary("arrived");
        (held["held"], held["kept"]) = (json!("too few"), json!(false));
        assert_eq!(
            text("next", &held),
            "next has arrived: it gets 5 % of the requests to api\nit waits: too few\nthis is not on the disk: it ends with the process\n"
        );
    }
}
