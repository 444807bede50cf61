//! What the log is told of a webhook that takes no events: the first failure at once, then one in a minute with the number of those that
//! were left out, and the end of it. A receiver that refuses every event would fill the log otherwise.

use std::time::Duration;

use crate::clock::Moment;

/// The least time between two lines.
const PAUSE: Duration = Duration::from_secs(60);

/// Failures of one webhook since its last success.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// All of them.
    failures: u64,
    /// Those that the log was not told of.
    left_out: u64,
    /// Whether the log was told of one of them.
    is_known: bool,
    /// When the log was told last, of these or of earlier ones.
    told: Option<Moment>,
}

impl Trouble {
    /// One more failure. If the log is to be told of it: how many before it were left out.
    pub fn failed(&mut self, now: Moment) -> Option<u64> {
        self.failures += 1;
        if self.told.is_some_and(|told| now.since(told) < PAUSE) {
            self.left_out += 1;
            return None;
        }
        self.told = Some(now);
        self.is_known = true;
        Some(std::mem::take(&mut self.left_out))
    }

    /// A success. If the log is to be told that the trouble is over: how many failures there were. Where it was not told of the trouble, it
    /// is not told of the end: there may be a receiver that takes every second message.
    pub fn is_over(&mut self) -> Option<u64> {
        let failures = std::mem::take(&mut self.failures);
        std::mem::take(&mut self.is_known).then_some(failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: u64) -> Moment {
        Moment::from_millis(1_100_000_000_000).plus(Duration::from_secs(seconds))
    }

    #[test]
    fn of_many_failures_one_in_a_minute_is_told_with_the_number_of_the_others() {
        let mut trouble = Trouble::default();
        assert_eq!(trouble.is_over(), None);
        let told: Vec<_> = (0..=120).filter_map(|second| Some((second, trouble.failed(after(second))?))).collect();
        assert_eq!(told, [(0, 0), (60, 59), (120, 59)]);
        assert_eq!(trouble.is_over(), Some(121));
        assert_eq!(trouble.is_over(), None, "that is told once");
        assert_eq!(trouble.failed(after(130)), None);
        assert_eq!(trouble.is_over(), None, "nobody knew of it");
        assert_eq!(trouble.failed(after(180)), Some(1));
        assert_eq!(trouble.is_over(), Some(1));
    }
}
