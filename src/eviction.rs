//! Which connection is closed when a listener has no place left: the one that has been idle for longest.
//!
//! Each worker keeps its idle connections in the order in which they became idle ([`IdleList`]), and shows the other
//! workers since when its first one has been idle. Whoever waits for a place asks [`Eviction`], which has the
//! connection closed that has been idle for longest on any worker. None of this is kept where a listener has no limit.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Waker};

use tokio::sync::Notify;

/// Finds the longest idle connection of one listener, over all workers.
#[derive(Debug, Default)]
pub struct Eviction {
    /// How many wait for a place.
    waiting: AtomicUsize,
    /// One of them has asked for an eviction, and no connection was idle.
    unheard: AtomicBool,
    /// What each worker shows. Only a task that waits for a place takes this lock.
    workers: Mutex<Vec<Weak<OldestIdle>>>,
}

/// The longest idle connection of one worker, as the others see it.
#[derive(Debug)]
struct OldestIdle {
    /// Since when it has been idle, in ticks; [`NOBODY`] = no connection is idle.
    first: AtomicU64,
    called: Notify,
}

const NOBODY: u64 = u64::MAX;

/// Counts one that waits for a place while this exists.
#[derive(Debug)]
pub struct WaitGuard<'a>(&'a Eviction);

/// The idle connections of one listener on one worker.
#[derive(Debug, Clone)]
pub struct IdleList(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    eviction: Arc<Eviction>,
    oldest: Arc<OldestIdle>,
    list: RefCell<LinkedList>,
}

/// A doubly linked list over a vector: joining and leaving it cost the same however many there are.
#[derive(Debug)]
struct LinkedList {
    nodes: Vec<Node>,
    free: Vec<u32>,
    first: u32,
    last: u32,
}

#[derive(Debug)]
struct Node {
    before: u32,
    after: u32,
    /// In ticks.
    since: u64,
    /// `None` = it was evicted, and is not in the list any more.
    waker: Option<Waker>,
}

const NONE: u32 = u32::MAX;

/// A connection that may be idle; it leaves the list on drop.
#[derive(Debug)]
pub struct IdleConnection {
    resting: IdleList,
    at: Option<u32>,
}

impl Eviction {
    /// Counts one more that waits for a place.
    pub fn wait(&self) -> WaitGuard<'_> {
        self.waiting.fetch_add(1, Relaxed);
        WaitGuard(self)
    }

    /// Evicts the connection that has been idle for longest. If it gets something to do in this very moment it stays:
    /// whoever still waits after a while should ask again.
    pub fn evict(&self) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.retain(|oldest| oldest.strong_count() > 0);
        let resting = workers.iter().filter_map(Weak::upgrade).filter(|oldest| oldest.first.load(Relaxed) != NOBODY);
        let longest = resting.min_by_key(|oldest| oldest.first.load(Relaxed));
        self.unheard.store(longest.is_none(), Relaxed);
        if let Some(oldest) = longest {
            oldest.called.notify_one();
        }
    }
}

impl Drop for WaitGuard<'_> {
    fn drop(&mut self) {
        if self.0.waiting.fetch_sub(1, Relaxed) == 1 {
            self.0.unheard.store(false, Relaxed);
        }
    }
}

impl IdleList {
    /// An empty list.
    pub fn new(eviction: &Arc<Eviction>) -> Self {
        let oldest = Arc::new(OldestIdle { first: AtomicU64::new(NOBODY), called: Notify::new() });
        eviction.workers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&oldest));
        Self(Rc::new(Inner { eviction: Arc::clone(eviction), oldest, list: RefCell::default() }))
    }

    /// A connection that is not idle yet.
    pub fn connection(&self) -> IdleConnection {
        IdleConnection { resting: self.clone(), at: None }
    }

    /// Whether somebody waits for a place: a connection that may close soon should close now.
    pub fn is_full(&self) -> bool {
        self.0.eviction.waiting.load(Relaxed) > 0
    }

    /// Whether somebody waits for a place and no connection is idle: then a connection that never becomes idle should
    /// close as well.
    pub fn is_full_and_busy(&self) -> bool {
        self.0.eviction.unheard.load(Relaxed)
    }

    /// Carries out each eviction that falls on this worker. Never done.
    pub async fn carry_out(self) {
        loop {
            self.0.oldest.called.notified().await;
            self.evict_first();
        }
    }

    fn evict_first(&self) {
        let called = {
            let list = &mut *self.0.list.borrow_mut();
            let first = list.first;
            let called = list.nodes.get_mut(first as usize).and_then(|node| node.waker.take());
            if called.is_some() {
                list.unlink(first);
            }
            list.show(&self.0.oldest);
            called
        };
        if let Some(waker) = called {
            waker.wake();
        }
    }
}

impl IdleConnection {
    /// Marks the connection as idle, since `now` (in ticks) if it was not idle before; returns whether it must close.
    /// Its task is woken when it must.
    pub fn must_close(&mut self, now: u64, cx: &Context<'_>) -> bool {
        let inner = &*self.resting.0;
        let list = &mut *inner.list.borrow_mut();
        match self.at {
            Some(at) => list.nodes[at as usize].waker.is_none(),
            None => {
                self.at = Some(list.join(now, cx.waker().clone()));
                list.show(&inner.oldest);
                false
            }
        }
    }

    /// Marks the connection as busy.
    pub fn begin_work(&mut self) {
        let Some(at) = self.at.take() else { return };
        let inner = &*self.resting.0;
        let list = &mut *inner.list.borrow_mut();
        if list.nodes[at as usize].waker.take().is_some() {
            list.unlink(at);
            list.show(&inner.oldest);
        }
        list.free.push(at);
    }
}

impl Drop for IdleConnection {
    fn drop(&mut self) {
        self.begin_work();
    }
}

impl Default for LinkedList {
    fn default() -> Self {
        Self { nodes: Vec::new(), free: Vec::new(), first: NONE, last: NONE }
    }
}

impl LinkedList {
    /// Appends a connection at the end.
    fn join(&mut self, since: u64, waker: Waker) -> u32 {
        let node = Node { before: self.last, after: NONE, since, waker: Some(waker) };
        let at = match self.free.pop() {
            Some(at) => {
                self.nodes[at as usize] = node;
                at
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as u32
            }
        };
        match self.nodes.get_mut(self.last as usize) {
            Some(last) => last.after = at,
            None => self.first = at,
        }
        self.last = at;
        at
    }

    fn unlink(&mut self, at: u32) {
        let Node { before, after, .. } = self.nodes[at as usize];
        match self.nodes.get_mut(before as usize) {
            Some(node) => node.after = after,
            None => self.first = after,
        }
        match self.nodes.get_mut(after as usize) {
            Some(node) => node.before = before,
            None => self.last = before,
        }
    }

    fn show(&self, oldest: &OldestIdle) {
        let first = self.nodes.get(self.first as usize).map_or(NOBODY, |first| first.since);
        oldest.first.store(first, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cx() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    /// Evicts as a waiting connection does, and lets the worker carry it out.
    async fn call(eviction: &Eviction) {
        eviction.evict();
        tokio::task::yield_now().await;
    }

    #[tokio::test(flavor = "local")]
    async fn those_that_have_rested_longest_give_way_in_their_order_on_whichever_worker_they_are() {
        let eviction = Arc::new(Eviction::default());
        let workers = [IdleList::new(&eviction), IdleList::new(&eviction)];
        workers.iter().for_each(|resting| _ = tokio::task::spawn_local(resting.clone().carry_out()));
        tokio::task::yield_now().await;
        let mut rests: Vec<_> = (0..6).map(|n| workers[n % 2].connection()).collect();
        for (since, n) in [3, 0, 5, 1, 4, 2].into_iter().enumerate() {
            assert!(!rests[n].must_close(since as u64, &cx()));
        }
        // one has something to do, one comes to rest anew, one is gone
        rests[0].begin_work();
        rests[5].begin_work();
        assert!(!rests[5].must_close(10, &cx()));
        drop(rests.remove(4));
        let mut given_way = Vec::new();
        for _ in 0..6 {
            call(&eviction).await;
            for n in [1, 2, 3, 4] {
                if rests[n].must_close(10, &cx()) && !given_way.contains(&n) {
                    given_way.push(n);
                }
            }
        }
        // the fifth is the one that was the sixth
        assert_eq!(given_way, [3, 1, 2, 4]);
    }

    #[tokio::test(flavor = "local")]
    async fn who_gets_something_to_do_does_not_hear_the_call() {
        let eviction = Arc::new(Eviction::default());
        let resting = IdleList::new(&eviction);
        let mut rest = resting.connection();
        assert!(!rest.must_close(1, &cx()));
        resting.evict_first();
        rest.begin_work();
        assert!(!rest.must_close(2, &cx()));
        resting.evict_first();
        assert!(rest.must_close(3, &cx()));
    }

    #[test]
    fn spots_are_taken_again() {
        let resting = IdleList::new(&Arc::default());
        for now in 0..100 {
            let mut rest = resting.connection();
            assert!(!rest.must_close(now, &cx()));
        }
        assert_eq!(resting.0.list.borrow().nodes.len(), 1);
        assert_eq!(resting.0.oldest.first.load(Relaxed), NOBODY);
    }

    #[test]
    fn it_is_crowded_while_somebody_waits() {
        let eviction = Arc::new(Eviction::default());
        let resting = IdleList::new(&eviction);
        assert!(!resting.is_full());
        let waits = eviction.wait();
        assert!(resting.is_full() && !resting.is_full_and_busy());
        eviction.evict();
        assert!(resting.is_full_and_busy(), "nobody rests");
        drop(waits);
        assert!(!resting.is_full() && !resting.is_full_and_busy());
    }
}
