//! Which backend takes the next exchange: one trait, one file per algorithm.
//!
//! The control plane builds a balancer from the backends that may be used, and it is never changed: when one of them
//! goes or comes, another balancer is built and published with the next snapshot. So a pick has nothing to skip, and
//! every backend's share is exact by construction. State that a pick changes (the position in the round) belongs to the
//! worker that picks: workers share no counter that they would contend for.
//!
//! Backends are named by their index in the service's list.
//!
//! To add an algorithm: a file with a type that implements [`Balancer`] and is built from just what it needs; what it must
//! know of the exchange goes into [`Pick`]; what it remembers from pick to pick goes into [`Cursor`].

pub mod available;
mod consistent_hash;
mod draw;
mod least_connections;
mod power_of_two;
mod resource_based;
mod response_time;
mod ring;
mod round_robin;
pub mod slow_start;
mod tournament;
mod tried;
mod weighted_least_connections;
mod weighted_round_robin;
pub mod zones;

pub use consistent_hash::ConsistentHash;
pub use least_connections::LeastConnections;
pub use power_of_two::PowerOfTwo;
pub use resource_based::{EXPIRE, ResourceBased, reported};
pub use response_time::ResponseTime;
pub use ring::{Ring, hash_key};
pub use round_robin::RoundRobin;
pub use tried::{BackendSet, Tried};
pub use weighted_least_connections::WeightedLeastConnections;
pub use weighted_round_robin::WeightedRoundRobin;

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Moment;
use crate::endpoint::Live;
use crate::policy::Balance;

/// A backend that may be used.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its index in the service's list.
    pub index: usize,
    /// Its id, which is the same on every instance; the hash ring is made from it.
    pub id: Arc<str>,
    /// Its weight, above 0.
    pub weight: u32,
    /// What changes while it works.
    pub live: Arc<Live>,
}

impl Candidate {
    /// The exchanges that count against it: those in flight, and a penalty while it keeps failing.
    pub fn burden(&self, now: Moment) -> u32 {
        self.live.in_flight().saturating_add(self.live.latency.failure_penalty(now))
    }
}

/// The algorithm over these backends, with load reports that expire after [`EXPIRE`].
pub fn build(balance: Balance, candidates: Vec<Candidate>) -> Box<dyn Balancer> {
    build_with(balance, candidates, EXPIRE)
}

/// The algorithm over these backends; load reports that are older than `reports_expire` are not believed.
pub fn build_with(balance: Balance, candidates: Vec<Candidate>, reports_expire: Duration) -> Box<dyn Balancer> {
    match balance {
        Balance::RoundRobin => Box::new(RoundRobin::new(candidates.iter().map(|candidate| candidate.index).collect())),
        Balance::WeightedRoundRobin => Box::new(WeightedRoundRobin::new(&candidates)),
        Balance::LeastConnections => Box::new(LeastConnections::new(candidates)),
        Balance::WeightedLeastConnections => Box::new(WeightedLeastConnections::new(candidates)),
        Balance::ResourceBased => Box::new(ResourceBased::new(candidates, reports_expire)),
        Balance::ResponseTime => Box::new(ResponseTime::new(candidates)),
        Balance::ConsistentHash(shape) => Box::new(ConsistentHash::new(candidates, shape)),
        Balance::PowerOfTwo => Box::new(PowerOfTwo::new(candidates)),
    }
}

/// A number that no balancer had before. A [`Cursor`] recognises by it whether what it remembers belongs to this
/// balancer.
fn new_identity() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// An algorithm over an unchanging set of available backends.
pub trait Balancer: Debug + Send + Sync {
    /// The backend to use; `None` only when none is available.
    ///
    /// Not one of `pick.tried` while there is another. When all have been tried it is one of them: the caller decides
    /// whether another try makes sense.
    fn pick(&self, pick: Pick<'_>) -> Option<usize>;

    /// The ring of consistent hashing, whose owners are places in the list of candidates that it was built from; `None` = the algorithm has none.
    fn ring(&self) -> Option<&Ring> {
        None
    }
}

/// What a pick depends on.
#[derive(Debug)]
pub struct Pick<'a> {
    /// What this worker remembers of its picks from this service.
    pub cursor: &'a mut Cursor,
    /// The backends that this exchange was sent to already, or that can't take it now.
    pub tried: Tried<'a>,
    /// The worker's random source.
    pub random: &'a mut fastrand::Rng,
    /// When the exchange began.
    pub now: Moment,
    /// The hash of what identifies the client (or the path, ...): the same for the same value, on every instance.
    pub key: u64,
}

/// What one worker remembers from pick to pick for one service.
#[derive(Debug, Clone)]
pub struct Cursor {
    /// The position in the round. It may lie beyond the end (at the start, or when backends have gone); it is taken
    /// modulo their number.
    position: usize,
    memory: Memory,
    /// What is remembered of picks from the destination of a failover, while that gets a part of the work; beyond it, of picks from other zones.
    aside: Option<Box<Cursor>>,
}

/// What an algorithm remembers beside the position. A service has one algorithm, so there is one of these.
#[derive(Debug, Clone)]
enum Memory {
    Nothing,
    /// Weighted round robin: the position in its round.
    Round(weighted_round_robin::RoundPosition),
    /// Resource based: the average of recently seen loads.
    AverageLoad(f64),
    /// Consistent hash with bounded load: how many exchanges were in flight in all.
    InFlight(consistent_hash::InFlightCount),
    /// Least connections over many backends: the burden of each when it was last looked at.
    LastSeen(Box<tournament::LastSeen>),
}

/// One worker's cursors, one for each service.
#[derive(Debug)]
pub struct Cursors {
    start: usize,
    by_service: Vec<Cursor>,
}

impl Cursor {
    /// A cursor that starts its first round at the backend `start`, modulo their number.
    pub fn new(start: usize) -> Self {
        Self { position: start, memory: Memory::Nothing, aside: None }
    }

    /// The cursor for picks from the destination of a failover. It goes its own way: two balancers would each forget what the other
    /// one remembers.
    pub fn aside(&mut self) -> &mut Self {
        let start = self.position;
        self.aside.get_or_insert_with(|| Box::new(Self::new(start)))
    }

    /// The cursor for picks from the other zone with this number, counted from 1. That of a failover's destination comes before it.
    pub fn beyond(&mut self, zone: usize) -> &mut Self {
        (0..=zone).fold(self, |cursor, _| cursor.aside())
    }

    /// Records that an exchange with this backend, picked by this worker, has ended.
    pub fn ended(&mut self, backend: usize) {
        if let Memory::LastSeen(seen) = &mut self.memory {
            seen.end(backend);
        }
        if let Some(aside) = &mut self.aside {
            aside.ended(backend);
        }
    }
}

impl Cursors {
    /// The cursors of the worker with this number. Each worker starts at another backend, so that the first exchanges after
    /// a start don't all go to the first one.
    pub fn new(worker: usize) -> Self {
        Self { start: worker, by_service: Vec::new() }
    }

    /// The cursor for the service with this index. When a reload moves a service to another index it goes on from where the
    /// other one stood, which is as good a place in the turn as any.
    pub fn of(&mut self, service: usize) -> &mut Cursor {
        if service >= self.by_service.len() {
            self.by_service.resize(service + 1, Cursor::new(self.start));
        }
        &mut self.by_service[service]
    }
}

#[cfg(test)]
impl<'a> Pick<'a> {
    fn test(cursor: &'a mut Cursor, tried: &'a [usize], random: &'a mut fastrand::Rng) -> Self {
        Self { cursor, tried: tried.into(), random, now: tests::Fleet::NOW, key: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::InFlight;

    /// Backends of these weights, called `10.0.0.N:80`.
    pub(super) struct Fleet {
        candidates: Vec<Candidate>,
        held: Vec<InFlight>,
    }

    impl Fleet {
        pub(super) const NOW: Moment = Moment::from_millis((1 << 40) + 1_000_000);

        pub(super) fn new(weights: &[u32]) -> Self {
            let candidate = |(index, &weight)| Candidate {
                index,
                id: format!("10.0.0.{index}:80").into(),
                weight,
                live: Arc::new(Live::default()),
            };
            Self { candidates: weights.iter().enumerate().map(candidate).collect(), held: Vec::new() }
        }

        pub(super) fn with_in_flight(mut self, counts: &[u32]) -> Self {
            for (candidate, &count) in self.candidates.iter().zip(counts) {
                self.held.extend((0..count).map(|_| candidate.live.enter()));
            }
            self
        }

        pub(super) fn without_in_flight(mut self, backend: usize) -> Self {
            let live = Arc::clone(self.live(backend));
            self.held.retain(|held| !Arc::ptr_eq(held.live(), &live));
            self
        }

        pub(super) fn candidates(&self) -> Vec<Candidate> {
            self.candidates.clone()
        }

        pub(super) fn live(&self, backend: usize) -> &Arc<Live> {
            &self.candidates[backend].live
        }

        /// How many exchanges each backend has in flight after `count` that never end.
        pub(super) fn hold(&self, balancer: &dyn Balancer, count: u32) -> Vec<u32> {
            self.hold_key(balancer, count, 0)
        }

        pub(super) fn hold_key(&self, balancer: &dyn Balancer, count: u32, key: u64) -> Vec<u32> {
            let (mut cursor, mut random) = (Cursor::new(0), fastrand::Rng::with_seed(1));
            let mut held = Vec::new();
            for _ in 0..count {
                let pick = Pick { key, ..Pick::test(&mut cursor, &[], &mut random) };
                held.push(self.live(balancer.pick(pick).unwrap()).enter());
            }
            self.candidates.iter().map(|candidate| candidate.live.in_flight()).collect()
        }
    }

    pub(super) fn pick_with(
        balancer: &dyn Balancer,
        cursor: &mut Cursor,
        random: &mut fastrand::Rng,
        tried: &[usize],
    ) -> Option<usize> {
        balancer.pick(Pick::test(cursor, tried, random))
    }

    pub(super) fn pick_key(balancer: &dyn Balancer, key: u64, tried: &[usize]) -> Option<usize> {
        let (mut cursor, mut random) = (Cursor::new(0), fastrand::Rng::with_seed(1));
        balancer.pick(Pick { key, ..Pick::test(&mut cursor, tried, &mut random) })
    }

    pub(super) fn picks(
        balancer: &dyn Balancer,
        cursor: &mut Cursor,
        random: &mut fastrand::Rng,
        count: usize,
    ) -> Vec<usize> {
        (0..count).filter_map(|_| pick_with(balancer, cursor, random, &[])).collect()
    }

    /// How often each of `backends` is picked in so many picks.
    pub(super) fn count(balancer: &dyn Balancer, backends: usize, picks: usize) -> Vec<u32> {
        let (mut cursor, mut random) = (Cursor::new(0), fastrand::Rng::with_seed(1));
        let mut counts = vec![0; backends];
        self::picks(balancer, &mut cursor, &mut random, picks).into_iter().for_each(|backend| counts[backend] += 1);
        counts
    }

    #[test]
    fn each_worker_starts_elsewhere_and_each_service_has_its_own_place() {
        let balancer = RoundRobin::new(vec![0, 1, 2]);
        let first =
            |worker| balancer.pick(Pick::test(Cursors::new(worker).of(7), &[], &mut fastrand::Rng::with_seed(1)));
        assert_eq!([first(0), first(1), first(2), first(3)], [Some(0), Some(1), Some(2), Some(0)]);

        let mut cursors = Cursors::new(0);
        let mut pick = |service| balancer.pick(Pick::test(cursors.of(service), &[], &mut fastrand::Rng::with_seed(1)));
        assert_eq!([pick(0), pick(0), pick(5), pick(0)], [Some(0), Some(1), Some(0), Some(2)]);
    }
}
