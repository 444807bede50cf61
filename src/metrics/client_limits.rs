//! What limits for each client have refused.

use super::slots::{Count, PerWorker};

/// What is limited for each client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientLimit {
    /// Connections, or sessions over UDP, that are open.
    Connections,
    /// Connections, or sessions over UDP, that begin.
    NewConnections,
    /// TLS handshakes that begin.
    Handshakes,
    /// Requests that are in flight.
    Requests,
}

impl ClientLimit {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Connections, Self::NewConnections, Self::Handshakes, Self::Requests];

    /// The word for it in metrics and the log: its key in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::NewConnections => "new_connections",
            Self::Handshakes => "handshakes",
            Self::Requests => "requests",
        }
    }
}

/// `outcome`: what became of what was above a limit, and what would have without a dry run.
pub const OUTCOMES: [&str; 2] = ["refused", "would_refuse"];

/// What the limits of one listener have refused.
#[derive(Debug)]
pub struct ClientLimited(PerWorker<Slot>);

#[derive(Debug, Default)]
struct Slot([[Count; OUTCOMES.len()]; ClientLimit::ALL.len()]);

impl ClientLimited {
    pub(super) fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }

    /// Counts one, on the thread of `worker`. `dry_run`: it is not refused.
    pub fn count(&self, worker: usize, limit: ClientLimit, dry_run: bool) {
        self.0.of(worker).0[limit as usize][usize::from(dry_run)].add(1);
    }

    /// How many so far, as in [`ClientLimit::ALL`] and [`OUTCOMES`].
    pub fn read(&self) -> [[u64; OUTCOMES.len()]; ClientLimit::ALL.len()] {
        std::array::from_fn(|limit| std::array::from_fn(|outcome| self.0.sum(|slot| &slot.0[limit][outcome])))
    }
}
