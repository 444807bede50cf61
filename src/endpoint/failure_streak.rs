//! How many exchanges in a row have failed at a backend. Each exchange counts here when it ends, and passive ejection
//! reads the count.

use std::sync::atomic::{AtomicU32, Ordering};

/// The consecutive failures of one backend, shared by all workers without a lock.
#[derive(Debug, Default)]
pub struct FailureStreak {
    consecutive: AtomicU32,
}

impl FailureStreak {
    /// Records the end of an exchange and returns how many in a row have failed. While nothing fails this is one
    /// relaxed load.
    pub fn record(&self, failed: bool) -> u32 {
        if failed {
            return self.consecutive.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        }
        if self.consecutive() != 0 {
            self.reset();
        }
        0
    }

    /// How many exchanges in a row have failed up to now.
    pub fn consecutive(&self) -> u32 {
        self.consecutive.load(Ordering::Relaxed)
    }

    /// Sets the count to 0.
    pub fn reset(&self) {
        self.consecutive.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_are_counted_until_one_succeeds() {
        let passive = FailureStreak::default();
        assert_eq!([true, true, false, false, true].map(|failed| passive.record(failed)), [1, 2, 0, 0, 1]);
        assert_eq!(passive.consecutive(), 1);
        passive.reset();
        assert_eq!(passive.record(true), 1);
    }
}
