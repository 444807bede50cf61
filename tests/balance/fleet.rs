//! Backends to balance over, and the algorithms by name.

use std::sync::Arc;

use evenkeel::balance::{Balancer, Candidate, Cursor, Pick};
use evenkeel::clock::Moment;
use evenkeel::endpoint::{InFlight, Live};
use evenkeel::policy::{Balance, Ring};

/// When it all begins.
pub const START: Moment = Moment::from_millis(1 << 40);

pub const HASH: Balance = Balance::ConsistentHash(Ring { virtual_nodes: 150, bounded_load: 0.0 });
pub const BOUNDED_HASH: Balance = Balance::ConsistentHash(Ring { virtual_nodes: 150, bounded_load: 1.25 });

pub const ALL: [(&str, Balance); 9] = [
    ("round_robin", Balance::RoundRobin),
    ("weighted_round_robin", Balance::WeightedRoundRobin),
    ("least_connections", Balance::LeastConnections),
    ("weighted_least_connections", Balance::WeightedLeastConnections),
    ("resource_based", Balance::ResourceBased),
    ("response_time", Balance::ResponseTime),
    ("consistent_hash", HASH),
    ("consistent_hash, bounded_load = 1.25", BOUNDED_HASH),
    ("power_of_two", Balance::PowerOfTwo),
];

/// Backends called `10.0.X.Y:80`, in the order of their indices.
pub fn candidates(weights: &[u32]) -> Vec<Candidate> {
    let candidate = |(index, &weight): (usize, &u32)| Candidate {
        index,
        id: format!("10.0.{}.{}:80", index / 256, index % 256).into(),
        weight,
        live: Arc::new(Live::default()),
    };
    weights.iter().enumerate().map(candidate).collect()
}

/// One worker's side of the picks from one service.
pub struct Worker {
    pub cursor: Cursor,
    pub random: fastrand::Rng,
}

impl Worker {
    pub fn new(number: usize, seed: u64) -> Self {
        Self { cursor: Cursor::new(number), random: fastrand::Rng::with_seed(seed ^ number as u64) }
    }

    pub fn pick(&mut self, balancer: &dyn Balancer, tried: &[usize], key: u64, now: Moment) -> Option<usize> {
        balancer.pick(Pick { cursor: &mut self.cursor, tried: tried.into(), random: &mut self.random, now, key })
    }
}

/// So many exchanges in flight with each.
pub fn occupy(candidates: &[Candidate], in_flight: &[u32]) -> Vec<InFlight> {
    let pairs = candidates.iter().zip(in_flight);
    pairs.flat_map(|(candidate, &count)| (0..count).map(|_| candidate.live.enter())).collect()
}
