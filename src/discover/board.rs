//! How the sources of all services stand, for whoever wants to show it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch::Receiver;

use super::Refused;
use super::standing::Standing;

/// How many parts that can't be used are shown.
const MOST_REFUSED: usize = 20;

/// How the sources of all services stand.
#[derive(Debug, Default)]
pub struct Board(Mutex<BTreeMap<String, Receiver<Shown>>>);

/// How one source stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Where the backends come from, in words.
    pub source: Arc<str>,
    /// Why there was no good answer the last time; `None` = there was one, or it was not asked yet.
    pub reason: Option<String>,
    /// How many backends the last good answer has; `None` = there was none yet.
    pub backends: Option<usize>,
    /// How much of it could not be used.
    pub refused: usize,
    /// The first of that.
    pub first_refused: Vec<Refused>,
}

impl Board {
    /// How the source of this service stands; `None` = it has none.
    pub fn of(&self, service: &str) -> Option<Shown> {
        let sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sources.get(service).map(|shown| shown.borrow().clone())
    }

    /// These sources are in force, by their services.
    pub fn set(&self, sources: BTreeMap<String, Receiver<Shown>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = sources;
    }
}

impl Shown {
    pub(super) fn new(source: Arc<str>, standing: &Standing) -> Self {
        let refused = standing.refused();
        Self {
            source,
            reason: standing.reason().map(str::to_owned),
            backends: standing.last().map(|last| last.len()),
            refused: refused.len(),
            first_refused: refused.take(MOST_REFUSED).cloned().collect(),
        }
    }
}
