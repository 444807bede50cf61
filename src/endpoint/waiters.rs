//! The requests that wait for a free place at the backends of a service, over all workers.
//!
//! Each worker has a queue of its own, in the order of arrival. Here is what the workers have to know of each other's
//! queues: how long the first one of each has waited, so that a free place goes to the one that has waited longest
//! anywhere, and how many places have been left. While nobody waits, an exchange that ends reads one word here, which
//! nobody writes.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

use tokio::sync::Notify;

/// What the workers' queues for one service know of each other. It stays from snapshot to snapshot.
#[derive(Debug)]
pub struct Waiters {
    workers: Box<[WorkerWaiters]>,
    /// How many workers have somebody waiting.
    queues: AtomicUsize,
    /// How many places were left while somebody waited.
    left: AtomicU64,
}

/// One worker's queue, on cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct WorkerWaiters {
    /// The turn (a number that grows with each arrival) of the one that waits longest; [`NOBODY`] when nobody waits.
    /// Only that worker writes it.
    first: AtomicU64,
    /// How many wait there.
    count: AtomicUsize,
    /// Notified when another worker has left a place for this one.
    news: Notify,
}

/// The turn of an empty queue: larger than every other turn.
const NOBODY: u64 = u64::MAX;

impl Waiters {
    /// For workers 0 to `workers - 1`.
    pub fn new(workers: usize) -> Self {
        let worker =
            || WorkerWaiters { first: AtomicU64::new(NOBODY), count: AtomicUsize::new(0), news: Notify::new() };
        Self {
            workers: std::iter::repeat_with(worker).take(workers).collect(),
            queues: AtomicUsize::new(0),
            left: AtomicU64::new(0),
        }
    }

    /// How many wait, on all workers.
    pub fn len(&self) -> usize {
        self.workers.iter().map(|worker| worker.count.load(Ordering::Relaxed)).sum()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Records how many wait on this worker. Only that worker calls this.
    pub fn set_len(&self, worker: usize, count: usize) {
        if let Some(slot) = self.workers.get(worker) {
            slot.count.store(count, Ordering::Relaxed);
        }
    }

    /// Whether somebody waits on this worker.
    pub fn is_on(&self, worker: usize) -> bool {
        self.first(worker) != NOBODY
    }

    /// Records the turn of the one that waits longest on this worker; `None` = nobody waits there. Only that worker
    /// calls this.
    pub fn set_first(&self, worker: usize, turn: Option<u64>) {
        let Some(slot) = self.workers.get(worker) else { return };
        let before = slot.first.swap(turn.unwrap_or(NOBODY), Ordering::SeqCst);
        match (before == NOBODY, turn.is_none()) {
            (true, false) => _ = self.queues.fetch_add(1, Ordering::SeqCst),
            (false, true) => _ = self.queues.fetch_sub(1, Ordering::SeqCst),
            _ => {}
        }
        // the caller looks for a free place only after this: see `left`
        fence(Ordering::SeqCst);
    }

    /// Whether somebody has waited on another worker for longer than the one with this turn.
    pub fn is_earlier_elsewhere(&self, worker: usize, turn: u64) -> bool {
        self.longest_elsewhere(worker).is_some_and(|(_, first)| first < turn)
    }

    /// Notifies the worker on which somebody has waited longest that a place was left here, and that nobody here takes
    /// it.
    pub fn left(&self, worker: usize) {
        // pairs with the fence in `set_first`: either the one that begins to wait sees the free place, or its waiting
        // is seen here
        fence(Ordering::SeqCst);
        if self.queues.load(Ordering::SeqCst) == 0 {
            return;
        }
        self.left.fetch_add(1, Ordering::Relaxed);
        if let Some((longest, _)) = self.longest_elsewhere(worker) {
            self.workers[longest].news.notify_one();
        }
    }

    /// How many places have been left while somebody waited. When the number has changed it is worth looking for a
    /// place.
    pub fn count(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// Waits until a place was left for this worker.
    pub async fn news(&self, worker: usize) {
        match self.workers.get(worker) {
            Some(worker) => worker.news.notified().await,
            None => std::future::pending().await,
        }
    }

    fn first(&self, worker: usize) -> u64 {
        self.workers.get(worker).map_or(NOBODY, |worker| worker.first.load(Ordering::Relaxed))
    }

    fn longest_elsewhere(&self, worker: usize) -> Option<(usize, u64)> {
        let others = (0..self.workers.len()).filter(|&other| other != worker);
        others
            .map(|other| (other, self.first(other)))
            .filter(|(_, first)| *first != NOBODY)
            .min_by_key(|(_, first)| *first)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    fn has_news(waiting: &Waiters, worker: usize) -> bool {
        pin!(waiting.news(worker)).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn the_worker_is_told_on_which_somebody_has_waited_longest() {
        let waiting = Waiters::new(3);
        waiting.set_first(1, Some(20));
        waiting.set_first(2, Some(10));
        waiting.left(0);
        assert_eq!([1, 2].map(|worker| has_news(&waiting, worker)), [false, true]);
        waiting.set_first(2, None);
        waiting.left(0);
        assert_eq!([1, 2].map(|worker| has_news(&waiting, worker)), [true, false]);
        assert_eq!(waiting.count(), 2);
    }

    #[test]
    fn nobody_is_told_while_nobody_waits() {
        let waiting = Waiters::new(2);
        waiting.left(0);
        waiting.set_first(1, Some(5));
        waiting.set_first(1, Some(6));
        waiting.set_first(1, None);
        waiting.left(0);
        assert_eq!((waiting.count(), has_news(&waiting, 1)), (0, false));
    }

    #[test]
    fn one_here_gives_way_only_to_who_has_waited_longer_elsewhere() {
        let waiting = Waiters::new(2);
        waiting.set_first(0, Some(7));
        assert!(!waiting.is_earlier_elsewhere(0, 7));
        waiting.set_first(1, Some(8));
        assert!(!waiting.is_earlier_elsewhere(0, 7));
        assert!(waiting.is_earlier_elsewhere(0, 9));
        assert!(waiting.is_on(0) && waiting.is_on(1));
    }

    #[test]
    fn those_who_wait_are_counted_over_all_workers() {
        let waiting = Waiters::new(2);
        assert!(waiting.is_empty());
        waiting.set_len(0, 3);
        waiting.set_len(1, 4);
        waiting.set_len(0, 1);
        assert_eq!(waiting.len(), 5);
    }
}
