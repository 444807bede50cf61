//! What it came to.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use super::line::{clock, wrapped};
use super::load::RATE;
use super::story::{Outage, Story};
use super::tally::{Counts, Tally};
use crate::recover::{Attempt, Outcome};

/// The column in which the right column begins.
const INDENT: usize = 20;

/// From this share of the load on, the figures say something of Evenkeel, and not of the machine.
const ENOUGH: f64 = 0.9;

/// The summary, after `length`. `promise` is the service in `GET /api/v1/sla`.
pub fn summary(length: Duration, tally: &Tally, story: &Story, promise: Option<&Value>) -> String {
    let Counts { sent, lost, slow } = tally.got;
    let (p50, p99) = (millis(tally.percentile(0.5)), millis(tally.percentile(0.99)));
    let mut out = format!("\nWhat it came to, after {}\n\n", clock(length));
    let mut row = |name: &str, text: &str| _ = writeln!(out, "  {name:<18}{}", wrapped(text, INDENT));
    row("requests", &format!("{} sent, {} lost, {} slower than 250 ms", grouped(sent), grouped(lost), grouped(slow)));
    let reached = sent as f64 / length.as_secs_f64().max(1.0);
    if reached < ENOUGH * RATE as f64 {
        row(
            "load",
            &format!(
                "{reached:.0} of {RATE} a second: this machine is too busy for more, so these figures are not typical"
            ),
        );
    }
    row("answer times", &format!("{p50} ms for half of them, {p99} ms for 99 of 100"));
    for (at, outages) in by_backend(&story.outages).into_iter().enumerate() {
        row(if at == 0 { "taken out" } else { "" }, &times(&outages, length));
    }
    for (at, attempt) in story.repairs.iter().enumerate() {
        row(if at == 0 { "repaired" } else { "" }, &repair(attempt));
    }
    if let Some(promise) = promise {
        row("promised", &promised(promise));
        row("kept", &kept(promise));
    }
    let target = promise.and_then(|promise| promise["target"].as_f64());
    row("plain round robin", &plain(tally.plain, target));
    out
}

/// What a plain round robin would have cost, and of the error budget, too.
fn plain(counts: Counts, target: Option<f64>) -> String {
    let Counts { sent, lost, slow } = counts;
    let allowed = target.map_or(0.0, |target| (1.0 - target) * sent as f64);
    let spent = match allowed > 0.0 {
        true => format!(", {:.0} times what the error budget allows", lost as f64 / allowed),
        false => String::new(),
    };
    format!(
        "would have lost {}{spent}, and been slow for {}. It takes the same backends in turn, in the same trouble; it checks nobody and sends \
         nothing twice, and is given the restart that it would not have asked for",
        grouped(lost),
        grouped(slow)
    )
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
        "{} of the time up, and of the requests answered within {latency:.0} ms",
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
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::Moment;

    #[test]
    fn a_summary_fits_a_terminal_and_has_what_it_came_to() {
        let mut story = Story::new(Moment::NEVER);
        let at = Duration::from_secs;
        let outage = |backend: &str, from, to| Outage { backend: backend.to_owned(), from: at(from), to };
        story.outages = vec![outage("b", 11, Some(at(16))), outage("d", 45, None), outage("b", 18, Some(at(28)))];
        story.repairs = vec![Attempt { outcome: Some(Outcome::NotHealed), ..Attempt::default() }];
        let mut tally = Tally::default();
        (tally.got, tally.plain) =
            (Counts { sent: 24_012, lost: 0, slow: 37 }, Counts { sent: 24_012, lost: 481, slow: 640 });
        let promise = json!({
            "target": 0.999, "by_time": 1.0, "by_requests": 0.99987, "error_budget_left": 0.87, "promise": { "latency_s": 0.5 },
        });
        let text = summary(at(120), &tally, &story, Some(&promise));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        for part in [
            "after 2:00",
            "24,012 sent, 0 lost, 37 slower than 250 ms",
            "b: 0:11 to 0:16 (5.0 s), 0:18 to 0:28 (10.0 s)",
            "d: 0:45 to now (75.0 s)",
            "the service was restarted: not healed",
            "100 % of the time, 99.98 % of the requests; 87 % of the",
            "would have lost 481, 20 times what",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn a_machine_that_is_too_busy_is_told() {
        let mut tally = Tally::default();
        let mut text = |sent| {
            tally.got.sent = sent;
            summary(Duration::from_secs(30), &tally, &Story::new(Moment::NEVER), None)
        };
        assert!(!text(5_990).contains("too busy"));
        assert!(text(1_418).contains("47 of 200 a second: this machine is too busy"));
    }

    #[test]
    fn shares_are_cut_off_and_thousands_are_grouped() {
        assert_eq!(percent(0.99999), "99.99 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!([7, 1_000, 1_234_567].map(grouped), ["7", "1,000", "1,234,567"]);
    }
}
