//! What limits for each client have refused.

use super::slots::{Count, PerWorker};

/// How many outcomes each limit has.
const OUTCOMES: usize = 2;

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
    /// Bytes that clients send.
    Upload,
    /// Bytes that clients are sent.
    Download,
}

impl ClientLimit {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Connections, Self::NewConnections, Self::Handshakes, Self::Requests, Self::Upload, Self::Download];

    /// The word for it in metrics and the log: its key in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::NewConnections => "new_connections",
            Self::Handshakes => "handshakes",
            Self::Requests => "requests",
            Self::Upload => "upload",
            Self::Download => "download",
        }
    }

    /// `outcome`: what becomes of what is above it, and what would without a dry run.
    pub fn outcomes(self) -> [&'static str; OUTCOMES] {
        match self {
            Self::Upload | Self::Download => ["delayed", "would_delay"],
            Self::Connections | Self::NewConnections | Self::Handshakes | Self::Requests => ["refused", "would_refuse"],
        }
    }
}

/// What the limits of one listener have refused.
#[derive(Debug)]
pub struct ClientLimited(PerWorker<Slot>);

#[derive(Debug, Default)]
struct Slot([[Count; OUTCOMES]; ClientLimit::ALL.len()]);

impl ClientLimited {
    pub(super) fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }

    /// Counts one, on the thread of `worker`. `dry_run`: nothing comes of it.
    pub fn count(&self, worker: usize, limit: ClientLimit, dry_run: bool) {
        self.0.of(worker).0[limit as usize][usize::from(dry_run)].add(1);
    }

    /// How many so far, as in [`ClientLimit::ALL`], and for each as in [`outcomes`](ClientLimit::outcomes).
    pub fn read(&self) -> [[u64; OUTCOMES]; ClientLimit::ALL.len()] {
        std::array::from_fn(|limit| std::array::from_fn(|outcome| self.0.sum(|slot| &slot.0[limit][outcome])))
    }
}
