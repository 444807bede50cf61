//! In turn, by weight, and evenly mixed: earliest deadline first.
//!
//! Think of a round as one unit of time, in which a backend of weight w is due w times, at equal distances. The picks are
//! these dues in their order. As they repeat with every round, any n picks in a row, where n is the sum of the weights, give
//! each backend exactly its weight; and a heavy one is never picked much in a row where others could come between (5, 1, 1
//! gives a a b a a c a, as nginx's smooth weighted round robin does).
//!
//! nginx looks at every backend for each pick; a heap of dues needs O(log n). Envoy does it so too, with the flaw that all
//! backends of the same weight are due at the same time: a hundred light ones come in one block between those of a heavy one.
//! Here each is due at a time of its own within its distance, spread by the golden ratio, whose multiples leave no gaps.
//!
//! Each worker has its own heap in its [`Cursor`](super::Cursor) and starts its rounds at another time, at random, so that
//! workers that start together, or again because the set has changed, don't all begin with the same backend.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Balancer, Candidate, Memory, Pick, Tried, new_identity};

/// Smooth weighted round robin.
#[derive(Debug)]
pub struct WeightedRoundRobin {
    identity: u64,
    /// Index and weight.
    backends: Vec<(usize, u32)>,
}

/// Where one worker stands in its round.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    /// The balancer that this is for.
    of: u64,
    /// Where this worker's round begins.
    start: u32,
    heap: BinaryHeap<Reverse<Turn>>,
}

/// When a backend is due next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    due: Due,
    place: u32,
    /// How often it was due in this round already.
    taken: u32,
}

/// A point in time: whole rounds, and the fraction of a round in units of 2^-32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    round: u64,
    within: u32,
}

/// 2^32 divided by the golden ratio.
const GOLDEN: u32 = 0x9E37_79B9;

impl WeightedRoundRobin {
    /// Takes turns among these.
    pub fn new(candidates: &[Candidate]) -> Self {
        let backends = candidates.iter().map(|candidate| (candidate.index, candidate.weight.max(1))).collect();
        Self { identity: new_identity(), backends }
    }

    fn turns(&self, random: &mut fastrand::Rng) -> Turns {
        let start = random.u32(..);
        let turn = |place| Reverse(self.turn(start, place, 0, 0));
        let heap = (0..u32::try_from(self.backends.len()).unwrap_or(u32::MAX)).map(turn).collect();
        Turns { of: self.identity, start, heap }
    }

    /// The turn of a backend in this round, after it was due `taken` times.
    fn turn(&self, start: u32, place: u32, round: u64, taken: u32) -> Turn {
        let weight = self.weight(place);
        if taken >= weight {
            return self.turn(start, place, round + 1, 0);
        }
        // (taken + offset) / weight, where offset is a fraction; never 1, as taken is below weight
        let within = (u64::from(taken) << 32 | u64::from(offset(start, place))) / u64::from(weight);
        Turn { due: Due { round, within: within as u32 }, place, taken }
    }

    fn next(&self, start: u32, turn: Turn) -> Turn {
        self.turn(start, turn.place, turn.due.round, turn.taken + 1)
    }

    /// The first turn of a backend after `due`: those before it are lost.
    fn next_after(&self, start: u32, place: u32, due: Due) -> Turn {
        // the smallest `taken` for which `turn` gives a `within` above: (taken 2^32 + offset) / weight >= within + 1
        let least = (u64::from(due.within) + 1) * u64::from(self.weight(place));
        let taken = least.saturating_sub(u64::from(offset(start, place))).div_ceil(1 << 32);
        self.turn(start, place, due.round, u32::try_from(taken).unwrap_or(u32::MAX))
    }

    fn weight(&self, place: u32) -> u32 {
        self.backends[place as usize].1
    }

    fn index(&self, turn: Turn) -> usize {
        self.backends[turn.place as usize].0
    }

    /// The first that is due and was not tried. Those that were lose their turn: one that must not be used for a while
    /// should not have a backlog when it may be used again.
    fn pass_over(&self, turns: &mut Turns, tried: Tried<'_>) -> Option<usize> {
        let mut passed = Vec::new();
        let chosen = loop {
            match turns.heap.pop() {
                Some(Reverse(turn)) if tried.contains(self.index(turn)) => passed.push(turn),
                Some(Reverse(turn)) => break Some(turn),
                None => break None,
            }
        };
        let start = turns.start;
        let Some(turn) = chosen else {
            // all were tried: the first that was due, and the others keep their turn
            let first = *passed.first()?;
            turns.heap.extend(passed.into_iter().skip(1).map(Reverse));
            turns.heap.push(Reverse(self.next(start, first)));
            return Some(self.index(first));
        };
        turns.heap.extend(passed.into_iter().map(|passed| Reverse(self.next_after(start, passed.place, turn.due))));
        turns.heap.push(Reverse(self.next(start, turn)));
        Some(self.index(turn))
    }
}

impl Balancer for WeightedRoundRobin {
    fn pick(&self, pick: Pick<'_>) -> Option<usize> {
        let memory = &mut pick.cursor.memory;
        if !matches!(memory, Memory::Turns(turns) if turns.of == self.identity) {
            *memory = Memory::Turns(Box::new(self.turns(pick.random)));
        }
        let Memory::Turns(turns) = memory else { return None };
        let start = turns.start;
        let mut first = turns.heap.peek_mut()?;
        let turn = first.0;
        if pick.tried.contains(self.index(turn)) {
            drop(first);
            return self.pass_over(turns, pick.tried);
        }
        first.0 = self.next(start, turn);
        Some(self.index(turn))
    }
}

/// When within its distance a backend is due, in units of 2^-32 of it.
fn offset(start: u32, place: u32) -> u32 {
    place.wrapping_mul(GOLDEN).wrapping_add(start)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fleet, pick_with};
    use super::super::{Cursor, tests};
    use super::*;

    fn picks(weights: &[u32], seed: u64, count: usize) -> Vec<usize> {
        let balancer = WeightedRoundRobin::new(&Fleet::new(weights).candidates());
        tests::picks(&balancer, &mut Cursor::new(0), &mut fastrand::Rng::with_seed(seed), count)
    }

    #[test]
    fn any_turn_of_the_sum_of_the_weights_is_exact() {
        for weights in [&[1][..], &[1, 1], &[5, 1, 1], &[7, 3, 2, 1], &[100, 1], &[10; 10], &[1, 2, 3, 4, 5, 6, 7, 8]] {
            let sum = weights.iter().sum::<u32>() as usize;
            for seed in 0..20 {
                for turn in picks(weights, seed, 3 * sum).windows(sum) {
                    for (backend, &weight) in weights.iter().enumerate() {
                        let got = turn.iter().filter(|&&picked| picked == backend).count();
                        assert_eq!(got, weight as usize, "backend {backend} of {weights:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_heavy_one_is_mixed_evenly_with_the_light_ones() {
        let mut weights = vec![100; 1];
        weights.extend([1; 100]);
        for seed in 0..20 {
            let picked = picks(&weights, seed, 1_000);
            for run in picked.windows(10) {
                let heavy = run.iter().filter(|&&backend| backend == 0).count();
                assert!((3..=7).contains(&heavy), "{heavy} of 10 picks for half of the weight: {run:?}");
            }
        }
        for seed in 0..20 {
            let text = picks(&[5, 1, 1], seed, 70).iter().map(|&b| ["a", "b", "c"][b]).collect::<String>();
            assert!(!text.contains("aaaaa") && !text.contains("bb") && !text.contains("cc"), "{text}");
        }
    }

    #[test]
    fn workers_do_not_begin_with_the_same_backend() {
        let mut first: Vec<_> = (0..200).map(|seed| picks(&[3, 1, 1, 1], seed, 1)[0]).collect();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first, [0, 1, 2, 3]);
    }

    #[test]
    fn another_set_starts_another_round_and_the_same_set_goes_on() {
        let (mut cursor, mut random) = (Cursor::new(0), fastrand::Rng::with_seed(3));
        let large = WeightedRoundRobin::new(&Fleet::new(&[2, 2, 2]).candidates());
        let small = WeightedRoundRobin::new(&Fleet::new(&[1, 1]).candidates());
        tests::picks(&large, &mut cursor, &mut random, 5);
        let mut two = tests::picks(&small, &mut cursor, &mut random, 2);
        two.sort_unstable();
        assert_eq!(two, [0, 1]);
        let mut six = tests::picks(&large, &mut cursor, &mut random, 6);
        six.sort_unstable();
        assert_eq!(six, [0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn one_that_is_passed_over_loses_its_turns_and_has_no_backlog() {
        let balancer = WeightedRoundRobin::new(&Fleet::new(&[6, 2, 1]).candidates());
        let (mut cursor, mut random) = (Cursor::new(0), fastrand::Rng::with_seed(3));
        let without: Vec<_> = (0..300).map(|_| pick_with(&balancer, &mut cursor, &mut random, &[0]).unwrap()).collect();
        assert_eq!(without.iter().filter(|&&backend| backend == 1).count(), 200);
        assert!(!without.contains(&0));
        let after = tests::picks(&balancer, &mut cursor, &mut random, 9);
        assert_eq!(after.iter().filter(|&&backend| backend == 0).count(), 6, "{after:?}");
    }

    #[test]
    fn the_first_turn_after_a_moment_is_the_first_that_stepping_finds() {
        for weights in [[1, 1], [3, 5], [7, 100], [u32::MAX, 2]] {
            let balancer = WeightedRoundRobin::new(&Fleet::new(&weights).candidates());
            let mut random = fastrand::Rng::with_seed(5);
            for _ in 0..200 {
                let (start, due) = (random.u32(..), Due { round: 9, within: random.u32(..) });
                let mut stepped = balancer.turn(start, 1, 9, 0);
                while stepped.due <= due {
                    stepped = balancer.next(start, stepped);
                }
                assert_eq!(balancer.next_after(start, 1, due), stepped);
                let heavy = balancer.next_after(start, 0, due);
                assert!(heavy.due > due);
            }
        }
    }
}
