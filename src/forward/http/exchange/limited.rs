//! The place of an exchange within the adaptive limit of a service (`[service.NAME.concurrency]`), and its place among the requests of its client.
//!
//! The former is held from before the first attempt to the last byte that a backend sends, through retries and pauses: an exchange counts once, however many
//! attempts it makes. The latter is held to the end of the exchange: what the client takes its time for is its own.

use std::time::{Duration, Instant};

use super::Exchange;
use crate::limit::Place;
use crate::metrics::{AttemptEnd, Failure, LimitPlace};

/// The place that an exchange holds.
#[derive(Debug)]
pub struct HeldPlace {
    place: LimitPlace,
    /// When it was let in, where it had to wait: its first attempt begins then, and no backend has to answer for the wait.
    let_in: Option<Instant>,
}

impl HeldPlace {
    /// When the exchange was let in, for its first attempt; `None` = it had not to wait, or that attempt was made before.
    pub fn take_let_in(&mut self) -> Option<Instant> {
        self.let_in.take()
    }
}

impl Exchange {
    /// It is counted as one of its client's requests in flight, until it ends.
    pub fn counts_for_client(&mut self, place: Option<Place>) {
        self.in_flight = place;
    }

    /// It was let in; `has_waited`: not at once.
    pub fn holds(&mut self, place: LimitPlace, has_waited: bool) {
        self.place = Some(HeldPlace { place, let_in: has_waited.then(Instant::now) });
    }

    /// An attempt that is no hedge has ended, after so long to the head of its answer. What fails at once says nothing of how busy the backends are, but
    /// what has not answered in time does.
    pub(super) fn took(&self, end: AttemptEnd, elapsed: Duration) {
        if let Some(HeldPlace { place, .. }) = &self.place
            && matches!(end, Ok(()) | Err(Failure::TimedOut))
        {
            place.took(self.ingress.worker().index, elapsed);
        }
    }

    /// The backends have nothing more to do for it: its place goes to the next one.
    pub(super) fn leave_limit(&mut self) {
        if let Some(HeldPlace { place, .. }) = self.place.take() {
            self.ingress.worker().lines.give_back(place);
        }
    }
}
