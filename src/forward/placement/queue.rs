//! A worker's exchanges that wait for a slot at a backend: for each service first come, first served.
//!
//! A slot is one of the exchanges that a backend may have at the same time (`max_connections`). When an exchange ends, its slot is handed to
//! the waiter that came first of those who can use it. It stays counted all the while, so that nobody else finds it free in between. To look
//! for a slot means to look at every backend. So only the first of a queue looks, and only when something has changed: another worker
//! has given a slot back, or the snapshot is another one.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::clock::Moment;
use crate::endpoint::waiters::Waiters;
use crate::endpoint::{InFlight, Live};
use crate::snapshot::Current;
use crate::timer::{Alarm, Timers};

/// How often the first of a queue asks whether something has changed. It is woken at once when another worker has given a slot back; this
/// is for changes that nobody is woken for.
const ASK: Duration = Duration::from_millis(20);
/// After so many times it looks in any case: a limit may have been raised, or a breaker may let an exchange pass.
const LOOK_ANYWAY: u32 = 50;
/// The bits of a turn that tell waiters apart who came in the same millisecond.
const SAME_MILLISECOND: u32 = 20;

/// A worker's queues, by the service's name. There is one only while somebody waits.
#[derive(Debug, Default)]
pub struct Queues(RefCell<HashMap<Arc<str>, Rc<Queue>>>);

/// The waiters of one service.
#[derive(Debug)]
pub struct Queue {
    service: Arc<str>,
    worker: usize,
    /// What the queues of all workers know of each other.
    others: Arc<Waiters>,
    /// By turn: who has the smallest came first.
    waiters: RefCell<BTreeMap<u64, Waiter>>,
    /// How many have come since there is this queue.
    came: Cell<u64>,
    /// The service's settings when the last waiter came, and how many waiters with these settings can use any backend.
    undemanding: Cell<(usize, usize)>,
    /// What was there when somebody last looked: the count of slots that were given back, and the snapshot's address.
    seen: Cell<(u64, usize)>,
    /// How often the first has asked since then.
    asked: Cell<u32>,
}

/// A slot at a backend, which goes from one exchange to the next.
#[derive(Debug)]
pub struct Slot {
    /// Counts it at the backend until this is dropped.
    pub in_flight: InFlight,
    /// The backend's place in the service as it was for the exchange that had the slot. For another exchange, which may see another
    /// snapshot, that is a hint where to find it.
    pub backend: usize,
}

/// Which backends a waiter can use.
#[derive(Debug)]
pub enum Need {
    /// All but these, which have failed it.
    AnyBut(Vec<Arc<Live>>),
    /// The one that its client belongs to.
    Only(Arc<Live>),
}

/// What a waiter is offered.
#[derive(Debug)]
pub enum Offer {
    /// A slot.
    Slot(Slot),
    /// To look for one: there may be one.
    Look,
}

/// An exchange that waits.
#[derive(Debug)]
pub struct Waiter {
    need: Need,
    /// [`Service::settings_id`](crate::snapshot::Service::settings_id) of its service.
    settings: usize,
    began: Moment,
    /// It was handed this one, and does not know yet.
    slot: Option<Slot>,
    is_to_look: bool,
    waker: Option<Waker>,
}

/// A waiter's place in a queue. It is given up when this is dropped.
#[derive(Debug)]
pub struct Ticket<'a> {
    queues: &'a Queues,
    queue: Rc<Queue>,
    turn: u64,
    /// The next waiter is to look when this one has gone.
    passes_on: Cell<bool>,
}

impl Queues {
    /// The queue of this service, if anybody waits.
    pub fn of(&self, service: &str) -> Option<Rc<Queue>> {
        self.0.borrow().get(service).map(Rc::clone)
    }

    /// Puts a waiter into the queue of this service on this worker, behind all whose exchanges began earlier. `others` is what the queues of
    /// all workers know of each other.
    pub fn join(&self, worker: usize, service: &Arc<str>, others: &Arc<Waiters>, waiter: Waiter) -> Ticket<'_> {
        let new = || Rc::new(Queue::new(Arc::clone(service), worker, Arc::clone(others)));
        let queue = Rc::clone(self.0.borrow_mut().entry(Arc::clone(service)).or_insert_with(new));
        let turn = queue.add(waiter);
        Ticket { queues: self, queue, turn, passes_on: Cell::new(false) }
    }

    /// Gives back a slot at a backend of this service that has a limit: it goes to the waiter that came first.
    pub fn give_back(&self, worker: usize, service: &str, waiting: &Waiters, slot: Slot) {
        let queue = if waiting.is_on(worker) { self.of(service) } else { None };
        let unused = match queue {
            Some(queue) => queue.hand_over(slot),
            None => Some(slot),
        };
        if let Some(slot) = unused {
            drop(slot);
            waiting.left(worker);
        }
    }
}

impl Queue {
    fn new(service: Arc<str>, worker: usize, others: Arc<Waiters>) -> Self {
        Self {
            service,
            worker,
            others,
            waiters: RefCell::default(),
            came: Cell::new(0),
            undemanding: Cell::new((0, 0)),
            seen: Cell::new((0, 0)),
            asked: Cell::new(0),
        }
    }

    /// How many waiters there are.
    pub fn len(&self) -> usize {
        self.waiters.borrow().len()
    }

    /// Whether somebody waits who can use any backend: then a slot that an exchange finds now belongs to that waiter. Only waiters with the
    /// same `settings` count. Those who came before a reload know nothing of the backends that it has brought, and keep nobody from them.
    pub fn has_undemanding(&self, settings: usize) -> bool {
        matches!(self.undemanding.get(), (known, count) if known == settings && count > 0)
    }

    /// Hands a slot to the waiter that came first of those who can use it. Returns it when nobody here can, or when somebody came earlier on
    /// another worker.
    pub fn hand_over(&self, slot: Slot) -> Option<Slot> {
        let mut waiters = self.waiters.borrow_mut();
        let can_use = |waiter: &Waiter| waiter.slot.is_none() && waiter.need.is_met_by(slot.in_flight.live());
        let Some((&turn, waiter)) = waiters.iter_mut().find(|(_, waiter)| can_use(waiter)) else { return Some(slot) };
        if self.others.is_earlier_elsewhere(self.worker, turn) {
            return Some(slot);
        }
        waiter.slot = Some(slot);
        waiter.wake();
        drop(waiters);
        self.tell();
        None
    }

    fn add(&self, waiter: Waiter) -> u64 {
        let came = self.came.get();
        self.came.set(came + 1);
        let turn = waiter.began.as_millis() << SAME_MILLISECOND | came & ((1 << SAME_MILLISECOND) - 1);
        let (known, count) = self.undemanding.get();
        let before = if known == waiter.settings { count } else { 0 };
        self.undemanding.set((waiter.settings, before + usize::from(waiter.need.is_undemanding())));
        self.waiters.borrow_mut().insert(turn, waiter);
        self.tell();
        // another worker that gave a slot back before this waiter was known has left it free
        if self.first() == Some(turn) {
            self.look_from(turn);
        }
        turn
    }

    /// The turn of the first waiter that has no slot yet.
    fn first(&self) -> Option<u64> {
        self.waiters.borrow().iter().find(|(_, waiter)| waiter.slot.is_none()).map(|(turn, _)| *turn)
    }

    /// Tells the other workers' queues who waits here.
    fn tell(&self) {
        self.others.set_len(self.worker, self.len());
        self.others.set_first(self.worker, self.first());
    }

    /// Has the first waiter from this turn on look for a slot.
    fn look_from(&self, turn: u64) {
        let mut waiters = self.waiters.borrow_mut();
        if let Some((_, waiter)) = waiters.range_mut(turn..).find(|(_, waiter)| waiter.slot.is_none()) {
            waiter.is_to_look = true;
            waiter.wake();
        }
    }

    /// What the waiter with this turn is offered. If that is nothing, it is woken when there is something.
    fn poll_offer(&self, turn: u64, cx: &Context<'_>) -> Poll<Offer> {
        let mut waiters = self.waiters.borrow_mut();
        let Some(waiter) = waiters.get_mut(&turn) else { return Poll::Pending };
        if let Some(slot) = waiter.slot.take() {
            return Poll::Ready(Offer::Slot(slot));
        }
        if std::mem::take(&mut waiter.is_to_look) {
            return Poll::Ready(Offer::Look);
        }
        match &mut waiter.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Whether it is worth looking again.
    fn has_changed(&self, snapshot: &Rc<Current>) -> bool {
        let seen = (self.others.count(), Rc::as_ptr(snapshot).addr());
        let asked = self.asked.get() + 1;
        let changed = self.seen.replace(seen) != seen || asked >= LOOK_ANYWAY;
        self.asked.set(if changed { 0 } else { asked });
        changed
    }
}

impl Ticket<'_> {
    /// Waits until there is an offer. `snapshot` gives the current one.
    pub async fn offer(&self, timers: &Timers, snapshot: impl Fn() -> Rc<Current>) -> Offer {
        let queue = &*self.queue;
        let mut news = pin!(queue.others.news(queue.worker));
        let mut alarm: Option<Alarm> = None;
        poll_fn(|cx| {
            if let Poll::Ready(turn) = queue.poll_offer(self.turn, cx) {
                return Poll::Ready(turn);
            }
            let is_first = queue.first() == Some(self.turn);
            if !is_first && alarm.is_none() {
                return Poll::Pending;
            }
            let mut look = false;
            if news.as_mut().poll(cx).is_ready() {
                news.set(queue.others.news(queue.worker));
                look = true;
            }
            let alarm = alarm.get_or_insert_with(|| Alarm::new(timers, ASK));
            while is_first && alarm.poll(cx).is_ready() {
                alarm.set(ASK);
                look |= queue.has_changed(&snapshot());
            }
            match (look, is_first) {
                (true, true) => return Poll::Ready(Offer::Look),
                // somebody who came earlier has joined again and has missed the news
                (true, false) => queue.look_from(0),
                (false, _) => {}
            }
            Poll::Pending
        })
        .await
    }

    /// It has looked and found nothing. Where it can't use every backend, the next waiter may find something.
    pub fn found_nothing(&self) {
        let demanding = self.queue.waiters.borrow().get(&self.turn).is_some_and(|waiter| !waiter.need.is_undemanding());
        if demanding {
            self.queue.look_from(self.turn + 1);
        }
    }

    /// It has looked and found a slot: there may be another one for the next waiter.
    pub fn found(&self) {
        self.passes_on.set(true);
    }

    /// It can't use the slot that it was handed: the backend takes only clients that belong to it already, or nobody at all. So the slot goes
    /// to a waiter that belongs there; if it is this one, it looks for another backend.
    pub fn decline(&self, slot: Slot) {
        let mut waiters = self.queue.waiters.borrow_mut();
        let belongs =
            |waiter: &Waiter| matches!(&waiter.need, Need::Only(own) if Arc::ptr_eq(own, slot.in_flight.live()));
        match waiters.get_mut(&self.turn) {
            Some(own) if belongs(own) => own.is_to_look = true,
            _ => {
                if let Some(waiter) = waiters.values_mut().find(|waiter| waiter.slot.is_none() && belongs(waiter)) {
                    waiter.slot = Some(slot);
                    waiter.wake();
                }
            }
        }
        drop(waiters);
        self.queue.tell();
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let Some(waiter) = self.queue.waiters.borrow_mut().remove(&self.turn) else { return };
        let (known, count) = self.queue.undemanding.get();
        if waiter.need.is_undemanding() && waiter.settings == known {
            self.queue.undemanding.set((known, count.saturating_sub(1)));
        }
        self.queue.tell();
        if let Some(unused) = waiter.slot.and_then(|slot| self.queue.hand_over(slot)) {
            drop(unused);
            self.queue.others.left(self.queue.worker);
        }
        if waiter.is_to_look || self.passes_on.get() {
            self.queue.look_from(0);
        } else if let Some((_, first)) =
            self.queue.waiters.borrow_mut().iter_mut().find(|(_, waiter)| waiter.slot.is_none())
        {
            // it is the first now, and so the one that asks
            first.wake();
        }
        if self.queue.waiters.borrow().is_empty() {
            self.queues.0.borrow_mut().remove(&self.queue.service);
        }
    }
}

impl Waiter {
    /// Of an exchange that began then, with a service of these settings.
    pub fn new(need: Need, settings: usize, began: Moment) -> Self {
        Self { need, settings, began, slot: None, is_to_look: false, waker: None }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Need {
    fn is_met_by(&self, live: &Arc<Live>) -> bool {
        match self {
            Self::AnyBut(tried) => !tried.iter().any(|tried| Arc::ptr_eq(tried, live)),
            Self::Only(own) => Arc::ptr_eq(own, live),
        }
    }

    fn is_undemanding(&self) -> bool {
        matches!(self, Self::AnyBut(tried) if tried.is_empty())
    }
}

#[cfg(test)]
mod tests;
