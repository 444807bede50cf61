//! The backend with the fewest exchanges in flight.
//!
//! With up to 256 backends all are looked at, and the choice is exact. In a larger service that would cost more than
//! everything else that a request takes, so there the choice is the best as far as this worker knows: see `tournament`.
//! Ties are broken at random; otherwise the first of several idle backends would get all that comes in a quiet hour.

use super::tournament::Tournament;
use super::{Balancer, Candidate, Pick};

/// Fewest exchanges in flight.
#[derive(Debug)]
pub struct LeastConnections {
    tournament: Tournament,
}

impl LeastConnections {
    /// Picks among these candidates.
    pub fn new(candidates: Vec<Candidate>) -> Self {
        Self { tournament: Tournament::new(candidates) }
    }
}

impl Balancer for LeastConnections {
    fn pick(&self, pick: Pick<'_>) -> Option<usize> {
        self.tournament.pick(pick, |_| 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fleet, count};
    use super::*;

    #[test]
    fn the_one_with_the_fewest() {
        let fleet = Fleet::new(&[1; 5]).with_in_flight(&[4, 2, 1, 3, 2]);
        assert_eq!(count(&LeastConnections::new(fleet.candidates()), 5, 100), [0, 0, 100, 0, 0]);
    }

    #[test]
    fn ties_are_broken_at_random_and_evenly() {
        let fleet = Fleet::new(&[1, 50, 1, 1]).with_in_flight(&[1, 1, 2, 1]);
        let counts = count(&LeastConnections::new(fleet.candidates()), 4, 30_000);
        assert_eq!(counts[2], 0);
        assert!([0, 1, 3].iter().all(|&i| counts[i].abs_diff(10_000) < 300), "{counts:?}");
    }

    #[test]
    fn exchanges_that_stay_are_dealt_out_evenly() {
        let fleet = Fleet::new(&[1; 7]);
        let balancer = LeastConnections::new(fleet.candidates());
        let held = fleet.hold(&balancer, 7 * 30);
        assert_eq!(held, [30; 7]);
    }

    #[test]
    fn one_that_fails_at_once_is_not_idle() {
        let fleet = Fleet::new(&[1, 1, 1]).with_in_flight(&[3, 0, 3]);
        (0..4).for_each(|_| fleet.live(1).latency.observe_failure(std::time::Duration::ZERO, Fleet::NOW));
        assert_eq!(count(&LeastConnections::new(fleet.candidates()), 3, 100)[1], 0);
    }
}
