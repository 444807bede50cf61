//! The least burdened of many candidates, without looking at all of them for each pick.
//!
//! The candidates are cut into blocks of [`BLOCK`], and a worker remembers for each block how burdened its best one was when it
//! last looked. A pick looks at the blocks in which an exchange of this worker has ended since, at one more in turn, and at the
//! block that promises the best. When that keeps its promise, the best one of it is picked; else what was seen is remembered, and
//! the next best block is looked at.
//!
//! So the one picked is the best of its block at this moment, and no worse than what any other block had when it was last looked
//! at. What a worker can miss is what other workers' exchanges have left in other blocks since: it has looked at all of them after
//! as many picks as there are blocks (157 for 10,000 backends), and those workers know. With up to [`ALL`] candidates it looks at
//! all for each pick and misses nothing.

use std::cmp::Ordering;

use super::{Candidate, Memory, Pick, Tried, new_identity};
use crate::clock::Moment;

/// Candidates in a block. Looking at it costs about as much as finding the best of 157 blocks.
const BLOCK: usize = 64;
/// Up to so many candidates are all looked at: that costs less than a microsecond.
const ALL: usize = 256;
/// Blocks that are looked at for a pick, after that in turn: when so many promised what they don't keep, everything has changed
/// since, and the best that was seen is good enough.
const LOOKS: usize = 4;
/// Ends of exchanges that a worker remembers until its next pick. One begins for each that ends, so there are seldom more.
const ENDS: usize = 8;

/// Candidates in blocks.
#[derive(Debug)]
pub(super) struct Blocks {
    identity: u64,
    candidates: Vec<Candidate>,
}

/// The best of each block, as one worker last saw it.
#[derive(Debug, Clone)]
pub(super) struct Best {
    /// The balancer that this is for.
    of: u64,
    blocks: Vec<Share>,
    /// The block that is looked at next in turn.
    next: usize,
    /// Backends at which an exchange of this worker has ended since its last pick.
    ended: Vec<usize>,
}

impl Best {
    /// An exchange with this backend has ended.
    pub(super) fn end(&mut self, backend: usize) {
        if self.ended.len() < ENDS {
            self.ended.push(backend);
        }
    }
}

/// The exchanges of the least burdened, for its weight; and the weight of all who have as few.
#[derive(Debug, Clone, Copy)]
struct Share {
    burden: u64,
    weight: u64,
    tied: u64,
}

/// The least burdened of some candidates.
#[derive(Debug, Clone, Copy)]
struct Least {
    place: usize,
    share: Share,
}

impl Blocks {
    pub(super) fn new(candidates: Vec<Candidate>) -> Self {
        Self { identity: new_identity(), candidates }
    }

    /// The one with the smallest burden for its `weight`. Several of those: one of them at random, each as likely as its weight says.
    pub(super) fn pick(&self, pick: Pick<'_>, weight: impl Fn(&Candidate) -> u32) -> Option<usize> {
        let Pick { cursor, tried, random, now, .. } = pick;
        // who was tried is seldom the rule, and then the exact choice is wanted
        let place = if self.candidates.len() <= ALL || !tried.is_empty() {
            let among = |tried: Tried<'_>, random: &mut fastrand::Rng| {
                least(&self.candidates, tried, random, now, &weight).map(|least| least.place)
            };
            among(tried, random).or_else(|| among(Tried::default(), random))?
        } else {
            if !matches!(&cursor.memory, Memory::Best(best) if best.of == self.identity) {
                cursor.memory = Memory::Best(Box::new(self.first_look(random, now, &weight)));
            }
            let Memory::Best(best) = &mut cursor.memory else { return None };
            self.best(best, random, now, &weight)?
        };
        Some(self.candidates[place].index)
    }

    fn best(
        &self,
        best: &mut Best,
        random: &mut fastrand::Rng,
        now: Moment,
        weight: &impl Fn(&Candidate) -> u32,
    ) -> Option<usize> {
        while let Some(ended) = best.ended.pop() {
            // they stand in the order of their indices; after a reload it may be another one, which does no harm
            if let Ok(place) = self.candidates.binary_search_by_key(&ended, |candidate| candidate.index) {
                best.blocks[place / BLOCK] = self.look(place / BLOCK, random, now, weight)?.share;
            }
        }
        let next = best.next;
        best.next = (next + 1) % best.blocks.len();
        best.blocks[next] = self.look(next, random, now, weight)?.share;
        let mut found: Option<Least> = None;
        for _ in 0..LOOKS {
            let block = most_promising(&best.blocks, random)?;
            let promised = best.blocks[block];
            let seen = self.look(block, random, now, weight)?;
            best.blocks[block] = seen.share;
            if seen.share.cmp(promised) != Ordering::Greater {
                return Some(seen.place);
            }
            if found.is_none_or(|found| seen.share.cmp(found.share) == Ordering::Less) {
                found = Some(seen);
            }
        }
        found.map(|found| found.place)
    }

    /// All blocks, for the first time.
    fn first_look(&self, random: &mut fastrand::Rng, now: Moment, weight: &impl Fn(&Candidate) -> u32) -> Best {
        let count = self.candidates.len().div_ceil(BLOCK);
        let blocks = (0..count).filter_map(|block| self.look(block, random, now, weight)).map(|seen| seen.share);
        // workers don't look at the same ones at the same time
        Best {
            of: self.identity,
            blocks: blocks.collect(),
            next: random.usize(..count),
            ended: Vec::with_capacity(ENDS),
        }
    }

    fn look(
        &self,
        block: usize,
        random: &mut fastrand::Rng,
        now: Moment,
        weight: &impl Fn(&Candidate) -> u32,
    ) -> Option<Least> {
        let start = block * BLOCK;
        let end = (start + BLOCK).min(self.candidates.len());
        let seen = least(&self.candidates[start..end], Tried::default(), random, now, weight)?;
        Some(Least { place: start + seen.place, ..seen })
    }
}

/// The block with the smallest share; of several, one of them at random, each as likely as the weight of its best ones says.
fn most_promising(blocks: &[Share], random: &mut fastrand::Rng) -> Option<usize> {
    let mut best: Option<(usize, Share)> = None;
    let mut tied = 0;
    for (block, &share) in blocks.iter().enumerate() {
        let order = best.map_or(Ordering::Less, |(_, best)| share.cmp(best));
        tied = match order {
            Ordering::Less => share.tied,
            Ordering::Equal => tied + share.tied,
            Ordering::Greater => continue,
        };
        if order == Ordering::Less || random.u64(..tied) < share.tied {
            best = Some((block, share));
        }
    }
    best.map(|(block, _)| block)
}

fn least(
    candidates: &[Candidate],
    tried: Tried<'_>,
    random: &mut fastrand::Rng,
    now: Moment,
    weight: &impl Fn(&Candidate) -> u32,
) -> Option<Least> {
    let mut best: Option<Least> = None;
    for (place, candidate) in candidates.iter().enumerate() {
        if tried.contains(candidate.index) {
            continue;
        }
        let (burden, weight) = (u64::from(candidate.burden(now)), u64::from(weight(candidate)));
        let mut share = Share { burden, weight, tied: weight };
        match &mut best {
            None => best = Some(Least { place, share }),
            Some(best) => match share.cmp(best.share) {
                Ordering::Less => *best = Least { place, share },
                Ordering::Equal => {
                    share.tied += best.share.tied;
                    // a tie is won with the probability weight / sum of the weights so far, which is fair to all in the end
                    let place = if random.u64(..share.tied) < weight { place } else { best.place };
                    *best = Least { place, share };
                }
                Ordering::Greater => {}
            },
        }
    }
    best
}

impl Share {
    /// Multiplied out: integers divided would make 1/2 and 1/3 the same.
    fn cmp(self, other: Self) -> Ordering {
        (self.burden * other.weight).cmp(&(other.burden * self.weight))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fleet;
    use super::super::{Balancer, Cursor, LeastConnections, WeightedLeastConnections};
    use super::*;
    use crate::endpoint::InFlight;

    /// How far the picks were from the least burdened, in exchanges for a unit of weight, over steps in each of which an
    /// exchange begins and one ends at random, on so many workers, with so many under way: the share of picks that were above it, by how much they were on average, and
    /// at most.
    fn excess(fleet: &Fleet, balancer: &dyn Balancer, weights: &[u32], (workers, held): (usize, usize)) -> [f64; 3] {
        let steps = 2_000;
        let mut random = fastrand::Rng::with_seed(3);
        let mut workers: Vec<_> = (0..workers).map(Cursor::new).collect();
        let mut under_way: Vec<(usize, usize, InFlight)> = Vec::new();
        let share = |place: usize| f64::from(fleet.live(place).in_flight()) / f64::from(weights[place]);
        let (mut above, mut sum, mut most) = (0, 0.0, 0.0_f64);
        for step in 0..held + steps {
            let worker = random.usize(..workers.len());
            let cursor = &mut workers[worker];
            let picked = balancer.pick(Pick::test(cursor, &[], &mut random)).unwrap();
            if step >= held {
                let least = (0..weights.len()).map(share).fold(f64::INFINITY, f64::min);
                let over = share(picked) - least;
                above += usize::from(over > 1e-9);
                sum += over;
                most = most.max(over);
                let (worker, backend, _) = under_way.swap_remove(random.usize(..under_way.len()));
                workers[worker].ended(backend);
            }
            under_way.push((worker, picked, fleet.live(picked).enter()));
        }
        [above as f64 / steps as f64, sum / steps as f64, most]
    }

    #[test]
    fn few_are_compared_exactly() {
        let weights = vec![1; ALL];
        let fleet = Fleet::new(&weights);
        let balancer = LeastConnections::new(fleet.candidates());
        assert_eq!(excess(&fleet, &balancer, &weights, (2, 1_000)), [0.0; 3]);
    }

    /// One worker knows of every end; two know of half of them each, and of the others when they look there in turn.
    #[test]
    fn of_many_the_one_picked_is_the_least_burdened_or_close_to_it() {
        let weights = vec![1; 2_000];
        for (workers, held, bound) in [(1, 9_000, 0.01), (2, 100, 0.0), (2, 2_000, 0.05), (2, 9_000, 0.3)] {
            let fleet = Fleet::new(&weights);
            let balancer = LeastConnections::new(fleet.candidates());
            let [above, mean, most] = excess(&fleet, &balancer, &weights, (workers, held));
            assert!(mean <= bound && most <= 1.0, "{workers}, {held}: {above} of them, by {mean} and up to {most}");
        }
    }

    #[test]
    fn of_many_with_weights_too() {
        let weights: Vec<u32> = (0..2_000).map(|place| 1 + place % 4).collect();
        for (workers, held, bound) in [(1, 20_000, 0.01), (2, 100, 0.0), (2, 5_000, 0.15), (2, 20_000, 0.15)] {
            let fleet = Fleet::new(&weights);
            let balancer = WeightedLeastConnections::new(fleet.candidates());
            let [above, mean, most] = excess(&fleet, &balancer, &weights, (workers, held));
            assert!(mean <= bound && most <= 1.0, "{workers}, {held}: {above} of them, by {mean} and up to {most}");
        }
    }

    #[test]
    fn one_that_becomes_idle_is_found_after_as_many_picks_as_there_are_blocks() {
        let count = 2_000;
        let fleet = Fleet::new(&vec![1; count]).with_in_flight(&vec![3; count]);
        let balancer = LeastConnections::new(fleet.candidates());
        let (mut cursor, mut random) = (Cursor::new(0), fastrand::Rng::with_seed(1));
        let mut pick = || balancer.pick(Pick::test(&mut cursor, &[], &mut random)).unwrap();
        pick();
        let fleet = fleet.without_in_flight(1_234);
        let picks: Vec<_> = (0..count.div_ceil(BLOCK)).map(|_| pick()).collect();
        assert!(picks.contains(&1_234), "{picks:?}");
        drop(fleet);
    }

    #[test]
    fn idle_ones_of_many_get_the_same() {
        let count = 1_000;
        let fleet = Fleet::new(&vec![1; count]);
        let counts = super::super::tests::count(&LeastConnections::new(fleet.candidates()), count, 100_000);
        assert!(counts.iter().all(|got| (50..=160).contains(got)), "{counts:?}");
    }

    #[test]
    fn one_that_was_tried_is_passed_over_among_many() {
        let count = 1_000;
        let mut burdens = vec![5; count];
        (burdens[700], burdens[800]) = (0, 1);
        let fleet = Fleet::new(&vec![1; count]).with_in_flight(&burdens);
        let balancer = LeastConnections::new(fleet.candidates());
        let (mut cursor, mut random) = (Cursor::new(0), fastrand::Rng::with_seed(1));
        let mut pick = |tried: &[usize]| balancer.pick(Pick::test(&mut cursor, tried, &mut random));
        assert_eq!([pick(&[]), pick(&[700]), pick(&[])], [Some(700), Some(800), Some(700)]);
    }
}
