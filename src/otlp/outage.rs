//! What is told of a collector that takes nothing: one event when that begins, and one when it is over.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::{Moment, Throttle};
use crate::event::{Events, Kind, OtlpChange, Subject};

/// The least time between two lines in the log about entries that a collector has left out of a message.
const PAUSE: Duration = Duration::from_secs(60);

/// How the collector stands, for all that is sent to it.
#[derive(Debug, Clone)]
pub struct Outage(Rc<RefCell<Known>>);

/// What is known of it.
#[derive(Debug)]
struct Known {
    events: Arc<Events>,
    /// Since when nothing is taken.
    since: Option<Instant>,
    left_out: Throttle,
}

impl Outage {
    /// Nothing is known of it.
    pub fn new(events: Arc<Events>) -> Self {
        Self(Rc::new(RefCell::new(Known { events, since: None, left_out: Throttle::new(PAUSE) })))
    }

    /// The collector at `endpoint` has not taken a message.
    pub fn failed(&self, endpoint: &str, reason: &str) {
        tracing::debug!(endpoint, reason, "the collector did not take a message");
        let known = &mut *self.0.borrow_mut();
        if known.since.is_none() {
            known.since = Some(Instant::now());
            let change = OtlpChange::Failed { endpoint: endpoint.to_owned(), reason: reason.to_owned() };
            known.events.tell(Subject::default(), Kind::Otlp(change));
        }
    }

    /// It has taken a message.
    pub fn is_over(&self, endpoint: &str) {
        let known = &mut *self.0.borrow_mut();
        if let Some(since) = known.since.take() {
            let change = OtlpChange::Recovered { endpoint: endpoint.to_owned(), after: since.elapsed() };
            known.events.tell(Subject::default(), Kind::Otlp(change));
        }
    }

    /// It has taken a message without so many of its entries.
    pub fn left_out(&self, rejected: u64, reason: &str) {
        if self.0.borrow_mut().left_out.is_due(Moment::now()) {
            tracing::warn!(rejected, reason, "the collector has taken a message, but not all of it");
        }
    }
}
