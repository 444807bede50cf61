//! What is known about the backend at the other end of a connection, and whether it is still there.

use std::cell::{Cell, RefCell};
use std::task::Waker;
use std::time::Duration;

use super::table::Table;
use crate::protocol::h2::frame::{self, MAX_WINDOW};
use crate::protocol::h2::link::Shared;
use crate::timer::{TICK, Timers};

/// The number of streams that we open on a connection before the backend has said how many it allows, and the most that we open
/// at all: the usual limit of servers.
const MAX_STREAMS: u32 = 100;
/// The payload of our PING frames.
pub const PING_PAYLOAD: [u8; 8] = *b"evenkeel";
/// When a connection has been silent for so many ticks (1 s), a PING is sent along with the next request.
const SILENT_TICKS: u64 = Duration::from_secs(1).as_millis() as u64 / TICK.as_millis() as u64;
/// The most PING frames that are sent along with requests while the backend sends no HEADERS or DATA. gRPC servers end a
/// connection with "too_many_pings" at the fourth PING in five minutes without such a frame of theirs (gRFC A8).
const MAX_PINGS: u32 = 2;
/// The most streams that may be cancelled on a connection beyond the number of those that were answered. Servers count resets for
/// each connection (CVE-2023-44487) and end one that has too many, with the streams of all exchanges on it: Undertow after 200 in
/// 30 s, Envoy after 500. We stop using a connection before that.
const MAX_CANCELLATIONS: u32 = 100;

/// What is known about the backend.
#[derive(Debug)]
pub struct Peer {
    pub connection_state: Cell<ConnectionState>,
    /// Its SETTINGS_MAX_CONCURRENT_STREAMS, but at most [`MAX_STREAMS`].
    pub allowed: Cell<u32>,
    /// Whether it has allowed no streams so far.
    pub shut: Cell<bool>,
    /// The number of [`Room`](super::Room)s that were given out for streams which are not open yet.
    pub reserved: Cell<u32>,
    /// Its SETTINGS_ENABLE_CONNECT_PROTOCOL; `None` until its SETTINGS have come.
    pub tunnels: Cell<Option<bool>>,
    /// The tasks that wait for its SETTINGS.
    pub settings_waiters: RefCell<Vec<Waker>>,
    /// Whether a PING of ours is unanswered and nothing else has arrived since.
    pub ping_pending: Cell<bool>,
    /// The tick at which something arrived last.
    last_received: Cell<u64>,
    /// The id of the next stream.
    next: Cell<u32>,
    cancellations: Cell<u32>,
    /// Our fields that are in its HPACK table.
    pub table: Table,
    /// The number of PING frames since it has sent HEADERS or DATA.
    pings: Cell<u32>,
    timers: Timers,
}

/// Whether new streams may be opened on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionState {
    /// New streams may be opened.
    Open,
    /// No stream may be opened until something arrives, because a response was late. A PING was sent.
    Suspect,
    /// The same, and the answer to the PING is late, too.
    Unresponsive,
    /// No stream may be opened any more, because one side said so. Open streams go on.
    Leaving,
    /// The connection is over.
    Closed,
}

impl Peer {
    /// A backend about which nothing is known yet.
    pub fn new(timers: &Timers) -> Self {
        Self {
            connection_state: Cell::new(ConnectionState::Open),
            allowed: Cell::new(MAX_STREAMS),
            shut: Cell::new(false),
            reserved: Cell::new(0),
            tunnels: Cell::new(None),
            settings_waiters: RefCell::default(),
            ping_pending: Cell::new(false),
            last_received: Cell::new(timers.now()),
            next: Cell::new(1),
            cancellations: Cell::new(MAX_CANCELLATIONS),
            table: Table::default(),
            pings: Cell::new(0),
            timers: timers.clone(),
        }
    }

    /// The id for the next stream (section 5.1.1); `None` when all ids are used up, or no stream may be opened.
    pub fn next_id(&self) -> Option<u32> {
        if self.connection_state.get() != ConnectionState::Open {
            return None;
        }
        let id = self.next.get();
        self.next.set(id + 2);
        if id + 2 > MAX_WINDOW - 1 {
            self.connection_state.set(ConnectionState::Leaving);
        }
        Some(id)
    }

    /// Whether a stream with this id was never opened.
    pub fn is_unopened(&self, id: u32) -> bool {
        id.is_multiple_of(2) || id >= self.next.get()
    }

    /// The current tick.
    pub fn now(&self) -> u64 {
        self.timers.now()
    }

    /// The backend allows so many streams.
    pub fn set_allowed(&self, streams: u32) {
        let is_first = self.tunnels.get().is_none();
        self.shut.set(streams == 0 && (is_first || self.shut.get()));
        self.allowed.set(streams.min(MAX_STREAMS));
    }

    /// Something has arrived.
    pub fn on_received(&self) {
        self.last_received.set(self.timers.now());
        self.ping_pending.set(false);
        if matches!(self.connection_state.get(), ConnectionState::Suspect | ConnectionState::Unresponsive) {
            self.connection_state.set(ConnectionState::Open);
        }
    }

    /// Whether the connection has been silent for so long that a PING should accompany a request.
    pub fn should_ping(&self) -> bool {
        !self.ping_pending.get()
            && self.pings.get() < MAX_PINGS
            && self.timers.now().saturating_sub(self.last_received.get()) > SILENT_TICKS
    }

    /// Sends a PING, unless one is unanswered.
    pub fn ping(&self, state: &mut Shared) {
        if !self.ping_pending.replace(true) {
            self.pings.set(self.pings.get().saturating_add(1));
            frame::ping(state.out.buffer(), PING_PAYLOAD, false);
        }
    }

    /// HEADERS or DATA have arrived.
    pub fn on_response(&self) {
        self.pings.set(0);
    }

    /// A stream was answered completely.
    pub fn on_answered(&self) {
        self.cancellations.set(MAX_CANCELLATIONS.min(self.cancellations.get() + 1));
    }

    /// Counts a cancelled stream. Returns whether there were so many that the connection should not be used any more.
    pub fn has_cancelled_enough(&self) -> bool {
        self.cancellations.set(self.cancellations.get().saturating_sub(1));
        self.cancellations.get() == 0
    }

    /// The backend's SETTINGS have come, or never will: wakes those who wait for them.
    pub fn wake_settings_waiters(&self) {
        self.settings_waiters.take().into_iter().for_each(Waker::wake);
    }
}
