//! Which backend takes the next exchange: one trait, one file per algorithm.
//!
//! A balancer is built by the control plane from the backends that may be used and is never changed: when one of them goes
//! or comes, another balancer is built and published with the next snapshot. So a pick has nothing to skip, and every
//! backend's share is exact by construction. What a pick changes (the place in the turn) belongs to the worker that
//! picks: workers share no counter that they would contend for.
//!
//! Backends are named by their index in the service's list.
//!
//! To add an algorithm: a file with a type that implements [`Balancer`] and is built from just what it needs; what it must
//! know of the exchange goes into [`Pick`]; what it remembers from pick to pick goes into [`Cursor`].

mod round_robin;

pub use round_robin::RoundRobin;

use std::fmt::Debug;
use std::sync::Arc;

use crate::clock::Moment;
use crate::endpoint::Live;
use crate::policy::Balance;

/// A backend that may be used.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its place in the service's list.
    pub index: usize,
    /// Its identity, the same on every instance: by it the ring is made.
    pub id: Arc<str>,
    /// Its weight, above 0.
    pub weight: u32,
    /// What changes while it works.
    pub live: Arc<Live>,
}

/// The algorithm over these backends.
pub fn build(balance: Balance, candidates: Vec<Candidate>) -> Box<dyn Balancer> {
    let _ = balance;
    Box::new(RoundRobin::new(candidates.iter().map(|candidate| candidate.index).collect()))
}

/// An algorithm over an unchanging set of available backends.
pub trait Balancer: Debug + Send + Sync {
    /// The backend to use; `None` only when none is available.
    ///
    /// Never one of `pick.tried` while there is another. When all have been tried it is one of them: whether trying again
    /// makes sense is the caller's decision.
    fn pick(&self, pick: Pick<'_>) -> Option<usize>;
}

/// What a pick depends on.
#[derive(Debug)]
pub struct Pick<'a> {
    /// What this worker remembers of its picks from this service.
    pub cursor: &'a mut Cursor,
    /// The backends that this exchange was sent to already, or that may not be used now; a handful at most.
    pub tried: &'a [usize],
    /// The worker's random source.
    pub random: &'a mut fastrand::Rng,
    /// When the exchange began.
    pub now: Moment,
    /// The hash of what the exchange is told by: the same for the same client (or path, ...), on every instance.
    pub key: u64,
}

/// What one worker remembers from pick to pick for one service.
#[derive(Debug, Clone, Copy)]
pub struct Cursor {
    /// The place in the turn. It may lie beyond the end (at the start, or when backends have gone): then it is taken modulo
    /// their number.
    position: usize,
}

/// One worker's cursors, one for each service.
#[derive(Debug)]
pub struct Cursors {
    start: usize,
    by_service: Vec<Cursor>,
}

impl Cursor {
    /// A cursor that starts its first turn at the backend `start`, modulo their number.
    pub fn new(start: usize) -> Self {
        Self { position: start }
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
        Self { cursor, tried, random, now: Moment::NEVER, key: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
