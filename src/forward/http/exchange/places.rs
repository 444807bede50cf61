//! The place of an exchange within the adaptive limit of a service (`[service.NAME.concurrency]`), and its place among the requests of its client.
//!
//! The former is held from before the first attempt to the head of the answer, through retries and pauses: an exchange counts once, however many attempts
//! it makes. While its client is waited for, to send the rest of a body, the backends have nothing to do for it, and it holds none: otherwise a few clients
//! that send slowly would have all places, and what they take would be taken for the latency of the backends. The latter is held to the end of the exchange.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Exchange;
use crate::bandwidth::{Pace, Paces};
use crate::concurrency::{AdaptiveLimit, ConcurrencyPlace};
use crate::limit::Place;
use crate::metrics::{AttemptEnd, Failure};

/// What an exchange takes of what its client may have of a listener.
#[derive(Debug)]
pub struct ClientShare {
    /// It is counted as one of the client's.
    pub place: Place,
    /// What its bodies are held to, until they begin.
    pub paces: Paces,
}

/// The place that an exchange holds.
#[derive(Debug)]
pub struct HeldPlace {
    standing: Standing,
    /// When it was let in, where it had to wait: its first attempt begins then, and no backend has to answer for the wait.
    let_in: Option<Instant>,
}

#[derive(Debug)]
enum Standing {
    /// It is in flight.
    InFlight(ConcurrencyPlace),
    /// Its client is waited for. It comes back within this limit.
    Away(Arc<AdaptiveLimit>),
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
        self.client = Some(Box::new(share));
    }

    /// The pace of its request's body; `None` = as fast as it goes, or it was taken already.
    pub fn take_upload_pace(&mut self) -> Option<Box<Pace>> {
        self.client.as_mut()?.paces.up.take()
    }

    /// The same for its answer.
    pub fn take_download_pace(&mut self) -> Option<Box<Pace>> {
        self.client.as_mut()?.paces.down.take()
    }

    /// It was let in; `has_waited`: not at once.
    pub fn holds(&mut self, place: ConcurrencyPlace, has_waited: bool) {
        let let_in = has_waited.then(Instant::now);
        self.place = Some(Box::new(HeldPlace { standing: Standing::InFlight(place), let_in }));
    }

    /// Its client is waited for, to send more of the body: it holds no place meanwhile.
    pub(super) fn steps_aside(&mut self) {
        let Some(held) = &mut self.place else { return };
        let Standing::InFlight(place) = &held.standing else { return };
        let away = Standing::Away(Arc::clone(place.limit()));
        if let Standing::InFlight(place) = std::mem::replace(&mut held.standing, away) {
            self.ingress.worker().lines.give_back(place);
        }
    }

    /// All of the body has come, for which its client was waited for.
    pub(super) fn comes_back(&mut self) {
        if let Some(HeldPlace { standing, .. }) = self.place.as_deref_mut()
            && let Standing::Away(limit) = standing
        {
            *standing = Standing::InFlight(limit.enter_again());
        }
    }

    /// An attempt that is no hedge has ended, and its backend has taken so long to the head of its answer. What fails at once says nothing of how busy the
    /// backends are, but what has not answered in time does.
    pub(super) fn took(&self, end: AttemptEnd, elapsed: Duration) {
        if let Some(HeldPlace { standing: Standing::InFlight(place), .. }) = self.place.as_deref()
            && matches!(end, Ok(()) | Err(Failure::TimedOut))
        {
            place.took(self.ingress.worker().index, elapsed);
        }
    }

    /// The backends have nothing more to do for it: its place goes to the next one.
    pub(super) fn leave_limit(&mut self) {
        if let Some(Standing::InFlight(place)) = self.place.take().map(|held| held.standing) {
            self.ingress.worker().lines.give_back(place);
        }
    }
}
