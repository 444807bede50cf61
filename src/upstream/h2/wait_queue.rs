//! A queue of tasks that wait for something that is handed out, first come, first served.
//!
//! What is handed to a waiter is kept for it until the waiter takes it or leaves, so no later one can take it in between.

use std::collections::BTreeMap;
use std::task::{Context, Poll, Waker};

/// A queue of waiters. Each is known by its ticket, a number that grows with each one that joins.
#[derive(Debug)]
pub struct WaitQueue<T> {
    waiting: BTreeMap<u64, Option<Waker>>,
    /// What was handed to waiters that have not taken it yet.
    given: BTreeMap<u64, T>,
    next_ticket: u64,
}

/// What a waiter leaves behind when it leaves the queue.
#[derive(Debug, PartialEq, Eq)]
pub enum LeftBehind<T> {
    /// The waiter was handed this and has not taken it.
    Given(T),
    /// The waiter was the first in the queue. The next one has to do what the first waiter does.
    First,
    /// The waiter leaves nothing behind.
    Nothing,
}

impl<T> WaitQueue<T> {
    /// Whether nobody waits. A waiter that was handed something does not count.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The number of waiters.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The ticket of the one that has waited longest.
    pub fn first(&self) -> Option<u64> {
        self.waiting.first_key_value().map(|(ticket, _)| *ticket)
    }

    /// The ticket that the next waiter will get.
    pub fn next_ticket(&self) -> u64 {
        self.next_ticket
    }

    /// Joins the end of the queue, and returns the waiter's ticket.
    pub fn join(&mut self) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiting.insert(ticket, None);
        ticket
    }

    /// Hands `thing` to the one that has waited longest, and wakes only that one. Returns `thing` when nobody waits.
    pub fn give(&mut self, thing: T) -> Option<T> {
        let Some((ticket, waker)) = self.waiting.pop_first() else { return Some(thing) };
        self.given.insert(ticket, thing);
        if let Some(waker) = waker {
            waker.wake();
        }
        None
    }

    /// Wakes the one that has waited longest, so that it checks whether to dial.
    pub fn wake_first(&self) {
        if let Some((_, Some(waker))) = self.waiting.first_key_value() {
            waker.wake_by_ref();
        }
    }

    /// Wakes all waiters.
    pub fn wake_all(&self) {
        self.waiting.values().flatten().for_each(Waker::wake_by_ref);
    }

    /// Ready with what the waiter with this ticket was handed; otherwise it will be woken when that happens.
    pub fn poll(&mut self, ticket: u64, cx: &Context<'_>) -> Poll<T> {
        if let Some(given) = self.given.remove(&ticket) {
            return Poll::Ready(given);
        }
        match self.waiting.get_mut(&ticket) {
            Some(Some(waker)) => waker.clone_from(cx.waker()),
            Some(none) => *none = Some(cx.waker().clone()),
            None => {}
        }
        Poll::Pending
    }

    /// The waiter with this ticket leaves the queue.
    pub fn leave(&mut self, ticket: u64) -> LeftBehind<T> {
        let was_first = self.first() == Some(ticket);
        match (self.waiting.remove(&ticket), self.given.remove(&ticket)) {
            (_, Some(given)) => LeftBehind::Given(given),
            (Some(_), None) if was_first => LeftBehind::First,
            _ => LeftBehind::Nothing,
        }
    }
}

impl<T> Default for WaitQueue<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), given: BTreeMap::new(), next_ticket: 0 }
    }
}

#[cfg(test)]
mod tests;
