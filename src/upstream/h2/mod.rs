//! Exchanges with a backend over HTTP/2.
//!
//! One connection is not enough: all its frames share one TCP stream, and the backend limits the number of its streams. So each
//! worker keeps several connections, puts each exchange on the one with the fewest streams, and dials another when all are full.
//!
//! Exchanges for which there is no room wait in one [`WaitQueue`]. Room that becomes free, on a new connection or an old one, is
//! handed to the one that has waited longest. A dial belongs to no particular exchange: it goes on when the one that started it
//! gives up. Each exchange waits for `timeout.connect` at most.

mod call;
mod wait_queue;
mod open;

use std::cell::{Cell, RefCell};

pub use call::{Call, Reply, ResponseBody};
pub use open::{DialTarget, Dialled, open};

use self::wait_queue::WaitQueue;
use super::context::{Life, PoolContext};
use crate::endpoint::paths::Via;
use crate::error::{Error, Kind, Retry};
use crate::protocol::h2::client::{Client, Room};
use crate::timer::TICK;

/// When the readers of so many of its streams don't keep up, a connection gets no new streams: the unread data may fill the
/// backend's buffers for the whole connection.
const MAX_STALLED: usize = 16;
/// The number of streams that a connection is assumed to allow before its SETTINGS have come: the usual limit of servers.
const ASSUMED_STREAMS: usize = 100;
/// The ticks (10 s) after which a connection is closed that does not allow any streams. The backend's address may lead to several
/// machines, of which others may allow some.
const SHUT_TICKS: u128 = 10_000 / TICK.as_millis();

/// A worker's HTTP/2 connections to one backend.
#[derive(Debug, Default)]
pub struct Connections {
    open: RefCell<Vec<Connection>>,
    /// What the backend chose last by ALPN, when the configuration leaves the choice to ALPN.
    chosen: Cell<Option<Chosen>>,
    /// The exchanges that wait for room on a connection. It is empty whenever there is room that they could use.
    queue: RefCell<WaitQueue<Given>>,
    /// The number of dials under way.
    dialling: Cell<usize>,
    /// Why the last dial failed. When no other dial is under way, the exchanges that waited before it failed get this error.
    failure: Cell<Option<Failure>>,
}

/// What a waiter is handed.
type Given = Result<Room, Failure>;

/// Why a dial failed.
#[derive(Debug, Clone, Copy)]
struct Failure {
    kind: Kind,
    detail: &'static str,
    /// The first ticket that was issued after the failure.
    next: u64,
}

#[derive(Debug)]
struct Connection {
    client: Client,
    life: Life,
    /// The tick at which it last had a stream.
    last_used: Cell<u64>,
    /// Whether too many of its streams have data that nobody reads.
    is_stalled: Cell<bool>,
}

/// The version of HTTP that a backend chose by ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chosen {
    H1,
    H2,
}

impl Connections {
    /// Room for another stream; `None` when there is none, or when others already wait for it.
    pub fn take(&self, context: &PoolContext) -> Option<Room> {
        if self.queue.borrow().is_empty() { self.room(context) } else { None }
    }

    /// Room on the connection with the fewest streams.
    fn room(&self, context: &PoolContext) -> Option<Room> {
        let open = self.open.borrow();
        let free = |c: &&Connection| c.client.has_room() && !c.is_stalled.get() && !context.is_spent(c.life);
        let freest = open.iter().filter(free).min_by_key(|c| c.client.taken())?;
        freest.last_used.set(context.timers.now());
        Some(freest.client.reserve())
    }

    /// The path that this connection was made over.
    pub(super) fn via_of(&self, client: &Client) -> Option<Via> {
        self.open.borrow().iter().find(|known| known.client.is_same(client)).and_then(|known| known.life.via)
    }

    /// Whether the backend is known to choose HTTP/1.1.
    pub fn are_h1(&self) -> bool {
        self.chosen.get() == Some(Chosen::H1)
    }

    /// Whether there is no connection.
    pub(super) fn is_empty(&self) -> bool {
        self.open.borrow().is_empty()
    }

    /// Closes connections that have had no stream for `limit` ticks, or are spent.
    pub(super) fn sweep(&self, context: &PoolContext, now: u64, limit: u128) {
        self.open.borrow_mut().retain(|c| {
            if c.client.taken() > 0 {
                c.last_used.set(now);
                c.is_stalled.set(c.client.stalled() >= MAX_STALLED);
            }
            let limit = if c.client.is_shut() { limit.min(SHUT_TICKS) } else { limit };
            let done = context.is_spent(c.life) || u128::from(now.saturating_sub(c.last_used.get())) >= limit;
            if done {
                c.client.leave();
            }
            !done && !c.client.is_closed()
        });
        // some connections may have room again
        self.hand_out(context);
    }

    /// Hands room to the waiters in the order in which they came. If it does not suffice, wakes the first of those that got none,
    /// so that it dials.
    fn hand_out(&self, context: &PoolContext) {
        let queue = &mut *self.queue.borrow_mut();
        while !queue.is_empty()
            && let Some(room) = self.room(context)
        {
            queue.give(Ok(room));
        }
        if self.dialling.get() == 0
            && let Some(failure) = self.failure.take()
        {
            while queue.first().is_some_and(|ticket| ticket < failure.next) {
                queue.give(Err(failure));
            }
        }
        if self.needs_dial(queue.len()) {
            queue.wake_first();
        }
    }

    /// Whether `waiting` exchanges need more connections than are being opened. A connection that does not allow any streams yet
    /// may do so soon (RFC 9113, section 6.5.2), so it counts as one that is being opened.
    fn needs_dial(&self, waiting: usize) -> bool {
        if waiting == 0 {
            return false;
        }
        let open = self.open.borrow();
        let is_coming = |c: &&Connection| c.client.is_open() && (!c.client.is_settled() || c.client.is_shut());
        let coming = open.iter().filter(is_coming).count();
        // the newest connection says how many streams the next one will allow; one that allows none yet may come to allow the
        // usual number
        let rooms = |c: &Connection| if c.client.is_shut() { ASSUMED_STREAMS } else { c.client.allowed() };
        let known = open.iter().rev().filter(|c| c.client.is_settled()).map(rooms).find(|rooms| *rooms > 0);
        self.dialling.get() + coming < waiting.div_ceil(known.unwrap_or(ASSUMED_STREAMS))
    }

    /// The error for an exchange that has waited until its time-out.
    fn timeout_error(&self) -> Error {
        let open = self.open.borrow();
        let mut open = open.iter().filter(|c| c.client.is_open()).peekable();
        let (kind, detail) = if self.dialling.get() > 0 || open.peek().is_none() {
            (Kind::ConnectTimeout, "")
        } else if open.any(|c| c.client.is_shut()) {
            (Kind::NoStream, "its SETTINGS_MAX_CONCURRENT_STREAMS is 0")
        } else {
            (Kind::NoStream, "all that its HTTP/2 connections have room for are in use")
        };
        Error::new(kind, detail).retry(Retry::Safe)
    }

    fn keep(&self, client: Client, life: Life, now: u64) {
        let mut open = self.open.borrow_mut();
        open.retain(|c| !c.client.is_closed());
        open.push(Connection { client, life, last_used: Cell::new(now), is_stalled: Cell::new(false) });
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.open.borrow().iter().for_each(|c| c.client.leave());
    }
}
