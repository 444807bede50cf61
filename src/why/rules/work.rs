//! What changes how much work a backend gets while nothing is wrong with it.

use super::Rule;
use crate::detect::phrase;
use crate::endpoint::standing::WHOLE;
use crate::why::facts::{Facts, Fleet};
use crate::why::figures::span;

/// Slow start.
pub(super) fn slow_start(facts: &Facts) -> Option<Rule> {
    let takes = facts.limits.slow_start;
    if takes.is_zero() {
        return None;
    }
    let holds = facts.joined < takes;
    let rule = Rule::of_work("slow_start", "give_less", holds);
    let text = "after it was added, or has come back, its share of the work grows from a tenth to all";
    let figure = if holds { format!("{} since it is back", span(facts.joined)) } else { "over".to_owned() };
    Some(rule.saying(figure, format!("less than {}", span(takes)), text))
}

/// The share of the work that is left to a suspect, or to one that was ejected a short time ago.
pub(super) fn suspicion(facts: &Facts) -> Rule {
    let share = f64::from(facts.work_share) / f64::from(WHOLE);
    let rule = Rule::of_work("work_share", "give_less", facts.work_share < WHOLE);
    let text = "less than all while evidence against it gathers, and in the first seconds after an ejection";
    rule.saying(phrase::share(share), "less than 100 %", text)
}

/// A backup.
pub(super) fn backup(facts: &Facts) -> Option<Rule> {
    if !facts.is_backup {
        return None;
    }
    let waits = !facts.is_picked && facts.condition.state.is_usable();
    let Fleet { primaries, usable_primaries, .. } = facts.fleet;
    let figure = format!("{usable_primaries} of {primaries} primaries can be used");
    let text =
        "it is a backup: it gets work when no primary can be used, or for a request that all of them have failed";
    Some(Rule::of_work("backup", "keep_in_reserve", waits).saying(figure, "1 primary that can be used", text))
}

/// A failover of the service.
pub(super) fn detour(facts: &Facts) -> Option<Rule> {
    let (to, share) = facts.fleet.detour.as_ref()?;
    let share = phrase::share(f64::from(*share) / f64::from(WHOLE));
    let text = format!("a failover of recovery sends {share} of the work of the service to {to}");
    Some(Rule::of_work("failover", "send_work_elsewhere", true).saying(&share, "in force", text))
}

/// Panic: too few backends are left.
pub(super) fn panic(facts: &Facts) -> Rule {
    let rule = Rule::of_work("panic", "ignore_health", facts.fleet.panic);
    let Fleet { primaries, usable_primaries, .. } = facts.fleet;
    let figure = format!("{usable_primaries} of {primaries} can be used");
    let threshold = facts.limits.panic_threshold;
    if threshold <= 0.0 {
        return rule.saying(figure, "off", "health is never ignored (panic_threshold = 0)");
    }
    let text = match facts.fleet.panic {
        true => "too few can be used: health is ignored, and all that nobody has taken out get work",
        false => "where too few can be used, health is ignored, rather than crushing the few",
    };
    rule.saying(figure, format!("less than {}", phrase::share(threshold)), text)
}
