//! The metrics of recovery.

use std::collections::HashMap;
use std::sync::Arc;

use metrics::{counter, gauge};

use super::Effectiveness;
use crate::metrics::names;
use crate::recover::{Attempt, Outcome, Phase};

/// Whether recovery is paused.
pub(super) fn set_paused(is_paused: bool) {
    gauge!(names::RECOVERY_PAUSED.name).set(f64::from(u8::from(is_paused)));
}

/// Counts an attempt that has ended.
pub(super) fn count_ended(attempt: &Attempt) {
    let outcome = match (attempt.dry_run, attempt.outcome) {
        (true, _) => "dry_run",
        (false, outcome) => outcome.map_or("unknown", Outcome::as_str),
    };
    let (service, strategy) = (attempt.service.clone(), attempt.strategy.clone());
    if let (Some(millis), "healed") = (attempt.recovery_ms, outcome) {
        gauge!(names::RECOVERY_DURATION.name, "service" => service.clone(), "strategy" => strategy.clone())
            .set(millis as f64 / 1e3);
    }
    counter!(names::RECOVERIES.name, "service" => service, "strategy" => strategy, "outcome" => outcome).increment(1);
}

/// Counts a time that a brake began to hold the recovery of a service back. Only names of brakes are labels, which are few.
pub(super) fn count_braked(service: &str, brake: &str) {
    let (service, brake) = (service.to_owned(), brake.to_owned());
    counter!(names::RECOVERY_BRAKED.name, "service" => service, "brake" => brake).increment(1);
}

/// How many attempts are under way and in force; of what was there `before` and is not any more, there are none.
pub(super) fn set_current(before: &[Arc<Attempt>], now: &[Arc<Attempt>]) {
    // those under way, and those of them that wait to be approved
    let mut running: HashMap<&str, (u32, u32)> = HashMap::new();
    let mut in_force: HashMap<(&str, &str), u32> = HashMap::new();
    let all = before.iter().map(|attempt| (attempt, 0)).chain(now.iter().map(|attempt| (attempt, 1)));
    for (attempt, one) in all {
        let (running, waiting) = running.entry(&attempt.service).or_default();
        *running += if attempt.end.is_none() { one } else { 0 };
        *waiting += if attempt.phase == Phase::Proposed { one } else { 0 };
        if attempt.in_force {
            *in_force.entry((&attempt.service, &attempt.strategy)).or_default() += one;
        }
    }
    for (service, (running, waiting)) in running {
        gauge!(names::RECOVERIES_RUNNING.name, "service" => service.to_owned()).set(f64::from(running));
        gauge!(names::RECOVERIES_WAITING.name, "service" => service.to_owned()).set(f64::from(waiting));
    }
    for ((service, strategy), count) in in_force {
        let (service, strategy) = (service.to_owned(), strategy.to_owned());
        gauge!(names::RECOVERY_IN_FORCE.name, "service" => service, "strategy" => strategy).set(f64::from(count));
    }
}

/// What was learned.
pub(super) fn set_effectiveness(all: &[Effectiveness]) {
    for Effectiveness { service, fault, strategy, effectiveness, .. } in all {
        let labels = [("service", service.to_string()), ("fault", fault.clone()), ("strategy", strategy.to_string())];
        gauge!(names::RECOVERY_EFFECTIVENESS.name, &labels).set(*effectiveness);
    }
}
