//! What is told of a store that can't be asked: one event when that begins, and one when it is over.

use std::sync::Arc;
use std::time::Instant;

use crate::event::{Events, Kind, StoreChange, StoreUse, Subject};

/// How a store stands.
#[derive(Debug)]
pub(super) struct Outage {
    events: Arc<Events>,
    store: String,
    used_for: StoreUse,
    /// Since when it is not asked, once that was told.
    since: Option<Instant>,
}

impl Outage {
    /// Nothing is known of it.
    pub fn new(events: Arc<Events>, store: String, used_for: StoreUse) -> Self {
        Self { events, store, used_for, since: None }
    }

    /// Whether it was told that it is not asked.
    pub fn is_told(&self) -> bool {
        self.since.is_some()
    }

    /// It is not asked any more, or not yet, for this reason.
    pub fn began(&mut self, reason: &str) {
        if self.since.is_none() {
            self.since = Some(Instant::now());
            let (store, reason) = (self.store.clone(), reason.to_owned());
            self.tell(StoreChange::Unreachable { store, used_for: self.used_for, reason });
        }
    }

    /// It is asked.
    pub fn is_over(&mut self) {
        if let Some(since) = self.since.take() {
            let store = self.store.clone();
            self.tell(StoreChange::Reachable { store, used_for: self.used_for, after: since.elapsed() });
        }
    }

    fn tell(&self, change: StoreChange) {
        self.events.tell(Subject::default(), Kind::Store(change));
    }
}
