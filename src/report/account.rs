//! The sentences of a report: how it was counted, and what is not known.

use super::model::{Gap, Report, ServiceReport};
use super::phrase;
use crate::clock::Stamp;

/// So many gaps are named, the longest of them; the others are summed up.
const NAMED_GAPS: usize = 10;

/// How it was counted.
pub(super) fn counted() -> Vec<&'static str> {
    vec![
        "Availability by time is uptime / (uptime + downtime). Planned maintenance counts neither way, and neither does time in which nobody watched: it is \
         called unknown and is never taken for uptime.",
        "Availability by requests is good / (good + failed + slow). A request failed when a backend or the proxy failed it, and was slow when the answer came \
         later than was promised. Mistakes of clients, requests that clients gave up and requests during maintenance are excluded.",
        "A target is met when both availabilities reach it. One that has nothing to count does not matter; where neither has, it is not known. Where history of \
         the period was deleted by hand, what it could have changed is not known: the target is not called met, and is called missed only where it would be even \
         if the service had been up all of the deleted time.",
        "Error budget by time: allowed downtime = (1 - target) x (length of the period - planned - unknown); left = 1 - downtime / allowed. The whole period \
         counts, also what of it is still to come.",
        "Error budget by requests: allowed = (1 - target) x (good + failed + slow); left = 1 - (failed + slow) / allowed. The smaller of the two budgets is the \
         budget left; below zero it is overspent.",
        "A failure is an incident that began in the period, a recovery one that ended in it because the service was back. MTTD and MTTR are the mean times from \
         the begin of an incident to its detection and to its end, MTBF is uptime / failures.",
        "The recovery time objective (RTO) is judged for each incident by itself. An incident that breaks it counts in every period that it touches.",
        "Times of day are UTC. Durations are measured by a clock that nobody can set. Percentages are cut off, never rounded up.",
    ]
}

/// What is not known, and what whoever made the report had to say.
pub(super) fn not_known(report: &Report) -> Vec<String> {
    let mut said = Vec::new();
    if report.made < report.period.end {
        said.push(format!("The period is not over: the figures are those up to {}.", phrase::moment(report.made)));
    }
    said.extend(report.services.iter().flat_map(|service| of_service(service, &report.gaps)));
    said.extend(of_gaps(&report.gaps));
    for jump in &report.jumps {
        let way = if jump.by_ms < 0 { "back" } else { "forward" };
        let by = phrase::span(jump.by_ms.saturating_abs());
        said.push(format!(
            "The clock was set {way} by {by} at {}: times of day before and after differ by that.",
            phrase::moment(jump.at)
        ));
    }
    let unsealed =
        report.services.iter().flat_map(|service| &service.incidents).filter(|recorded| !recorded.is_sealed).count();
    if unsealed > 0 {
        said.push(format!(
            "Of {} no hash is in the ledger yet: a change to it would not show.",
            phrase::many(unsealed, "incident")
        ));
    }
    if report.head.is_none() {
        said.push("The ledger has no hash: a change to it would not show.".to_owned());
    }
    said.extend(report.remarks.iter().cloned());
    said
}

fn of_service(service: &ServiceReport, gaps: &[Gap]) -> Vec<String> {
    let (name, tally) = (&service.name, &service.summary.tally);
    let mut said = Vec::new();
    if tally.up + tally.down == 0 {
        said.push(format!("{name}: nothing is known of its availability by time."));
    } else if tally.unknown > 0 {
        said.push(format!("{name}: {} of the period are not known.", phrase::span(tally.unknown)));
    }
    if service.summary.deleted_ms > 0 {
        said.push(format!(
            "{name}: the history of {} of the period was deleted by hand, with its requests and incidents: the figures are of what is left.",
            phrase::span(service.summary.deleted_ms)
        ));
    }
    if tally.counted() == 0 {
        said.push(format!("{name}: there were no requests that count."));
    }
    for incident in service.incidents.iter().map(|recorded| &recorded.incident) {
        let id = incident.id;
        if incident.is_cut {
            // the gap begins where the history of the copy ends; the two may be told by different clocks
            let is_at = |ended: Stamp| {
                gaps.iter().any(|gap| gap.reason == "restored" && gap.time.start.since(ended).abs() < 1000)
            };
            let why = if incident.ended.is_some_and(is_at) {
                "it was under way at the end of the copy that was restored"
            } else {
                "the process stopped while it was under way"
            };
            said.push(format!("{name}: the end of incident {id} is not known, because {why}."));
        } else if incident.ended.is_none() {
            said.push(format!("{name}: incident {id} was under way when the report was made."));
        }
    }
    said
}

fn of_gaps(gaps: &[Gap]) -> Vec<String> {
    let mut longest: Vec<_> = gaps.iter().collect();
    longest.sort_by_key(|gap| -gap.lasted());
    let others = longest.split_off(longest.len().min(NAMED_GAPS));
    longest.sort_by_key(|gap| gap.time.start);
    let named = longest.into_iter().map(|gap| {
        let (from, to) = (phrase::moment(gap.time.start), phrase::moment(gap.time.end));
        let what = if gap.was_not_watched() { "Nobody watched" } else { "Nothing is known of the time" };
        format!("{what} from {from} to {to} ({}): {}.", phrase::span(gap.lasted()), gap.why)
    });
    let mut said: Vec<_> = named.collect();
    if !others.is_empty() {
        let sum = phrase::span(others.iter().map(|gap| gap.lasted()).sum());
        said.push(format!(
            "There were {} shorter than these, of {sum} together.",
            phrase::many(others.len(), "more gap")
        ));
    }
    said
}
