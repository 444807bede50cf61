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
    /// When the end of its body came, where that was waited for.
    body_came: Option<Instant>,
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
        self.place = Some(Box::new(HeldPlace { standing: Standing::InFlight(place), let_in, body_came: None }));
    }

    /// Its client is waited for, to send more of the body, if `is_awaited`; `has_ended`: the end of it has come.
    pub fn body_is(&mut self, is_awaited: bool, has_ended: bool) {
        let Some(held) = &mut self.place else { return };
        match &held.standing {
            Standing::InFlight(place) if is_awaited => {
                let away = Standing::Away(Arc::clone(place.limit()));
                if let Standing::InFlight(place) = std::mem::replace(&mut held.standing, away) {
                    self.ingress.worker().lines.give_back(place);
                }
            }
            Standing::Away(limit) if has_ended => {
                held.standing = Standing::InFlight(limit.enter_again());
                held.body_came = Some(Instant::now());
            }
            Standing::InFlight(_) | Standing::Away(_) => {}
        }
    }

    /// An attempt that is no hedge has ended, after so long to the head of its answer. What fails at once says nothing of how busy the backends are, but
    /// what has not answered in time does. It took that long from the end of the body on, where that came later than the attempt `began`.
    pub(super) fn took(&self, end: AttemptEnd, began: Instant, elapsed: Duration) {
        if let Some(HeldPlace { standing: Standing::InFlight(place), body_came, .. }) = self.place.as_deref()
            && matches!(end, Ok(()) | Err(Failure::TimedOut))
        {
            let client = body_came.map_or(Duration::ZERO, |came| came.saturating_duration_since(began));
            place.took(self.ingress.worker().index, elapsed.saturating_sub(client));
        }
    }

    /// The backends have nothing more to do for it: its place goes to the next one.
    pub(super) fn leave_limit(&mut self) {
        if let Some(Standing::InFlight(place)) = self.place.take().map(|held| held.standing) {
            self.ingress.worker().lines.give_back(place);
        }
    }
}
