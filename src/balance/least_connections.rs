//! The backend with the fewest exchanges in flight.
//!
//! It looks at all of them, so its cost grows with their number: for many hundreds of backends take power of two, which is
//! nearly as good. Ties are broken at random; the first of several idle ones would get all that comes in a quiet hour.

use std::cmp::Ordering;

use super::{Balancer, Candidate, Pick, Tried};

/// Fewest exchanges in flight.
#[derive(Debug)]
pub struct LeastConnections {
    candidates: Vec<Candidate>,
}

impl LeastConnections {
    /// Looks at all of these.
    pub fn new(candidates: Vec<Candidate>) -> Self {
        Self { candidates }
    }
}

impl Balancer for LeastConnections {
    fn pick(&self, pick: Pick<'_>) -> Option<usize> {
        least(&self.candidates, pick, |_| 1)
    }
}

/// The index of the candidate with the fewest exchanges in flight for its weight. Several of those: one of them at random,
/// each as likely as its weight says.
pub(super) fn least(candidates: &[Candidate], pick: Pick<'_>, weight: impl Fn(&Candidate) -> u32) -> Option<usize> {
    let Pick { tried, random, now, .. } = pick;
    let mut among = |tried: Tried<'_>| {
        let mut best: Option<(&Candidate, u64, u64)> = None;
        let mut tied = 0;
        for candidate in candidates.iter().filter(|candidate| !tried.contains(candidate.index)) {
            let (burden, weight) = (u64::from(candidate.burden(now)), u64::from(weight(candidate)));
            // burden / weight against the best one's, multiplied out: integers divided would make 1/2 and 1/3 the same
            let order = best.map_or(Ordering::Less, |(_, least, of)| (burden * of).cmp(&(least * weight)));
            tied = match order {
                Ordering::Less => weight,
                Ordering::Equal => tied + weight,
                Ordering::Greater => continue,
            };
            // a tie is won with the probability weight / sum of the weights so far, which is fair to all in the end
            if order == Ordering::Less || random.u64(..tied) < weight {
                best = Some((candidate, burden, weight));
            }
        }
        best.map(|(candidate, ..)| candidate.index)
    };
    among(tried).or_else(|| among(Tried::default()))
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
