//! What people, the configuration, recovery, the agent and the resolver say.

use super::Rule;
use crate::endpoint::standing::Override;
use crate::endpoint::state::DecidedBy;
use crate::why::facts::Facts;
use crate::why::figures::span;

/// Its name, to the resolver.
pub(super) fn names(facts: &Facts) -> Rule {
    let figure = if facts.is_unresolved { "no address" } else { "known" };
    let text = if facts.is_unresolved {
        "its name can't be looked up: nobody can connect to it"
    } else {
        "where it is, is known"
    };
    Rule::takes_out(DecidedBy::Names, "names", "mark_down", facts.is_unresolved).saying(figure, "no address", text)
}

/// The word of an operator.
pub(super) fn operator(facts: &Facts) -> Rule {
    let said = facts.said.operator;
    let is_out = matches!(said, Override::Drained | Override::Disabled);
    let (figure, would) = match said {
        Override::Configured => ("nothing said", "take_out"),
        Override::Enabled => ("enabled", "take_out"),
        Override::Drained => ("drained", "drain"),
        Override::Disabled => ("disabled", "disable"),
    };
    let text = match said {
        Override::Configured => "no operator has said anything of its state".to_owned(),
        Override::Enabled => {
            "an operator wants it to take part, whatever the configuration says; it can be unwell all the same"
                .to_owned()
        }
        _ if facts.condition.by == DecidedBy::Operator => format!("an operator has taken it out: {}", facts.reason),
        _ => "an operator has taken it out".to_owned(),
    };
    Rule::takes_out(DecidedBy::Operator, "operator", would, is_out).saying(figure, "drained or disabled", text)
}

/// `drain` of the backend in the configuration.
pub(super) fn configuration(facts: &Facts) -> Option<Rule> {
    if !facts.said.drains {
        return None;
    }
    let holds = facts.said.operator == Override::Configured;
    let text = if holds { "the configuration drains it" } else { "an operator's word goes before the configuration" };
    let rule = Rule::takes_out(DecidedBy::Configuration, "configuration", "drain", holds);
    Some(rule.saying("drain = true", "drain = true", text))
}

/// A repair by recovery.
pub(super) fn repair(facts: &Facts) -> Option<Rule> {
    if !facts.is_repaired && facts.recovery.attempts.is_empty() {
        return None;
    }
    let attempts = facts.recovery.attempts.join("; ");
    let figure = if facts.is_repaired { "under repair" } else { "not taken out" };
    let rule = Rule::takes_out(DecidedBy::Recovery, "repair", "drain", facts.is_repaired);
    Some(rule.saying(figure, "under repair", if attempts.is_empty() { "recovery repairs it" } else { &attempts }))
}

/// The agent beside the backend.
pub(super) fn agent(facts: &Facts) -> Option<Rule> {
    let (figure, would) = match facts.said.agent {
        Override::Configured => return None,
        Override::Enabled => ("ready", "drain"),
        Override::Drained => ("drain", "drain"),
        Override::Disabled => ("maint", "disable"),
    };
    let wants_out = matches!(facts.said.agent, Override::Drained | Override::Disabled);
    let holds = wants_out && facts.said.operator == Override::Configured;
    let text = match (wants_out, holds) {
        (true, false) => "an operator's word goes before the agent's",
        (true, true) => "the agent that runs beside it takes it out",
        (false, _) => "the agent that runs beside it lets it work",
    };
    Some(Rule::takes_out(DecidedBy::Agent, "agent", would, holds).saying(figure, "drain or maint", text))
}

/// Recovery holds its circuit open.
pub(super) fn held_open(facts: &Facts) -> Option<Rule> {
    let left = facts.held_open?;
    let rule = Rule::takes_out(DecidedBy::Recovery, "circuit_held_open", "open", true);
    Some(rule.saying(
        format!("{} left", span(left)),
        "any",
        "recovery holds its circuit open, and time alone ends that",
    ))
}

/// A weight of 0.
pub(super) fn weight(facts: &Facts) -> Rule {
    let (weight, configured) = (facts.said.weight, facts.said.configured_weight);
    let figure = if weight == configured { weight.to_string() } else { format!("{weight}, configured {configured}") };
    let text = match weight {
        0 => "with a weight of 0 it gets no new work and keeps its sessions",
        _ if weight != configured => "its agent or an operator has changed its weight",
        _ => "its weight is as configured",
    };
    Rule::takes_out(DecidedBy::Weight, "weight", "drain", weight == 0).saying(figure, "0", text)
}
