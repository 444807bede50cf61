//! The less loaded of two different backends drawn at random.
//!
//! Two choices are exponentially better than one (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing",
//! 1996) and nearly as good as looking at all, at a cost that doesn't grow with their number. And unlike looking at all, many
//! instances that see the same numbers don't all run to the same backend.

use super::draw::draw_two;
use super::{Balancer, Candidate, Pick};

/// Power of two choices, by exchanges in flight.
#[derive(Debug)]
pub struct PowerOfTwo {
    candidates: Vec<Candidate>,
}

impl PowerOfTwo {
    /// Draws among these candidates.
    pub fn new(candidates: Vec<Candidate>) -> Self {
        Self { candidates }
    }
}

impl Balancer for PowerOfTwo {
    fn pick(&self, pick: Pick<'_>) -> Option<usize> {
        let count = self.candidates.len();
        let tried = |place: usize| pick.tried.contains(self.candidates[place].index);
        let (first, second) = draw_two(count, pick.tried.len(), pick.random, tried)
            .or_else(|| draw_two(count, 0, pick.random, |_| false))?;
        let burden = |place: usize| self.candidates[place].burden(pick.now);
        let place = match second {
            Some(second) if burden(second) < burden(first) => second,
            _ => first,
        };
        Some(self.candidates[place].index)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fleet, count};
    use super::*;

    #[test]
    fn the_less_loaded_of_two() {
        let fleet = Fleet::new(&[1, 1]).with_in_flight(&[4, 3]);
        assert_eq!(count(&PowerOfTwo::new(fleet.candidates()), 2, 100), [0, 100]);
    }

    #[test]
    fn the_most_loaded_gets_nothing_and_the_least_loaded_gets_two_of_n() {
        let fleet = Fleet::new(&[1; 4]).with_in_flight(&[0, 2, 1, 3]);
        let counts = count(&PowerOfTwo::new(fleet.candidates()), 4, 60_000);
        // of the 6 pairs, the least loaded is in 3, the next wins 2, the next 1
        for (got, share) in counts.into_iter().zip([3, 1, 2, 0]) {
            assert!(got.abs_diff(share * 10_000) <= 300, "{got} for {share} of 6");
        }
    }

    #[test]
    fn equally_loaded_ones_get_the_same() {
        let fleet = Fleet::new(&[1; 10]).with_in_flight(&[2; 10]);
        let counts = count(&PowerOfTwo::new(fleet.candidates()), 10, 100_000);
        assert!(counts.iter().all(|got| got.abs_diff(10_000) < 400), "{counts:?}");
    }

    #[test]
    fn one_that_fails_at_once_is_not_idle() {
        let fleet = Fleet::new(&[1, 1]).with_in_flight(&[0, 3]);
        (0..4).for_each(|_| fleet.live(0).latency.observe_failure(std::time::Duration::ZERO, Fleet::NOW));
        assert_eq!(count(&PowerOfTwo::new(fleet.candidates()), 2, 100), [0, 100]);
    }
}
