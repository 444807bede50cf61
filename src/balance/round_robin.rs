//! The next available backend in turn.
//!
//! Each worker takes its own turn, so within one worker any n picks in a row from n backends give each exactly one, and W
//! workers are never more than W picks away from an even split.
//!
//! A retry takes its turn as any attempt does: attempts are what is distributed evenly. A backend that is left out
//! because the exchange was sent to it already loses that turn. It has just failed, and making up for the turn later
//! would mean that its neighbour is picked twice.

use super::{Balancer, Pick};

/// Round robin over the available backends.
#[derive(Debug)]
pub struct RoundRobin {
    available: Vec<usize>,
}

impl RoundRobin {
    /// Round robin over the backends with these indices.
    pub fn new(available: Vec<usize>) -> Self {
        Self { available }
    }
}

impl Balancer for RoundRobin {
    fn pick(&self, pick: Pick<'_>) -> Option<usize> {
        let count = self.available.len();
        if count == 0 {
            return None;
        }
        let start = match pick.cursor.position {
            within if within < count => within,
            beyond => beyond % count,
        };
        // nearly always the first one; those that are left out are few, or else the search ends after one round
        let (later, sooner) = (self.available[start..].iter(), self.available[..start].iter());
        let untried = later.chain(sooner).position(|backend| !pick.tried.contains(*backend));
        let place = (start + untried.unwrap_or(0)) % count;
        pick.cursor.position = place + 1;
        Some(self.available[place])
    }
}

#[cfg(test)]
mod tests {
    use super::super::Cursor;
    use super::*;

    fn picks(balancer: &RoundRobin, cursor: &mut Cursor, count: usize) -> Vec<usize> {
        (0..count).filter_map(|_| balancer.pick(Pick::test(cursor, &[], &mut fastrand::Rng::with_seed(1)))).collect()
    }

    #[test]
    fn takes_turns_in_order() {
        let balancer = RoundRobin::new(vec![0, 1, 2]);
        assert_eq!(picks(&balancer, &mut Cursor::new(0), 7), [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn backends_that_are_not_available_cost_their_neighbour_nothing() {
        let balancer = RoundRobin::new(vec![0, 3, 4]);
        assert_eq!(picks(&balancer, &mut Cursor::new(0), 6), [0, 3, 4, 0, 3, 4]);
    }

    #[test]
    fn any_n_picks_in_a_row_give_each_of_10_000_exactly_one() {
        let balancer = RoundRobin::new((0..10_000).collect());
        let mut cursor = Cursor::new(1234);
        picks(&balancer, &mut cursor, 777);
        let mut turn = picks(&balancer, &mut cursor, 10_000);
        turn.sort_unstable();
        assert!(turn.into_iter().eq(0..10_000));
    }

    #[test]
    fn none_one_and_two() {
        let none = RoundRobin::new(Vec::new());
        assert_eq!(none.pick(Pick::test(&mut Cursor::new(5), &[0], &mut fastrand::Rng::with_seed(1))), None);
        let one = RoundRobin::new(vec![4]);
        assert_eq!(picks(&one, &mut Cursor::new(5), 3), [4, 4, 4]);
        let two = RoundRobin::new(vec![0, 1]);
        assert_eq!(picks(&two, &mut Cursor::new(0), 4), [0, 1, 0, 1]);
    }

    #[test]
    fn never_one_that_was_tried_while_there_is_another() {
        let balancer = RoundRobin::new(vec![0, 1, 2, 3]);
        for start in 0..4 {
            for tried in [&[0][..], &[1, 2], &[3, 0], &[0, 1, 2], &[2, 1, 3]] {
                let backend =
                    balancer.pick(Pick::test(&mut Cursor::new(start), tried, &mut fastrand::Rng::with_seed(1)));
                assert!(backend.is_some_and(|b| !tried.contains(&b)), "from {start} without {tried:?}: {backend:?}");
            }
        }
    }

    #[test]
    fn one_that_was_tried_when_there_is_no_other() {
        let one = RoundRobin::new(vec![2]);
        assert_eq!(one.pick(Pick::test(&mut Cursor::new(0), &[2], &mut fastrand::Rng::with_seed(1))), Some(2));
        let two = RoundRobin::new(vec![0, 1]);
        let mut cursor = Cursor::new(1);
        assert_eq!(two.pick(Pick::test(&mut cursor, &[0, 1], &mut fastrand::Rng::with_seed(1))), Some(1));
        assert_eq!(
            two.pick(Pick::test(&mut cursor, &[0, 1], &mut fastrand::Rng::with_seed(1))),
            Some(0),
            "and they take turns"
        );
    }

    #[test]
    fn passing_over_gives_nobody_two_places_in_a_row() {
        let balancer = RoundRobin::new(vec![0, 1, 2]);
        let mut cursor = Cursor::new(0);
        assert_eq!(balancer.pick(Pick::test(&mut cursor, &[0], &mut fastrand::Rng::with_seed(1))), Some(1));
        assert_eq!(picks(&balancer, &mut cursor, 3), [2, 0, 1]);
    }

    #[test]
    fn a_list_that_has_become_shorter_or_longer_goes_on() {
        let mut cursor = Cursor::new(0);
        picks(&RoundRobin::new((0..10).collect()), &mut cursor, 9);
        assert_eq!(picks(&RoundRobin::new(vec![0, 1]), &mut cursor, 2), [1, 0]);
        assert_eq!(picks(&RoundRobin::new((0..3).collect()), &mut cursor, 3), [1, 2, 0]);
    }
}
