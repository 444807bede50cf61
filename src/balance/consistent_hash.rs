//! By the hash of something in the request: the owner of its key on the [`Ring`], or the next one along the ring.
//!
//! With bounded load a backend takes no exchange that would put it above `bounded_load` times its fair share of those in
//! flight, rounded up; the exchange goes on along the ring to the next that has room (Mirrokni, Thorup, Zadimoghaddam,
//! "Consistent Hashing with Bounded Loads", 2016). So a key that everybody asks for doesn't crush its owner, and all other
//! keys stay where they are.

use super::ring::Ring;
use super::{Balancer, Candidate, Memory, Pick, new_identity};
use crate::clock::Moment;
use crate::policy;

/// Consistent hashing on a ring.
#[derive(Debug)]
pub struct ConsistentHash {
    identity: u64,
    candidates: Vec<Candidate>,
    ring: Ring,
    bound: Option<Bound>,
}

/// The limit to what a backend may have in flight.
#[derive(Debug)]
struct Bound {
    factor: f64,
    /// Sum of all weights.
    weight: f64,
}

/// What one worker last counted in flight over all backends.
#[derive(Debug, Clone, Copy)]
pub(super) struct InFlightCount {
    /// The balancer that this is for.
    of: u64,
    total: u64,
    /// How many more picks use this count.
    good_for: usize,
    at: Moment,
}

/// The exchanges of all backends are counted at each n-th pick, where n is the number of backends divided by this: so a
/// pick costs the same however many there are, and in that time a worker moves the mean by no more than a thirty-second
/// of an exchange.
const RECOUNT: usize = 32;

/// The longest that a count is used. A count gets this old only when there is little to do, and then counting is cheap.
const RECOUNT_MILLIS: u64 = 100;

impl ConsistentHash {
    /// A ring over these candidates; with a bound when `shape.bounded_load` is above 0.
    pub fn new(candidates: Vec<Candidate>, shape: policy::Ring) -> Self {
        let ring = Ring::new(&candidates, shape.virtual_nodes);
        let weight = candidates.iter().map(|candidate| f64::from(candidate.weight)).sum();
        // below 1 nobody could take anything
        let bound = (shape.bounded_load > 0.0).then_some(Bound { factor: shape.bounded_load.max(1.0), weight });
        Self { identity: new_identity(), candidates, ring, bound }
    }

    /// The first candidate along the ring from `key` for which `may` holds.
    fn first(&self, key: u64, may: impl Fn(&Candidate) -> bool) -> Option<usize> {
        self.ring
            .owners_from(key)
            .map(|place| &self.candidates[place])
            .find(|owner| may(owner))
            .map(|owner| owner.index)
    }

    /// About how many exchanges are in flight over all backends.
    fn total(&self, memory: &mut Memory, now: Moment) -> u64 {
        if let Memory::InFlight(counted) = memory
            && counted.of == self.identity
            && counted.good_for > 0
            && now.as_millis().abs_diff(counted.at.as_millis()) < RECOUNT_MILLIS
        {
            counted.good_for -= 1;
            return counted.total;
        }
        let total = self.candidates.iter().map(|candidate| u64::from(candidate.live.in_flight())).sum();
        let good_for = (self.candidates.len() / RECOUNT).saturating_sub(1);
        *memory = Memory::InFlight(InFlightCount { of: self.identity, total, good_for, at: now });
        total
    }
}

impl Balancer for ConsistentHash {
    fn pick(&self, pick: Pick<'_>) -> Option<usize> {
        let untried = |owner: &Candidate| !pick.tried.contains(owner.index);
        let within = self.bound.as_ref().and_then(|bound| {
            let total = self.total(&mut pick.cursor.memory, pick.now);
            self.first(pick.key, |owner| untried(owner) && bound.has_room(owner, total, pick.now))
        });
        within.or_else(|| self.first(pick.key, untried)).or_else(|| self.first(pick.key, |_| true))
    }

    fn ring(&self) -> Option<&Ring> {
        Some(&self.ring)
    }
}

impl Bound {
    /// Whether one more exchange leaves the backend within its bound, that exchange included on both sides. A bound is
    /// at least 1. A backend that keeps failing has no room: with nothing in flight it would take everything that its
    /// neighbours have no room for.
    fn has_room(&self, candidate: &Candidate, total: u64, now: Moment) -> bool {
        let in_flight = candidate.burden(now);
        let fair = (total as f64 + 1.0) * f64::from(candidate.weight) / self.weight;
        in_flight == 0 || f64::from(in_flight) + 1.0 <= (self.factor * fair).ceil()
    }
}

#[cfg(test)]
mod tests {
    use super::super::hash_key;
    use super::super::tests::{Fleet, pick_key};
    use super::*;

    fn balancer(fleet: &Fleet, bounded_load: f64) -> ConsistentHash {
        ConsistentHash::new(fleet.candidates(), policy::Ring { virtual_nodes: 150, bounded_load })
    }

    fn keys(count: u32) -> impl Iterator<Item = u64> {
        (0..count).map(|i| hash_key(&i.to_le_bytes()))
    }

    #[test]
    fn a_key_stays_with_its_backend_and_weights_are_respected() {
        let fleet = Fleet::new(&[1, 2, 3, 4]);
        let (one, other) = (balancer(&fleet, 0.0), balancer(&fleet, 0.0));
        let mut counts = [0_u32; 4];
        for key in keys(20_000) {
            let backend = pick_key(&one, key, &[]).unwrap();
            assert_eq!(pick_key(&other, key, &[]), Some(backend));
            counts[backend] += 1;
        }
        for (got, weight) in counts.into_iter().zip(1..) {
            assert!(got.abs_diff(weight * 2_000) < weight * 300, "{got} for {weight}");
        }
    }

    #[test]
    fn a_key_whose_backend_was_tried_goes_where_it_would_go_without_it() {
        let fleet = Fleet::new(&[1; 5]);
        let all = balancer(&fleet, 0.0);
        for key in keys(500) {
            let owner = pick_key(&all, key, &[]).unwrap();
            let others = fleet.candidates().into_iter().filter(|candidate| candidate.index != owner).collect();
            let without = ConsistentHash::new(others, policy::Ring { virtual_nodes: 150, bounded_load: 0.0 });
            assert_eq!(pick_key(&all, key, &[owner]), pick_key(&without, key, &[]));
        }
    }

    #[test]
    fn a_hot_key_overflows_along_the_ring_and_no_backend_is_above_its_bound() {
        let fleet = Fleet::new(&[1; 10]);
        let balancer = balancer(&fleet, 1.25);
        let mut held = Vec::new();
        for sent in 1..=200 {
            let backend = pick_key(&balancer, 12_345, &[]).unwrap();
            held.push(fleet.live(backend).enter());
            let most = (0..10).map(|backend| fleet.live(backend).in_flight()).max().unwrap();
            assert!(f64::from(most) <= (1.25 * f64::from(sent) / 10.0).ceil(), "{most} of {sent}");
        }
    }

    #[test]
    fn a_bound_follows_the_weights() {
        let fleet = Fleet::new(&[1, 3]);
        let held = fleet.hold_key(&balancer(&fleet, 1.0), 400, 7);
        assert_eq!(held, [100, 300]);
    }

    #[test]
    fn one_that_fails_at_once_takes_in_nothing_from_the_others() {
        let fleet = Fleet::new(&[1; 3]).with_in_flight(&[2, 0, 2]);
        (0..5).for_each(|_| fleet.live(1).latency.observe_failure(std::time::Duration::ZERO, Fleet::NOW));
        assert!(keys(300).all(|key| pick_key(&balancer(&fleet, 1.25), key, &[]) != Some(1)));
    }

    #[test]
    fn with_every_backend_at_its_bound_there_is_still_an_answer() {
        let fleet = Fleet::new(&[1, 1]).with_in_flight(&[9, 0]);
        assert_eq!(pick_key(&balancer(&fleet, 1.25), 1, &[1]), Some(0), "the only one that was not tried");
        assert!(pick_key(&balancer(&fleet, 1.25), 1, &[0, 1]).is_some());
    }

    #[test]
    fn a_count_is_good_for_few_picks_and_a_short_time() {
        let fleet = Fleet::new(&[1; 128]);
        let balancer = balancer(&fleet, 1.25);
        let mut memory = Memory::Nothing;
        let now = Fleet::NOW;
        assert_eq!(balancer.total(&mut memory, now), 0);
        let _held: Vec<_> = (0..128).map(|backend| fleet.live(backend).enter()).collect();
        let counts: Vec<_> = (0..5).map(|_| balancer.total(&mut memory, now)).collect();
        assert_eq!(counts, [0, 0, 0, 128, 128]);
        drop(_held);
        assert_eq!(balancer.total(&mut memory, now.plus(std::time::Duration::from_millis(100))), 0);
    }
}
