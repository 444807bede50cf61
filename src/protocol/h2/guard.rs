//! A client that costs more than it pays: it opens streams and resets them (CVE-2023-44487), makes us reset them
//! (CVE-2025-8671), or sends frames that carry nothing (CVE-2019-9512, 9513, 9518: PING, PRIORITY, empty DATA). Each of these is
//! allowed now and then, so none is an error; but only so many of them (RFC 9113, section 10.5).

/// What a connection may still do.
#[derive(Debug)]
pub struct Guard {
    /// What makes work in vain: streams that are reset, empty frames of theirs, SETTINGS.
    waste: Budget,
    /// What is about the connection and asks for next to nothing: PING, PRIORITY, acknowledgements, frames of extensions. There is
    /// good cause for many: a few for each stream, and a PING for each piece of an answer where a client measures its bandwidth (gRPC).
    talk: Budget,
}

/// Pieces that are spent, and earned by what a connection is there for, and by time.
#[derive(Debug)]
struct Budget {
    left: u32,
    most: u32,
    /// The tick up to which time was paid for.
    since: u64,
}

/// Ticks in which time earns a piece: 10 a second.
const TICKS: u64 = 5;
/// Frames about the connection that a client may send for each stream: Firefox sends up to 6 PRIORITY at first and some more as
/// tabs come and go; and a WINDOW_UPDATE or two come late.
const TALK_A_STREAM: u32 = 8;
/// The same for each frame of DATA that it gets: a PING and a WINDOW_UPDATE.
const TALK_A_PIECE: u32 = 2;
/// The least that a connection may have saved up of them.
const TALK: u32 = 1000;

impl Guard {
    /// For a client that may have `streams` at once: all of them may be cancelled together, twice.
    pub fn new(streams: u32, now: u64) -> Self {
        Self {
            waste: Budget::new(streams.saturating_mul(2).max(100), now),
            talk: Budget::new(streams.saturating_mul(TALK_A_STREAM).max(TALK), now),
        }
    }

    /// Something that earns nothing; `false` when that was too much. `now` in ticks.
    #[must_use]
    pub fn spend(&mut self, now: u64) -> bool {
        self.waste.spend(now)
    }

    /// A frame that is about the connection; `false` when that was too much. `now` in ticks.
    #[must_use]
    pub fn talk(&mut self, now: u64) -> bool {
        self.talk.spend(now)
    }

    /// A stream was opened.
    pub fn opened(&mut self) {
        self.talk.earn(TALK_A_STREAM);
    }

    /// A frame of DATA was sent.
    pub fn sent(&mut self) {
        self.talk.earn(TALK_A_PIECE);
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
        let earned = now.saturating_sub(self.since) / TICKS;
        self.since += earned * TICKS;
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
        assert!((0..1024).all(|_| guard.talk(0)));
        assert!(!guard.talk(0));
        assert!(guard.spend(0), "of another budget");
        guard.opened();
        assert!((0..8).all(|_| guard.talk(0)));
        guard.sent();
        assert!((0..2).all(|_| guard.talk(0)));
        assert!(!guard.talk(0));
        assert!(guard.talk(5), "once every 100 ms");
        assert!(!guard.talk(5));
    }

    #[test]
    fn a_ping_now_and_then_or_for_each_piece_of_an_answer_may_go_on_for_ever() {
        let mut guard = Guard::new(1, 0);
        // every 100 ms, which is more than any client's keep-alive
        assert!((0..100_000).all(|at| guard.talk(at * TICKS)));
        for _ in 0..100_000 {
            guard.sent();
            assert!(guard.talk(0) && guard.talk(0));
        }
    }
}
