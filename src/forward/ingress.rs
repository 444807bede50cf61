//! One listener on one worker: what the connections that came in by it share, whatever a reload makes of it.
//!
//! A connection lives on while snapshots come and go, and in each of them its listener may have another index, or be gone. So a connection
//! never remembers an index: at each exchange it asks here for the current snapshot and for the listener's index in it. A listener that is
//! taken away keeps the last snapshot that knew it until its connections have ended, so that what is still under way on them is answered, and
//! recorded, as if nothing had happened. That is not for ever: what has not ended when the time for that is over is cut off.

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::rc::{Rc, Weak};

use tokio::task::AbortHandle;

use super::Worker;
use crate::drain::{Drain, TaskSet};
use crate::snapshot::{Current, Snapshot};

/// Sessions that a listener cuts off when their time is over.
pub(super) trait CutOff: Debug {
    /// Cuts off all of them; returns how many there were.
    fn cut(&self) -> usize;
}

/// One listener on one worker.
#[derive(Debug)]
pub struct Ingress {
    /// The drain of the connections that are accepted now.
    drain: RefCell<Drain>,
    /// A hand-over is under way: a connection that is accepted now is closed after its first answer.
    is_handing_over: Cell<bool>,
    /// Its connections.
    pub connections: TaskSet,
    /// Its connections were cut off: an exchange that breaks off from then on is not its client's doing.
    is_cut: Cell<bool>,
    /// The sessions of each of its sockets, where it gets datagrams.
    sessions: RefCell<Vec<Weak<dyn CutOff>>>,
    worker: Rc<Worker>,
    /// [`Listener::key`](crate::snapshot::Listener::key)
    key: u32,
    /// Its index in the last snapshot that was asked, which nearly always is its index in the next one.
    index: Cell<usize>,
    /// The last snapshot that knows it, once it goes.
    last: RefCell<Option<Rc<Current>>>,
}

impl Ingress {
    /// The listener with this key on this worker.
    pub fn new(worker: &Rc<Worker>, key: u32) -> Self {
        Self {
            drain: RefCell::default(),
            is_handing_over: Cell::new(false),
            connections: TaskSet::default(),
            is_cut: Cell::new(false),
            sessions: RefCell::default(),
            worker: Rc::clone(worker),
            key,
            index: Cell::new(0),
            last: RefCell::default(),
        }
    }

    /// The worker.
    pub fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    /// The snapshot that decides now, and the listener's index in it. `None` never happens while the listener is
    /// [retired](Self::retire) before a snapshot without it is published.
    pub fn current(&self) -> Option<(Rc<Current>, usize)> {
        let snapshot = self.worker.snapshot();
        if let Some(index) = self.find(&snapshot) {
            return Some((snapshot, index));
        }
        let last = self.last.borrow().clone()?;
        self.find(&last).map(|index| (last, index))
    }

    /// The drain of a connection that is accepted now.
    pub fn drain(&self) -> Drain {
        self.drain.borrow().clone()
    }

    /// Lets its connections end as soon as nothing is under way on them.
    pub fn begin_drain(&self) {
        self.drain.borrow().begin();
    }

    /// Lets the connections that are open end as soon as nothing is under way on them, and closes those that are accepted from now on
    /// after their first answer, until [`keep_connections`](Self::keep_connections). Gives back the tasks of those that are open.
    pub fn close_connections(&self) -> Vec<AbortHandle> {
        self.is_handing_over.set(true);
        // those that are accepted from now on have a drain of their own: they have not been told anything yet
        self.drain.take().begin();
        self.connections.running()
    }

    /// Ends what [`close_connections`](Self::close_connections) began.
    pub fn keep_connections(&self) {
        self.is_handing_over.set(false);
    }

    /// Whether a connection that is accepted now is to be closed after its first answer.
    pub fn is_handing_over(&self) -> bool {
        self.is_handing_over.get()
    }

    /// To be called before a snapshot without the listener is published: its connections stay with the snapshot that is current now.
    pub fn retire(&self) {
        *self.last.borrow_mut() = Some(self.worker.snapshot());
    }

    /// Adds the sessions of one of its sockets, so that they are cut off with it.
    pub(super) fn add_sessions(&self, sessions: Weak<dyn CutOff>) {
        self.sessions.borrow_mut().push(sessions);
    }

    /// Cuts off the connections and sessions that have not ended; returns how many there were.
    pub fn cut(&self) -> usize {
        self.is_cut.set(true);
        let sessions = self.sessions.take();
        self.connections.cut() + sessions.iter().filter_map(Weak::upgrade).map(|sessions| sessions.cut()).sum::<usize>()
    }

    /// Whether that was done, or the worker ends: then an exchange that breaks off is not its client's doing.
    pub fn is_cut(&self) -> bool {
        self.is_cut.get() || self.worker.is_over.get()
    }

    fn find(&self, snapshot: &Snapshot) -> Option<usize> {
        let listeners = &snapshot.listeners;
        let index = self.index.get();
        if listeners.get(index).is_some_and(|listener| listener.key == self.key) {
            return Some(index);
        }
        let index = listeners.iter().position(|listener| listener.key == self.key)?;
        self.index.set(index);
        Some(index)
    }
}
