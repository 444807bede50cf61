//! An HTTP/1.1 connection to a backend, whether it is idle in its pool or carries an exchange.

use crate::endpoint::paths::Via;
use crate::io::Stream;
use crate::io::inbound::Inbound;
use crate::protocol::h1::head::Scan;
use crate::protocol::h1::outbound::Outbound;
use crate::upstream::context::{OpenConnection, poll_once};

/// The room for one read of a response, in bytes.
pub(super) const ROOM: usize = 1024;

/// An HTTP/1.1 connection to a backend.
#[derive(Debug)]
pub struct Connection {
    pub(super) io: Stream,
    pub(super) inbound: Inbound,
    pub(super) out: Outbound,
    pub(super) scan: Scan,
    /// Whether it has carried an exchange before.
    pub(super) reused: bool,
    pub(in crate::upstream) open: OpenConnection,
}

impl Connection {
    /// A new connection that has not carried an exchange yet.
    pub fn new(io: Stream, open: OpenConnection) -> Box<Self> {
        Box::new(Self {
            io,
            inbound: Inbound::default(),
            out: Outbound::default(),
            scan: Scan::default(),
            reused: false,
            open,
        })
    }

    /// The path that it was made over, where its backend has several.
    pub fn via(&self) -> Option<Via> {
        self.open.life.via
    }

    /// Whether nothing has come since the last response: no end, no error, and no bytes that nobody asked for. This takes a
    /// system call only if the kernel has reported an event.
    pub fn is_quiet(&mut self) -> bool {
        self.io.has_no_news() || poll_once(|cx| self.inbound.poll_fill(&mut self.io, cx, 1)).is_pending()
    }
}
