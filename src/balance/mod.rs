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
    /// The backends that this exchange was sent to already; a handful at most.
    pub tried: &'a [usize],
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
mod tests {
    use super::*;

    #[test]
    fn each_worker_starts_elsewhere_and_each_service_has_its_own_place() {
        let balancer = RoundRobin::new(vec![0, 1, 2]);
        let first = |worker| balancer.pick(Pick { cursor: Cursors::new(worker).of(7), tried: &[] });
        assert_eq!([first(0), first(1), first(2), first(3)], [Some(0), Some(1), Some(2), Some(0)]);

        let mut cursors = Cursors::new(0);
        let mut pick = |service| balancer.pick(Pick { cursor: cursors.of(service), tried: &[] });
        assert_eq!([pick(0), pick(0), pick(5), pick(0)], [Some(0), Some(1), Some(0), Some(2)]);
    }
}
