//! The backend with the fewest exchanges in flight for its weight; of many backends found as [least connections](super::LeastConnections) finds it.
//!
//! Ties are broken by weight, as nginx's `least_conn` does it: while all are idle, which is most of the time in a service
//! with little to do, the shares are those of the weights all the same.

use super::tournament::Tournament;
use super::{Balancer, Candidate, Pick};

/// Fewest exchanges in flight per weight.
#[derive(Debug)]
pub struct WeightedLeastConnections {
    tournament: Tournament,
}

impl WeightedLeastConnections {
    /// Picks among these candidates.
    pub fn new(candidates: Vec<Candidate>) -> Self {
        Self { tournament: Tournament::new(candidates) }
    }
}

impl Balancer for WeightedLeastConnections {
    fn pick(&self, pick: Pick<'_>) -> Option<usize> {
        self.tournament.pick(pick, |candidate| candidate.weight)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fleet, count};
    use super::*;

    #[test]
    fn fractions_are_compared_and_not_what_integer_division_leaves_of_them() {
        // 5/3, 3/2 and 7/4: all 1 when divided as integers
        let fleet = Fleet::new(&[3, 2, 4]).with_in_flight(&[5, 3, 7]);
        assert_eq!(count(&WeightedLeastConnections::new(fleet.candidates()), 3, 100), [0, 100, 0]);
    }

    #[test]
    fn idle_ones_get_their_weight_s_share() {
        let fleet = Fleet::new(&[6, 3, 1]);
        let counts = count(&WeightedLeastConnections::new(fleet.candidates()), 3, 100_000);
        for (got, weight) in counts.into_iter().zip([6, 3, 1]) {
            assert!(got.abs_diff(weight * 10_000) < 500, "{got} for {weight}");
        }
    }

    #[test]
    fn exchanges_that_stay_are_dealt_out_by_weight() {
        let fleet = Fleet::new(&[6, 3, 1]);
        assert_eq!(fleet.hold(&WeightedLeastConnections::new(fleet.candidates()), 200), [120, 60, 20]);
    }

    #[test]
    fn the_largest_weights_and_counts_do_not_overflow() {
        let fleet = Fleet::new(&[u32::MAX, u32::MAX, 1]).with_in_flight(&[1, 2, 1]);
        assert_eq!(count(&WeightedLeastConnections::new(fleet.candidates()), 3, 10), [10, 0, 0]);
    }
}
