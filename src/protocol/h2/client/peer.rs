//! What is known of a backend at the other end of a connection, and whether it is still there.

use std::cell::{Cell, RefCell};
use std::task::Waker;
use std::time::Duration;

use super::table::Table;
use crate::protocol::h2::frame::{self, MAX_WINDOW};
use crate::protocol::h2::link::Shared;
use crate::timer::{TICK, Timers};

/// Streams on a connection before the backend has said how many it takes, and at most: the usual limit of servers.
const STREAMS: u32 = 100;
/// What our own pings carry.
pub const SIGN: [u8; 8] = *b"evenkeel";
/// A connection that has said nothing for so long is asked for a sign of life along with the next request.
const STALE: u64 = Duration::from_secs(1).as_millis() as u64 / TICK.as_millis() as u64;
/// Pings along with requests while the backend says nothing else: servers of gRPC end a connection with "too_many_pings" at the fourth
/// that comes in five minutes without a HEADERS or DATA frame of theirs between (gRFC A8).
const PINGS: u32 = 2;
/// Streams that may be cancelled on a connection beyond those that are answered. Servers count resets for each connection (CVE-2023-44487)
/// and end one that has too many, with everybody's streams: Undertow after 200 in 30 s, Envoy after 500. A connection is given up before.
const CANCELLATIONS: u32 = 100;

/// What is known of the peer.
#[derive(Debug)]
pub struct Peer {
    pub standing: Cell<Standing>,
    /// Its SETTINGS_MAX_CONCURRENT_STREAMS, as far as we make use of it.
    pub allowed: Cell<u32>,
    /// It has allowed none so far.
    pub shut: Cell<bool>,
    /// Streams that may be opened by those who hold a [`Room`](super::Room), and are not yet.
    pub reserved: Cell<u32>,
    /// Its SETTINGS_ENABLE_CONNECT_PROTOCOL; `None` until its settings have come.
    pub tunnels: Cell<Option<bool>>,
    /// Those who wait for its settings.
    pub waiting: RefCell<Vec<Waker>>,
    /// A ping of ours was not answered, nor was anything else heard since.
    pub asked: Cell<bool>,
    /// Tick of the last sign of life.
    heard: Cell<u64>,
    /// The id of the next stream.
    next: Cell<u32>,
    cancellations: Cell<u32>,
    /// What it has of our fields.
    pub table: Table,
    /// Pings since it has said something of an answer.
    pings: Cell<u32>,
    timers: Timers,
}

/// Whether a connection takes streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Open,
    /// Not before the backend gives a sign of life: something else was waited for in vain.
    Doubted,
    /// The same, and the sign is late.
    Silent,
    /// No more: one side said so. Those that are open go on.
    Leaving,
    /// It is over.
    Closed,
}

impl Peer {
    /// Of whom nothing is known yet.
    pub fn new(timers: &Timers) -> Self {
        Self {
            standing: Cell::new(Standing::Open),
            allowed: Cell::new(STREAMS),
            shut: Cell::new(false),
            reserved: Cell::new(0),
            tunnels: Cell::new(None),
            waiting: RefCell::default(),
            asked: Cell::new(false),
            heard: Cell::new(timers.now()),
            next: Cell::new(1),
            cancellations: Cell::new(CANCELLATIONS),
            table: Table::default(),
            pings: Cell::new(0),
            timers: timers.clone(),
        }
    }

    /// The id of the next stream (section 5.1.1); `None` when all were used, or none may be opened.
    pub fn next_id(&self) -> Option<u32> {
        if self.standing.get() != Standing::Open {
            return None;
        }
        let id = self.next.get();
        self.next.set(id + 2);
        if id + 2 > MAX_WINDOW - 1 {
            self.standing.set(Standing::Leaving);
        }
        Some(id)
    }

    /// Whether a stream with this id was never opened.
    pub fn is_unopened(&self, id: u32) -> bool {
        id.is_multiple_of(2) || id >= self.next.get()
    }

    /// The tick that it is.
    pub fn now(&self) -> u64 {
        self.timers.now()
    }

    /// It allows so many streams.
    pub fn allow(&self, streams: u32) {
        let is_first = self.tunnels.get().is_none();
        self.shut.set(streams == 0 && (is_first || self.shut.get()));
        self.allowed.set(streams.min(STREAMS));
    }

    /// It has said something.
    pub fn hear(&self) {
        self.heard.set(self.timers.now());
        self.asked.set(false);
        if matches!(self.standing.get(), Standing::Doubted | Standing::Silent) {
            self.standing.set(Standing::Open);
        }
    }

    /// Whether it has been silent for so long that a request should not rely on it.
    pub fn is_worth_asking(&self) -> bool {
        !self.asked.get() && self.pings.get() < PINGS && self.timers.now().saturating_sub(self.heard.get()) > STALE
    }

    /// Asks for a sign of life, if that was not done.
    pub fn ask(&self, state: &mut Shared) {
        if !self.asked.replace(true) {
            self.pings.set(self.pings.get().saturating_add(1));
            frame::ping(state.out.buffer(), SIGN, false);
        }
    }

    /// It has said something of an answer.
    pub fn speaks(&self) {
        self.pings.set(0);
    }

    /// A stream was answered to its end.
    pub fn answered(&self) {
        self.cancellations.set(CANCELLATIONS.min(self.cancellations.get() + 1));
    }

    /// A stream was cancelled; whether that is enough for one connection.
    pub fn has_cancelled_enough(&self) -> bool {
        self.cancellations.set(self.cancellations.get().saturating_sub(1));
        self.cancellations.get() == 0
    }

    /// Its settings have come, or won't.
    pub fn settled(&self) {
        self.waiting.take().into_iter().for_each(Waker::wake);
    }
}
