//! What recovery does to a backend: it takes it out of use for a repair, and holds its circuit open.

use std::sync::atomic::Ordering;

use super::{REPAIR, REPAIR_ELSEWHERE, REPAIRS, Standing, changed};
use crate::clock::Moment;
use crate::endpoint::state::{Condition, DecidedBy, State};

impl Standing {
    /// Recovery takes the backend out of use, for this reason: it gets no work at all, and what it has under way ends. `None` = it is put
    /// back.
    pub fn set_repair(&self, reason: Option<&str>) {
        let texts = &mut *self.texts();
        let why = reason.unwrap_or_default();
        why.clone_into(&mut texts.repair);
        if reason.is_some() {
            texts.update_reason(why, |announced| announced == Condition::new(State::Draining, DecidedBy::Recovery));
        }
        self.set_operator_word(|word| if reason.is_some() { word | REPAIR } else { word & !REPAIR });
    }

    /// The recovery of another instance has taken it out of use, for this reason; `None` = it has put it back, or is not heard any more.
    pub fn set_repair_elsewhere(&self, reason: Option<&str>) {
        let texts = &mut *self.texts();
        let why = reason.unwrap_or_default();
        if texts.repair_elsewhere == why {
            return;
        }
        why.clone_into(&mut texts.repair_elsewhere);
        self.set_operator_word(
            |word| if reason.is_some() { word | REPAIR_ELSEWHERE } else { word & !REPAIR_ELSEWHERE },
        );
    }

    /// Whether recovery has taken the backend out of use, here or at another instance.
    pub fn is_under_repair(&self) -> bool {
        self.operator.load(Ordering::Relaxed) & REPAIRS != 0
    }

    /// Whether only the recovery of another instance has.
    pub fn is_under_repair_elsewhere(&self) -> bool {
        self.operator.load(Ordering::Relaxed) & REPAIRS == REPAIR_ELSEWHERE
    }

    /// Recovery holds the circuit of the backend open until then, for this reason, whether or not it has a breaker.
    pub fn break_for(&self, until: Moment, reason: &str) {
        let texts = &mut *self.texts();
        reason.clone_into(&mut texts.broken);
        texts.update_reason(reason, |announced| announced == Condition::new(State::Broken, DecidedBy::Recovery));
        self.broken_until.store(until.as_millis(), Ordering::Relaxed);
        changed();
    }

    /// Recovery holds the circuit open no longer. The backend comes back with a trickle that grows, as after an ejection.
    pub fn mend(&self) {
        if self.broken_until.swap(0, Ordering::Relaxed) != 0 {
            changed();
        }
    }

    /// Until when recovery holds its circuit open.
    pub fn held_open_until(&self) -> Moment {
        Moment::from_millis(self.broken_until.load(Ordering::Relaxed))
    }

    /// Whether recovery holds its circuit open at `now`.
    pub fn is_held_open(&self, now: Moment) -> bool {
        self.broken_until.load(Ordering::Relaxed) > now.as_millis()
    }
}
