//! Sessions that instances share: before an exchange is placed whose session this instance does not know, or not for sure, their store is asked.

use super::{Admission, Criteria, Worker, find, forgo};
use crate::affinity::Affinity;
use crate::affinity::shared::{Lookup, SharedTable};
use crate::snapshot::Service;

/// What has to be asked before the exchange is placed; `None` = nothing.
pub(super) fn to_ask<'s>(
    worker: &Worker,
    service: &'s Service,
    criteria: &Criteria<'_>,
) -> Option<(&'s SharedTable, Lookup)> {
    let Some(Affinity::Shared(shared)) = &service.affinity else { return None };
    // where a backend has failed the exchange, its session moves, wherever the store has it
    let is_first = criteria.tried.is_empty() && criteria.preferred.is_none();
    let key = criteria.keys.affinity.as_ref().filter(|_| is_first)?.get().key()?;
    let usable = |index: usize| service.keeps_sticky_sessions(index, criteria.now);
    Some((shared, shared.to_ask(worker.index, key, criteria.now, usable)?))
}

/// Asks the store. Afterwards the table knows the session, unless its backend can't be used, or there is none for it yet. Returns the place of an
/// exchange whose session is new everywhere: it goes to the backend that was proposed.
pub(super) async fn ask(
    worker: &Worker,
    service: &Service,
    criteria: Criteria<'_>,
    (shared, lookup): (&SharedTable, Lookup),
) -> Option<Admission> {
    // the backend that is proposed keeps its slot for this exchange meanwhile. Nobody is to get past those who wait for one
    let may_find = lookup.own.is_none() && !service.waiting.is_on(worker.index);
    let found = may_find.then(|| find(worker, service, criteria).ok()).flatten();
    let mut kept = Kept { worker, service, admission: found };
    let proposal = lookup.own.or_else(|| kept.admission.as_ref().map(Admission::backend));
    let answer = shared.ask(worker.index, lookup.key, proposal).await;
    let usable = |index: usize| service.keeps_sticky_sessions(index, criteria.now);
    let is_stored = shared.settle(lookup, proposal, answer, criteria.now, usable);
    if let Some(session) = criteria.keys.affinity.as_ref().filter(|_| is_stored) {
        let mut decided = session.get();
        decided.is_stored_elsewhere();
        session.set(decided);
    }
    let held = shared.view().peek(lookup.key, criteria.now).and_then(|(index, _)| index);
    if held == Some(kept.admission.as_ref()?.backend()) { kept.admission.take() } else { None }
}

/// A place that is kept for an exchange while the store is asked. It is given back where the exchange does not take it, also when its client has left.
struct Kept<'a> {
    worker: &'a Worker,
    service: &'a Service,
    admission: Option<Admission>,
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        let Some(Admission { slot, permit, .. }) = self.admission.take() else { return };
        let Self { worker, service, .. } = self;
        forgo(service, slot.backend, permit);
        worker.give_back(service.index, &service.name, &service.waiting, &service.endpoints[slot.backend], slot);
    }
}
