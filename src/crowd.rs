//! Who gives way where a listener has no place left: the connection on which nothing has been under way for longest.
//!
//! Each worker keeps its resting connections in the order in which they came to rest ([`Resting`]), and shows the others for how long
//! the first of them has rested. Who waits for a place asks the [`Crowd`], which calls upon the one that has rested longest on any
//! worker. None of this is kept where a listener has no limit.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Waker};

use tokio::sync::Notify;

/// The connections of one listener, over all workers.
#[derive(Debug, Default)]
pub struct Crowd {
    /// Those that wait for a place.
    waiting: AtomicUsize,
    /// One of them has called, and nobody rests.
    unheard: AtomicBool,
    /// What each worker shows. Only who waits for a place takes this lock.
    parts: Mutex<Vec<Weak<Part>>>,
}

/// What one worker shows to the others.
#[derive(Debug)]
struct Part {
    /// When the first of its resting connections came to rest, in ticks; [`NOBODY`] = none rests.
    first: AtomicU64,
    called: Notify,
}

const NOBODY: u64 = u64::MAX;

/// Somebody waits for a place while this exists.
#[derive(Debug)]
pub struct Waits<'a>(&'a Crowd);

/// The resting connections of one listener on one worker.
#[derive(Debug, Clone)]
pub struct Resting(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    crowd: Arc<Crowd>,
    part: Arc<Part>,
    line: RefCell<Line>,
}

/// A doubly linked list over a vector: joining and leaving it cost the same however many there are.
#[derive(Debug)]
struct Line {
    spots: Vec<Spot>,
    free: Vec<u32>,
    first: u32,
    last: u32,
}

#[derive(Debug)]
struct Spot {
    before: u32,
    after: u32,
    /// In ticks.
    since: u64,
    /// `None` = it was called upon, and stands in the line no more.
    waker: Option<Waker>,
}

const NONE: u32 = u32::MAX;

/// A connection, as one that may rest.
#[derive(Debug)]
pub struct Rest {
    resting: Resting,
    at: Option<u32>,
}

impl Crowd {
    /// Somebody waits for a place from now on.
    pub fn wait(&self) -> Waits<'_> {
        self.waiting.fetch_add(1, Relaxed);
        Waits(self)
    }

    /// Calls upon the connection that has rested longest. One that gets something to do in that moment does not hear it: whoever still
    /// waits after a while is to call again.
    pub fn call(&self) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.retain(|part| part.strong_count() > 0);
        let resting = parts.iter().filter_map(Weak::upgrade).filter(|part| part.first.load(Relaxed) != NOBODY);
        let longest = resting.min_by_key(|part| part.first.load(Relaxed));
        self.unheard.store(longest.is_none(), Relaxed);
        if let Some(part) = longest {
            part.called.notify_one();
        }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if self.0.waiting.fetch_sub(1, Relaxed) == 1 {
            self.0.unheard.store(false, Relaxed);
        }
    }
}

impl Resting {
    /// None yet.
    pub fn new(crowd: &Arc<Crowd>) -> Self {
        let part = Arc::new(Part { first: AtomicU64::new(NOBODY), called: Notify::new() });
        crowd.parts.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&part));
        Self(Rc::new(Inner { crowd: Arc::clone(crowd), part, line: RefCell::default() }))
    }

    /// A connection that does not rest yet.
    pub fn connection(&self) -> Rest {
        Rest { resting: self.clone(), at: None }
    }

    /// Whether somebody waits for a place: who may end soon should.
    pub fn is_crowded(&self) -> bool {
        self.0.crowd.waiting.load(Relaxed) > 0
    }

    /// Whether somebody waits for a place, and all that have one are at work: one that never comes to rest should end as well.
    pub fn is_pressed(&self) -> bool {
        self.0.crowd.unheard.load(Relaxed)
    }

    /// Passes on each call to the connection that it is for. Never done.
    pub async fn heed(self) {
        loop {
            self.0.part.called.notified().await;
            self.call_first();
        }
    }

    fn call_first(&self) {
        let called = {
            let line = &mut *self.0.line.borrow_mut();
            let first = line.first;
            let called = line.spots.get_mut(first as usize).and_then(|spot| spot.waker.take());
            if called.is_some() {
                line.unlink(first);
            }
            line.show(&self.0.part);
            called
        };
        if let Some(waker) = called {
            waker.wake();
        }
    }
}

impl Rest {
    /// It rests, since `now` (in ticks) if it did not before; whether it has to give way. Its task is woken when that changes.
    pub fn gives_way(&mut self, now: u64, cx: &Context<'_>) -> bool {
        let inner = &*self.resting.0;
        let line = &mut *inner.line.borrow_mut();
        match self.at {
            Some(at) => line.spots[at as usize].waker.is_none(),
            None => {
                self.at = Some(line.join(now, cx.waker().clone()));
                line.show(&inner.part);
                false
            }
        }
    }

    /// It has something to do.
    pub fn stir(&mut self) {
        let Some(at) = self.at.take() else { return };
        let inner = &*self.resting.0;
        let line = &mut *inner.line.borrow_mut();
        if line.spots[at as usize].waker.take().is_some() {
            line.unlink(at);
            line.show(&inner.part);
        }
        line.free.push(at);
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.stir();
    }
}

impl Default for Line {
    fn default() -> Self {
        Self { spots: Vec::new(), free: Vec::new(), first: NONE, last: NONE }
    }
}

impl Line {
    /// At its end.
    fn join(&mut self, since: u64, waker: Waker) -> u32 {
        let spot = Spot { before: self.last, after: NONE, since, waker: Some(waker) };
        let at = match self.free.pop() {
            Some(at) => {
                self.spots[at as usize] = spot;
                at
            }
            None => {
                self.spots.push(spot);
                (self.spots.len() - 1) as u32
            }
        };
        match self.spots.get_mut(self.last as usize) {
            Some(last) => last.after = at,
            None => self.first = at,
        }
        self.last = at;
        at
    }

    fn unlink(&mut self, at: u32) {
        let Spot { before, after, .. } = self.spots[at as usize];
        match self.spots.get_mut(before as usize) {
            Some(spot) => spot.after = after,
            None => self.first = after,
        }
        match self.spots.get_mut(after as usize) {
            Some(spot) => spot.before = before,
            None => self.last = before,
        }
    }

    fn show(&self, part: &Part) {
        let first = self.spots.get(self.first as usize).map_or(NOBODY, |first| first.since);
        part.first.store(first, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cx() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    /// Calls as one who waits does, and lets the worker heed it.
    async fn call(crowd: &Crowd) {
        crowd.call();
        tokio::task::yield_now().await;
    }

    #[tokio::test(flavor = "local")]
    async fn those_that_have_rested_longest_give_way_in_their_order_on_whichever_worker_they_are() {
        let crowd = Arc::new(Crowd::default());
        let workers = [Resting::new(&crowd), Resting::new(&crowd)];
        workers.iter().for_each(|resting| _ = tokio::task::spawn_local(resting.clone().heed()));
        tokio::task::yield_now().await;
        let mut rests: Vec<_> = (0..6).map(|n| workers[n % 2].connection()).collect();
        for (since, n) in [3, 0, 5, 1, 4, 2].into_iter().enumerate() {
            assert!(!rests[n].gives_way(since as u64, &cx()));
        }
        // one has something to do, one comes to rest anew, one is gone
        rests[0].stir();
        rests[5].stir();
        assert!(!rests[5].gives_way(10, &cx()));
        drop(rests.remove(4));
        let mut given_way = Vec::new();
        for _ in 0..6 {
            call(&crowd).await;
            for n in [1, 2, 3, 4] {
                if rests[n].gives_way(10, &cx()) && !given_way.contains(&n) {
                    given_way.push(n);
                }
            }
        }
        // the fifth is the one that was the sixth
        assert_eq!(given_way, [3, 1, 2, 4]);
    }

    #[tokio::test(flavor = "local")]
    async fn who_gets_something_to_do_does_not_hear_the_call() {
        let crowd = Arc::new(Crowd::default());
        let resting = Resting::new(&crowd);
        let mut rest = resting.connection();
        assert!(!rest.gives_way(1, &cx()));
        resting.call_first();
        rest.stir();
        assert!(!rest.gives_way(2, &cx()));
        resting.call_first();
        assert!(rest.gives_way(3, &cx()));
    }

    #[test]
    fn spots_are_taken_again() {
        let resting = Resting::new(&Arc::default());
        for now in 0..100 {
            let mut rest = resting.connection();
            assert!(!rest.gives_way(now, &cx()));
        }
        assert_eq!(resting.0.line.borrow().spots.len(), 1);
        assert_eq!(resting.0.part.first.load(Relaxed), NOBODY);
    }

    #[test]
    fn it_is_crowded_while_somebody_waits() {
        let crowd = Arc::new(Crowd::default());
        let resting = Resting::new(&crowd);
        assert!(!resting.is_crowded());
        let waits = crowd.wait();
        assert!(resting.is_crowded() && !resting.is_pressed());
        crowd.call();
        assert!(resting.is_pressed(), "nobody rests");
        drop(waits);
        assert!(!resting.is_crowded() && !resting.is_pressed());
    }
}
