//! A sliding window over counters that only grow.

use std::collections::VecDeque;
use std::time::Duration;

use super::outlier::RequestCounts;
use crate::clock::Moment;

/// A window slides in this many steps, and is exact to one of them. A backend's window has about a kilobyte.
const PIECES: u32 = 20;

/// The values of one backend's counters, back to the start of the window.
#[derive(Debug, Default)]
pub struct Window {
    /// The values at the start of the window.
    first: Option<(Moment, RequestCounts)>,
    /// The values after that; empty for a backend without exchanges.
    later: VecDeque<(Moment, RequestCounts)>,
}

impl Window {
    /// Moves the window to `now`, with the counters at `totals`; returns what was counted in the last `length`.
    pub fn slide(&mut self, totals: RequestCounts, length: Duration, now: Moment) -> RequestCounts {
        // counters that have become smaller belong to another backend
        if self.last().is_none_or(|(_, last)| totals.requests < last.requests) {
            self.reset(totals, now);
        }
        while self.later.front().is_some_and(|(at, _)| now.since(*at) >= length) {
            self.first = self.later.pop_front();
        }
        // values that have not changed need no second entry
        if self.last().is_some_and(|(at, last)| last != totals && now.since(at) >= length / PIECES) {
            self.later.push_back((now, totals));
        }
        let Some((_, first)) = self.first else { return RequestCounts::default() };
        RequestCounts {
            requests: totals.requests.saturating_sub(first.requests),
            failures: totals.failures.saturating_sub(first.failures),
            elapsed: totals.elapsed.saturating_sub(first.elapsed),
        }
    }

    /// Empties the window; it begins at `totals`.
    pub fn reset(&mut self, totals: RequestCounts, now: Moment) {
        self.later.clear();
        self.first = Some((now, totals));
    }

    fn last(&self) -> Option<(Moment, RequestCounts)> {
        self.later.back().copied().or(self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(10);

    fn at(millis: u64) -> Moment {
        Moment::from_millis((1 << 40) + millis)
    }

    fn totals(requests: u64) -> RequestCounts {
        RequestCounts { requests, failures: requests / 2, elapsed: Duration::from_millis(requests) }
    }

    #[test]
    fn it_shows_what_came_since_it_began_and_later_the_last_ten_seconds() {
        let mut window = Window::default();
        assert_eq!(window.slide(totals(1000), LENGTH, at(0)), RequestCounts::default(), "what was before is not known");
        for tick in 1..=1000 {
            // ten at each tick of 100 ms
            let counts = window.slide(totals(1000 + 10 * tick), LENGTH, at(100 * tick));
            let exact = 10 * tick.min(100);
            assert!(counts.requests >= exact && counts.requests <= exact + 50, "tick {tick}: {counts:?}");
            assert_eq!(counts.failures, counts.requests / 2);
            assert_eq!(counts.elapsed, Duration::from_millis(counts.requests));
            assert!(window.later.len() <= 21);
        }
    }

    #[test]
    fn silence_empties_it() {
        let mut window = Window::default();
        window.slide(totals(0), LENGTH, at(0));
        assert_eq!(window.slide(totals(70), LENGTH, at(100)).requests, 70);
        let mut last = RequestCounts::default();
        for tick in 2..=220 {
            last = window.slide(totals(70), LENGTH, at(100 * tick));
        }
        assert_eq!(last, RequestCounts::default());
        assert!(window.later.is_empty());
        let later = window.slide(totals(80), LENGTH, at(1_000_000));
        assert_eq!(later.requests, 10, "what comes after a silence");
    }

    #[test]
    fn counters_that_go_back_begin_it_anew() {
        let mut window = Window::default();
        window.slide(totals(500), LENGTH, at(0));
        assert_eq!(window.slide(totals(3), LENGTH, at(100)), RequestCounts::default());
        assert_eq!(window.slide(totals(5), LENGTH, at(200)).requests, 2);
    }
}
