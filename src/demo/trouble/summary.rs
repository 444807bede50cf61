//! What it came to.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use super::line::{clock, wrapped};
use super::story::{Outage, Story};
use super::tally::{Counts, Tally};
use crate::recover::{Attempt, Outcome};

/// The column in which the right column begins.
const INDENT: usize = 20;

/// The summary, after `length`. `promise` is the service in `GET /api/v1/sla`.
pub fn summary(length: Duration, tally: &Tally, story: &Story, promise: Option<&Value>) -> String {
    let Counts { sent, lost, slow } = tally.got;
    let (p50, p99) = (millis(tally.percentile(0.5)), millis(tally.percentile(0.99)));
    let mut out = format!("\nWhat it came to, after {}\n\n", clock(length));
    let mut row = |name: &str, text: &str| _ = writeln!(out, "  {name:<18}{}", wrapped(text, INDENT));
    row("requests", &format!("{} sent, {} lost, {} slower than 250 ms", grouped(sent), grouped(lost), grouped(slow)));
    row("answer times", &format!("{p50} ms for half of them, {p99} ms for 99 of 100"));
    let plain = tally.plain;
    row(
        "plain round robin",
        &format!(
            "{} lost, {} slower than 250 ms: the same requests in turn to the same backends, unchecked and \
             never sent twice, and with the restart that Evenkeel asked for",
            grouped(plain.lost),
            grouped(plain.slow)
        ),
    );
    for (at, outages) in by_backend(&story.outages).into_iter().enumerate() {
        row(if at == 0 { "without work" } else { "" }, &times(&outages, length));
    }
    for (at, attempt) in story.repairs.iter().enumerate() {
        row(if at == 0 { "repaired" } else { "" }, &repair(attempt));
    }
    if let Some(promise) = promise {
        row("promised", &promised(promise));
        row("kept", &kept(promise));
    }
    out
}

/// The outages of each backend, in the order of the first of each.
fn by_backend(outages: &[Outage]) -> Vec<Vec<&Outage>> {
    let mut each: Vec<Vec<&Outage>> = Vec::new();
    for outage in outages {
        match each.iter_mut().find(|own| own[0].backend == outage.backend) {
            Some(own) => own.push(outage),
            None => each.push(vec![outage]),
        }
    }
    each
}

/// When a backend was without work: `b  0:11 to 0:16 (5.1 s), 0:18 to 0:28 (10.0 s)`.
fn times(outages: &[&Outage], length: Duration) -> String {
    let times = outages.iter().map(|outage| {
        let lasted = outage.to.unwrap_or(length).saturating_sub(outage.from).as_secs_f64();
        let to = outage.to.map_or("now".to_owned(), clock);
        format!("{} to {to} ({lasted:.1} s)", clock(outage.from))
    });
    let name = outages.first().map(|outage| outage.backend.as_str()).unwrap_or_default();
    format!("{name}: {}", times.collect::<Vec<_>>().join(", "))
}

fn repair(attempt: &Attempt) -> String {
    let whom = attempt.backend.as_deref().unwrap_or("the service");
    match (attempt.outcome, attempt.recovery_ms) {
        (Some(Outcome::Healed), Some(ms)) => {
            format!("{whom} was restarted and seen well {:.1} s after the fault was found", ms as f64 / 1e3)
        }
        (outcome, _) => {
            let came_to = outcome.map_or("not over", Outcome::as_str).replace('_', " ");
            format!("{whom} was restarted: {came_to}")
        }
    }
}

fn promised(promise: &Value) -> String {
    let latency = promise["promise"]["latency_s"].as_f64().unwrap_or_default() * 1e3;
    format!(
        "{} of the time, and of the requests an answer within {latency:.0} ms",
        percent(promise["target"].as_f64().unwrap_or_default())
    )
}

fn kept(promise: &Value) -> String {
    let share = |name: &str| promise[name].as_f64().map_or("unknown".to_owned(), percent);
    let (time, requests, left) = (share("by_time"), share("by_requests"), share("error_budget_left"));
    format!("{time} of the time, {requests} of the requests; {left} of the error budget is left")
}

/// A share as a percentage that is cut off, never rounded up.
fn percent(share: f64) -> String {
    let cut = (share * 1e4 + 1e-6).floor() / 1e2;
    format!("{cut} %")
}

fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}

/// A number with commas between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
