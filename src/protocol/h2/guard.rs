//! A client that costs more than it pays: it opens streams and resets them (CVE-2023-44487), makes us reset them
//! (CVE-2025-8671), or sends frames that carry nothing. Each of these is allowed now and then, so none is an error; but only so
//! many of them.

/// What a connection may still spend. A stream that is answered to its end earns a piece, and so does time.
#[derive(Debug)]
pub struct Guard {
    left: u32,
    most: u32,
    /// The tick up to which time was paid for.
    since: u64,
}

/// Ticks in which time earns a piece: 10 a second.
const TICKS: u64 = 5;

impl Guard {
    /// For a client that may have `streams` at once: all of them may be cancelled together, twice.
    pub fn new(streams: u32, now: u64) -> Self {
        let most = streams.saturating_mul(2).max(100);
        Self { left: most, most, since: now }
    }

    /// Something that earns nothing; `false` when that was too much. `now` in ticks.
    #[must_use]
    pub fn spend(&mut self, now: u64) -> bool {
        let earned = now.saturating_sub(self.since) / TICKS;
        self.since += earned * TICKS;
        self.left = self.most.min(self.left.saturating_add(u32::try_from(earned).unwrap_or(u32::MAX)));
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => return false,
        }
        true
    }

    /// A stream was answered to its end.
    pub fn earn(&mut self) {
        self.left = self.most.min(self.left + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_streams_may_be_cancelled_twice_and_then_it_is_enough() {
        let mut guard = Guard::new(128, 0);
        assert!((0..256).all(|_| guard.spend(0)));
        assert!(!guard.spend(0));
        guard.earn();
        assert!(guard.spend(0));
        assert!(!guard.spend(0));
    }

    #[test]
    fn time_earns_ten_a_second_up_to_the_most() {
        let mut guard = Guard::new(1, 1000);
        assert!((0..100).all(|_| guard.spend(1000)));
        // a second is 50 ticks
        assert!((0..10).all(|_| guard.spend(1050)));
        assert!(!guard.spend(1054));
        assert!(guard.spend(1055));
        assert!((0..100).all(|_| guard.spend(1_000_000)));
        assert!(!guard.spend(1_000_000));
    }

    #[test]
    fn who_finishes_as_much_as_it_cancels_may_go_on_for_ever() {
        let mut guard = Guard::new(10, 0);
        for _ in 0..100_000 {
            guard.earn();
            assert!(guard.spend(0));
        }
    }
}
