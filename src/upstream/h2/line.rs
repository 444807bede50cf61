//! Those who wait for something that is handed out, first come, first served.
//!
//! What is handed over is kept for the one that it was given to until that one takes it or leaves, so nobody who comes later can
//! have it in between.

use std::collections::BTreeMap;
use std::task::{Context, Poll, Waker};

/// A line, by the turns of those who wait in it.
#[derive(Debug)]
pub struct Line<T> {
    waiting: BTreeMap<u64, Option<Waker>>,
    /// What was given to those who have not taken it yet.
    given: BTreeMap<u64, T>,
    came: u64,
}

/// What one that leaves a line leaves behind.
#[derive(Debug, PartialEq, Eq)]
pub enum Left<T> {
    /// What it was given and has not taken.
    Given(T),
    /// The first place. What was expected of it is expected of the next one.
    First,
    /// Nothing.
    Nothing,
}

impl<T> Line<T> {
    /// Whether nobody waits. Those who were given something do not wait any more.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The turn of the one that has waited longest.
    pub fn first(&self) -> Option<u64> {
        self.waiting.first_key_value().map(|(turn, _)| *turn)
    }

    /// The turn that the next one will have who comes.
    pub fn next(&self) -> u64 {
        self.came
    }

    /// Waits behind all who wait.
    pub fn join(&mut self) -> u64 {
        let turn = self.came;
        self.came += 1;
        self.waiting.insert(turn, None);
        turn
    }

    /// Hands this to the one that has waited longest, and wakes that one alone; gives it back when nobody waits.
    pub fn give(&mut self, thing: T) -> Option<T> {
        let Some((turn, waker)) = self.waiting.pop_first() else { return Some(thing) };
        self.given.insert(turn, thing);
        if let Some(waker) = waker {
            waker.wake();
        }
        None
    }

    /// Has the one that has waited longest look at how things stand.
    pub fn wake_first(&self) {
        if let Some((_, Some(waker))) = self.waiting.first_key_value() {
            waker.wake_by_ref();
        }
    }

    /// Has all look.
    pub fn wake_all(&self) {
        self.waiting.values().flatten().for_each(Waker::wake_by_ref);
    }

    /// What the one with this turn was given; if nothing, it is woken when it is.
    pub fn poll(&mut self, turn: u64, cx: &Context<'_>) -> Poll<T> {
        if let Some(given) = self.given.remove(&turn) {
            return Poll::Ready(given);
        }
        match self.waiting.get_mut(&turn) {
            Some(Some(waker)) => waker.clone_from(cx.waker()),
            Some(none) => *none = Some(cx.waker().clone()),
            None => {}
        }
        Poll::Pending
    }

    /// The one with this turn goes.
    pub fn leave(&mut self, turn: u64) -> Left<T> {
        let was_first = self.first() == Some(turn);
        match (self.waiting.remove(&turn), self.given.remove(&turn)) {
            (_, Some(given)) => Left::Given(given),
            (Some(_), None) if was_first => Left::First,
            _ => Left::Nothing,
        }
    }
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), given: BTreeMap::new(), came: 0 }
    }
}

#[cfg(test)]
mod tests;
