//! `evenkeel drain | disable | enable | weight SERVICE/BACKEND`: an operator's command for a backend. The process itself is drained by
//! SIGTERM, or by `evenkeel drain --hand-over` once another instance has its work.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Args;
use serde_json::{Map, Value, json};

use super::ask::{AdminOptions, Answer, segment};
use super::{FAILURE, fail, print};
use crate::clock::{parse_duration, rfc3339};

/// How long a command waits, where it is not said.
const PATIENCE: Duration = Duration::from_secs(30);

/// The arguments that all four commands have.
#[derive(Debug, Args)]
struct CommandArgs {
    /// The service and the backend's id: its address, unless the configuration gives it another. Also as two arguments
    #[arg(value_name = "SERVICE/BACKEND", num_args = 1..=2)]
    of: Vec<String>,
    /// For how long, such as 30m or 2d; without it until it is taken back
    #[arg(long = "for", value_name = "TIME", value_parser = span)]
    span: Option<Duration>,
    /// Why; it is in the log, in the events and in the status
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    admin: AdminOptions,
}

/// `evenkeel drain`
#[derive(Debug, Args)]
pub(super) struct Drain {
    #[command(flatten)]
    take_out: TakeOut,
    /// Drain this whole instance: another one gets its address first, or its share of a balancer's work. No request is lost
    #[arg(long, conflicts_with_all = ["of", "wait", "span"])]
    hand_over: bool,
    /// With --hand-over where no address moves: for how long no new connection may have come; longer than a balancer's checks take
    #[arg(long, value_name = "TIME", value_parser = span, requires = "hand_over")]
    quiet: Option<Duration>,
}

/// `evenkeel disable`, and `evenkeel drain` of a backend
#[derive(Debug, Args)]
pub(super) struct TakeOut {
    #[command(flatten)]
    said: CommandArgs,
    /// Wait until it has finished what it has; the exit code is 1 when it has not in time
    #[arg(long)]
    wait: bool,
    /// For so long at most; with --hand-over, how long connections may take to end [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = span)]
    timeout: Option<Duration>,
}

/// `evenkeel enable`
#[derive(Debug, Args)]
pub(super) struct Enable {
    #[command(flatten)]
    said: CommandArgs,
}

/// `evenkeel weight`
#[derive(Debug, Args)]
pub(super) struct Weigh {
    #[command(flatten)]
    said: CommandArgs,
    /// 0 to 65535, or `configured`
    #[arg(long = "to", value_name = "WEIGHT", value_parser = weight)]
    weight: Option<Weight>,
}

/// A weight; `None` = as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Weight(Option<u16>);

fn span(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "a time is such as 30s, 5m, 1h30m or 2d".to_owned())
}

fn weight(text: &str) -> Result<Weight, String> {
    match text {
        "configured" => Ok(Weight(None)),
        number => {
            number.parse().map(|weight| Weight(Some(weight))).map_err(|_| "0 to 65535, or `configured`".to_owned())
        }
    }
}

pub(super) fn drain(Drain { take_out, hand_over, quiet }: &Drain) -> ExitCode {
    if *hand_over {
        return take_out.hand_over(*quiet);
    }
    take_out.run("drain", "gets no new work, and keeps its sessions")
}

pub(super) fn disable(take_out: &TakeOut) -> ExitCode {
    take_out.run("disable", "gets nothing")
}

pub(super) fn enable(Enable { said }: &Enable) -> ExitCode {
    said.ask("POST", "/enable", Map::new(), Duration::ZERO, |name, _| format!("{name} takes part"))
}

pub(super) fn weigh(Weigh { said, weight }: &Weigh) -> ExitCode {
    let Some(Weight(weight)) = weight else {
        return fail("which weight? say --to WEIGHT, or --to configured");
    };
    let body = Map::from_iter([("weight".to_owned(), json!(weight))]);
    said.ask("PUT", "", body, Duration::ZERO, |name, answer| {
        let effect = if answer["weight"] == 0 { ": it gets no new work, and keeps its sessions" } else { "" };
        let ignored = answer["weight_ignored"].as_str().map(|why| format!(", which changes nothing: {why}"));
        format!("{name} has the weight {}{effect}{}{}", answer["weight"], ignored.unwrap_or_default(), sessions(answer))
    })
}

impl TakeOut {
    fn run(&self, command: &str, what: &str) -> ExitCode {
        let Self { said, wait, timeout } = self;
        if timeout.is_some() && !wait {
            return fail("--timeout says how long to --wait");
        }
        let timeout = &timeout.unwrap_or(PATIENCE);
        let (query, patience) = match wait {
            true => (format!("/{command}?wait=drained&timeout={}ms", timeout.as_millis()), *timeout),
            false => (format!("/{command}"), Duration::ZERO),
        };
        let mut finished = true;
        let code = said.ask("POST", &query, Map::new(), patience, |name, answer| {
            finished = answer["drained"] != false;
            let under_way = match (&answer["drained"], &answer["in_flight"]) {
                (Value::Bool(true), _) => "; it has finished what it had".to_owned(),
                (Value::Bool(false), left) => format!("; {left} under way still, after {timeout:?}"),
                (_, Value::Number(left)) => format!("; {left} under way"),
                _ => String::new(),
            };
            format!("{name} {what}{}{under_way}", sessions(answer))
        });
        if finished { code } else { ExitCode::from(FAILURE) }
    }
}

impl TakeOut {
    /// Has another instance get the work of this one, which then drains.
    fn hand_over(&self, quiet: Option<Duration>) -> ExitCode {
        let Self { said: CommandArgs { reason, admin, .. }, timeout, .. } = self;
        let limit = timeout.unwrap_or(PATIENCE);
        let mut body = json!({ "timeout": format!("{}ms", limit.as_millis()) });
        if let Some(reason) = reason {
            body["reason"] = json!(reason);
        }
        if let Some(quiet) = quiet {
            body["quiet"] = json!(format!("{}ms", quiet.as_millis()));
        }
        // connections may take that long to end, and so may the work to go elsewhere
        let patience = limit * 2 + quiet.unwrap_or_default() * 2;
        match admin.ask_with("POST", "/api/v1/hand-over", Some(&body), patience).map(Answer::success) {
            Ok(Ok(answer)) => print(&handed_over(&answer)),
            Ok(Err(code)) => code,
            Err(why) => fail(&why),
        }
    }
}

/// What came of a hand-over, for people.
fn handed_over(answer: &Value) -> String {
    let addresses = answer["addresses"].as_array().map(Vec::as_slice).unwrap_or_default();
    let what = match addresses {
        [] => "no new connections come any more".to_owned(),
        all => format!("{} is elsewhere", all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")),
    };
    let left = match answer["connections_left"].as_u64() {
        None | Some(0) => String::new(),
        Some(1) => "; 1 connection had not ended".to_owned(),
        Some(left) => format!("; {left} connections had not ended"),
    };
    format!("handed over in {} s: {what}{left}; this instance drains and stops\n", answer["took_s"])
}

/// What the answer says of the sessions that affinity binds to the backend; empty where the service has no affinity.
fn sessions(answer: &Value) -> String {
    match (answer["sessions_by"].as_str(), &answer["sessions"]) {
        (Some("table"), Value::Number(count)) => format!("; {count} in the table of sessions"),
        (Some("cookie"), _) => "; how many are in clients' cookies is not known".to_owned(),
        _ => String::new(),
    }
}

impl CommandArgs {
    fn names(&self) -> Result<(&str, &str), String> {
        match &self.of[..] {
            [service, backend] => Ok((service, backend)),
            // the id of a backend may have slashes, the name of a service has none
            [both] => both.split_once('/').ok_or_else(|| format!("{both}: which backend of it? say SERVICE/BACKEND")),
            _ => Err("say SERVICE/BACKEND".to_owned()),
        }
    }

    /// Sends the command, and prints what `tell` makes of the answer.
    fn ask(
        &self,
        method: &str,
        rest: &str,
        mut body: Map<String, Value>,
        patience: Duration,
        tell: impl FnOnce(&str, &Value) -> String,
    ) -> ExitCode {
        let (service, backend) = match self.names() {
            Ok(names) => names,
            Err(why) => return fail(&why),
        };
        if let Some(reason) = &self.reason {
            body.insert("reason".to_owned(), json!(reason));
        }
        if let Some(span) = self.span {
            body.insert("until".to_owned(), json!(rfc3339(SystemTime::now() + span)));
        }
        let target = format!("/api/v1/services/{}/backends/{}{rest}", segment(service), segment(backend));
        let body = if body.is_empty() { None } else { Some(Value::Object(body)) };
        match self.admin.ask_with(method, &target, body.as_ref(), patience).map(|answer| answer.success()) {
            Ok(Ok(answer)) => {
                let kept = match answer["kept"] == false {
                    true => " (it can't be written to state_dir, and ends with the process)",
                    false => "",
                };
                print(&format!("{}{kept}\n", tell(&format!("{service}/{backend}"), &answer)))
            }
            Ok(Err(code)) => code,
            Err(why) => fail(&why),
        }
    }
}
