//! `evenkeel recovery`: what is done about faults, and an operator's part in it.

pub(super) mod attempt;
mod shown;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::ask::{AdminOptions, query};
use super::{fail, print};

/// How much longer than others the answer to a command may take: the proxy waits for what drives the recovery.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct Recovery {
    #[command(subcommand)]
    command: Option<Command>,
    /// Print the JSON of the admin address
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    admin: AdminOptions,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show whether recovery is paused, and what is under way (the default)
    Status,
    /// Stop what is under way, and repair nothing until it is resumed
    Pause(Reason),
    /// Repair again
    Resume(Reason),
    /// Show attempts to repair something, the newest first
    List {
        /// Of this service only
        #[arg(long, value_name = "NAME")]
        service: Option<String>,
        /// So many
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        last: u32,
    },
    /// Show all of one attempt
    Show {
        /// Its number
        attempt: u64,
    },
    /// Have an attempt carried out that waits for it
    Approve(Said),
    /// Drop an attempt that waits to be approved
    Refuse(Said),
    /// Take back what an attempt did
    Undo(Said),
    /// End an attempt that is under way
    Stop(Said),
    /// Show what was learned: which strategy helps against which fault
    Effectiveness {
        /// Of this service only
        #[arg(long, value_name = "NAME")]
        service: Option<String>,
    },
}

/// What an operator says of an attempt.
#[derive(Debug, Args)]
struct Said {
    /// Its number
    attempt: u64,
    #[command(flatten)]
    reason: Reason,
}

#[derive(Debug, Args)]
struct Reason {
    /// Why; it is in the log and in the events
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// A request, and what makes text of its answer.
type Request = (&'static str, String, Option<Value>, Box<dyn Fn(&Value) -> String>);

pub(super) fn run(asked: &Recovery) -> ExitCode {
    let (method, target, body, text) = request(asked.command.as_ref().unwrap_or(&Command::Status));
    let patience = if method == "POST" { PATIENCE } else { Duration::ZERO };
    match asked.admin.ask_with(method, &target, body.as_ref(), patience).map(|answer| answer.success()) {
        Ok(Ok(answer)) if asked.json => print(&format!("{answer:#}\n")),
        Ok(Ok(answer)) => print(&text(&answer)),
        Ok(Err(code)) => code,
        Err(why) => fail(&why),
    }
}

fn request(command: &Command) -> Request {
    let get = |target: String, text: Box<dyn Fn(&Value) -> String>| ("GET", target, None, text);
    match command {
        Command::Status => get("/api/v1/recovery".to_owned(), Box::new(shown::status)),
        Command::Pause(why) => post("/api/v1/recovery/pause".to_owned(), why, shown::paused),
        Command::Resume(why) => post("/api/v1/recovery/resume".to_owned(), why, shown::paused),
        Command::List { service, last } => {
            let last = last.to_string();
            let service = service.as_deref().map(|name| ("service", name));
            let target = format!("/api/v1/recoveries?{}", query([("limit", last.as_str())].into_iter().chain(service)));
            get(target, Box::new(shown::list))
        }
        Command::Show { attempt } => get(format!("/api/v1/recoveries/{attempt}"), Box::new(attempt::whole)),
        Command::Approve(said) => word("approve", said),
        Command::Refuse(said) => word("refuse", said),
        Command::Undo(said) => word("undo", said),
        Command::Stop(said) => word("stop", said),
        Command::Effectiveness { service } => {
            let asked = service.as_deref().map(|name| format!("?{}", query(std::iter::once(("service", name)))));
            let target = format!("/api/v1/recoveries/effectiveness{}", asked.unwrap_or_default());
            get(target, Box::new(shown::effectiveness))
        }
    }
}

fn word(word: &str, said: &Said) -> Request {
    post(format!("/api/v1/recoveries/{}/{word}", said.attempt), &said.reason, attempt::line)
}

fn post(target: String, why: &Reason, text: fn(&Value) -> String) -> Request {
    let body = why.reason.as_ref().map(|reason| json!({ "reason": reason }));
    ("POST", target, body, Box::new(text))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        recovery: Recovery,
    }

    fn asked(line: &str) -> Option<(&'static str, String, Option<Value>)> {
        let line = Line::try_parse_from(std::iter::once("recovery").chain(line.split_whitespace())).ok()?;
        let (method, target, body, _) = request(line.recovery.command.as_ref().unwrap_or(&Command::Status));
        Some((method, target, body))
    }

    #[test]
    fn each_command_asks_what_it_says() {
        let get = |target: &str| Some(("GET", target.to_owned(), None));
        let post = |target: &str, body: Option<Value>| Some(("POST", target.to_owned(), body));
        assert_eq!(asked(""), get("/api/v1/recovery"));
        assert_eq!(asked("status --json"), get("/api/v1/recovery"));
        assert_eq!(asked("list --service api --last 3"), get("/api/v1/recoveries?limit=3&service=api"));
        assert_eq!(asked("show 12"), get("/api/v1/recoveries/12"));
        assert_eq!(asked("effectiveness"), get("/api/v1/recoveries/effectiveness"));
        assert_eq!(asked("effectiveness --service api"), get("/api/v1/recoveries/effectiveness?service=api"));
        assert_eq!(
            asked("pause --reason migration"),
            post("/api/v1/recovery/pause", Some(json!({ "reason": "migration" })))
        );
        assert_eq!(asked("resume --admin http://127.0.0.1:1"), post("/api/v1/recovery/resume", None));
        for word in ["approve", "refuse", "undo", "stop"] {
            assert_eq!(asked(&format!("{word} 12")), post(&format!("/api/v1/recoveries/12/{word}"), None));
        }
        for wrong in ["show", "approve x", "list --last 0", "forget"] {
            assert_eq!(asked(wrong), None, "{wrong}");
        }
    }
}
