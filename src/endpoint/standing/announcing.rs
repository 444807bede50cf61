//! The announcements of a backend's condition: each is made once, with the reason of who has decided it.

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use super::Standing;
use crate::clock::Moment;
use crate::endpoint::state::{Announced, Condition, DecidedBy, State};

impl Standing {
    /// The condition that was announced last; `None` before the first one.
    pub fn announced(&self) -> Option<Announced> {
        self.texts().announced.clone()
    }

    /// The state that was announced last; `None` before the first one. It takes no lock: somebody looks at ten thousand backends each second.
    pub fn announced_state(&self) -> Option<State> {
        let word = self.known.load(Ordering::Relaxed);
        State::ALL.get(usize::from(word >> 8).checked_sub(1)?).copied()
    }

    /// Takes what was announced last of another backend for its own: of the one that had its id before.
    pub fn continue_announcements_of(&self, before: &Self) {
        self.texts().announced = before.announced();
        self.known.store(before.known.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Announces a condition, if it is not the one that was announced last. Returns the condition before and the new
    /// one then.
    pub fn announce(
        &self,
        condition: Condition,
        now: Moment,
        at: SystemTime,
    ) -> Option<(Option<Announced>, Announced)> {
        // this runs for ten thousand backends many times a second, and hardly ever has one changed
        let word = word(condition);
        if self.known.swap(word, Ordering::Relaxed) == word {
            return None;
        }
        let texts = &mut *self.texts();
        let reason = match condition.by {
            DecidedBy::Operator => texts.operator.clone(),
            DecidedBy::Configuration if condition.state == State::Draining => "`drain` in the configuration".to_owned(),
            DecidedBy::Configuration => String::new(),
            DecidedBy::Recovery if condition.state == State::Draining && texts.repair.is_empty() => {
                texts.repair_elsewhere.clone()
            }
            DecidedBy::Recovery if condition.state == State::Draining => texts.repair.clone(),
            DecidedBy::Recovery => texts.broken.clone(),
            DecidedBy::Agent => texts.agent.clone(),
            DecidedBy::Names => texts.unresolved.clone(),
            DecidedBy::Checks if condition.state == State::Unknown => "not checked yet".to_owned(),
            DecidedBy::Checks => texts.health.clone(),
            DecidedBy::Outlier => texts.ejection.clone(),
            DecidedBy::Breaker => "its circuit breaker is open".to_owned(),
            DecidedBy::Weight => self.why_weightless(texts),
            DecidedBy::SlowStart => "its share of the work grows".to_owned(),
        };
        let announced = Announced { condition, reason, since: now, at };
        Some((texts.announced.replace(announced.clone()), announced))
    }
}

/// Packs a condition into one word above zero.
fn word(Condition { state, by }: Condition) -> u16 {
    (state as u16 + 1) << 8 | by as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_that_was_announced_last_is_known_without_its_reason() {
        let standing = Standing::default();
        assert_eq!(standing.announced_state(), None);
        for state in State::ALL {
            standing.announce(Condition { state, by: DecidedBy::SlowStart }, Moment::now(), SystemTime::now());
            assert_eq!(standing.announced_state(), Some(state));
        }
    }
}
