//! The adaptive limit of a service, as exchanges meet it.

use std::sync::Arc;

use crate::concurrency::{AdaptiveLimit, ConcurrencyPlace};
use crate::policy::{Concurrency, Priority};

/// How many exchanges of a service may be in flight.
#[derive(Debug)]
pub struct ConcurrencyLimit {
    /// What the configuration says.
    pub rule: Concurrency,
    /// What holds now. It stays from snapshot to snapshot.
    pub state: Arc<AdaptiveLimit>,
}

impl ConcurrencyLimit {
    /// A limit by this rule. One that is new holds at once; one that was found before stays.
    pub(super) fn new(rule: Concurrency, state: Arc<AdaptiveLimit>) -> Self {
        if state.limit().is_none() {
            state.publish(rule.initial, 0);
        }
        Self { rule, state }
    }

    /// Lets an exchange of this priority in, if the limit allows.
    pub fn enter(&self, priority: Priority) -> Option<ConcurrencyPlace> {
        self.state.enter(self.rule.part(priority))
    }
}
