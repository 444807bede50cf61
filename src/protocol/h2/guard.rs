//! Detects a client that wastes our work. It may open streams and reset them (CVE-2023-44487), make us reset them
//! (CVE-2025-8671), or send frames that carry nothing (CVE-2019-9512, 9513, 9518: PING, PRIORITY, empty DATA). Each of these is
//! allowed now and then, so none is an error by itself; but their number is limited (RFC 9113, section 10.5).

/// The budgets of one connection.
#[derive(Debug)]
pub struct Guard {
    /// For what makes us work in vain: streams that are reset, empty frames, SETTINGS.
    waste: Budget,
    /// For frames about the connection that cost us next to nothing: PING, PRIORITY, acknowledgements, unknown types. Clients may
    /// have good reason to send many: a few for each stream, and a PING for each DATA frame when a client measures its bandwidth
    /// (gRPC does).
    control: Budget,
}

/// A token bucket. Tokens are earned by normal use of the connection, and by time.
#[derive(Debug)]
struct Budget {
    left: u32,
    most: u32,
    /// The tick up to which tokens were earned by time.
    since: u64,
}

/// The ticks in which time earns one token, which is 10 tokens a second.
const TICKS_PER_TOKEN: u64 = 5;
/// Tokens for frames about the connection that each stream earns. Firefox sends up to 6 PRIORITY frames at first and some more as
/// tabs come and go; one or two WINDOW_UPDATE frames may come after the stream's end.
const CONTROL_PER_STREAM: u32 = 8;
/// Tokens for frames about the connection that each DATA frame of ours earns: for a PING and a WINDOW_UPDATE.
const CONTROL_PER_DATA: u32 = 2;
/// The least capacity of the budget for frames about the connection.
const MIN_CONTROL: u32 = 1000;

impl Guard {
    /// For a client that may have `streams` open at a time: it may cancel all of them twice in a row. `now` is in ticks.
    pub fn new(streams: u32, now: u64) -> Self {
        Self {
            waste: Budget::new(streams.saturating_mul(2).max(100), now),
            control: Budget::new(streams.saturating_mul(CONTROL_PER_STREAM).max(MIN_CONTROL), now),
        }
    }

    /// Counts an event that makes us work in vain. `false` when there were too many. `now` is in ticks.
    #[must_use]
    pub fn spend(&mut self, now: u64) -> bool {
        self.waste.spend(now)
    }

    /// Counts a frame about the connection. `false` when there were too many. `now` is in ticks.
    #[must_use]
    pub fn control(&mut self, now: u64) -> bool {
        self.control.spend(now)
    }

    /// A stream was opened.
    pub fn opened(&mut self) {
        self.control.earn(CONTROL_PER_STREAM);
    }

    /// A frame of DATA was sent.
    pub fn sent(&mut self) {
        self.control.earn(CONTROL_PER_DATA);
    }

    /// A stream was answered to its end.
    pub fn earn(&mut self) {
        self.waste.earn(1);
    }
}

impl Budget {
    fn new(most: u32, now: u64) -> Self {
        Self { left: most, most, since: now }
    }

    fn spend(&mut self, now: u64) -> bool {
        let earned = now.saturating_sub(self.since) / TICKS_PER_TOKEN;
        self.since += earned * TICKS_PER_TOKEN;
        self.earn(u32::try_from(earned).unwrap_or(u32::MAX));
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => return false,
        }
        true
    }

    fn earn(&mut self, pieces: u32) {
        self.left = self.most.min(self.left.saturating_add(pieces));
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

    #[test]
    fn a_connection_without_streams_is_not_talked_about_for_ever() {
        let mut guard = Guard::new(128, 0);
        assert!((0..1024).all(|_| guard.control(0)));
        assert!(!guard.control(0));
        assert!(guard.spend(0), "of another budget");
        guard.opened();
        assert!((0..8).all(|_| guard.control(0)));
        guard.sent();
        assert!((0..2).all(|_| guard.control(0)));
        assert!(!guard.control(0));
        assert!(guard.control(5), "once every 100 ms");
        assert!(!guard.control(5));
    }

    #[test]
    fn a_ping_now_and_then_or_for_each_piece_of_an_answer_may_go_on_for_ever() {
        let mut guard = Guard::new(1, 0);
        // every 100 ms, which is more than any client's keep-alive
        assert!((0..100_000).all(|at| guard.control(at * TICKS_PER_TOKEN)));
        for _ in 0..100_000 {
            guard.sent();
            assert!(guard.control(0) && guard.control(0));
        }
    }
}
