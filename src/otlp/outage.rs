//! What is told of a collector that takes nothing: one event when that begins, and one when it is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::target::Signal;
use crate::clock::{Moment, Throttle};
use crate::event::{Events, Kind, OtlpChange, Subject};

/// The least time between two lines in the log about entries that a collector has left out of a message.
const PAUSE: Duration = Duration::from_secs(60);

/// How the collector stands for one signal: one that takes traces may well refuse metrics.
#[derive(Debug)]
pub struct Outage {
    events: Arc<Events>,
    signal: Signal,
    /// Since when nothing is taken.
    since: Option<Instant>,
    left_out: Throttle,
}

impl Outage {
    /// Nothing is known of it.
    pub fn new(events: Arc<Events>, signal: Signal) -> Self {
        Self { events, signal, since: None, left_out: Throttle::new(PAUSE) }
    }

    /// The collector at `endpoint` has not taken a message.
    pub fn failed(&mut self, endpoint: &str, reason: &str) {
        let signal = self.signal.as_str();
        tracing::debug!(endpoint, signal, reason, "the collector did not take a message");
        if self.since.is_none() {
            self.since = Some(Instant::now());
            let change = OtlpChange::Failed { signal, endpoint: endpoint.to_owned(), reason: reason.to_owned() };
            self.events.tell(Subject::default(), Kind::Otlp(change));
        }
    }

    /// It has taken a message.
    pub fn is_over(&mut self, endpoint: &str) {
        if let Some(since) = self.since.take() {
            let (signal, after) = (self.signal.as_str(), since.elapsed());
            let change = OtlpChange::Recovered { signal, endpoint: endpoint.to_owned(), after };
            self.events.tell(Subject::default(), Kind::Otlp(change));
        }
    }

    /// It has taken a message without so many of its entries.
    pub fn left_out(&mut self, rejected: u64, reason: &str) {
        if self.left_out.is_due(Moment::now()) {
            let signal = self.signal.as_str();
            tracing::warn!(signal, rejected, reason, "the collector has taken a message, but not all of it");
        }
    }
}
