//! The path that a session goes by, to a backend that has several addresses, and what becomes of the session when that path dies.
//!
//! Bytes that were moved can't be moved again, so that no session changes its path. On a path that is cut it would hang until TCP gives up, which takes
//! a quarter of an hour, or until it was silent for too long: its client can only connect anew when it is told. But a path may also be taken
//! for dead because nothing listens there any more, while what is connected goes on. So a session has some seconds to show that it lives.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::endpoint::paths::Via;
use crate::timer::{Alarm, Timers};

/// In so long after its path has died something has to come from the backend.
const GRACE: Duration = Duration::from_secs(5);

/// The path of one session.
pub(super) struct SessionPath {
    endpoint: Arc<Endpoint>,
    via: Via,
    state: State,
}

enum State {
    /// It works, as far as is known.
    Alive,
    /// It has died: the session ends with the alarm, unless more bytes than these have come by then.
    Dead(Alarm, u64),
    /// It has died, and the session lives on.
    Outlived,
}

impl SessionPath {
    /// `None` = there is one path only.
    pub fn new(endpoint: &Arc<Endpoint>, via: Option<Via>) -> Option<Self> {
        via.map(|via| Self { endpoint: Arc::clone(endpoint), via, state: State::Alive })
    }

    /// Ready when the session has to end. `sent`: the bytes that have come from the backend so far. Whoever waits for a time-out is woken when a path dies.
    pub fn poll(&mut self, sent: u64, timers: &Timers, cx: &mut Context<'_>) -> Poll<()> {
        if matches!(self.state, State::Alive) && self.is_dead() {
            self.state = State::Dead(Alarm::new(timers, GRACE), sent);
        }
        match &mut self.state {
            State::Dead(_, before) if sent > *before => self.state = State::Outlived,
            State::Dead(alarm, _) => return alarm.poll(cx),
            State::Alive | State::Outlived => {}
        }
        Poll::Pending
    }

    fn is_dead(&self) -> bool {
        self.endpoint.addresses.paths().is_some_and(|paths| paths.is_dead(self.via))
    }
}
