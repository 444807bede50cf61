//! The place of an exchange within the adaptive limit of a service (`[service.NAME.concurrency]`), and its place among the requests of its client.
//!
//! The former is held from before the first attempt to the last byte that a backend sends, through retries and pauses: an exchange counts once, however many
//! attempts it makes. The latter is held to the end of the exchange: what the client takes its time for is its own.

use std::time::{Duration, Instant};

use super::Exchange;
use crate::bandwidth::{Pace, Paces};
use crate::limit::Place;
use crate::metrics::{AttemptEnd, Failure, LimitPlace};

/// What an exchange takes of what its client may have of a listener.
#[derive(Debug, Default)]
pub struct ClientShare {
    /// It is counted as one of the client's, where those are limited.
    pub place: Option<Place>,
    /// What its bodies are held to, until they begin.
    pub paces: Paces,
}

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
    /// It takes this of what its client may have, until it ends.
    pub fn counts_for_client(&mut self, share: ClientShare) {
        self.client = share;
    }

    /// The pace of its request's body; `None` = as fast as it goes, or it was taken already.
    pub fn take_upload_pace(&mut self) -> Option<Box<Pace>> {
        self.client.paces.up.take()
    }

    /// The same for its answer. The client is slowed down by us from here on, which must not keep others waiting for its place within a service's limit.
    pub fn take_download_pace(&mut self) -> Option<Box<Pace>> {
        let pace = self.client.paces.down.take()?;
        // what the end of the attempt would tell the limit, which has no place then
        let attempt = self.attempt.as_ref().filter(|attempt| !attempt.is_hedge);
        if let Some((end, elapsed)) = self.attempt_end().zip(attempt.and_then(|attempt| attempt.answered)) {
            self.took(end, elapsed);
        }
        self.leave_limit();
        Some(pace)
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
