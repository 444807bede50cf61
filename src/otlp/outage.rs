//! What is told of a collector that takes nothing: one event when that begins, and one when it is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::{Moment, Throttle};
use crate::event::{Events, Kind, OtlpChange, Subject};

/// The least time between two lines in the log about entries that a collector has left out of a message.
const PAUSE: Duration = Duration::from_secs(60);

/// How the collector stands.
#[derive(Debug)]
pub struct Outage {
    events: Arc<Events>,
    /// Since when nothing is taken.
    since: Option<Instant>,
    left_out: Throttle,
}

impl Outage {
    /// Nothing is known of it.
    pub fn new(events: Arc<Events>) -> Self {
        Self { events, since: None, left_out: Throttle::new(PAUSE) }
    }

    /// The collector at `endpoint` has not taken a message.
    pub fn failed(&mut self, endpoint: &str, reason: &str) {
        tracing::debug!(endpoint, reason, "the collector did not take a message");
        if self.since.is_none() {
            self.since = Some(Instant::now());
            let change = OtlpChange::Failed { endpoint: endpoint.to_owned(), reason: reason.to_owned() };
            self.events.tell(Subject::default(), Kind::Otlp(change));
        }
    }

    /// It has taken a message.
    pub fn is_over(&mut self, endpoint: &str) {
        if let Some(since) = self.since.take() {
            let change = OtlpChange::Recovered { endpoint: endpoint.to_owned(), after: since.elapsed() };
            self.events.tell(Subject::default(), Kind::Otlp(change));
        }
    }

    /// It has taken a message without so many of its entries.
    pub fn left_out(&mut self, rejected: u64, reason: &str) {
        if self.left_out.is_due(Moment::now()) {
            tracing::warn!(rejected, reason, "the collector has taken a message, but not all of it");
        }
    }
}
