//! A place at a backend: one that is available, whose breaker lets the exchange pass, and that is below its limit; or a wait in
//! the `queue` until one is.

use std::cell::Cell;
use std::sync::Arc;

use super::Worker;
use super::queue::{Need, Place, Turn};
use crate::affinity::Stickiness;
use crate::balance::{Pick, Tried};
use crate::clock::Moment;
use crate::endpoint::InFlight;
use crate::endpoint::breaker::Permit;
use crate::error::{Error, Kind, Result};
use crate::policy::Timeouts;
use crate::protocol::h1::presence::Presence;
use crate::snapshot::Service;

/// A place at a backend. It is given back when this is dropped.
#[derive(Debug)]
pub struct Admission {
    /// Its index in the service.
    pub backend: usize,
    /// What its breaker let it pass as.
    pub permit: Option<Permit>,
    /// Counts it.
    pub in_flight: InFlight,
}

/// What an exchange is placed by.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// Backends that it was sent to already.
    pub tried: &'a [usize],
    /// The one that it should go to, if that is possible.
    pub wanted: Option<usize>,
    /// The hash of what it is told by.
    pub key: u64,
    /// Its session, where the service has affinity.
    pub session: Option<&'a Cell<Stickiness>>,
    /// Its client, while nothing was sent to a backend.
    pub client: Option<&'a Presence>,
    /// When it began.
    pub now: Moment,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// Nobody may be used.
    Nobody,
    /// Somebody may, but everybody has as much as they take.
    Full,
    /// The backend that the session belongs to has as much as it takes.
    OwnIsFull(usize),
}

/// Finds a place, if need be after a wait.
pub async fn admit(worker: &Worker, service: &Service, wish: Wish<'_>, timeouts: &Timeouts) -> Result<Admission> {
    match arrive(worker, service, wish) {
        Ok(admission) => Ok(admission),
        Err(Refusal::Nobody) => Err(nobody()),
        Err(Refusal::Full) => wait(worker, service, wish, None, timeouts).await,
        Err(Refusal::OwnIsFull(own)) => wait(worker, service, wish, Some(own), timeouts).await,
    }
}

/// Finds a place now or not at all: for what need not wait, since who sent it sends it again.
pub fn at_once(worker: &Worker, service: &Service, wish: Wish<'_>) -> Result<Admission> {
    arrive(worker, service, wish).map_err(|refusal| match refusal {
        Refusal::Nobody => nobody(),
        Refusal::Full | Refusal::OwnIsFull(_) => Error::new(Kind::Overload, "every backend has as much as it takes"),
    })
}

fn nobody() -> Error {
    Error::new(Kind::NoBackend, "no backend takes new work")
}

/// Finds a place that nobody waits for.
fn arrive(worker: &Worker, service: &Service, wish: Wish<'_>) -> Result<Admission, Refusal> {
    if !service.waiting.is_on(worker.index) {
        return place(worker, service, wish, false);
    }
    let Some(queue) = worker.queues.of(&service.name) else { return place(worker, service, wish, false) };
    let Admission { backend, permit, in_flight } =
        place(worker, service, wish, queue.has_undemanding(service.settings_id()))?;
    match queue.hand(Place { in_flight, backend }) {
        // it has come free unseen, and somebody has waited for it
        None => {
            forgo(service, backend, permit);
            Err(Refusal::Full)
        }
        Some(Place { in_flight, .. }) => Ok(Admission { backend, permit, in_flight }),
    }
}

/// Finds a place; `behind` others it is only that of its session's own backend.
fn place(worker: &Worker, service: &Service, wish: Wish<'_>, behind: bool) -> Result<Admission, Refusal> {
    if let Some(admission) = wish.wanted.and_then(|wanted| enter(service, wanted, wish.now).ok()) {
        return Ok(admission);
    }
    let find = || if behind { Err(Refusal::Full) } else { find(worker, service, wish) };
    match (&service.affinity, wish.session) {
        (Some(affinity), Some(session)) => {
            let mut found = None;
            let mut decided = session.get();
            let usable = |index: usize| !wish.tried.contains(&index) && service.keeps_sticky_sessions(index, wish.now);
            let own = affinity.decide(&mut decided, wish.now, usable, || match found.insert(find()) {
                Ok(admission) => Some(admission.backend),
                Err(_) => None,
            });
            session.set(decided);
            keep(service, wish.now, own, found).unwrap_or_else(find)
        }
        _ => find(),
    }
}

/// The place of a session that belongs to the backend `own`, where another one was `found` only if it belonged to none; `None` =
/// its own can't be used now, so that it goes wherever there is a place.
fn keep(
    service: &Service,
    now: Moment,
    own: Option<usize>,
    found: Option<Result<Admission, Refusal>>,
) -> Option<Result<Admission, Refusal>> {
    let Some(own) = own else { return found };
    match (found, enter(service, own, now)) {
        (Some(Ok(found)), _) if found.backend == own => Some(Ok(found)),
        // another worker was faster, and has placed this session elsewhere
        (found, Ok(admission)) => {
            if let Some(Ok(found)) = found {
                forgo(service, found.backend, found.permit);
            }
            Some(Ok(admission))
        }
        // a session waits for its backend rather than move because of a moment's rush
        (None, Err(Refusal::Full)) => Some(Err(Refusal::OwnIsFull(own))),
        (found, Err(_)) => found,
    }
}

/// Finds a place at whatever backend the algorithm prefers of those who have one.
fn find(worker: &Worker, service: &Service, wish: Wish<'_>) -> Result<Admission, Refusal> {
    let cursors = &mut *worker.cursors.borrow_mut();
    let random = &mut *worker.random.borrow_mut();
    let mut pick = |tried: Tried<'_>| {
        let cursor = cursors.of(service.index);
        service.pick(Pick { cursor, tried, random, now: wish.now, key: wish.key })
    };
    let first = pick(wish.tried.into()).ok_or(Refusal::Nobody)?;
    if let Ok(admission) = enter_new(service, first, wish.now) {
        return Ok(admission);
    }
    // rare: somebody is full, or has failed since the snapshot was built. One look at all tells who has a place
    let members = &service.available.members;
    let tried = if members.iter().all(|(index, _)| wish.tried.contains(index)) { &[] } else { wish.tried };
    let refused = &mut *worker.refused.borrow_mut();
    refused.clear();
    let (mut left, mut is_full) = (0, false);
    for &(index, _) in members.iter().filter(|(index, _)| !tried.contains(index)) {
        match has_room(service, index, wish.now) {
            Ok(()) => left += 1,
            Err(refusal) => {
                is_full |= refusal == Refusal::Full;
                refused.insert(index);
            }
        }
    }
    while left > 0
        && let Some(next) = pick(Tried::new(tried, refused)).filter(|next| !Tried::new(tried, refused).contains(*next))
    {
        match enter_new(service, next, wish.now) {
            Ok(admission) => return Ok(admission),
            // another worker was faster
            Err(refusal) => is_full |= refusal == Refusal::Full,
        }
        refused.insert(next);
        left -= 1;
    }
    Err(if is_full { Refusal::Full } else { Refusal::Nobody })
}

/// Whether an operator has taken a backend out since the snapshot was built: that holds as of its answer.
fn is_taken_out(service: &Service, backend: usize) -> bool {
    service.endpoints[backend].live.standing.is_taken_out()
}

/// Enters with new work. An operator's word is looked at once the exchange is counted: who sees nothing in flight after that word may rely
/// on it.
fn enter_new(service: &Service, backend: usize, now: Moment) -> Result<Admission, Refusal> {
    let admission = enter(service, backend, now)?;
    if is_taken_out(service, backend) {
        forgo(service, backend, admission.permit);
        return Err(Refusal::Nobody);
    }
    Ok(admission)
}

fn enter(service: &Service, backend: usize, now: Moment) -> Result<Admission, Refusal> {
    let endpoint = &service.endpoints[backend];
    let in_flight = endpoint.live.enter_below(endpoint.limit()).ok_or(Refusal::Full)?;
    let permit = pass(service, backend, now)?;
    Ok(Admission { backend, permit, in_flight })
}

/// What a backend's breaker lets an exchange pass as.
fn pass(service: &Service, backend: usize, now: Moment) -> Result<Option<Permit>, Refusal> {
    match &service.breaker {
        Some(policy) => {
            let permit = service.endpoints[backend].live.breaker.admit(policy, now);
            permit.map(Some).ok_or(Refusal::Nobody)
        }
        None => Ok(None),
    }
}

/// Whether a backend would take an exchange; takes nothing.
fn has_room(service: &Service, backend: usize, now: Moment) -> Result<(), Refusal> {
    let endpoint = &service.endpoints[backend];
    if is_taken_out(service, backend) {
        return Err(Refusal::Nobody);
    }
    let limit = endpoint.limit();
    if limit > 0 && endpoint.live.in_flight() >= limit {
        return Err(Refusal::Full);
    }
    match &service.breaker {
        Some(policy) if !endpoint.live.breaker.would_admit(policy, now) => Err(Refusal::Nobody),
        _ => Ok(()),
    }
}

fn forgo(service: &Service, backend: usize, permit: Option<Permit>) {
    if let Some(permit) = permit {
        service.endpoints[backend].live.breaker.forgo(permit);
    }
}

/// Waits for a place, for at most `timeouts.queue`, beside at most `timeouts.queue_length` others; with a session, for one at its
/// `own` backend.
async fn wait(
    worker: &Worker,
    service: &Service,
    wish: Wish<'_>,
    own: Option<usize>,
    timeouts: &Timeouts,
) -> Result<Admission> {
    if worker.queues.of(&service.name).map_or(0, |queue| queue.len()) >= timeouts.queue_length {
        return Err(Error::new(Kind::Overload, "the queue for its backends is full"));
    }
    let live = |backend: usize| Arc::clone(&service.endpoints[backend].live);
    let need = match own {
        Some(own) => Need::Only(live(own)),
        None if service.available.members.iter().all(|(index, _)| wish.tried.contains(index)) => {
            Need::AnyBut(Vec::new())
        }
        None => Need::AnyBut(wish.tried.iter().map(|&backend| live(backend)).collect()),
    };
    let (name, settings) = ((&service.name, &service.waiting), service.settings_id());
    let ticket = worker.queues.join(worker.index, name, settings, wish.now, need);
    let _watched = wish.client.map(|client| client.watch(service.abort_on_close));
    let placed = worker.timers.within(timeouts.queue, async {
        loop {
            let turn = ticket.turn(worker).await;
            // backends may have gone or come back, and what was open may be half-open
            let snapshot = worker.snapshot();
            let now = snapshot.services.get(service.index).filter(|now| now.has_settings_of(service));
            let service = now.map_or(service, |now| &**now);
            let wish = Wish { now: Moment::now(), ..wish };
            match turn {
                Turn::Place(place) => match take(service, wish, own, place) {
                    Ok(admission) => return Ok(admission),
                    Err(place) => ticket.decline(place),
                },
                Turn::Look => match place(worker, service, wish, false) {
                    Err(Refusal::Full | Refusal::OwnIsFull(_)) => ticket.found_nothing(),
                    result => {
                        ticket.found();
                        return result.map_err(|_| nobody());
                    }
                },
            }
        }
    });
    placed.await.unwrap_or_else(|| Err(Error::new(Kind::Overload, "no place at a backend within timeout.queue")))
}

/// Uses a place that was handed over, if its backend may be used now; else gives it back.
fn take(service: &Service, wish: Wish<'_>, own: Option<usize>, place: Place) -> Result<Admission, Place> {
    let Place { in_flight, backend: hint } = place;
    let is_at = |index: &usize| {
        service.endpoints.get(*index).is_some_and(|endpoint| Arc::ptr_eq(&endpoint.live, in_flight.live()))
    };
    let Some(backend) = Some(hint).filter(is_at).or_else(|| (0..service.endpoints.len()).find(is_at)) else {
        return Err(Place { in_flight, backend: hint });
    };
    let may = match own {
        Some(_) => service.keeps_sticky_sessions(backend, wish.now),
        None => {
            service.available.members.binary_search_by_key(&backend, |(index, _)| *index).is_ok()
                && !is_taken_out(service, backend)
        }
    };
    let permit = match pass(service, backend, wish.now) {
        Ok(permit) if may => permit,
        Ok(permit) => {
            forgo(service, backend, permit);
            return Err(Place { in_flight, backend });
        }
        Err(_) => return Err(Place { in_flight, backend }),
    };
    if let (Some(affinity), Some(session)) = (&service.affinity, wish.session) {
        // it had none, or it is this one
        let mut decided = session.get();
        affinity.decide(&mut decided, wish.now, |index| index == backend, || Some(backend));
        session.set(decided);
    }
    Ok(Admission { backend, permit, in_flight })
}
