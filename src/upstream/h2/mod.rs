//! Exchanges with a backend over HTTP/2.
//!
//! One connection does not scale: its frames pass one TCP stream, and it has at most as many streams as the backend allows. So each
//! worker keeps several, puts an exchange on the one with the fewest streams, and dials another when all are full.
//!
//! Those who wait stand in one [`Line`]. Room that comes free, on a new connection or an old one, is handed to the one that has waited
//! longest, and who comes later waits behind. A dial belongs to nobody: it goes on when whoever asked for it leaves. Each waits for
//! `timeout.connect` at most.

mod call;
mod line;
mod open;

use std::cell::{Cell, RefCell};

pub use call::{Call, Reply, ResponseBody};
pub use open::{Dialled, Way, open};

use self::line::Line;
use super::age::Age;
use super::context::PoolContext;
use crate::error::{Error, Kind, Retry};
use crate::protocol::h2::client::{Client, Room};
use crate::timer::TICK;

/// Streams that their readers have left behind, from which on a connection takes no new ones: what the backend holds of them may fill
/// its buffers for the whole connection.
const STALLED: usize = 16;
/// Streams that a connection is expected to take of which nothing is known: the usual limit of servers.
const MOST: usize = 100;
/// Ticks for which a connection is kept that takes no streams, and has not taken any yet: 10 s. The backend may be behind an address
/// that has others too.
const SHUT: u128 = 10_000 / TICK.as_millis();

/// A worker's HTTP/2 connections to one backend.
#[derive(Debug, Default)]
pub struct Connections {
    open: RefCell<Vec<Connection>>,
    /// What ALPN chose last, where the configuration leaves it to that.
    chosen: Cell<Option<Chosen>>,
    /// Those who wait for room on a connection. While there is some that they can have, nobody waits.
    line: RefCell<Line<Given>>,
    /// Dials under way.
    dialling: Cell<usize>,
    /// What the last of them failed with. It is for those who came before, when no other is under way.
    failure: Cell<Option<Failure>>,
}

/// What one that waits is given.
type Given = Result<Room, Failure>;

/// Why a dial failed.
#[derive(Debug, Clone, Copy)]
struct Failure {
    kind: Kind,
    detail: &'static str,
    /// The first turn in the line that came after it.
    next: u64,
}

#[derive(Debug)]
struct Connection {
    client: Client,
    age: Age,
    /// Tick at which it last had a stream.
    used: Cell<u64>,
    /// Too many of its streams are not read.
    crowded: Cell<bool>,
}

/// What a backend chose by ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chosen {
    H1,
    H2,
}

impl Connections {
    /// Room for another stream, unless somebody waits for it.
    pub fn take(&self, context: &PoolContext) -> Option<Room> {
        if self.line.borrow().is_empty() { self.room(context) } else { None }
    }

    /// Room on the connection with the fewest streams.
    fn room(&self, context: &PoolContext) -> Option<Room> {
        let open = self.open.borrow();
        let free = |c: &&Connection| c.client.has_room() && !c.crowded.get() && !context.is_too_old(c.age);
        let freest = open.iter().filter(free).min_by_key(|c| c.client.taken())?;
        freest.used.set(context.timers.now());
        Some(freest.client.reserve())
    }

    /// Whether the backend is known to choose HTTP/1.1.
    pub fn are_h1(&self) -> bool {
        self.chosen.get() == Some(Chosen::H1)
    }

    /// Whether none is open.
    pub(super) fn is_empty(&self) -> bool {
        self.open.borrow().is_empty()
    }

    /// Closes what has had no stream for `limit` ticks, or is too old.
    pub(super) fn sweep(&self, context: &PoolContext, now: u64, limit: u128) {
        self.open.borrow_mut().retain(|c| {
            if c.client.taken() > 0 {
                c.used.set(now);
                c.crowded.set(c.client.stalled() >= STALLED);
            }
            let limit = if c.client.is_shut() { limit.min(SHUT) } else { limit };
            let done = context.is_too_old(c.age) || u128::from(now.saturating_sub(c.used.get())) >= limit;
            if done {
                c.client.leave();
            }
            !done && !c.client.is_closed()
        });
        // some may be crowded no more
        self.hand_out(context);
    }

    /// Hands room to those who wait, in the order in which they came, and has the first of those who get none dial.
    fn hand_out(&self, context: &PoolContext) {
        let line = &mut *self.line.borrow_mut();
        while !line.is_empty()
            && let Some(room) = self.room(context)
        {
            line.give(Ok(room));
        }
        if self.dialling.get() == 0
            && let Some(failure) = self.failure.take()
        {
            while line.first().is_some_and(|turn| turn < failure.next) {
                line.give(Err(failure));
            }
        }
        if self.lacks(line.len()) {
            line.wake_first();
        }
    }

    /// Whether more connections are needed for so many who wait than are coming. One that takes no streams, and has not taken any
    /// yet, may do so soon (RFC 9113, section 6.5.2): it is waited for as one that is coming, and not dialled beside.
    fn lacks(&self, waiting: usize) -> bool {
        if waiting == 0 {
            return false;
        }
        let open = self.open.borrow();
        let is_coming = |c: &&Connection| c.client.is_open() && (!c.client.is_settled() || c.client.is_shut());
        let coming = open.iter().filter(is_coming).count();
        // the newest says what the next one will take; one that takes none may come to take as many as any
        let rooms = |c: &Connection| if c.client.is_shut() { MOST } else { c.client.allowed() };
        let known = open.iter().rev().filter(|c| c.client.is_settled()).map(rooms).find(|rooms| *rooms > 0);
        self.dialling.get() + coming < waiting.div_ceil(known.unwrap_or(MOST))
    }

    /// Why somebody has waited in vain.
    fn in_vain(&self) -> Error {
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

    fn keep(&self, client: Client, age: Age, now: u64) {
        let mut open = self.open.borrow_mut();
        open.retain(|c| !c.client.is_closed());
        open.push(Connection { client, age, used: Cell::new(now), crowded: Cell::new(false) });
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.open.borrow().iter().for_each(|c| c.client.leave());
    }
}
