//! What a store of sessions refuses to do is logged once, and shown while it lasts.

use std::time::{Duration, Instant};

use crate::affinity::shared::LinkState;

/// A store that has refused something does what it is asked again when it has refused nothing for so long: it may refuse some sessions and take others.
const CALM: Duration = Duration::from_secs(10);

/// What a store does not do.
#[derive(Debug)]
pub(super) struct Refusals {
    store: String,
    /// What it does not do, while there is something.
    refusal: Option<String>,
    /// When it last refused something.
    refused: Instant,
}

impl Refusals {
    /// It does all that it is asked.
    pub fn new(store: &str) -> Self {
        Self { store: store.to_owned(), refusal: None, refused: Instant::now() }
    }

    /// It has refused to do something, for this reason; `None` = it has done all that it was asked. What it does not do is shown where it `is_asked`:
    /// otherwise there is worse to show.
    pub fn note(&mut self, link: &LinkState, refusal: Option<String>, is_asked: bool) {
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
        if is_asked {
            link.set_trouble(self.trouble());
        }
    }

    /// What it does not do, for people.
    pub fn trouble(&self) -> Option<String> {
        self.refusal.as_ref().map(|refusal| format!("it does not do all that it is asked: {refusal}"))
    }
}
