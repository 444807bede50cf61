//! What checks and real traffic show: active checks, passive ejection, the circuit breaker.

use std::time::Duration;

use super::Rule;
use crate::detect::phrase;
use crate::endpoint::breaker::{Circuit, Figures as BreakerFigures};
use crate::endpoint::standing::Health;
use crate::endpoint::state::DecidedBy;
use crate::health::ejector::Sight;
use crate::health::outlier::{Figures, Reason};
use crate::policy::{LatencyRule, Outlier};
use crate::why::facts::Facts;
use crate::why::figures::{count, span};

/// Active checks.
pub(super) fn checks(facts: &Facts) -> Rule {
    let is_down = facts.health == Health::Down;
    let rule = Rule::takes_out(DecidedBy::Checks, "checks", "mark_down", is_down);
    let Some(limits) = facts.limits.checks else {
        return rule.saying("not checked", "off", "its service has no active checks");
    };
    let Some(last) = &facts.check else {
        return rule.saying("none so far", format!("{} failed in a row", limits.fall), "no check has ended so far");
    };
    let result = format!("the last check, {}: {}", phrase::time(last.took), last.reason);
    let (fall, rise) = (limits.fall.max(1), limits.rise.max(1));
    match is_down {
        true => rule.saying(
            if last.ok {
                format!("{} passed in a row", last.passed)
            } else {
                format!("{} failed in a row", last.failed)
            },
            format!("until {rise} passed in a row"),
            format!("{result}; it is checked each {}", span(limits.interval)),
        ),
        false => rule
            .saying(
                if last.ok { "passed".to_owned() } else { format!("{} failed in a row", last.failed) },
                format!("{fall} failed in a row"),
                format!("{result}; it is checked each {}", span(limits.interval)),
            )
            .near(f64::from(last.failed), f64::from(fall)),
    }
}

/// Passive ejection: what is left of one, and each of its rules.
pub(super) fn ejection(facts: &Facts) -> Vec<Rule> {
    let mut rules = Vec::with_capacity(5);
    if let Some(left) = facts.ejected {
        let rule = Rule::takes_out(DecidedBy::Outlier, "ejection", "eject", true);
        let times = count(facts.ejections, "ejection");
        let text = format!("its ejection goes on: {times} so far; each takes longer than the one before");
        rules.push(rule.saying(format!("{} left", span(left)), "its time is over", text));
    }
    let Some(sight) = &facts.traffic else { return rules };
    let (policy, figures) = (&facts.limits.outlier, &sight.figures);
    let has_peers = facts.fleet.total > 1;
    rules.push(in_a_row(policy, figures));
    rules.push(error_rate(policy, figures, has_peers));
    match policy.latency {
        LatencyRule::Auto => rules.push(peers(policy, sight, has_peers)),
        LatencyRule::Factor(factor) => rules.push(latency(policy, figures, factor, has_peers)),
        LatencyRule::Off => {}
    }
    rules
}

/// Whether the backend would be ejected for such a reason; and why not, where nothing but its peers excuses it.
fn judged(figures: &Figures, is_such: fn(&Reason) -> bool) -> (bool, Option<&'static str>) {
    let excused = figures.excused.as_ref().is_some_and(is_such);
    (
        figures.reason.as_ref().is_some_and(is_such),
        excused.then_some("; its peers fail as often, so that this proves nothing"),
    )
}

fn in_a_row(policy: &Outlier, figures: &Figures) -> Rule {
    let (failures, most) = (figures.observation.consecutive, policy.consecutive_failures);
    let (_, excuse) = judged(figures, |reason| matches!(reason, Reason::Consecutive(_)));
    let rule = ejects("failures_in_a_row", most > 0 && failures >= most && excuse.is_none());
    let threshold = if most > 0 { most.to_string() } else { "off".to_owned() };
    let text = format!("counted since its last good answer{}", excuse.unwrap_or_default());
    rule.saying(failures, threshold, text).near(f64::from(failures), f64::from(most))
}

fn ejects(name: &'static str, holds: bool) -> Rule {
    Rule::takes_out(DecidedBy::Outlier, name, "eject", holds)
}

fn error_rate(policy: &Outlier, figures: &Figures, has_peers: bool) -> Rule {
    let counts = figures.observation.counts;
    let enough = counts.requests >= u64::from(policy.min_requests.max(1));
    let reaches = policy.error_rate > 0.0 && enough && figures.failing >= policy.error_rate;
    // another reason may have been found first, so this one is judged by itself
    let (is_reason, excuse) = judged(figures, |reason| matches!(reason, Reason::ErrorRate(_)));
    let stands_out = is_reason || (reaches && figures.failing >= 2.0 * figures.peers_failing);
    let rule = ejects("error_rate", reaches && excuse.is_none() && stands_out);
    let figure = format!("{} ({} of {})", phrase::share(figures.failing), counts.failures, counts.requests);
    let threshold = if policy.error_rate > 0.0 { phrase::share(policy.error_rate) } else { "off".to_owned() };
    let few = match enough {
        true => String::new(),
        false => format!("; fewer than {} decide nothing", count(policy.min_requests, "exchange")),
    };
    let beside = match has_peers {
        true => format!("the better ones of its peers fail {}", phrase::share(figures.peers_failing)),
        false => NO_PEERS.to_owned(),
    };
    let text = format!("over the last {}; {beside}{few}{}", span(policy.window), excuse.unwrap_or_default());
    let near = if enough { figures.failing } else { 0.0 };
    rule.saying(figure, threshold, text).near(near, policy.error_rate)
}

/// Its mean against the median of its peers, as a factor.
fn slower(figures: &Figures) -> Option<f64> {
    let (mean, peers) = (figures.mean?, figures.peers_mean.filter(|peers| !peers.is_zero())?);
    Some(mean.as_secs_f64() / peers.as_secs_f64())
}

/// What there is to say of a comparison without anybody to be compared with.
const NO_PEERS: &str = "its service has no other backend to compare it with";

fn means(policy: &Outlier, figures: &Figures, has_peers: bool) -> String {
    let time = |mean: Option<Duration>| mean.map_or_else(|| "unknown".to_owned(), phrase::time);
    let (own, window) = (time(figures.mean), span(policy.window));
    match has_peers {
        true => {
            format!(
                "its answers take {own}, those of its peers {} (means over the last {window})",
                time(figures.peers_mean)
            )
        }
        false => format!("its answers take {own} (the mean over the last {window}); {NO_PEERS}"),
    }
}

fn latency(policy: &Outlier, figures: &Figures, factor: f64, has_peers: bool) -> Rule {
    let (holds, _) = judged(figures, |reason| matches!(reason, Reason::Latency(..)));
    let slower = slower(figures);
    let figure = slower.map_or_else(|| "unknown".to_owned(), |slower| format!("{} times", phrase::factor(slower)));
    let text = means(policy, figures, has_peers);
    let rule = ejects("latency", holds).saying(figure, format!("{} times its peers'", phrase::factor(factor)), text);
    rule.near(slower.unwrap_or_default(), factor)
}

/// The comparison with its peers at the same moment.
fn peers(policy: &Outlier, sight: &Sight, has_peers: bool) -> Rule {
    let holds = sight.figures.observation.accused.is_some();
    let figure = match has_peers || sight.suspicion > 0.0 {
        true => format!("{} of the evidence that it takes", phrase::share(sight.suspicion)),
        false => "none: it has no peers".to_owned(),
    };
    let means = means(policy, &sight.figures, has_peers);
    let hangs = if sight.seems_to_hang { "; it seems to hang: what waits for it may try another one" } else { "" };
    let text = match &sight.accused {
        Some(accused) => format!("{accused}; {means}{hangs}"),
        None => format!("{means}{hangs}"),
    };
    ejects("peers", holds).saying(figure, "100 %", text).near(sight.suspicion, 1.0)
}

/// The circuit breaker: its position, and the two rules that open it.
pub(super) fn breaker(facts: &Facts) -> Vec<Rule> {
    let (Some(policy), Some(figures)) = (facts.limits.breaker, facts.breaker) else { return Vec::new() };
    let opens = |name, holds| Rule::takes_out(DecidedBy::Breaker, name, "open", holds);
    let is_open = figures.circuit == Circuit::Open;
    let position = match figures.circuit {
        Circuit::Closed => ("closed", "everything passes".to_owned()),
        Circuit::Open => {
            ("open", format!("nothing passes; it stays open for {}, and then lets trials pass", span(policy.open_for)))
        }
        Circuit::HalfOpen => {
            let needed = policy.half_open.max(1);
            (
                "half-open",
                format!("{} of {needed} trials have succeeded; one that fails opens it again", figures.trials),
            )
        }
    };
    let mut rules = vec![opens("breaker", is_open).saying(position.0, "open", position.1)];
    if policy.failures > 0 {
        let rule = opens("breaker_failures", figures.failures >= u64::from(policy.failures));
        let text =
            if is_open { "failures in a row when it was opened" } else { "failures in a row since it is closed" };
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let near = figures.failures as f64;
        rules.push(rule.saying(figures.failures, policy.failures, text).near(near, f64::from(policy.failures)));
    }
    if policy.error_rate > 0.0 {
        rules.push(breaker_rate(opens, policy.error_rate, &figures));
    }
    rules
}

fn breaker_rate(opens: impl Fn(&'static str, bool) -> Rule, most: f64, figures: &BreakerFigures) -> Rule {
    let (requests, failed) = (figures.requests, figures.failed);
    #[expect(clippy::cast_precision_loss, reason = "a count of ten seconds")]
    let rate = failed as f64 / requests.max(1) as f64;
    let enough = requests >= BreakerFigures::ENOUGH;
    let rule = opens("breaker_error_rate", enough && rate >= most);
    let few = if enough { String::new() } else { format!("; fewer than {} decide nothing", BreakerFigures::ENOUGH) };
    let text = format!("over the last 10 s{few}");
    let near = if enough { rate } else { 0.0 };
    rule.saying(format!("{} ({failed} of {requests})", phrase::share(rate)), phrase::share(most), text).near(near, most)
}
