//! What is told of a store that can't be asked: one event when that begins, and one when it is over. What it refuses to do is logged once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::affinity::shared::LinkState;
use crate::event::{Events, Kind, StoreChange, Subject};

/// A store that has refused something does what it is asked again when it has refused nothing for so long: it may refuse some sessions and take others.
const CALM: Duration = Duration::from_secs(10);

/// How a store stands.
#[derive(Debug)]
pub(super) struct Outage {
    events: Arc<Events>,
    store: String,
    /// Since when it is not asked, once that was told.
    since: Option<Instant>,
    /// What it does not do, while there is something.
    refusal: Option<String>,
    /// When it last refused something.
    refused: Instant,
}

impl Outage {
    /// Nothing is known of it.
    pub fn new(events: Arc<Events>, store: String) -> Self {
        Self { events, store, since: None, refusal: None, refused: Instant::now() }
    }

    /// Whether it was told that it is not asked.
    pub fn is_told(&self) -> bool {
        self.since.is_some()
    }

    /// It is not asked any more, or not yet, for this reason.
    pub fn began(&mut self, link: &LinkState, reason: &str) {
        link.set_trouble(Some(reason.to_owned()));
        if self.since.is_none() {
            self.since = Some(Instant::now());
            let change = StoreChange::Unreachable { store: self.store.clone(), reason: reason.to_owned() };
            self.events.tell(Subject::default(), Kind::Store(change));
        }
    }

    /// It is asked.
    pub fn is_over(&mut self, link: &LinkState) {
        link.set_trouble(self.refusal.as_ref().map(|refusal| refused(refusal)));
        if let Some(since) = self.since.take() {
            let change = StoreChange::Reachable { store: self.store.clone(), after: since.elapsed() };
            self.events.tell(Subject::default(), Kind::Store(change));
        }
    }

    /// It has refused to do something, for this reason; `None` = it has done all that it was asked.
    pub fn refuses(&mut self, link: &LinkState, refusal: Option<String>) {
        if refusal.is_some() {
            self.refused = Instant::now();
        } else if self.refused.elapsed() < CALM {
            return;
        }
        match (&refusal, &self.refusal) {
            (Some(reason), None) => {
                let store = &self.store;
                tracing::warn!(store, "the store of sessions does not do all that it is asked: {reason}");
            }
            (None, Some(_)) => tracing::info!(store = self.store, "the store of sessions does what it is asked again"),
            _ => return,
        }
        self.refusal = refusal;
        if self.since.is_none() {
            link.set_trouble(self.refusal.as_ref().map(|refusal| refused(refusal)));
        }
    }
}

fn refused(refusal: &str) -> String {
    format!("it does not do all that it is asked: {refusal}")
}
