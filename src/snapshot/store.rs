//! The current snapshot: written by the control plane, read by every worker at each exchange.
//!
//! Replaced snapshots are kept until nobody else holds them, and then freed by the control plane: freeing ten thousand
//! backends takes milliseconds, during which a worker that happened to hold the last reference would stand still.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, Cache};
use tokio::sync::Notify;

use super::Snapshot;
use crate::clock::Moment;
use crate::event::Events;
use crate::record::access::Lines;

/// Holds the current snapshot.
#[derive(Debug)]
pub struct Store {
    current: Arc<ArcSwap<Snapshot>>,
    news: Arc<Notify>,
    replaced: Mutex<Vec<Arc<Snapshot>>>,
    events: Arc<Events>,
}

/// A worker's access to the current snapshot. It stays on the worker's thread.
#[derive(Debug)]
pub struct Reader {
    inner: RefCell<Inner>,
    news: Arc<Notify>,
}

#[derive(Debug)]
struct Inner {
    cache: Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>,
    held: Rc<Current>,
}

/// The snapshot of an exchange. It is handed out in an `Rc`, counted within the worker's thread: workers that counted their
/// exchanges in the snapshot's own `Arc` would contend for that one counter.
#[derive(Debug)]
pub struct Current {
    snapshot: Arc<Snapshot>,
    access_lines: Lines,
}

impl Store {
    /// Starts with a first snapshot; changes of its backends are announced to `events`.
    pub fn new(first: Snapshot, events: Arc<Events>) -> Self {
        let current = Arc::new(ArcSwap::from_pointee(first));
        Self { current, news: Arc::default(), replaced: Mutex::default(), events }
    }

    /// Where changes of backends are announced.
    pub fn events(&self) -> &Arc<Events> {
        &self.events
    }

    /// Finds the state of every backend at `now`, announces what has changed, and publishes a snapshot with the
    /// backends that may be picked now. When this returns the snapshot is in force for every exchange that begins.
    /// Where no standing has changed (`has_changed`), only services are looked at that can change by time alone. Only
    /// the control plane may call this, as [`publish`](Self::publish).
    pub fn refresh(&self, now: Moment, has_changed: bool) {
        let before = self.load();
        if self.announce_and_refresh(&before, now, has_changed) {
            self.load().announce_services(&before, &self.events);
        }
    }

    /// Publishes a snapshot that was built from another configuration, and announces what that changes; only the
    /// control plane may call this.
    pub fn replace(&self, next: Snapshot, now: Moment) {
        let before = self.load();
        self.publish(next);
        self.announce_and_refresh(&self.load(), now, true);
        self.load().announce_services(&before, &self.events);
    }

    /// Announces the first states; to be called once.
    pub fn begin(&self, now: Moment) {
        self.announce_and_refresh(&self.load(), now, true);
        self.load().announce_services(&Snapshot::default(), &self.events);
    }

    /// Announces changes and publishes a refreshed snapshot; returns whether one was needed.
    fn announce_and_refresh(&self, current: &Snapshot, now: Moment, has_changed: bool) -> bool {
        current.announce_states(&self.events, now, has_changed);
        let next = current.refreshed(now, has_changed);
        let has_next = next.is_some();
        if let Some(next) = next {
            self.publish(next);
        }
        has_next
    }

    /// The current snapshot, for the control plane.
    pub fn load(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Replaces the snapshot for every exchange that starts from now on; those under way keep theirs. Only the control
    /// plane may call this, and only one call at a time, because a snapshot is built from the one that it replaces.
    pub fn publish(&self, next: Snapshot) {
        let before = self.current.swap(Arc::new(next));
        self.replaced().push(before);
    }

    /// Takes out the snapshots that no exchange holds any more, for the caller to drop. The control plane calls this
    /// now and then.
    pub fn sweep(&self) -> Vec<Arc<Snapshot>> {
        // a worker can't get hold of a snapshot that only this list holds
        self.replaced().extract_if(.., |old| Arc::strong_count(old) == 1).collect()
    }

    fn replaced(&self) -> MutexGuard<'_, Vec<Arc<Snapshot>>> {
        // a panic while the lock is held leaves the list whole
        self.replaced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notifies the control plane that availability should be looked at now.
    pub fn news(&self) -> &Arc<Notify> {
        &self.news
    }

    /// Access for a worker, to be made on its thread.
    pub fn reader(&self) -> Reader {
        let mut cache = Cache::new(Arc::clone(&self.current));
        let held = Rc::new(Current::new(cache.load()));
        Reader { inner: RefCell::new(Inner { cache, held }), news: Arc::clone(&self.news) }
    }
}

impl Reader {
    /// As [`Store::news`].
    pub fn news(&self) -> &Arc<Notify> {
        &self.news
    }

    /// The current snapshot, to be held for one exchange. One relaxed atomic load when nothing has changed.
    pub fn current(&self) -> Rc<Current> {
        let mut inner = self.inner.borrow_mut();
        let Inner { cache, held } = &mut *inner;
        let current = cache.load();
        if !Arc::ptr_eq(current, &held.snapshot) {
            *held = Rc::new(Current::new(current));
        }
        Rc::clone(held)
    }
}

impl Current {
    fn new(snapshot: &Arc<Snapshot>) -> Self {
        Self { snapshot: Arc::clone(snapshot), access_lines: Rc::new(Arc::clone(&snapshot.access_lines)) }
    }

    /// What the lines of the access log say, counted within the worker's thread as well. Who holds it does not hold the snapshot.
    pub fn access_lines(&self) -> Lines {
        Rc::clone(&self.access_lines)
    }
}

impl Deref for Current {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(generation: u64) -> Snapshot {
        Snapshot { generation, ..Snapshot::default() }
    }

    #[test]
    fn a_reader_sees_the_newest_and_an_exchange_keeps_its_own() {
        let store = Store::new(snapshot(1), Arc::default());
        let reader = store.reader();
        let exchange = reader.current();
        store.publish(snapshot(2));
        assert_eq!(exchange.generation, 1);
        assert_eq!(reader.current().generation, 2);
        assert_eq!(store.load().generation, 2);
    }

    #[test]
    fn nothing_is_made_anew_while_nothing_changes() {
        let store = Store::new(snapshot(1), Arc::default());
        let reader = store.reader();
        assert!(Rc::ptr_eq(&reader.current(), &reader.current()));
    }

    #[test]
    fn an_old_snapshot_is_let_go_by_the_control_plane_after_its_last_exchange() {
        let store = Store::new(snapshot(1), Arc::default());
        let reader = store.reader();
        let old = Arc::downgrade(&store.load());
        let exchange = reader.current();
        store.publish(snapshot(2));
        reader.current();
        store.sweep();
        assert!(old.upgrade().is_some());
        drop(exchange);
        assert!(old.upgrade().is_some(), "not by the worker");
        store.sweep();
        assert!(old.upgrade().is_none());
    }
}
