//! The circuit breaker of a backend: closed, open, half-open, in atomics only.

use crate::clock::Moment;
use crate::policy;

/// What an exchange was admitted as. It must be given back to [`Breaker::record`] or [`Breaker::forgo`], once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    _private: (),
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Everything passes.
    Closed,
    /// Nothing passes.
    Open,
    /// A few pass, to try.
    HalfOpen,
}

/// The breaker of one backend, shared by all workers without a lock.
#[derive(Debug, Default)]
pub struct Breaker {}

impl Breaker {
    /// Whether an exchange may go to the backend at `now`; a place among the trials is taken when it is half-open.
    pub fn admit(&self, _policy: &policy::Breaker, _now: Moment) -> Option<Permit> {
        Some(Permit { _private: () })
    }

    /// Whether [`admit`](Self::admit) would let an exchange pass; takes nothing.
    pub fn would_admit(&self, _policy: &policy::Breaker, _now: Moment) -> bool {
        true
    }

    /// The exchange ended, well or not. Gives back the state when it changed by this.
    pub fn record(&self, _permit: Permit, _failed: bool, _policy: &policy::Breaker, _now: Moment) -> Option<State> {
        None
    }

    /// The exchange ended in a way that says nothing about the backend: its client went away, or made a mistake.
    pub fn forgo(&self, _permit: Permit) {}

    /// How it stands at `now`.
    pub fn state(&self, _policy: &policy::Breaker, _now: Moment) -> State {
        State::Closed
    }
}
