//! What changes how much work a backend gets, and by which way, because of where it stands.

use super::Rule;
use crate::endpoint::standing::WHOLE;
use crate::why::facts::{Facts, PathFact};
use crate::why::figures::span;
use crate::why::zones;

/// The zone that it stands in, where the instance prefers its own.
pub(super) fn zone(facts: &Facts) -> Option<Rule> {
    let known = facts.fleet.zones.as_ref()?;
    let zone = known.named(&facts.zone)?;
    let gets_all = *zone.name == *known.own && zone.part >= WHOLE;
    let figure = match known.are_heeded {
        true => format!("{} gets {} of the work", zone.shown(), zones::share(zone.part)),
        false => format!("it stands in {}", zone.shown()),
    };
    let rule = Rule::of_work("zone", "prefer_own_zone", known.are_heeded && !gets_all);
    Some(rule.saying(figure, "as much as is fair stays", known.words(facts.fleet.panic, facts.fleet.detour.is_some())))
}

/// The paths to it, where there are several.
pub(super) fn path(facts: &Facts) -> Option<Rule> {
    let used = facts.paths.iter().find(|path| path.is_chosen)?;
    let is_other = !facts.paths.first().is_some_and(|first| first.is_chosen);
    let all: Vec<String> = facts.paths.iter().map(in_words).collect();
    let rule = Rule::of_work("path", "use_another_path", is_other || !used.is_up);
    Some(rule.saying(
        format!("{} is used", used.address),
        "the first one is down, or another one far better",
        all.join("; "),
    ))
}

fn in_words(path: &PathFact) -> String {
    let PathFact { address, is_up, is_chosen: _, since, rtt_ms, loss, reason } = path;
    let reason = if reason.is_empty() { "not checked so far" } else { reason };
    if !is_up {
        return format!("{address} is down for {} ({reason})", span(*since));
    }
    let rtt = rtt_ms.map_or_else(String::new, |rtt| format!("{rtt:.1} ms to connect, "));
    format!("{address} is up ({rtt}{} % of late failed)", (loss * 100.0).round())
}
