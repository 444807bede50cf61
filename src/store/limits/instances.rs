//! How many instances share the limits of a store. Pure.

use std::time::Duration;

/// So long a store has to answer without a break before a smaller number is believed: one that was started again has forgotten who is there, and
/// everybody comes back within the longest pause between two connections and the rounds of a trial.
const SETTLED: Duration = Duration::from_secs(5);

/// Those that a store knows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// Instances that have just reported.
    pub present: u32,
    /// Instances that have fallen silent without a farewell, not longer ago than the store counts them.
    pub silent: u32,
    /// The instance that asks was not among them before.
    pub is_new: bool,
}

/// The instances that enforce limits together.
#[derive(Debug)]
pub(super) struct Instances {
    all: u32,
    present: u32,
    /// Since when the store answers without a break.
    answers_since: Option<Duration>,
}

impl Default for Instances {
    fn default() -> Self {
        Self { all: 1, present: 1, answers_since: None }
    }
}

impl Instances {
    /// All among whom the rate is divided: those that are there, and those that may still serve, though they don't reach the store. Above 0.
    ///
    /// They are no more than have ever been there at a time, so that one that crashes and is started again and again is counted once.
    pub fn all(&self) -> u32 {
        self.all
    }

    /// Those of them that reach the store; above 0.
    pub fn present(&self) -> u32 {
        self.present
    }

    /// The store has told who is there, at `now`.
    pub fn told(&mut self, seen: Seen, now: Duration) {
        let since = *self.answers_since.get_or_insert(now);
        let known = seen.present.saturating_add(seen.silent);
        let before = if now.saturating_sub(since) < SETTLED { self.all } else { self.all.min(known) };
        self.present = seen.present.max(1);
        self.all = self.present.max(before);
    }

    /// The store does not answer any more.
    pub fn is_untold(&mut self) {
        self.answers_since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Duration = Duration::from_secs(100);

    /// What is known of three, with a store that has answered for long.
    fn three() -> Instances {
        let mut instances = Instances::default();
        instances.told(Seen { present: 3, silent: 0, is_new: false }, Duration::ZERO);
        instances
    }

    fn told(instances: &mut Instances, present: u32, silent: u32, now: Duration) -> (u32, u32) {
        instances.told(Seen { present, silent, is_new: false }, now);
        (instances.present(), instances.all())
    }

    #[test]
    fn who_leaves_is_not_counted_and_who_falls_silent_is() {
        assert_eq!(told(&mut three(), 2, 0, LATER), (2, 2));
        let mut instances = three();
        assert_eq!(told(&mut instances, 1, 2, LATER), (1, 3));
        assert_eq!(told(&mut instances, 2, 1, LATER), (2, 3), "one is back");
        assert_eq!(told(&mut instances, 2, 0, LATER), (2, 2), "the other one is silent for too long");
    }

    #[test]
    fn one_that_is_started_again_and_again_is_counted_once() {
        let mut instances = three();
        for crashes in 1..20 {
            assert_eq!(told(&mut instances, 2, crashes, LATER), (2, 3));
            assert_eq!(told(&mut instances, 3, crashes, LATER), (3, 3));
        }
    }

    #[test]
    fn a_store_that_was_started_again_is_not_believed_that_there_is_only_one() {
        let mut instances = three();
        instances.is_untold();
        assert_eq!(told(&mut instances, 1, 0, LATER), (1, 3));
        assert_eq!(told(&mut instances, 1, 0, LATER + SETTLED / 2), (1, 3));
        instances.is_untold();
        assert_eq!(told(&mut instances, 1, 0, LATER + SETTLED), (1, 3), "it has crashed once more");
        assert_eq!(told(&mut instances, 1, 0, LATER + SETTLED * 2), (1, 1));
    }
}
