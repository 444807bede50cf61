//! A worker's exchanges that wait for a place at a backend, for each service first come, first served.
//!
//! A place that is left is handed to the one that has waited longest of those who can use it. It is handed over as it is, counted
//! all the while, so that nobody else finds it free in between. Looking for a place costs a look at every backend, so it is the
//! first of a queue alone that looks, and only when something has changed: another worker has left a place, or the snapshot is
//! another one.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::clock::Moment;
use crate::endpoint::waiting::Waiting;
use crate::endpoint::{InFlight, Live};
use crate::forward::Worker;
use crate::timer::Alarm;

/// How often the first of a queue asks whether something has changed. A place that another worker has left for it is told at
/// once; this is for what nobody tells of.
const ASK: Duration = Duration::from_millis(20);
/// It looks without being told after so many times: a limit may have been raised, or a breaker let somebody pass.
const LOOK_ANYWAY: u32 = 50;
/// The bits of a turn that tell those apart who came in the same millisecond.
const SAME_MILLISECOND: u32 = 20;

/// A worker's queues, by service. There is one only while somebody waits.
#[derive(Debug, Default)]
pub struct Queues(RefCell<HashMap<Arc<str>, Rc<Queue>>>);

/// Those who wait for a place at a backend of one service.
#[derive(Debug)]
pub struct Queue {
    service: Arc<str>,
    worker: usize,
    /// What the queues of all workers know of each other.
    others: Arc<Waiting>,
    /// In the order of their turns.
    entries: RefCell<BTreeMap<u64, Entry>>,
    /// How many have come.
    came: Cell<u64>,
    /// How the service was set when the last one came, and those of these settings that any backend will do for.
    undemanding: Cell<(usize, usize)>,
    /// What there was to see when somebody last looked.
    seen: Cell<(u64, usize)>,
    /// How often it was asked since.
    asked: Cell<u32>,
}

/// A place at a backend that goes from hand to hand.
#[derive(Debug)]
pub struct Place {
    /// It is counted there.
    pub in_flight: InFlight,
    /// Where the backend stood in the service of the one that had the place: a hint where to look for it.
    pub backend: usize,
}

/// Which backends one that waits can use.
#[derive(Debug)]
pub enum Need {
    /// All but those that have failed it.
    AnyBut(Vec<Arc<Live>>),
    /// The one that its session belongs to.
    Only(Arc<Live>),
}

/// What one that waits is told.
#[derive(Debug)]
pub enum Turn {
    /// Here is a place.
    Place(Place),
    /// Look for one.
    Look,
}

/// One that waits.
#[derive(Debug)]
struct Entry {
    need: Need,
    /// How its service is set.
    settings: usize,
    place: Option<Place>,
    is_to_look: bool,
    waker: Option<Waker>,
}

/// A place in a queue; it is given up when this is dropped.
#[derive(Debug)]
pub struct Ticket<'a> {
    queues: &'a Queues,
    queue: Rc<Queue>,
    turn: u64,
    /// The next one is to look after this one.
    passes_on: Cell<bool>,
}

impl Queues {
    /// Those who wait for a backend of this service, if there are any.
    pub fn of(&self, service: &str) -> Option<Rc<Queue>> {
        self.0.borrow().get(service).map(Rc::clone)
    }

    /// Waits in turn: behind all whose exchanges began earlier.
    pub fn join(
        &self,
        worker: usize,
        (service, others): (&Arc<str>, &Arc<Waiting>),
        settings: usize,
        began: Moment,
        need: Need,
    ) -> Ticket<'_> {
        let new = || Rc::new(Queue::new(Arc::clone(service), worker, Arc::clone(others)));
        let queue = Rc::clone(self.0.borrow_mut().entry(Arc::clone(service)).or_insert_with(new));
        let turn = queue.add(settings, began, need);
        Ticket { queues: self, queue, turn, passes_on: Cell::new(false) }
    }

    /// A place at a backend of this service was left, which has a limit. It goes to the one that has waited longest.
    pub fn left(&self, worker: usize, service: &str, waiting: &Waiting, place: Place) {
        let queue = if waiting.is_on(worker) { self.of(service) } else { None };
        let unused = match queue {
            Some(queue) => queue.hand(place),
            None => Some(place),
        };
        if let Some(place) = unused {
            drop(place);
            waiting.left(worker);
        }
    }
}

impl Queue {
    fn new(service: Arc<str>, worker: usize, others: Arc<Waiting>) -> Self {
        Self {
            service,
            worker,
            others,
            entries: RefCell::default(),
            came: Cell::new(0),
            undemanding: Cell::new((0, 0)),
            seen: Cell::new((0, 0)),
            asked: Cell::new(0),
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    /// Whether somebody waits who can use any backend of these `settings`: whoever comes now can't find a place that would not be
    /// that one's. Those who came before a reload know nothing of the backends that it has brought, and keep nobody from them.
    pub fn has_undemanding(&self, settings: usize) -> bool {
        matches!(self.undemanding.get(), (known, count) if known == settings && count > 0)
    }

    /// Gives a place to the one that has waited longest of those who can use it; gives it back when nobody here can, or when
    /// somebody has waited longer on another worker.
    pub fn hand(&self, place: Place) -> Option<Place> {
        let mut entries = self.entries.borrow_mut();
        let can_use = |entry: &Entry| entry.place.is_none() && entry.need.is_met_by(place.in_flight.live());
        let Some((&turn, entry)) = entries.iter_mut().find(|(_, entry)| can_use(entry)) else { return Some(place) };
        if self.others.is_earlier_elsewhere(self.worker, turn) {
            return Some(place);
        }
        entry.place = Some(place);
        entry.wake();
        drop(entries);
        self.tell();
        None
    }

    fn add(&self, settings: usize, began: Moment, need: Need) -> u64 {
        let came = self.came.get();
        self.came.set(came + 1);
        let turn = began.as_millis() << SAME_MILLISECOND | came & ((1 << SAME_MILLISECOND) - 1);
        let (known, count) = self.undemanding.get();
        let before = if known == settings { count } else { 0 };
        self.undemanding.set((settings, before + usize::from(need.is_undemanding())));
        self.entries.borrow_mut().insert(turn, Entry { need, settings, place: None, is_to_look: false, waker: None });
        self.tell();
        // a place that another worker left before it could know of this one is still free
        if self.first() == Some(turn) {
            self.look_from(turn);
        }
        turn
    }

    /// The first that has no place yet.
    fn first(&self) -> Option<u64> {
        self.entries.borrow().iter().find(|(_, entry)| entry.place.is_none()).map(|(turn, _)| *turn)
    }

    fn tell(&self) {
        self.others.set_len(self.worker, self.len());
        self.others.set_first(self.worker, self.first());
    }

    /// Has the first from this turn on look for a place.
    fn look_from(&self, turn: u64) {
        let mut entries = self.entries.borrow_mut();
        if let Some((_, entry)) = entries.range_mut(turn..).find(|(_, entry)| entry.place.is_none()) {
            entry.is_to_look = true;
            entry.wake();
        }
    }

    /// What the one with this turn is told; if nothing, it is woken when there is something.
    fn poll_turn(&self, turn: u64, cx: &Context<'_>) -> Poll<Turn> {
        let mut entries = self.entries.borrow_mut();
        let Some(entry) = entries.get_mut(&turn) else { return Poll::Pending };
        if let Some(place) = entry.place.take() {
            return Poll::Ready(Turn::Place(place));
        }
        if std::mem::take(&mut entry.is_to_look) {
            return Poll::Ready(Turn::Look);
        }
        match &mut entry.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Whether it is worth looking again.
    fn has_changed(&self, worker: &Worker) -> bool {
        let sight = (self.others.count(), Rc::as_ptr(&worker.snapshot()).addr());
        let asked = self.asked.get() + 1;
        let changed = self.seen.replace(sight) != sight || asked >= LOOK_ANYWAY;
        self.asked.set(if changed { 0 } else { asked });
        changed
    }
}

impl Ticket<'_> {
    /// Waits for its turn.
    pub async fn turn(&self, worker: &Worker) -> Turn {
        let queue = &*self.queue;
        let mut news = pin!(queue.others.news(queue.worker));
        let mut alarm: Option<Alarm> = None;
        poll_fn(|cx| {
            if let Poll::Ready(turn) = queue.poll_turn(self.turn, cx) {
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
            let alarm = alarm.get_or_insert_with(|| Alarm::new(&worker.timers, ASK));
            while is_first && alarm.poll(cx).is_ready() {
                alarm.set(ASK);
                look |= queue.has_changed(worker);
            }
            match (look, is_first) {
                (true, true) => return Poll::Ready(Turn::Look),
                // one that had waited longer has come back, and was not told
                (true, false) => queue.look_from(0),
                (false, _) => {}
            }
            Poll::Pending
        })
        .await
    }

    /// It has looked and found nothing: the next one may, where this one can't use all that there is.
    pub fn found_nothing(&self) {
        let demanding = self.queue.entries.borrow().get(&self.turn).is_some_and(|entry| !entry.need.is_undemanding());
        if demanding {
            self.queue.look_from(self.turn + 1);
        }
    }

    /// It has looked and goes: there may be something for the next one as well.
    pub fn found(&self) {
        self.passes_on.set(true);
    }

    /// It can't use the place that it was handed: its backend takes only what belongs to it already, or nothing at all. A session
    /// that belongs there looks for another one.
    pub fn decline(&self, place: Place) {
        let mut entries = self.queue.entries.borrow_mut();
        let belongs =
            |entry: &Entry| matches!(&entry.need, Need::Only(own) if Arc::ptr_eq(own, place.in_flight.live()));
        match entries.get_mut(&self.turn) {
            Some(own) if belongs(own) => own.is_to_look = true,
            _ => {
                if let Some(entry) = entries.values_mut().find(|entry| entry.place.is_none() && belongs(entry)) {
                    entry.place = Some(place);
                    entry.wake();
                }
            }
        }
        drop(entries);
        self.queue.tell();
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let Some(entry) = self.queue.entries.borrow_mut().remove(&self.turn) else { return };
        let (known, count) = self.queue.undemanding.get();
        if entry.need.is_undemanding() && entry.settings == known {
            self.queue.undemanding.set((known, count.saturating_sub(1)));
        }
        self.queue.tell();
        if let Some(unused) = entry.place.and_then(|place| self.queue.hand(place)) {
            drop(unused);
            self.queue.others.left(self.queue.worker);
        }
        if entry.is_to_look || self.passes_on.get() {
            self.queue.look_from(0);
        } else if let Some((_, first)) = self.queue.entries.borrow_mut().iter_mut().find(|(_, e)| e.place.is_none()) {
            // it is the one that asks from now on
            first.wake();
        }
        if self.queue.entries.borrow().is_empty() {
            self.queues.0.borrow_mut().remove(&self.queue.service);
        }
    }
}

impl Entry {
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
