//! The copies of requests that a service gets from routes that mirror to it.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::metrics::Mirrored;
use crate::metrics::mirrored::OUTCOMES;
use crate::snapshot::{Service, Snapshot};

/// How many are under way, and what came of those that have ended; null where no route mirrors to the service.
pub(super) fn of(snapshot: &Snapshot, service: &Service) -> Value {
    let routes = snapshot.listeners.iter().flat_map(|listener| &listener.mirroring);
    let mirrors = routes.filter_map(|route| route.mirror.as_ref()).filter(|mirror| mirror.service == service.index);
    // the routes of one listener count together
    let mut all: Vec<&Arc<Mirrored>> = Vec::new();
    for mirror in mirrors {
        if !all.iter().any(|known| Arc::ptr_eq(known, &mirror.counts)) {
            all.push(&mirror.counts);
        }
    }
    if all.is_empty() {
        return Value::Null;
    }
    let counts: Vec<_> = all.iter().map(|counts| counts.read()).collect();
    let sum = |outcome: usize| counts.iter().map(|counts| counts[outcome]).sum::<u64>();
    let shown = OUTCOMES.iter().enumerate().map(|(at, outcome)| ((*outcome).to_owned(), json!(sum(at))));
    let in_flight: u64 = all.iter().map(|counts| counts.in_flight()).sum();
    shown.chain([("in_flight".to_owned(), json!(in_flight))]).collect::<Map<_, _>>().into()
}
