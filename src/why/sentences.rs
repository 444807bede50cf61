//! The answer to "why?" in a few sentences. Pure.

use super::brakes::Brake;
use super::facts::Facts;
use super::figures::{clock, span};
use super::rules::{self, Rule};
use crate::endpoint::breaker::Circuit;
use crate::endpoint::state::{DecidedBy, State};

/// From this share of a threshold on, it is worth telling that a rule is near to acting.
const NEAR: f64 = 0.3;

/// The first sentence: the state, since when, and who has decided it. `at` = it is told of a moment of the past.
fn head(facts: &Facts, at: Option<std::time::SystemTime>) -> String {
    let name = facts.name();
    let (state, since) = (facts.condition.state.as_str(), clock(facts.since));
    let begin = match at {
        Some(at) => {
            let age = at.duration_since(facts.since).unwrap_or_default();
            format!("At {} {name} was {state}, since {since} ({})", clock(at), span(age))
        }
        None => {
            let age = facts.at.duration_since(facts.since).unwrap_or_default();
            format!("{name} is {state} since {since} ({})", span(age))
        }
    };
    match (facts.condition.state, &*facts.reason) {
        (State::Up, _) => format!("{begin}."),
        (_, "") => format!("{begin}: {}.", decided(facts.condition.by)),
        (_, reason) => format!("{begin}: {reason}."),
    }
}

/// Who decides a state, as a sentence without its end.
pub fn decided(by: DecidedBy) -> &'static str {
    match by {
        DecidedBy::Operator => "an operator has decided it",
        DecidedBy::Configuration => "the configuration says so",
        DecidedBy::Recovery => "recovery has taken it out",
        DecidedBy::Agent => "its agent says so",
        DecidedBy::Names => "its name has no address",
        DecidedBy::Checks => "its active checks say so",
        DecidedBy::Outlier => "passive ejection has taken it out",
        DecidedBy::Breaker => "its circuit breaker is open",
        DecidedBy::Weight => "its weight is 0",
        DecidedBy::SlowStart => "its slow start is under way",
    }
}

/// The sentences about a backend, the most important first. `at` = they are told of a moment of the past, whose facts are those of the change
/// before it. `change` has the facts of the change to the present state, where they are known: what has decided it may not show any more, since a
/// backend that is out gets no requests.
pub fn of(
    facts: &Facts,
    rules: &[Rule],
    brakes: &[Brake],
    at: Option<std::time::SystemTime>,
    change: Option<&Facts>,
) -> Vec<String> {
    let mut said = vec![head(facts, at)];
    let by = facts.condition.by;
    let holding: Vec<&Rule> = rules.iter().filter(|rule| rule.holds && rule.decides.is_some()).collect();
    if facts.condition.state.is_usable() {
        said.push(usable(facts, rules, &holding));
    } else {
        let then = change.filter(|change| change.condition == facts.condition).map(rules::of);
        let deciding = then.as_deref().unwrap_or(rules);
        let deciding_held: Vec<&Rule> = deciding.iter().filter(|rule| rule.holds && rule.decides.is_some()).collect();
        said.extend(decisive(facts, &deciding_held));
        said.push(others(by, deciding, &deciding_held));
        said.extend(ends(facts));
    }
    said.extend(votes(facts));
    for rule in rules.iter().filter(|rule| rule.holds && rule.decides.is_none()) {
        said.push(format!("{}: {} ({}).", named(rule), rule.text, rule.figure));
    }
    said.extend(
        brakes.iter().filter(|brake| brake.holds).map(|brake| format!("Held back by {}: {}.", brake.brake, brake.text)),
    );
    if at.is_some() {
        said.push(format!("The figures are those of {}, when this began.", clock(facts.at)));
    }
    said
}

/// The name of a rule at the beginning of a sentence.
fn named(rule: &Rule) -> String {
    let words = rule.rule.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A rule in a few words: "failures in a row (7, from 5 on)".
fn short(rule: &Rule) -> String {
    format!("{} ({}, threshold {})", rule.rule.replace('_', " "), rule.figure, rule.threshold)
}

/// What is said of a backend that takes part.
fn usable(facts: &Facts, rules: &[Rule], holding: &[&Rule]) -> String {
    if !holding.is_empty() {
        let all: Vec<String> = holding.iter().map(|rule| short(rule)).collect();
        return format!("It takes part, although something speaks against it: {}.", all.join("; "));
    }
    let nearest = rules.iter().filter(|rule| rule.decides.is_some() && rule.near >= NEAR);
    let nearest = nearest.max_by(|one, other| one.near.total_cmp(&other.near));
    let begin = match (facts.condition.state, facts.is_picked) {
        (State::Unknown, _) => "No check of it has ended so far; it gets work meanwhile",
        (_, false) => "Nothing speaks against it, and it gets no work now",
        (_, true) => "It takes part, and no rule speaks against it",
    };
    match nearest {
        Some(rule) if rule.near >= 1.0 => {
            format!("{begin}: {} has reached its threshold and does not act ({}).", short(rule), rule.text)
        }
        Some(rule) => format!("{begin}; the nearest to acting is {}.", short(rule)),
        None => format!("{begin}."),
    }
}

/// The rules of whoever decided, with their figures.
fn decisive(facts: &Facts, holding: &[&Rule]) -> Option<String> {
    let own = holding.iter().filter(|rule| rule.decides == Some(facts.condition.by) && rule.rule != "ejection");
    let own: Vec<String> = own.map(|rule| format!("{}: {}", short(rule), rule.text)).collect();
    if own.is_empty() { None } else { Some(format!("What has decided it: {}.", own.join("; "))) }
}

/// What the rules of all others would have done.
fn others(by: DecidedBy, rules: &[Rule], holding: &[&Rule]) -> String {
    let would: Vec<String> = holding
        .iter()
        .filter(|rule| rule.decides != Some(by))
        .map(|rule| format!("{} would {} it", short(rule), rule.would.replace('_', " ")))
        .collect();
    if !would.is_empty() {
        return format!("Without that, it would be out all the same: {}.", would.join("; "));
    }
    let checks = rules.iter().find(|rule| rule.rule == "checks" && rule.threshold != "off" && by != DecidedBy::Checks);
    match checks {
        Some(checks) => format!("No other rule would have taken it out; its active checks: {}.", checks.figure),
        None => "No other rule would have taken it out.".to_owned(),
    }
}

/// How it comes back.
fn ends(facts: &Facts) -> Option<String> {
    match facts.condition.by {
        DecidedBy::Outlier => {
            let left = facts.ejected?;
            Some(format!(
                "It comes back after {}, with a share of the work that grows{}.",
                span(left),
                if facts.limits.checks.is_some() { "; sooner if its checks show that it is well again" } else { "" }
            ))
        }
        DecidedBy::Checks if facts.condition.state == State::Down => {
            let limits = facts.limits.checks?;
            Some(format!("It comes back when {} of its checks in a row have passed.", limits.rise.max(1)))
        }
        DecidedBy::Breaker if facts.breaker?.circuit == Circuit::Open => {
            let policy = facts.limits.breaker?;
            let trials = policy.half_open.max(1);
            Some(format!(
                "{} after it was opened, up to {trials} trials may pass; all have to succeed.",
                span(policy.open_for)
            ))
        }
        DecidedBy::Recovery => facts
            .held_open
            .map(|left| format!("Recovery lets it go in {}, unless it is taken back before.", span(left))),
        DecidedBy::Operator => Some("It stays so until the command is taken back, or its time is over.".to_owned()),
        DecidedBy::Names => Some("It comes back when its name can be looked up.".to_owned()),
        _ => None,
    }
}

/// What detection has found.
fn votes(facts: &Facts) -> Option<String> {
    let votes = facts.votes.iter().map(|vote| {
        let of = vote.of.map(|of| format!(" (its {of})")).unwrap_or_default();
        format!("{}{of}: {}, {:.0} % sure: {}", vote.detector.as_str(), vote.fault, vote.confidence * 100.0, vote.text)
    });
    let votes: Vec<String> = votes.collect();
    if votes.is_empty() { None } else { Some(format!("Detection has found a fault: {}.", votes.join("; "))) }
}
