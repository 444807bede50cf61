//! One listener on one worker: what the connections that came in by it share, whatever a reload makes of it.
//!
//! A connection lives on while snapshots come and go, and in each of them its listener may stand at another place, or be gone.
//! So a connection never remembers a place: it asks here, at each exchange, for the snapshot that decides and for the
//! listener's place in it. A listener that is taken away keeps the last snapshot that knew it until its connections have
//! ended, so that what is still under way on them is answered, and recorded, as if nothing had happened. That is not for ever: what
//! has not ended when its time is over is cut off.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use super::Worker;
use super::datagrams::Sessions;
use crate::drain::{Drain, TaskSet};
use crate::snapshot::{Current, Snapshot};

/// One listener on one worker.
#[derive(Debug)]
pub struct Ingress {
    /// Its drain.
    pub drain: Drain,
    /// Its connections.
    pub connections: TaskSet,
    /// Its time was over: what ends from then on may be cut off, and its client is not to blame.
    is_cut: Cell<bool>,
    /// Its sessions, where it gets datagrams: a socket's each.
    sessions: RefCell<Vec<Weak<Sessions>>>,
    worker: Rc<Worker>,
    /// [`Listener::key`](crate::snapshot::Listener::key)
    key: u32,
    /// Where it stood in the last snapshot that was asked: nearly always it still stands there.
    place: Cell<usize>,
    /// The last snapshot that knows it, once it goes.
    last: RefCell<Option<Rc<Current>>>,
}

impl Ingress {
    /// The listener with this key on this worker.
    pub fn new(worker: &Rc<Worker>, key: u32) -> Self {
        Self {
            drain: Drain::default(),
            connections: TaskSet::default(),
            is_cut: Cell::new(false),
            sessions: RefCell::default(),
            worker: Rc::clone(worker),
            key,
            place: Cell::new(0),
            last: RefCell::default(),
        }
    }

    /// The worker.
    pub fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    /// The snapshot that decides now, and the listener's place in it. `None` never happens while the listener is
    /// [retired](Self::retire) before a snapshot without it is published.
    pub fn current(&self) -> Option<(Rc<Current>, usize)> {
        let snapshot = self.worker.snapshot();
        if let Some(place) = self.find(&snapshot) {
            return Some((snapshot, place));
        }
        let last = self.last.borrow().clone()?;
        self.find(&last).map(|place| (last, place))
    }

    /// The next snapshot won't know the listener: its connections stay with the one that is current now.
    pub fn retire(&self) {
        *self.last.borrow_mut() = Some(self.worker.snapshot());
    }

    /// These are sessions of it.
    pub(super) fn has(&self, sessions: &Rc<Sessions>) {
        self.sessions.borrow_mut().push(Rc::downgrade(sessions));
    }

    /// Cuts off the connections and sessions that have not ended; gives back how many there were.
    pub fn cut(&self) -> usize {
        self.is_cut.set(true);
        let sessions = self.sessions.take();
        self.connections.cut() + sessions.iter().filter_map(Weak::upgrade).map(|sessions| sessions.cut()).sum::<usize>()
    }

    /// Whether that was done, or the worker ends with what is still under way on it.
    pub fn is_cut(&self) -> bool {
        self.is_cut.get() || self.worker.is_over.get()
    }

    fn find(&self, snapshot: &Snapshot) -> Option<usize> {
        let listeners = &snapshot.listeners;
        let place = self.place.get();
        if listeners.get(place).is_some_and(|listener| listener.key == self.key) {
            return Some(place);
        }
        let place = listeners.iter().position(|listener| listener.key == self.key)?;
        self.place.set(place);
        Some(place)
    }
}
