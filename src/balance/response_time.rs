//! The lowest expected response time: the moving average of its answers x (exchanges in flight + 1).
//!
//! The average is peak-sensitive (see [`crate::endpoint::latency`]), and the product is what Finagle and Linkerd call
//! the load of `PeakEwma`: an exchange waits for those before it.
//!
//! Up to [`LOOKED_AT`] backends are compared, from a random place onwards: in a small service that is all of them, and in a
//! large one neighbours are as good a sample as any (Kenthapadi and Panigrahy, "Balanced Allocation on Graphs", 2006), at a
//! cost that stays the same.
//!
//! A backend of which nothing is known, or nothing new for a while, is tried with one exchange at a time: taken for fast it
//! would be overrun, taken for slow it would never get a chance.

use super::{Balancer, Candidate, Pick, Tried};
use crate::clock::Moment;

/// Lowest expected response time.
#[derive(Debug)]
pub struct ResponseTime {
    candidates: Vec<Candidate>,
}

/// How many candidates are compared for a pick.
const LOOKED_AT: usize = 5;

/// The response time, in microseconds, that is assumed before the first answer of a backend has come. It is long, so
/// that few exchanges are sent until then.
const UNKNOWN: f64 = 1_000_000.0;

impl ResponseTime {
    /// Compares these candidates.
    pub fn new(candidates: Vec<Candidate>) -> Self {
        Self { candidates }
    }

    /// The cheapest of the first few from `start` that were not tried.
    fn cheapest(&self, start: usize, tried: Tried<'_>, now: Moment) -> Option<usize> {
        let (later, sooner) = (self.candidates[start..].iter(), self.candidates[..start].iter());
        let untried = later.chain(sooner).filter(|candidate| !tried.contains(candidate.index));
        let mut best: Option<(f64, usize)> = None;
        for candidate in untried.take(LOOKED_AT) {
            let cost = cost(candidate, now);
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, candidate.index));
            }
        }
        best.map(|(_, index)| index)
    }
}

impl Balancer for ResponseTime {
    fn pick(&self, pick: Pick<'_>) -> Option<usize> {
        if self.candidates.is_empty() {
            return None;
        }
        let start = pick.random.usize(..self.candidates.len());
        self.cheapest(start, pick.tried, pick.now).or_else(|| self.cheapest(start, Tried::default(), pick.now))
    }
}

/// How long an answer is expected to take; 0 for a backend that should be tried.
fn cost(candidate: &Candidate, now: Moment) -> f64 {
    let in_flight = candidate.live.in_flight();
    let latency = &candidate.live.latency;
    if in_flight == 0 && latency.is_stale(now) {
        return 0.0;
    }
    latency.average_micros(now).unwrap_or(UNKNOWN) * (f64::from(in_flight) + 1.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{Fleet, count};
    use super::*;

    fn fleet(millis: &[u64]) -> Fleet {
        let fleet = Fleet::new(&vec![1; millis.len()]);
        for (backend, &millis) in millis.iter().enumerate().filter(|(_, millis)| **millis > 0) {
            fleet.live(backend).latency.observe(Duration::from_millis(millis), Fleet::NOW);
        }
        fleet
    }

    #[test]
    fn the_fastest_when_all_are_idle_and_the_shortest_wait_when_they_are_not() {
        let idle = fleet(&[30, 10, 20]);
        assert_eq!(count(&ResponseTime::new(idle.candidates()), 3, 100), [0, 100, 0]);
        let busy = fleet(&[30, 10, 20]).with_in_flight(&[0, 3, 1]); // 30, 40, 40
        assert_eq!(count(&ResponseTime::new(busy.candidates()), 3, 100), [100, 0, 0]);
    }

    #[test]
    fn one_never_tried_gets_one_exchange_and_no_more_before_it_has_answered() {
        let fleet = fleet(&[10, 0, 10]);
        let held = fleet.hold(&ResponseTime::new(fleet.candidates()), 21);
        assert_eq!(held, [10, 1, 10]);
    }

    #[test]
    fn when_nothing_is_known_of_any_they_share_evenly() {
        let fleet = Fleet::new(&[1; 5]);
        assert_eq!(fleet.hold(&ResponseTime::new(fleet.candidates()), 50), [10; 5]);
    }

    #[test]
    fn a_slow_one_is_tried_again_when_its_last_answer_is_old() {
        let fleet = fleet(&[0, 10]);
        let before = Moment::from_millis(Fleet::NOW.as_millis() - 15_000);
        fleet.live(0).latency.observe(Duration::from_secs(3_000), before);
        assert_eq!(fleet.hold(&ResponseTime::new(fleet.candidates()), 20), [1, 19]);
    }

    #[test]
    fn one_that_fails_fast_does_not_look_fast() {
        let fleet = fleet(&[10, 0]);
        fleet.live(1).latency.observe_failure(Duration::from_millis(1), Fleet::NOW);
        assert_eq!(count(&ResponseTime::new(fleet.candidates()), 2, 100), [100, 0]);
    }

    #[test]
    fn in_a_large_service_every_backend_gets_its_share() {
        let fleet = fleet(&[10; 100]);
        let held = fleet.hold(&ResponseTime::new(fleet.candidates()), 1_000);
        assert!(held.iter().all(|got| (8..=12).contains(got)), "{held:?}");
    }
}
