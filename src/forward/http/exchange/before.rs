//! What an exchange takes before it may be sent to a backend: no backend has to answer for that.

use std::time::Instant;

use super::Exchange;

impl Exchange {
    /// It is found out from now on whether its client may come in.
    pub fn enters(&mut self) -> Instant {
        let now = Instant::now();
        if let Some(trace) = &mut self.trace {
            self.ingress.worker().tracer.enters(trace, now);
        }
        now
    }

    /// It was found out whether its client may come in, which has taken since then: no backend has had anything to do with that.
    pub fn entered(&mut self, since: Instant) {
        let now = Instant::now();
        if let Some(trace) = &mut self.trace {
            trace.entered(now);
        }
        self.outcome.authorized = Some(now.saturating_duration_since(since));
        self.ready = Some(now);
    }

    /// It was held back until now: no backend has had anything to do with that.
    pub fn held_back(&mut self) {
        self.ready = Some(Instant::now());
    }

    /// It is counted for this service, which it will never ask: it was turned away before that.
    pub fn misses(&mut self, asked: usize) {
        self.counted.set_missed(asked);
    }
}
