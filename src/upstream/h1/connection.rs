//! An HTTP/1.1 connection to a backend, whether it waits in its pool or carries an exchange.

use crate::io::Stream;
use crate::io::inbound::Inbound;
use crate::protocol::h1::head::Scan;
use crate::protocol::h1::outbound::Outbound;
use crate::upstream::context::{OpenConnection, glance};

/// Room for a read of an answer.
pub(super) const ROOM: usize = 1024;

/// An HTTP/1.1 connection to a backend.
#[derive(Debug)]
pub struct Connection {
    pub(super) io: Stream,
    pub(super) inbound: Inbound,
    pub(super) out: Outbound,
    pub(super) scan: Scan,
    /// It has carried an exchange before.
    pub(super) reused: bool,
    pub(in crate::upstream) open: OpenConnection,
}

impl Connection {
    /// A new connection, which carries nothing yet.
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

    /// Whether nothing came since the last answer: no end, no error, and no bytes that nobody asked for. Without news from the
    /// kernel this is no system call.
    pub fn is_quiet(&mut self) -> bool {
        self.io.has_no_news() || glance(|cx| self.inbound.poll_fill(&mut self.io, cx, 1)).is_pending()
    }
}
