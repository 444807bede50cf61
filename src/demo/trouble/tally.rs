//! What the clients have got, and what they would have got from a plain round robin.

use std::time::Duration;

use crate::demo::condition::{Condition, FAILING_PATH};

/// An answer that takes longer is slow.
pub const SLOW: Duration = Duration::from_millis(250);

/// The latencies that are kept for percentiles: two hours' worth. Later ones are only counted.
const KEPT: usize = 1_500_000;

/// How many requests ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All that were sent.
    pub sent: u64,
    /// Those that got an error in place of an answer, or none at all.
    pub lost: u64,
    /// Those whose answer came, but late.
    pub slow: u64,
}

/// The clients' accounts.
#[derive(Debug, Default)]
pub struct Tally {
    /// What they have got.
    pub got: Counts,
    /// What a plain round robin would have given them.
    pub plain: Counts,
    /// Latencies of answers that came, in microseconds, in no order.
    latencies: Vec<u32>,
}

impl Counts {
    /// What has been counted since `before`.
    pub fn since(self, before: Self) -> Self {
        Self { sent: self.sent - before.sent, lost: self.lost - before.lost, slow: self.slow - before.slow }
    }
}

impl Tally {
    /// Counts a request for `path` as it is sent. A plain round robin would give it to the backend whose turn it is, in whatever condition that
    /// is: it checks nobody and sends nothing twice.
    pub fn sent(&mut self, path: &str, turn: &Condition) {
        self.got.sent += 1;
        self.plain.sent += 1;
        if !turn.is_alive() || (turn.is_failing() && path == FAILING_PATH) {
            self.plain.lost += 1;
        } else if turn.latency() > SLOW {
            self.plain.slow += 1;
        }
    }

    /// Counts the end of a request: with an answer after so long, or without one.
    pub fn ended(&mut self, answered: Option<Duration>) {
        let Some(latency) = answered else {
            self.got.lost += 1;
            return;
        };
        if latency > SLOW {
            self.got.slow += 1;
        }
        if self.latencies.len() < KEPT {
            self.latencies.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
        }
    }

    /// The latency that this share of the answers did not exceed.
    pub fn percentile(&self, share: f64) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        let micros = sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or_default();
        Duration::from_micros(micros.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Condition {
        Condition::new(Duration::from_millis(5))
    }

    #[test]
    fn a_plain_round_robin_takes_backends_as_they_are() {
        let (slow, dead, failing) = (well(), well(), well());
        slow.set_latency(Duration::from_millis(300));
        dead.set_alive(false);
        failing.set_failing(true);
        let mut tally = Tally::default();
        for (path, condition) in [("/", &well()), ("/", &slow), ("/", &dead), ("/", &failing), (FAILING_PATH, &failing)]
        {
            tally.sent(path, condition);
        }
        assert_eq!(tally.plain, Counts { sent: 5, lost: 2, slow: 1 });
        assert_eq!(tally.got, Counts { sent: 5, lost: 0, slow: 0 });
    }

    #[test]
    fn answers_are_lost_slow_or_good() {
        let mut tally = Tally::default();
        for answered in [None, Some(SLOW), Some(SLOW + Duration::from_millis(1))] {
            tally.sent("/", &well());
            tally.ended(answered);
        }
        assert_eq!(tally.got, Counts { sent: 3, lost: 1, slow: 1 });
        assert_eq!(tally.got.since(Counts { sent: 1, lost: 1, slow: 0 }), Counts { sent: 2, lost: 0, slow: 1 });
    }

    #[test]
    fn percentiles_are_of_the_answers() {
        let mut tally = Tally::default();
        assert_eq!(tally.percentile(0.5), Duration::ZERO);
        (1..=100).rev().for_each(|ms| tally.ended(Some(Duration::from_millis(ms))));
        assert_eq!(tally.percentile(0.5), Duration::from_millis(50));
        assert_eq!(tally.percentile(0.99), Duration::from_millis(99));
        assert_eq!(tally.percentile(1.0), Duration::from_millis(100));
    }
}
