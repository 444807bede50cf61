//! A table of sticky sessions that several instances share through a store (Redis), so that a client is served by the same backend whichever
//! instance it comes to, and sessions outlive an instance.
//!
//! The [`StickTable`](super::table::StickTable) of each instance stays what exchanges are decided by, and becomes the cache of the store. An exchange
//! whose session is in it, and was noted there less than [`freshness`] ago, pays nothing. For any other one the store is asked, with a
//! proposal: the backend that the table holds, or the one that the balancer would pick. One question does all: it stores the proposal if the
//! session is not there (SET NX), and reads what is there then (GET). So the first instance that has a session decides, all others follow,
//! and a store that has lost what it held is filled again by those who use it.
//!
//! A session whose backend can't be used moves, as it does without a store; that replaces what the store has. Another instance with an older
//! entry learns of it when it asks the next time: after [`freshness`] at most. Until then it may send the session to the backend that it
//! has left, if that is back by then.
//!
//! Nobody depends on the store. It is asked while its [`Link`] says that it answers in time; an exchange waits for one answer no longer than
//! the link's time limit, and when one was late nobody waits for another, until its keeper has had answers in time again.
//! Without it the table decides, and what it has decided is written when the store is back.
//!
//! What clients are told apart by does not get into the store, only [a keyed hash](names) of it.

mod link;
mod names;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

pub use link::{Found, Link, LinkState, Message, Question, Write};
pub use names::Names;

use super::table::{StickTable, StickTableView};
use crate::clock::Moment;
use crate::metrics::session_lookups::{LookupResult, SessionLookups};

/// The longest time for which an entry of the table is believed without a look at the store.
const LONGEST_FRESHNESS: u32 = 10;

/// For how many seconds an entry of the table is believed without a look at the store, where sessions live for so long.
pub fn freshness(ttl: Duration) -> u32 {
    u32::try_from(ttl.as_secs() / 4).unwrap_or(LONGEST_FRESHNESS).clamp(1, LONGEST_FRESHNESS)
}

/// The sessions of one service, for all who write them into the store.
#[derive(Debug)]
pub struct Sessions {
    /// The sessions that this instance knows.
    pub table: Arc<StickTable>,
    /// What they are called in the store.
    pub names: Names,
    /// The least time that a session is kept after its last use.
    pub ttl: Duration,
}

/// The shared table with the backends of one snapshot.
#[derive(Debug)]
pub struct SharedTable {
    view: StickTableView,
    sessions: Arc<Sessions>,
    link: Arc<Link>,
    /// By index in the service's list.
    ids: Box<[Arc<str>]>,
    freshness: u32,
    lookups: Arc<SessionLookups>,
}

/// What the store is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lookup {
    /// The session.
    pub key: u64,
    /// The backend that the table holds for it, if that can be used.
    pub own: Option<usize>,
}

impl Sessions {
    /// For how many seconds the store is told to keep a session. A use within the first fifth or so is not told to the store, and
    /// the session has to last for its time all the same.
    pub fn kept_for(&self) -> u64 {
        self.renewed_below() + self.ttl.as_secs().div_ceil(4)
    }

    /// When the store would keep a session for less than so many seconds after a use, it is told again.
    pub fn renewed_below(&self) -> u64 {
        self.ttl.as_secs().max(1) + u64::from(freshness(self.ttl))
    }
}

impl SharedTable {
    /// The sessions over the backends with these ids, in the order of the service's list.
    pub fn new(
        view: StickTableView,
        sessions: Arc<Sessions>,
        link: Arc<Link>,
        ids: Box<[Arc<str>]>,
        lookups: Arc<SessionLookups>,
    ) -> Self {
        let freshness = freshness(sessions.ttl);
        // an entry is as old as the last look at the store, and its last use may have been that much later
        view.table().set_ttl(sessions.ttl + Duration::from_secs(u64::from(freshness)));
        view.table().set_touch_after(freshness);
        Self { view, sessions, link, ids, freshness, lookups }
    }

    /// The table.
    pub fn view(&self) -> &StickTableView {
        &self.view
    }

    /// How the link to the store stands.
    pub fn link(&self) -> &LinkState {
        self.link.state()
    }

    /// What the store has to be asked before the session with this key is decided; `None` = nothing: the table knows, or the store can't be
    /// asked now. Counted for `worker`.
    pub fn to_ask(&self, worker: usize, key: u64, now: Moment, usable: impl Fn(usize) -> bool) -> Option<Lookup> {
        let (index, age) = self.view.peek(key, now).unwrap_or((None, u32::MAX));
        let own = index.filter(|index| usable(*index));
        if own.is_some() && age < self.freshness {
            self.lookups.count(worker, LookupResult::Hit);
            return None;
        }
        if !self.link.state().is_up() {
            self.lookups.count(worker, LookupResult::Unavailable);
            return None;
        }
        Some(Lookup { key, own })
    }

    /// Asks the store for a session, and gives it this backend there where it has none. Waits no longer than the link's time limit.
    pub async fn ask(&self, worker: usize, key: u64, proposal: Option<usize>) -> Option<Found> {
        let (answer, answered) = oneshot::channel();
        let (asked, proposal) = (Instant::now(), proposal.and_then(|index| self.ids.get(index)).cloned());
        let question = Question { sessions: Arc::clone(&self.sessions), key, proposal, asked, answer };
        if !self.link.ask(question) {
            self.lookups.count(worker, LookupResult::Unavailable);
            return None;
        }
        let found = tokio::time::timeout(self.link.state().time_limit(), answered).await;
        self.lookups.took(worker, asked.elapsed());
        let (found, result) = match found {
            Ok(Ok(found @ (Found::Stored | Found::Nothing))) => (Some(found), LookupResult::New),
            Ok(Ok(found @ Found::Backend(_))) => (Some(found), LookupResult::Shared),
            Ok(Err(_)) => (None, LookupResult::Failed),
            Err(_) => {
                self.link.state().was_late();
                (None, LookupResult::Timeout)
            }
        };
        self.lookups.count(worker, result);
        found
    }

    /// Takes on what the store has said of a session for which this backend was proposed. Returns whether the store has it at a backend that
    /// can't be used here.
    pub fn settle(
        &self,
        lookup: Lookup,
        proposal: Option<usize>,
        found: Option<Found>,
        now: Moment,
        usable: impl Fn(usize) -> bool,
    ) -> bool {
        let Lookup { key, own } = lookup;
        if let Some(Found::Backend(id)) = &found {
            let there = self.ids.iter().position(|known| **known == **id);
            if let Some(index) = there.filter(|index| usable(*index)) {
                self.view.assign(key, index, now);
                return false;
            }
            // it stays where it is here, and the store learns that
            if let Some(own) = own {
                self.view.assign(key, own, now);
                self.write(key, own, true);
            }
            return true;
        }
        let Some(index) = own.or(proposal) else { return false };
        match found {
            // another exchange of the session may have been faster here, and what it has decided holds
            Some(Found::Nothing) if own.is_none() => _ = self.view.decide(key, now, usable, || Some(index)),
            // nobody knows whether the store has it; one that is known here already is told again before long
            None if own.is_none() => _ = self.decide(key, false, now, usable, || Some(index)),
            _ => self.view.assign(key, index, now),
        }
        false
    }

    /// As [`StickTableView::decide`]; what is decided anew is written into the store. `is_stored`: the store has the session at another backend.
    pub fn decide(
        &self,
        key: u64,
        is_stored: bool,
        now: Moment,
        usable: impl Fn(usize) -> bool,
        pick: impl FnOnce() -> Option<usize>,
    ) -> Option<usize> {
        let tell = |index, moved| self.write(key, index, moved || is_stored);
        self.view.decide_and_tell(key, now, usable, pick, tell)
    }

    fn write(&self, key: u64, index: usize, replaces: bool) {
        if let Some(backend) = self.ids.get(index).cloned() {
            self.link.write(Write { sessions: Arc::clone(&self.sessions), key, backend, replaces });
        }
    }
}

#[cfg(test)]
mod tests;
