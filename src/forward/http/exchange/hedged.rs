//! An exchange with two attempts at a time: one that is late, and one that was made beside it (`retry.hedge`). One of them is the one that is spoken of;
//! whoever speaks of the other changes them round.

use std::time::Instant;

use super::Exchange;
use crate::clock::Moment;
use crate::forward::placement::Admission;
use crate::metrics::hedges::HedgeResult;

impl Exchange {
    /// An attempt begins beside the one that is under way, with what was admitted. The one before is still the one that is spoken of.
    pub fn hedge_begins(&mut self, admission: Admission) {
        self.beside = self.attempt.take().map(Box::new);
        self.attempt_begins(admission);
        if let Some(hedge) = &mut self.attempt {
            hedge.is_hedge = true;
        }
        if let Some(trace) = &mut self.trace {
            trace.is_hedge();
        }
        self.change_round();
    }

    /// The other one of two attempts is the one that is spoken of from now on. One that has ended is left behind.
    pub fn change_round(&mut self) {
        let Some(beside) = self.beside.take() else { return };
        self.speak_of(beside.traced);
        self.counted.set_backend(beside.admission.backend());
        self.beside = self.attempt.replace(*beside).map(Box::new);
    }

    /// The attempt that is spoken of was answered, so that the one beside it is given up.
    pub fn give_up_beside(&mut self) {
        self.end_beside(Instant::now());
    }

    /// Ends the attempt beside the one that is spoken of, if there is one. That it had no answer yet is no failure; but that it has taken so long counts.
    pub(super) fn end_beside(&mut self, ended: Instant) {
        let Some(beside) = self.beside.take() else { return };
        let traced = self.trace.as_ref().map_or(0, |trace| trace.current());
        let backend = self.counted.backend_place();
        self.speak_of(beside.traced);
        self.counted.set_backend(beside.admission.backend());
        let spoken_of = self.attempt.replace(*beside);
        self.lose(ended);
        self.attempt = spoken_of;
        self.speak_of(traced);
        if let Some(backend) = backend {
            self.counted.set_backend(backend);
        }
    }

    /// The attempt that is spoken of is given up for the other one.
    fn lose(&mut self, ended: Instant) {
        if let Some((attempt, used)) = self.attempt.as_ref().zip(self.counted.backend()) {
            let (worker, elapsed) = (self.ingress.worker().index, self.upload.backend_time(attempt.began, ended));
            used.endpoint.live.latency.observe_at_least(elapsed, Moment::at(ended));
            // a hedge has not waited for long yet
            if !attempt.is_hedge {
                used.upstream.abandoned(worker);
                if let Some(hedges) = self.counted.service().and_then(|service| service.hedges) {
                    hedges.took(worker, elapsed);
                }
            }
        }
        if let Some(trace) = &mut self.trace {
            trace.cancelled();
        }
        self.end_attempt(None, ended);
    }

    fn speak_of(&mut self, traced: usize) {
        if let Some(trace) = &mut self.trace {
            trace.speak_of(traced);
        }
    }

    /// Notes for the access log what came of its hedge.
    pub fn hedged(&mut self, result: HedgeResult) {
        self.outcome.hedge = Some(result.as_str());
    }
}
