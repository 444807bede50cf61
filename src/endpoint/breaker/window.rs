//! The share of failures over the last 10 s, counted in one word for each second.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Moment;

/// How many seconds the window has, the current one included.
const SECONDS: u64 = 10;
/// With fewer exchanges than this in the window, the share of failures decides nothing.
pub const ENOUGH: u64 = 20;
/// Bits of each count in a word; the number of the second stands in the bits above them.
const COUNT_BITS: u32 = 18;
const COUNTS: u64 = (1 << COUNT_BITS) - 1;

/// A ring of seconds. It is allocated at the first count, so that a breaker without an error rate does not carry it.
#[derive(Debug, Default)]
pub(super) struct Window(OnceLock<Box<[AtomicU64; SECONDS as usize]>>);

/// What was counted in a second.
#[derive(Debug, Clone, Copy)]
struct Second {
    second: u64,
    total: u64,
    failed: u64,
}

impl Window {
    /// Counts an exchange that ended at `now`.
    pub fn add(&self, failed: bool, now: Moment) {
        let second = second(now);
        let slot = &self.0.get_or_init(Box::default)[(second % SECONDS) as usize];
        let mut packed = slot.load(Ordering::Relaxed);
        loop {
            let mut counted = Second::unpack(packed);
            if counted.second != second {
                counted = Second { second, total: 0, failed: 0 };
            }
            if counted.total == COUNTS {
                // the word is full, and that many exchanges are sample enough
                return;
            }
            counted.total += 1;
            counted.failed += u64::from(failed);
            match slot.compare_exchange_weak(packed, counted.pack(), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(changed) => packed = changed,
            }
        }
    }

    /// Whether the share of failures has reached `rate`, counting only the whole seconds after `since`.
    pub fn exceeds(&self, rate: f64, since: Moment, now: Moment) -> bool {
        let (total, failed) = self.counts(since, now);
        // counts below 2^22 are exact in an f64
        total >= ENOUGH && failed as f64 >= rate * total as f64
    }

    /// How many exchanges were counted in the whole seconds after `since`, and how many of them had failed.
    pub fn counts(&self, since: Moment, now: Moment) -> (u64, u64) {
        let Some(slots) = self.0.get() else { return (0, 0) };
        let now = second(now);
        let (mut total, mut failed) = (0, 0);
        for counted in slots.iter().map(|slot| Second::unpack(slot.load(Ordering::Relaxed))) {
            if counted.second > second(since) && counted.second <= now && now - counted.second < SECONDS {
                total += counted.total;
                failed += counted.failed;
            }
        }
        (total, failed)
    }
}

/// The number of the second, modulo what a word has room for, which is 8 years.
fn second(of: Moment) -> u64 {
    (of.as_millis() / 1000) & (u64::MAX >> (2 * COUNT_BITS))
}

impl Second {
    fn pack(self) -> u64 {
        (self.second << COUNT_BITS | self.total) << COUNT_BITS | self.failed
    }

    fn unpack(packed: u64) -> Self {
        Self { second: packed >> (2 * COUNT_BITS), total: packed >> COUNT_BITS & COUNTS, failed: packed & COUNTS }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn too_few_exchanges_are_not_judged() {
        let (window, now) = (Window::default(), Moment::now());
        for n in 0..20 {
            assert!(!window.exceeds(0.5, Moment::NEVER, now), "after {n}");
            window.add(true, now);
        }
        assert!(window.exceeds(0.5, Moment::NEVER, now));
    }

    #[test]
    fn the_share_is_of_the_last_ten_seconds() {
        let (window, start) = (Window::default(), Moment::now());
        for _ in 0..40 {
            window.add(false, start);
        }
        let later = start.plus(Duration::from_secs(9));
        for _ in 0..30 {
            window.add(true, later);
        }
        assert!(window.exceeds(30.0 / 70.0, Moment::NEVER, later));
        assert!(!window.exceeds(0.5, Moment::NEVER, later));
        let later = start.plus(Duration::from_secs(11));
        assert!(window.exceeds(1.0, Moment::NEVER, later), "the successes are out of sight by now");
        assert!(!window.exceeds(0.1, Moment::NEVER, start.plus(Duration::from_secs(60))), "and all of it");
    }

    #[test]
    fn what_was_before_the_breaker_closed_does_not_count() {
        let (window, now) = (Window::default(), Moment::now());
        for _ in 0..100 {
            window.add(true, now);
        }
        assert!(!window.exceeds(0.5, now, now.plus(Duration::from_secs(1))));
    }

    #[test]
    fn a_second_holds_as_many_as_it_can_and_no_more() {
        let (window, now) = (Window::default(), Moment::now());
        for _ in 0..COUNTS + 5 {
            window.add(true, now);
        }
        assert!(window.exceeds(1.0, Moment::NEVER, now));
    }
}
