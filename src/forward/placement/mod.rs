//! Finding a backend that takes one more: one that is available, whose breaker lets the exchange pass, and that is below its limit; or a wait
//! in the `queue` until there is one.

pub mod attempt_result;
pub mod keys;
pub mod queue;
mod shadow;
mod shared;

use std::sync::Arc;
use std::time::Instant;

use super::Worker;
use crate::balance::{Pick, Tried};
use crate::clock::Moment;
use crate::endpoint::breaker::Permit;
use crate::error::{Error, Kind, Result};
use crate::metrics::StageDurations;
use crate::policy::Timeouts;
use crate::protocol::http::Presence;
use crate::snapshot::Service;
use keys::Keys;
use queue::{Need, Offer, Slot, Waiter};

/// What an attempt needs before it may be made. The slot is free again when this is dropped.
#[derive(Debug)]
pub struct Admission {
    /// A slot at the backend.
    pub slot: Slot,
    /// What the backend's breaker let it pass as, where there is a breaker.
    pub permit: Option<Permit>,
    /// When it had a place, where it had to wait for one.
    pub placed: Option<Instant>,
}

/// What a backend is picked by.
#[derive(Debug, Clone, Copy)]
pub struct Criteria<'a> {
    /// What ties the exchange to a backend.
    pub keys: &'a Keys,
    /// Backends that were tried already, by their places in the service.
    pub tried: &'a [usize],
    /// The backend that it should go to, if that is possible.
    pub preferred: Option<usize>,
    /// Its client, as long as nothing was sent to a backend: one that leaves then leaves the queue.
    pub client: Option<&'a Presence>,
    /// When it began.
    pub now: Moment,
}

impl Admission {
    /// The backend, by its place in the service.
    pub fn backend(&self) -> usize {
        self.slot.backend
    }
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// No backend may be used.
    Unavailable,
    /// There are backends that may be used, and each has as much as it takes.
    Full,
    /// The backend that the client belongs to has as much as it takes.
    OwnIsFull(usize),
}

/// Finds a place, if need be after a wait, before which `waits` is called.
pub async fn admit(
    worker: &Worker,
    service: &Service,
    criteria: Criteria<'_>,
    timeouts: &Timeouts,
    waits: impl FnOnce(),
) -> Result<Admission> {
    if let Some(lookup) = shared::to_ask(worker, service, &criteria) {
        // boxed: few exchanges have to ask, and all would carry the room for it
        if let Some(admission) = Box::pin(shared::ask(worker, service, criteria, lookup)).await {
            return Ok(admission);
        }
    }
    let own = match arrive(worker, service, criteria) {
        Ok(admission) => return Ok(admission),
        Err(Refusal::Unavailable) => return Err(unavailable()),
        Err(Refusal::Full) => None,
        Err(Refusal::OwnIsFull(own)) => Some(own),
    };
    waits();
    wait(worker, service, criteria, own, timeouts).await
}

/// Finds a place now or not at all: for datagrams, which need not wait, since their client sends again.
pub fn admit_at_once(worker: &Worker, service: &Service, criteria: Criteria<'_>) -> Result<Admission> {
    arrive(worker, service, criteria).map_err(|refusal| match refusal {
        Refusal::Unavailable => unavailable(),
        Refusal::Full | Refusal::OwnIsFull(_) => Error::new(Kind::Overload, "every backend has as much as it takes"),
    })
}

/// Finds a place beside an attempt that is under way, now or not at all: at a backend that is none of those that were tried, and not as a trial of its
/// breaker. Whoever waits for a place has come before.
pub fn admit_beside(worker: &Worker, service: &Service, criteria: Criteria<'_>) -> Option<Admission> {
    if service.waiting.is_on(worker.index) {
        return None;
    }
    let Admission { slot, permit, placed } = find(worker, service, criteria).ok()?;
    if criteria.tried.contains(&slot.backend) || permit.as_ref().is_some_and(Permit::is_trial) {
        forgo(service, slot.backend, permit);
        return None;
    }
    Some(Admission { slot, permit, placed })
}

fn unavailable() -> Error {
    Error::new(Kind::NoBackend, "no backend takes new work")
}

/// Finds a place that nobody who came before waits for.
fn arrive(worker: &Worker, service: &Service, criteria: Criteria<'_>) -> Result<Admission, Refusal> {
    if !service.waiting.is_on(worker.index) {
        return place(worker, service, criteria, false);
    }
    let Some(queue) = worker.queues.of(&service.name) else { return place(worker, service, criteria, false) };
    let Admission { slot, permit, .. } =
        place(worker, service, criteria, queue.has_undemanding(service.settings_id()))?;
    let backend = slot.backend;
    match queue.hand_over(slot) {
        // it has come free without anybody being told, and somebody has waited for it
        None => {
            forgo(service, backend, permit);
            Err(Refusal::Full)
        }
        Some(slot) => Ok(Admission { slot, permit, placed: None }),
    }
}

/// Finds a place. `behind`: others wait for any backend, so that the only one for this exchange is the one that its client belongs to.
fn place(worker: &Worker, service: &Service, criteria: Criteria<'_>, behind: bool) -> Result<Admission, Refusal> {
    if let Some(admission) = criteria.preferred.and_then(|preferred| enter_new(service, preferred, criteria.now).ok()) {
        return Ok(admission);
    }
    let find = || if behind { Err(Refusal::Full) } else { find(worker, service, criteria) };
    match (&service.affinity, &criteria.keys.affinity) {
        (Some(affinity), Some(session)) => {
            let mut found = None;
            let mut decided = session.get();
            let usable =
                |index: usize| !criteria.tried.contains(&index) && service.keeps_sticky_sessions(index, criteria.now);
            let own = affinity.decide(&mut decided, criteria.now, usable, || match found.insert(find()) {
                Ok(admission) => Some(admission.backend()),
                Err(_) => None,
            });
            session.set(decided);
            keep(service, criteria.now, own, found).unwrap_or_else(find)
        }
        _ => find(),
    }
}

/// The place of a client that belongs to the backend `own`. `found` is there only where it belonged to none before and one was looked for.
/// `None` = its own backend can't be used now, so that it goes wherever there is a place.
fn keep(
    service: &Service,
    now: Moment,
    own: Option<usize>,
    found: Option<Result<Admission, Refusal>>,
) -> Option<Result<Admission, Refusal>> {
    let Some(own) = own else { return found };
    match (found, enter(service, own, now)) {
        (Some(Ok(found)), _) if found.backend() == own => Some(Ok(found)),
        // another worker was faster, and has sent this client elsewhere
        (found, Ok(admission)) => {
            if let Some(Ok(found)) = found {
                forgo(service, found.backend(), found.permit);
            }
            Some(Ok(admission))
        }
        // a client waits for its backend rather than lose its session there because of a moment's rush
        (None, Err(Refusal::Full)) => Some(Err(Refusal::OwnIsFull(own))),
        (found, Err(_)) => found,
    }
}

/// Finds a place at the backend that the algorithm prefers of those that have one.
fn find(worker: &Worker, service: &Service, criteria: Criteria<'_>) -> Result<Admission, Refusal> {
    let cursors = &mut *worker.cursors.borrow_mut();
    let random = &mut *worker.random.borrow_mut();
    let mut pick = |tried: Tried<'_>, random: &mut fastrand::Rng| {
        let cursor = cursors.of(service.index);
        service.pick(Pick { cursor, tried, random, now: criteria.now, key: criteria.keys.hash })
    };
    let first = pick(criteria.tried.into(), random).ok_or(Refusal::Unavailable)?;
    if !service.available.shadows.is_empty() {
        shadow::sample(worker, service, &criteria, first, random);
    }
    if let Ok(admission) = enter_new(service, first, criteria.now) {
        service.count_zone(worker.index, first);
        return Ok(admission);
    }
    // rare: a backend is full, or has failed since the snapshot was built. One look at all of them tells which have a place
    let members = &service.available.members;
    let tried = if members.iter().all(|(index, _)| criteria.tried.contains(index)) { &[] } else { criteria.tried };
    let refused = &mut *worker.refused.borrow_mut();
    refused.clear();
    let (mut left, mut is_full) = (0, false);
    for &(index, _) in members.iter().filter(|(index, _)| !tried.contains(index)) {
        match has_room(service, index, criteria.now) {
            Ok(()) => left += 1,
            Err(refusal) => {
                is_full |= refusal == Refusal::Full;
                refused.insert(index);
            }
        }
    }
    while left > 0
        && let Some(next) =
            pick(Tried::new(tried, refused), random).filter(|next| !Tried::new(tried, refused).contains(*next))
    {
        match enter_new(service, next, criteria.now) {
            Ok(admission) => {
                service.count_zone(worker.index, next);
                return Ok(admission);
            }
            // another worker was faster
            Err(refusal) => is_full |= refusal == Refusal::Full,
        }
        refused.insert(next);
        left -= 1;
    }
    Err(if is_full { Refusal::Full } else { Refusal::Unavailable })
}

/// Whether an operator or recovery has taken a backend out, maybe since the snapshot was built: that is in force at once.
fn is_taken_out(service: &Service, backend: usize) -> bool {
    service.endpoints[backend].live.standing.is_taken_out()
}

/// Takes a slot for new work. Whether somebody has taken the backend out is looked at when the slot is counted already: whoever sees nothing in flight at a
/// drained backend may rely on that.
fn enter_new(service: &Service, backend: usize, now: Moment) -> Result<Admission, Refusal> {
    let admission = enter(service, backend, now)?;
    if is_taken_out(service, backend) {
        forgo(service, backend, admission.permit);
        return Err(Refusal::Unavailable);
    }
    Ok(admission)
}

/// Takes a slot at a backend, if it has one and its breaker lets the exchange pass.
fn enter(service: &Service, backend: usize, now: Moment) -> Result<Admission, Refusal> {
    let endpoint = &service.endpoints[backend];
    let in_flight = endpoint.live.enter_below(endpoint.limit()).ok_or(Refusal::Full)?;
    let permit = pass(service, backend, now)?;
    Ok(Admission { slot: Slot { in_flight, backend }, permit, placed: None })
}

/// What a backend's breaker lets an exchange pass as.
fn pass(service: &Service, backend: usize, now: Moment) -> Result<Option<Permit>, Refusal> {
    match &service.breaker {
        Some(policy) => {
            let permit = service.endpoints[backend].live.breaker.admit(policy, now);
            permit.map(Some).ok_or(Refusal::Unavailable)
        }
        None => Ok(None),
    }
}

/// Whether a backend would take an exchange. Takes no slot.
fn has_room(service: &Service, backend: usize, now: Moment) -> Result<(), Refusal> {
    let endpoint = &service.endpoints[backend];
    if is_taken_out(service, backend) {
        return Err(Refusal::Unavailable);
    }
    let limit = endpoint.limit();
    if limit > 0 && endpoint.live.in_flight() >= limit {
        return Err(Refusal::Full);
    }
    match &service.breaker {
        Some(policy) if !endpoint.live.breaker.would_admit(policy, now) => Err(Refusal::Unavailable),
        _ => Ok(()),
    }
}

/// Gives a permit of a breaker back unused.
fn forgo(service: &Service, backend: usize, permit: Option<Permit>) {
    if let Some(permit) = permit {
        service.endpoints[backend].live.breaker.forgo(permit);
    }
}

/// Waits for a place, for at most `timeouts.queue` and beside at most `timeouts.queue_length` others. `own`: only this backend will do, since
/// the client belongs to it.
async fn wait(
    worker: &Worker,
    service: &Service,
    criteria: Criteria<'_>,
    own: Option<usize>,
    timeouts: &Timeouts,
) -> Result<Admission> {
    if worker.queues.of(&service.name).map_or(0, |queue| queue.len()) >= timeouts.queue_length {
        return Err(Error::new(Kind::Overload, "the queue for its backends is full"));
    }
    let live = |backend: usize| Arc::clone(&service.endpoints[backend].live);
    let need = match own {
        Some(own) => Need::Only(live(own)),
        None if service.available.members.iter().all(|(index, _)| criteria.tried.contains(index)) => {
            Need::AnyBut(Vec::new())
        }
        None => Need::AnyBut(criteria.tried.iter().map(|&backend| live(backend)).collect()),
    };
    let waiter = Waiter::new(need, service.settings_id(), criteria.now);
    let _counted = CountedWait { worker: worker.index, stages: &service.attempts.stages, since: Instant::now() };
    let ticket = worker.queues.join(worker.index, &service.name, &service.waiting, waiter);
    let _watched = criteria.client.map(|client| client.watch(service.abort_on_close));
    let placed = worker.timers.within(timeouts.queue, async {
        loop {
            let offer = ticket.offer(&worker.timers, || worker.snapshot()).await;
            // meanwhile backends may have gone or come back, and a breaker that was open may be half-open
            let snapshot = worker.snapshot();
            let now = snapshot.services.get(service.index).filter(|now| now.has_settings_of(service));
            let service = now.map_or(service, |now| &**now);
            let criteria = Criteria { now: Moment::now(), ..criteria };
            match offer {
                Offer::Slot(slot) => match use_slot(service, criteria, own, slot) {
                    Ok(admission) => return Ok(admission),
                    Err(slot) => ticket.decline(slot),
                },
                Offer::Look => match place(worker, service, criteria, false) {
                    Err(Refusal::Full | Refusal::OwnIsFull(_)) => ticket.found_nothing(),
                    result => {
                        ticket.found();
                        return result.map_err(|_| unavailable());
                    }
                },
            }
        }
    });
    let placed = placed.await;
    let placed =
        placed.unwrap_or_else(|| Err(Error::new(Kind::Overload, "no place at a backend within timeout.queue")));
    placed.map(|admission| Admission { placed: Some(Instant::now()), ..admission })
}

/// Counts how long an exchange waits for a place, until it has one, gives up or is cancelled.
struct CountedWait<'a> {
    worker: usize,
    stages: &'a StageDurations,
    since: Instant,
}

impl Drop for CountedWait<'_> {
    fn drop(&mut self) {
        self.stages.queue.observe(self.worker, self.since.elapsed(), None);
    }
}

/// Uses a slot that was handed over, if its backend may be used now; else gives it back.
fn use_slot(service: &Service, criteria: Criteria<'_>, own: Option<usize>, slot: Slot) -> Result<Admission, Slot> {
    let Slot { in_flight, backend: hint } = slot;
    let is_at = |index: &usize| {
        service.endpoints.get(*index).is_some_and(|endpoint| Arc::ptr_eq(&endpoint.live, in_flight.live()))
    };
    let Some(backend) = Some(hint).filter(is_at).or_else(|| (0..service.endpoints.len()).find(is_at)) else {
        return Err(Slot { in_flight, backend: hint });
    };
    let may = match own {
        Some(_) => service.keeps_sticky_sessions(backend, criteria.now),
        None => service.available.has(backend) && !is_taken_out(service, backend),
    };
    let permit = match pass(service, backend, criteria.now) {
        Ok(permit) if may => permit,
        Ok(permit) => {
            forgo(service, backend, permit);
            return Err(Slot { in_flight, backend });
        }
        Err(_) => return Err(Slot { in_flight, backend }),
    };
    if let (Some(affinity), Some(session)) = (&service.affinity, &criteria.keys.affinity) {
        // the client belonged to no backend, or to this one
        let mut decided = session.get();
        affinity.decide(&mut decided, criteria.now, |index| index == backend, || Some(backend));
        session.set(decided);
    }
    Ok(Admission { slot: Slot { in_flight, backend }, permit, placed: None })
}
