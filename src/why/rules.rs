//! The rules that decide the state of a backend and its share of the work: what each has to go by, its threshold, and what it would do. Pure.

mod network;
mod people;
mod traffic;
mod work;

use std::fmt::Display;

use super::facts::Facts;
use crate::endpoint::state::DecidedBy;

/// A rule, as it stands for one backend.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name in the API.
    pub rule: &'static str,
    /// What it has to go by.
    pub figure: String,
    /// From what on it acts.
    pub threshold: String,
    /// What it does then: a verb.
    pub would: &'static str,
    /// It acts now, or would if no rule before it did.
    pub holds: bool,
    /// More about it, for people.
    pub text: String,
    /// Whose decision it is when it takes the backend out of use; `None` = it never does.
    pub decides: Option<DecidedBy>,
    /// How near it is to acting, from 0 to 1, where that can be told before it does.
    pub near: f64,
}

impl Rule {
    /// A rule that takes backends out of use.
    fn takes_out(by: DecidedBy, rule: &'static str, would: &'static str, holds: bool) -> Self {
        Self { decides: Some(by), ..Self::of_work(rule, would, holds) }
    }

    /// A rule that changes nothing but how much work the backend gets.
    fn of_work(rule: &'static str, would: &'static str, holds: bool) -> Self {
        let (figure, threshold, text) = <(String, String, String)>::default();
        Self { rule, figure, threshold, would, holds, text, decides: None, near: 0.0 }
    }

    fn saying(self, figure: impl Display, threshold: impl Display, text: impl Display) -> Self {
        Self { figure: figure.to_string(), threshold: threshold.to_string(), text: text.to_string(), ..self }
    }

    /// With how near it is, as a share of its threshold.
    fn near(self, figure: f64, threshold: f64) -> Self {
        let near = if threshold > 0.0 { (figure / threshold).clamp(0.0, 1.0) } else { 0.0 };
        Self { near, ..self }
    }
}

/// All rules in the order in which they are heard: the first that holds and takes backends out decides the state.
pub fn of(facts: &Facts) -> Vec<Rule> {
    let mut rules = Vec::with_capacity(16);
    rules.push(people::operator(facts));
    rules.extend(people::configuration(facts));
    rules.extend(people::repair(facts));
    rules.extend(people::agent(facts));
    rules.push(people::names(facts));
    rules.push(traffic::checks(facts));
    rules.extend(traffic::ejection(facts));
    rules.extend(people::held_open(facts));
    rules.extend(traffic::breaker(facts));
    rules.push(people::weight(facts));
    rules.extend(work::slow_start(facts));
    rules.push(work::suspicion(facts));
    rules.extend(work::backup(facts));
    rules.extend(work::detour(facts));
    rules.extend(network::zone(facts));
    rules.extend(network::path(facts));
    rules.push(work::panic(facts));
    rules
}

#[cfg(test)]
mod tests;
