//! In turn, by weight, and evenly mixed: a round in which each backend comes as often as its weight says, laid out once.
//!
//! Think of the round as one unit of time, in which a backend of weight w is due w times, at equal distances. The round is these
//! dues in their order (earliest deadline first). It is gone through again and again, so any n picks in a row, where n is the sum
//! of the weights, give each backend exactly its weight; and a heavy one is never picked much in a row where others could come
//! between (5, 1, 1 gives a a b a a c a, as nginx's smooth weighted round robin does).
//!
//! nginx looks at every backend for each pick, and a heap of dues, as Envoy has it, at the logarithm of their number; here a pick
//! reads one entry. Envoy's dues have the flaw that all backends of the same weight are due at the same time: a hundred light
//! ones come in one block between those of a heavy one. Here each is due at a time of its own within its distance, spread by the
//! golden ratio, whose multiples leave no gaps.
//!
//! Each worker has its own place in the round in its [`Cursor`](super::Cursor) and begins at random, so that workers that start
//! together, or again because the set has changed, don't all begin with the same backend.

use super::{Balancer, Candidate, Memory, Pick, Tried, new_identity};

/// Smooth weighted round robin.
#[derive(Debug)]
pub struct WeightedRoundRobin {
    identity: u64,
    /// Index and weight.
    backends: Vec<(usize, u32)>,
    /// Indices of backends in the order in which they are due.
    round: Vec<u32>,
}

/// Where one worker stands in the round.
#[derive(Debug, Clone, Copy)]
pub(super) struct RoundPosition {
    /// The balancer that this is for.
    of: u64,
    next: usize,
}

/// 2^32 divided by the golden ratio.
const GOLDEN: u32 = 0x9E37_79B9;

/// The longest round, which takes 4 MB. Where the sum of the weights is larger, weights are scaled down to about this
/// sum, and rounded, to 1 at least.
const MAX_ROUND: u64 = 1 << 20;

/// How many places in the round a pick looks at, for each backend, to find one that was not tried.
const LOOKS: usize = 4;

impl WeightedRoundRobin {
    /// Weighted round robin over these candidates.
    pub fn new(candidates: &[Candidate]) -> Self {
        let weights = scaled(candidates.iter().map(|candidate| candidate.weight.max(1)).collect());
        let backends: Vec<_> = candidates.iter().map(|candidate| candidate.index).zip(weights).collect();
        let dues = (0_u32..).zip(&backends).flat_map(|(place, &(_, weight))| {
            let offset = u64::from(place.wrapping_mul(GOLDEN));
            // a fraction of the round in units of 2^-32: (n + offset) / weight, where offset is a fraction
            (0..u64::from(weight)).map(move |n| ((n << 32 | offset) / u64::from(weight), place))
        });
        let mut dues: Vec<_> = dues.collect();
        dues.sort_unstable();
        let round = dues.into_iter().map(|(_, place)| backends[place as usize].0 as u32).collect();
        Self { identity: new_identity(), backends, round }
    }

    /// A backend that was not tried, at random by weight.
    fn any_untried(&self, tried: Tried<'_>, random: &mut fastrand::Rng) -> Option<usize> {
        let untried = || self.backends.iter().filter(|(backend, _)| !tried.contains(*backend));
        let sum: u64 = untried().map(|&(_, weight)| u64::from(weight)).sum();
        let mut among = if sum == 0 { return None } else { random.u64(..sum) };
        for &(backend, weight) in untried() {
            match among.checked_sub(u64::from(weight)) {
                Some(rest) => among = rest,
                None => return Some(backend),
            }
        }
        None
    }
}

impl Balancer for WeightedRoundRobin {
    fn pick(&self, pick: Pick<'_>) -> Option<usize> {
        let Pick { cursor, tried, random, .. } = pick;
        if self.round.is_empty() {
            return None;
        }
        let start = match cursor.memory {
            Memory::Round(turn) if turn.of == self.identity => turn.next,
            _ => random.usize(..self.round.len()),
        };
        // Nearly always the first one. Those that were tried lose their turn: one that must not be used for a while should not
        // have a backlog when it may be used again.
        let (later, sooner) = (self.round[start..].iter(), self.round[..start].iter());
        let mut dues = later.chain(sooner).take(LOOKS * self.backends.len()).map(|&backend| backend as usize);
        let untried = dues.position(|backend| !tried.contains(backend));
        let place = (start + untried.unwrap_or(0)) % self.round.len();
        let next = if place + 1 == self.round.len() { 0 } else { place + 1 };
        cursor.memory = Memory::Round(RoundPosition { of: self.identity, next });
        // either a backend with nearly all of the weight was tried, or all were, and then it is the first that was due
        let other = if untried.is_none() { self.any_untried(tried, random) } else { None };
        Some(other.unwrap_or(self.round[place] as usize))
    }
}

/// Weights in the same proportions whose sum is the length of a round.
fn scaled(mut weights: Vec<u32>) -> Vec<u32> {
    let divisor = weights.iter().fold(0, |divisor, &weight| greatest_common_divisor(divisor, weight)).max(1);
    weights.iter_mut().for_each(|weight| *weight /= divisor);
    let sum: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
    if sum > MAX_ROUND {
        let scale = MAX_ROUND as f64 / sum as f64;
        weights.iter_mut().for_each(|weight| *weight = ((f64::from(*weight) * scale).round() as u32).max(1));
    }
    weights
}

/// Euclid's algorithm.
fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
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
    fn large_weights_keep_their_shares_in_a_round_of_bounded_length() {
        let round = |weights: &[u32]| WeightedRoundRobin::new(&Fleet::new(weights).candidates()).round;
        assert_eq!(round(&[4_000_000_000, 2_000_000_000]).len(), 3, "the same shares as 2 and 1");
        assert_eq!(round(&[100; 300]).len(), 300);
        let large = round(&[4_000_000_000, 2_000_000_001, 1]);
        let of = |backend: u32| large.iter().filter(|&&picked| picked == backend).count() as u64;
        assert!(large.len() as u64 <= MAX_ROUND + 3 && of(0).abs_diff(2 * of(1)) <= 2 && of(2) == 1);
    }

    #[test]
    fn one_with_nearly_all_of_the_weight_is_passed_over_without_a_look_at_all_its_turns() {
        let balancer = WeightedRoundRobin::new(&Fleet::new(&[1_000_000, 3, 1]).candidates());
        let (mut cursor, mut random) = (Cursor::new(0), fastrand::Rng::with_seed(3));
        let mut counts = [0_u32; 3];
        for _ in 0..4_000 {
            counts[pick_with(&balancer, &mut cursor, &mut random, &[0]).unwrap()] += 1;
        }
        assert_eq!(counts[0], 0);
        assert!(counts[1].abs_diff(3_000) < 150, "by weight: {counts:?}");
        assert!(pick_with(&balancer, &mut cursor, &mut random, &[0, 1, 2]).is_some(), "all were tried");
    }
}
