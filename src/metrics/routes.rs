//! How many requests a route has taken.

use super::slots::{Count, PerWorker};

/// Requests and sessions that one route has taken.
#[derive(Debug)]
pub struct RouteHits(PerWorker<Count>);

impl RouteHits {
    /// For workers 0 to `workers - 1`.
    pub fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }

    /// Counts one, on the thread of `worker`.
    pub fn count(&self, worker: usize) {
        self.0.of(worker).add(1);
    }

    /// How many it has taken.
    pub fn read(&self) -> u64 {
        self.0.sum(|hits| hits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hits_of_all_workers_add_up() {
        let hits = RouteHits::new(2);
        [0, 1, 1].into_iter().for_each(|worker| hits.count(worker));
        assert_eq!(hits.read(), 3);
    }
}
