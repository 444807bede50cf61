//! Traffic divided among services by weight, at random or so that each client keeps its side.
//!
//! A client that keeps its side has a point, and each side draws a number from that point: the one whose number is the best for its weight
//! gets the client. This is rendezvous hashing with weights (Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998;
//! the numbers are exponential, as in Schindelhauer and Schomaker, "Weighted Distributed Hash Tables", 2005). A side's number for a client depends on nothing but the client and the
//! name of the side, so a weight that grows only draws clients to its side, and one that shrinks only gives some away: from 5 % to 10 % moves 5 % of all
//! clients, whatever the order of the sides and however many there are. All instances decide alike.
//!
//! Weights are atomics, so that the control plane can shift them without building anything anew.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::balance::hash_key;
use crate::policy::SplitBy;

/// Services, by their places in the snapshot, that share the requests of a route by weight.
#[derive(Debug)]
pub struct Split {
    sides: Box<[Side]>,
    by: Option<SplitBy>,
}

/// A service and its share.
#[derive(Debug)]
struct Side {
    service: usize,
    /// A hash of its name.
    seed: u64,
    weight: AtomicU32,
}

/// What decides on which side a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Chance: a number that is uniform over all of `u32`.
    Random(u32),
    /// Its client: a number that is always the same for the same client.
    Client(u64),
}

impl Split {
    /// Divides by these weights among services, each with its place in the snapshot and its name; `None` when there is no weight to
    /// divide by.
    pub fn new<'a>(sides: impl IntoIterator<Item = (usize, &'a str, u32)>, by: Option<SplitBy>) -> Option<Self> {
        let side = |(service, name, weight): (usize, &str, u32)| Side {
            service,
            seed: hash_key(name.as_bytes()),
            weight: AtomicU32::new(weight),
        };
        let sides: Box<[Side]> = sides.into_iter().map(side).collect();
        sides.iter().any(|side| side.weight() > 0).then_some(Self { sides, by })
    }

    /// What keeps a client on its side; `None` = nothing.
    pub fn by(&self) -> Option<&SplitBy> {
        self.by.as_ref()
    }

    /// All services that it may divide among, also those that get nothing now.
    pub fn services(&self) -> impl Iterator<Item = usize> {
        self.sides.iter().map(|side| side.service)
    }

    /// The services that it divides among now, each with its weight.
    pub fn weights(&self) -> impl Iterator<Item = (usize, u32)> {
        self.sides.iter().map(|side| (side.service, side.weight())).filter(|(_, weight)| *weight > 0)
    }

    /// Gives the service at this place in the snapshot another weight. Workers see it with their next request. While all weights are 0, the
    /// first service gets everything.
    pub fn set_weight(&self, service: usize, weight: u32) {
        for side in self.sides.iter().filter(|side| side.service == service) {
            side.weight.store(weight, Ordering::Relaxed);
        }
    }

    /// The service with the largest share; of several, the first.
    pub fn largest(&self) -> usize {
        let first = self.sides.first().map_or(0, |side| side.service);
        let larger = |most: (usize, u32), side: (usize, u32)| if side.1 > most.1 { side } else { most };
        self.weights().fold((first, 0), larger).0
    }

    /// The service for a request.
    pub fn choose(&self, point: Point) -> usize {
        match point {
            Point::Random(random) => self.choose_at_random(random),
            Point::Client(client) => self.side_of(client),
        }
    }

    fn choose_at_random(&self, random: u32) -> usize {
        let total: u64 = self.weights().map(|(_, weight)| u64::from(weight)).sum();
        // scaled rather than `%`, which would favour the first services; 128 bits because the product may need more
        // than 64
        let point = ((u128::from(random) * u128::from(total)) >> 32) as u64;
        let (mut upto, mut last) = (0, None);
        for (service, weight) in self.weights() {
            upto += u64::from(weight);
            last = Some(service);
            if point < upto {
                break;
            }
        }
        last.unwrap_or_else(|| self.largest())
    }

    fn side_of(&self, client: u64) -> usize {
        let mut best = (f64::INFINITY, None);
        for side in self.sides.iter() {
            let time = side.arrival(client);
            if time < best.0 {
                best = (time, Some(side.service));
            }
        }
        best.1.unwrap_or_else(|| self.largest())
    }
}

impl Side {
    fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    /// When this side's first event comes for a client, if events come as often as its weight says: the first of all sides gets the client, and each
    /// is the first with a probability by its share of the weights. Infinite without a weight.
    fn arrival(&self, client: u64) -> f64 {
        let weight = self.weight();
        if weight == 0 {
            return f64::INFINITY;
        }
        // the 53 bits that a float holds, as a number above 0 and at most 1
        let uniform = ((mix(client ^ self.seed) >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        -uniform.ln() / f64::from(weight)
    }
}

/// Spreads numbers that differ little over all of `u64` (the finalizer of SplitMix64: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
/// Generators", 2014).
pub(super) fn mix(mut n: u64) -> u64 {
    n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(weights: &[u32]) -> Split {
        let names = ["stable", "canary", "third"];
        Split::new(weights.iter().enumerate().map(|(at, weight)| (at, names[at], *weight)), None).unwrap()
    }

    fn sides(split: &Split, clients: u64) -> Vec<usize> {
        (0..clients).map(|client| split.choose(Point::Client(client))).collect()
    }

    #[test]
    fn clients_are_divided_by_weight() {
        for weights in [[95, 5, 0], [1, 1, 0], [50, 30, 20], [0, 999, 1]] {
            let (sides, total) = (sides(&split(&weights), 100_000), weights.iter().sum::<u32>());
            for (at, weight) in weights.iter().enumerate() {
                let share = sides.iter().filter(|side| **side == at).count() as f64 / 100_000.0;
                let due = f64::from(*weight) / f64::from(total);
                assert!((share - due).abs() < 0.004, "{weights:?}: {share} instead of {due}");
            }
        }
    }

    #[test]
    fn a_weight_that_grows_moves_clients_to_its_side_only_and_no_more_than_it_grows_by() {
        let split = split(&[95, 5]);
        let (mut before, clients) = (sides(&split, 100_000), 100_000.0);
        for canary in [10, 25, 50, 100, 50, 5, 0] {
            let grows = canary > split.weights().find(|(side, _)| *side == 1).map_or(0, |(_, weight)| weight);
            let share = before.iter().filter(|side| **side == 1).count() as f64 / clients;
            split.set_weight(0, 100 - canary);
            split.set_weight(1, canary);
            let after = sides(&split, 100_000);
            let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count() as f64 / clients;
            let wrong = before.iter().zip(&after).filter(|(before, after)| before != after && (**after == 1) != grows);
            assert_eq!(wrong.count(), 0, "to {canary} %");
            assert!((moved - (share - f64::from(canary) / 100.0).abs()).abs() < 0.005, "to {canary} %: {moved} moved");
            before = after;
        }
    }

    #[test]
    fn the_weight_of_one_of_three_moves_nobody_between_the_others() {
        let split = split(&[50, 10, 40]);
        let before = sides(&split, 20_000);
        split.set_weight(1, 30);
        let after = sides(&split, 20_000);
        assert!(before.iter().zip(&after).all(|(before, after)| before == after || *after == 1));
    }

    #[test]
    fn without_any_weight_the_first_gets_everything() {
        let split = split(&[1, 1]);
        split.set_weight(0, 0);
        split.set_weight(1, 0);
        assert_eq!((split.choose(Point::Random(u32::MAX)), split.choose(Point::Client(7)), split.largest()), (0, 0, 0));
        assert!(Split::new([(0, "a", 0)], None).is_none());
    }
}
