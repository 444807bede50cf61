//! The least burdened of many candidates, without looking at all of them for each pick.
//!
//! A worker remembers how burdened each candidate was when it last looked, in a tournament tree (Knuth, "The Art of Computer
//! Programming", volume 3, 5.4.1): each inner node has the smaller of the two shares below it. So finding the smallest of all, and
//! correcting one, take as many steps as the tree is high: 14 for 10,000 candidates.
//!
//! A pick looks at the candidate that was picked last, at those at which an exchange of this worker has ended since, at [`TURN`]
//! more in turn, and at the one with the smallest share. When that has no more than what is remembered of it, it is picked; else it
//! is corrected, and the next smallest is looked at.
//!
//! So the one picked is no worse than what any other had when it was last looked at. What a worker can miss is what other workers'
//! exchanges have left since: it has looked at all candidates after their number / [`TURN`] picks, and those workers know. With up
//! to [`ALL`] candidates it looks at all for each pick and misses nothing.

use std::cmp::Ordering;

use super::{Candidate, Memory, Pick, Tried, new_identity};

/// Up to this many candidates, all are looked at: that costs less than a microsecond.
const ALL: usize = 256;
/// How many candidates each pick looks at in turn. Their counters are seldom in a near cache: looking at more would
/// cost more than the rest of a pick.
const TURN: usize = 16;
/// How many candidates a pick looks at because their burden promises to be the smallest. When this many have more than
/// is remembered, everything has changed since, and the best of them is good enough.
const LOOKS: usize = 8;
/// How many ends of exchanges a worker remembers until its next pick. One exchange begins for each that ends, so there
/// are seldom more.
const ENDS: usize = 8;

/// Candidates, of which the least burdened is wanted.
#[derive(Debug)]
pub(super) struct Tournament {
    identity: u64,
    candidates: Vec<Candidate>,
}

/// What one worker has last seen of each candidate.
#[derive(Debug, Clone)]
pub(super) struct LastSeen {
    /// The balancer that this is for.
    of: u64,
    /// Node 1 is the root, nodes `2 i` and `2 i + 1` are below node `i`, and the leaves are the second half: one for each candidate.
    tree: Vec<RelativeBurden>,
    /// The place that is looked at next in turn.
    next: usize,
    /// The place that was picked last.
    picked: Option<usize>,
    /// Backends at which an exchange of this worker has ended since its last pick.
    ended: Vec<usize>,
}

/// The burden of a candidate relative to its weight; in an inner node, that of the least burdened below it. `tied` is
/// the weight of all candidates with the same relative burden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RelativeBurden {
    burden: u32,
    weight: u32,
    tied: u64,
}

impl Tournament {
    pub(super) fn new(candidates: Vec<Candidate>) -> Self {
        Self { identity: new_identity(), candidates }
    }

    /// Picks the candidate with the smallest burden for its `weight`. Of several with the same, it is one of them at
    /// random, each as likely as its weight says.
    pub(super) fn pick(&self, pick: Pick<'_>, weight: impl Fn(&Candidate) -> u32) -> Option<usize> {
        let Pick { cursor, tried, random, now, .. } = pick;
        let share = |candidate: &Candidate| RelativeBurden::of(candidate.burden(now), weight(candidate));
        // an exchange that was tried already is the exception, and the exact choice is wanted for it
        let place = if self.candidates.len() <= ALL || !tried.is_empty() {
            self.compare(tried, random, &share).or_else(|| self.compare(Tried::default(), random, &share))?
        } else {
            if !matches!(&cursor.memory, Memory::LastSeen(seen) if seen.of == self.identity) {
                cursor.memory = Memory::LastSeen(Box::new(self.first_look(random, &share)));
            }
            let Memory::LastSeen(seen) = &mut cursor.memory else { return None };
            self.smallest(seen, random, &share)?
        };
        Some(self.candidates[place].index)
    }

    fn smallest(
        &self,
        seen: &mut LastSeen,
        random: &mut fastrand::Rng,
        share: &impl Fn(&Candidate) -> RelativeBurden,
    ) -> Option<usize> {
        if let Some(picked) = seen.picked.take() {
            seen.put(picked, share(&self.candidates[picked]));
        }
        while let Some(ended) = seen.ended.pop() {
            if let Some(place) = self.place_of(ended) {
                seen.put(place, share(&self.candidates[place]));
            }
        }
        for _ in 0..TURN {
            seen.put(seen.next, share(&self.candidates[seen.next]));
            seen.next = if seen.next + 1 == self.candidates.len() { 0 } else { seen.next + 1 };
        }
        let mut best: Option<(usize, RelativeBurden)> = None;
        for _ in 0..LOOKS {
            let place = seen.smallest(random);
            let now = share(&self.candidates[place]);
            if best.is_none_or(|(_, best)| now.cmp(best) == Ordering::Less) {
                best = Some((place, now));
            }
            let remembered = seen.leaf(place);
            if now.cmp(remembered) != Ordering::Greater {
                break;
            }
            seen.put(place, now);
        }
        seen.picked = best.map(|(place, _)| place);
        seen.picked
    }

    /// Looks at all candidates, for the first time.
    fn first_look(&self, random: &mut fastrand::Rng, share: &impl Fn(&Candidate) -> RelativeBurden) -> LastSeen {
        let count = self.candidates.len();
        let mut tree = vec![RelativeBurden::of(0, 1); count];
        tree.extend(self.candidates.iter().map(share));
        for node in (1..count).rev() {
            tree[node] = tree[2 * node].smaller(tree[2 * node + 1]);
        }
        // a random start, so that workers don't look at the same candidates at the same time
        let next = random.usize(..count);
        LastSeen { of: self.identity, tree, next, picked: None, ended: Vec::with_capacity(ENDS) }
    }

    /// The place of the backend with this index. After a reload it may be another backend, which does no harm.
    fn place_of(&self, index: usize) -> Option<usize> {
        // candidates are sorted by index, and all of them are there while all backends are healthy
        if self.candidates.get(index).is_some_and(|candidate| candidate.index == index) {
            return Some(index);
        }
        self.candidates.binary_search_by_key(&index, |candidate| candidate.index).ok()
    }

    /// Finds the least burdened by looking at each.
    fn compare(
        &self,
        tried: Tried<'_>,
        random: &mut fastrand::Rng,
        share: &impl Fn(&Candidate) -> RelativeBurden,
    ) -> Option<usize> {
        let mut best: Option<(usize, RelativeBurden)> = None;
        for (place, candidate) in self.candidates.iter().enumerate() {
            if tried.contains(candidate.index) {
                continue;
            }
            let this = share(candidate);
            best = match best {
                None => Some((place, this)),
                Some((before, share)) => {
                    let both = share.smaller(this);
                    // a tie is won with the probability weight / sum of the weights so far, which is fair to all in the end
                    let wins = match this.cmp(share) {
                        Ordering::Less => true,
                        Ordering::Equal => random.u64(..both.tied) < this.tied,
                        Ordering::Greater => false,
                    };
                    Some((if wins { place } else { before }, both))
                }
            };
        }
        best.map(|(place, _)| place)
    }
}

impl LastSeen {
    /// Records that an exchange with this backend has ended.
    pub(super) fn end(&mut self, backend: usize) {
        if self.ended.len() < ENDS {
            self.ended.push(backend);
        }
    }

    fn leaf(&self, place: usize) -> RelativeBurden {
        self.tree[self.tree.len() / 2 + place]
    }

    /// Remembers the burden of the candidate at this place.
    fn put(&mut self, place: usize, share: RelativeBurden) {
        let mut node = self.tree.len() / 2 + place;
        let mut smaller = share;
        while self.tree[node] != smaller {
            self.tree[node] = smaller;
            if node == 1 {
                return;
            }
            smaller = smaller.smaller(self.tree[node ^ 1]);
            node /= 2;
        }
    }

    /// The place with the smallest relative burden; of several, one of them at random, each as likely as its weight
    /// says.
    fn smallest(&self, random: &mut fastrand::Rng) -> usize {
        let leaves = self.tree.len() / 2;
        let mut among = random.u64(..self.tree[1].tied);
        let mut node = 1;
        while node < leaves {
            let (left, right) = (self.tree[2 * node], self.tree[2 * node + 1]);
            node = match left.cmp(right) {
                Ordering::Less => 2 * node,
                Ordering::Equal if among < left.tied => 2 * node,
                Ordering::Equal => {
                    among -= left.tied;
                    2 * node + 1
                }
                Ordering::Greater => 2 * node + 1,
            };
        }
        node - leaves
    }
}

impl RelativeBurden {
    fn of(burden: u32, weight: u32) -> Self {
        Self { burden, weight, tied: u64::from(weight) }
    }

    /// Compares by multiplication: an integer division would make 1/2 and 1/3 the same.
    fn cmp(self, other: Self) -> Ordering {
        let (burden, others) = (u64::from(self.burden), u64::from(other.burden));
        (burden * u64::from(other.weight)).cmp(&(others * u64::from(self.weight)))
    }

    /// The smaller of two; equal ones are added up as tied.
    fn smaller(self, other: Self) -> Self {
        match self.cmp(other) {
            Ordering::Less => self,
            Ordering::Equal => Self { tied: self.tied + other.tied, ..self },
            Ordering::Greater => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fleet;
    use super::super::{Balancer, Cursor, LeastConnections, WeightedLeastConnections};
    use super::*;
    use crate::endpoint::InFlight;

    #[test]
    fn a_tree_that_was_corrected_is_the_one_that_would_be_made_anew() {
        let mut random = fastrand::Rng::with_seed(5);
        for count in [2, 3, 5, 257, 1_000] {
            let candidates = Fleet::new(&vec![1; count]).candidates();
            let tournament = Tournament::new(candidates);
            let mut seen = tournament.first_look(&mut random, &|_| RelativeBurden::of(0, 1));
            let mut shares = vec![RelativeBurden::of(0, 1); count];
            for _ in 0..500 {
                let place = random.usize(..count);
                shares[place] = RelativeBurden::of(random.u32(..4), random.u32(1..4));
                seen.put(place, shares[place]);
                let all = shares.iter().copied().reduce(RelativeBurden::smaller).unwrap();
                assert_eq!((seen.tree[1].cmp(all), seen.tree[1].tied), (Ordering::Equal, all.tied));
                assert_eq!(shares[seen.smallest(&mut random)].cmp(all), Ordering::Equal);
            }
        }
    }

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
    fn one_that_becomes_idle_by_what_others_did_is_found_in_turn() {
        let count = 2_000;
        let fleet = Fleet::new(&vec![1; count]).with_in_flight(&vec![3; count]);
        let balancer = LeastConnections::new(fleet.candidates());
        let (mut cursor, mut random) = (Cursor::new(0), fastrand::Rng::with_seed(1));
        let mut pick = || balancer.pick(Pick::test(&mut cursor, &[], &mut random)).unwrap();
        pick();
        let fleet = fleet.without_in_flight(1_234);
        let picks: Vec<_> = (0..count.div_ceil(TURN)).map(|_| pick()).collect();
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
