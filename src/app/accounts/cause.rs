//! Why a service is down: what detection, checks, operators and reloads have to do with it.

use std::sync::Arc;

use crate::clock::Stamp;
use crate::endpoint::state::{Announced, DecidedBy};
use crate::health::faults::{Fault, Faults};
use crate::sla::{Cause, CauseKind};
use crate::snapshot::Service;

/// A reload so many milliseconds before an outage is taken for its cause, where nothing else is known.
const RELOAD: i64 = 10_000;

/// The cause of an incident that began then, as far as it can be told, and the backends that it is about. `reloaded` = when backends of the
/// service were last taken away, or the configuration changed.
pub(super) fn find(
    service: &Service,
    faults: &Faults,
    reloaded: Stamp,
    began: Stamp,
) -> (Option<Cause>, Vec<Arc<str>>) {
    let gone = unusable(service);
    let accused = accused(service, faults);
    let mut backends: Vec<Arc<str>> = gone.iter().map(|(id, _)| Arc::clone(id)).collect();
    backends.extend(
        accused.iter().filter_map(|fault| fault.backend.clone()).filter(|id| !gone.iter().any(|(g, _)| g == id)),
    );
    // while some can be used, those that can't are not the reason
    let all_gone = if service.has_usable_backend() { &[][..] } else { &gone[..] };
    let is_reloaded = (0..RELOAD).contains(&began.since(reloaded));
    let cause = by_operator(all_gone)
        .or_else(|| by_verdict(&accused))
        .or_else(|| by_check(all_gone))
        .or_else(|| is_reloaded.then(|| cause(CauseKind::Reload, "the configuration has changed".to_owned())));
    (cause, backends)
}

/// The backends that can't be used, as announced.
fn unusable(service: &Service) -> Vec<(Arc<str>, Announced)> {
    let announced = |id: &Arc<str>, announced: Announced| (Arc::clone(id), announced);
    let all = service
        .endpoints
        .iter()
        .filter_map(|endpoint| endpoint.live.standing.announced().map(|told| announced(&endpoint.id, told)));
    all.filter(|(_, told)| !told.condition.state.is_usable()).collect()
}

/// The faults of this service that hold.
fn accused(service: &Service, faults: &Faults) -> Vec<Fault> {
    faults.all().into_iter().filter(|fault| fault.until.is_none() && fault.service == service.name).collect()
}

/// Operators have taken out all that can't be used.
fn by_operator(gone: &[(Arc<str>, Announced)]) -> Option<Cause> {
    let is_ordered = |told: &Announced| matches!(told.condition.by, DecidedBy::Operator | DecidedBy::Weight);
    let (_, first) = gone.first().filter(|_| gone.iter().all(|(_, told)| is_ordered(told)))?;
    Some(cause(CauseKind::Operator, format!("{} backends were taken out: {}", gone.len(), first.reason)))
}

fn by_verdict(accused: &[Fault]) -> Option<Cause> {
    let fault = accused.iter().max_by(|one, other| one.verdict.confidence.total_cmp(&other.verdict.confidence))?;
    let reason = fault.verdict.votes.first().map(|vote| format!(": {}", vote.reason)).unwrap_or_default();
    let whom = fault.backend.as_deref().map(|id| format!("{id} ")).unwrap_or_default();
    let others = match accused.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Some(cause(CauseKind::Verdict, format!("{whom}{}{reason}{others}", fault.verdict.fault)))
}

fn by_check(gone: &[(Arc<str>, Announced)]) -> Option<Cause> {
    let is_check =
        |told: &Announced| matches!(told.condition.by, DecidedBy::Checks | DecidedBy::Names | DecidedBy::Agent);
    let (id, told) = gone.iter().find(|(_, told)| is_check(told))?;
    let others = match gone.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Some(cause(CauseKind::Check, format!("{id} {}: {}{others}", told.condition.state.as_str(), told.reason)))
}

fn cause(kind: CauseKind, text: String) -> Cause {
    Cause { kind, text }
}
