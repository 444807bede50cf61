//! A place at a backend: one that is available, whose breaker lets the exchange pass, and that is below its limit; or a wait
//! until one is.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::Worker;
use crate::affinity::Session;
use crate::balance::Pick;
use crate::clock::Moment;
use crate::endpoint::InFlight;
use crate::endpoint::breaker::Permit;
use crate::error::{Error, Kind, Result};
use crate::policy::Timeouts;
use crate::snapshot::Service;

/// How often one that waits looks for a place that another worker's exchange has left.
const LOOK: Duration = Duration::from_millis(20);

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
    pub session: Option<&'a Cell<Session>>,
    /// When it began.
    pub now: Moment,
}

/// A worker's exchanges that wait for a place, by service.
#[derive(Debug, Default)]
pub struct Queues(RefCell<HashMap<Arc<str>, Rc<Queue>>>);

#[derive(Debug, Default)]
struct Queue {
    /// Wakes the one that has waited longest.
    left: Notify,
    waiting: Cell<usize>,
}

/// One that waits, counted while it does.
struct Waiting(Rc<Queue>);

/// Why there is no place.
enum Refusal {
    /// Nobody may be used.
    Nobody,
    /// Somebody may, but everybody has as much as they take.
    Full,
}

/// Finds a place, if need be after a wait.
pub async fn admit(worker: &Worker, service: &Service, wish: Wish<'_>, timeouts: &Timeouts) -> Result<Admission> {
    match place(worker, service, wish) {
        Ok(admission) => Ok(admission),
        Err(Refusal::Nobody) => Err(Error::new(Kind::NoBackend, "no backend takes new work")),
        Err(Refusal::Full) => wait(worker, service, wish, timeouts).await,
    }
}

/// Finds a place now or not at all: for what need not wait, since who sent it sends it again.
pub fn at_once(worker: &Worker, service: &Service, wish: Wish<'_>) -> Result<Admission> {
    place(worker, service, wish).map_err(|refusal| match refusal {
        Refusal::Nobody => Error::new(Kind::NoBackend, "no backend takes new work"),
        Refusal::Full => Error::new(Kind::Overload, "every backend has as much as it takes"),
    })
}

fn place(worker: &Worker, service: &Service, wish: Wish<'_>) -> Result<Admission, Refusal> {
    let full = Cell::new(false);
    let enter = |backend| match enter(service, backend, wish.now) {
        Ok(admission) => Some(admission),
        Err(Refusal::Full) => {
            full.set(true);
            None
        }
        Err(Refusal::Nobody) => None,
    };
    if let Some(admission) = wish.wanted.and_then(enter) {
        return Ok(admission);
    }
    let cursors = &mut *worker.cursors.borrow_mut();
    let random = &mut *worker.random.borrow_mut();
    let mut pick = |tried: &[usize]| {
        let cursor = cursors.of(service.index);
        service.pick(Pick { cursor, tried, random, now: wish.now, key: wish.key })
    };
    let (first, sticky) = match (&service.affinity, wish.session) {
        (Some(affinity), Some(cell)) => {
            let mut session = cell.get();
            let before = session;
            let usable = |index: usize| !wish.tried.contains(&index) && service.keeps_sessions(index, wish.now);
            let decided = affinity.decide(&mut session, wish.now, usable, || pick(wish.tried));
            cell.set(session);
            (decided, before == session)
        }
        _ => (pick(wish.tried), false),
    };
    let Some(first) = first else { return Err(Refusal::Nobody) };
    match enter(first) {
        Some(admission) => return Ok(admission),
        // a session waits for its backend rather than move because of a moment's rush
        None if sticky && full.get() => return Err(Refusal::Full),
        None => {}
    }
    // rare: somebody is full, or has failed since the snapshot was built
    let mut passed = wish.tried.to_vec();
    passed.push(first);
    while let Some(next) = pick(&passed).filter(|next| !passed.contains(next)) {
        if let Some(admission) = enter(next) {
            return Ok(admission);
        }
        passed.push(next);
    }
    Err(if full.get() { Refusal::Full } else { Refusal::Nobody })
}

fn enter(service: &Service, backend: usize, now: Moment) -> Result<Admission, Refusal> {
    let endpoint = &service.endpoints[backend];
    let in_flight = endpoint.live.enter_below(endpoint.limit()).ok_or(Refusal::Full)?;
    let permit = match &service.breaker {
        Some(policy) => Some(endpoint.live.breaker.admit(policy, now).ok_or(Refusal::Nobody)?),
        None => None,
    };
    Ok(Admission { backend, permit, in_flight })
}

/// Waits for a place, for at most `timeouts.queue`, behind at most `timeouts.queue_length` others.
async fn wait(worker: &Worker, service: &Service, wish: Wish<'_>, timeouts: &Timeouts) -> Result<Admission> {
    let queue = worker.queues.of(&service.name);
    if queue.waiting.get() >= timeouts.queue_length {
        return Err(Error::new(Kind::Overload, "the queue for its backends is full"));
    }
    let waiting = Waiting::new(queue);
    let placed = worker.timers.within(timeouts.queue, async {
        loop {
            // whichever comes first: a place left by this worker, or a look for one left by another
            worker.timers.within(LOOK, waiting.0.left.notified()).await;
            match place(worker, service, wish) {
                Ok(admission) => return Ok(admission),
                Err(Refusal::Nobody) => return Err(Error::new(Kind::NoBackend, "no backend takes new work")),
                Err(Refusal::Full) => {}
            }
        }
    });
    placed.await.unwrap_or_else(|| Err(Error::new(Kind::Overload, "no place at a backend within timeout.queue")))
}

impl Queues {
    fn of(&self, service: &Arc<str>) -> Rc<Queue> {
        Rc::clone(self.0.borrow_mut().entry(Arc::clone(service)).or_default())
    }

    /// A place at a backend of this service was left.
    pub fn left(&self, service: &str) {
        if let Some(queue) = self.0.borrow().get(service)
            && queue.waiting.get() > 0
        {
            queue.left.notify_one();
        }
    }
}

impl Waiting {
    fn new(queue: Rc<Queue>) -> Self {
        queue.waiting.set(queue.waiting.get() + 1);
        Self(queue)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}
