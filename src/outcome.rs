//! What came of one exchange, or of one session of Layer 4.

use std::time::{Duration, Instant};

use http::StatusCode;

use crate::error::Kind;

/// The outcome of an exchange, complete once it has ended.
#[derive(Debug)]
pub struct Outcome {
    /// When the request's head had been read.
    pub began: Instant,
    /// What the client was answered with; `None` when it went away before.
    pub status: Option<StatusCode>,
    /// Why it failed, where it did: before the answer, or within its body.
    pub failure: Option<Kind>,
    /// How many attempts were made with backends.
    pub attempts: u32,
    /// What came of a second attempt that was made beside one that was late; `None` = there was none.
    pub hedge: Option<&'static str>,
    /// How long after its begin the client got the head of the answer; measured only where its service promises a latency, or the access log
    /// says it.
    pub answered: Option<Duration>,
    /// How long it took to find out whether its client may come in; measured only where the access log says it, or it is traced.
    pub authorized: Option<Duration>,
    /// How long it waited for a place at a backend, in all attempts together; measured only where the access log says it.
    pub queued: Option<Duration>,
    /// How long its last attempt took until it had a connection, a kept one or a new one; measured only where the access log says it.
    pub connected: Option<Duration>,
    /// How long its client was waited for, from the begin of an attempt to the end of the request's body; `None` = it was not, or the head of the answer
    /// came before that end.
    pub uploaded: Option<Duration>,
    /// Bytes of the answer's body that were given to the connection.
    pub body_bytes: u64,
    /// How it ended as a gRPC call, where it is one.
    pub grpc: Option<Grpc>,
    /// How it ended, where its status and its failure don't say that: it was a tunnel, or was cut off.
    pub end: Option<TunnelEnd>,
}

/// How a gRPC call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grpc {
    /// The backend has not said.
    Unknown,
    /// With this status.
    Status(u16),
}

/// gRPC's status codes that tell of a failure of the server, as 5xx do in HTTP: UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE and DATA_LOSS
/// (gRPC's `statuscodes.md`). The others are about the request.
const GRPC_FAILURES: [u16; 5] = [2, 4, 13, 14, 15];
/// The largest of gRPC's status codes. Clients take what is above it for UNKNOWN.
const LAST_OF_GRPC: u16 = 16;

impl Grpc {
    /// Whether its status tells of a failure of the server.
    pub fn is_failure(self) -> bool {
        self.status().is_some_and(|status| GRPC_FAILURES.contains(&status) || status > LAST_OF_GRPC)
    }

    /// Its status, where one was said.
    pub fn status(self) -> Option<u16> {
        match self {
            Self::Unknown => None,
            Self::Status(status) => Some(status),
        }
    }
}

impl Outcome {
    /// Nothing has happened yet.
    pub fn begun(began: Instant) -> Self {
        Self {
            began,
            status: None,
            failure: None,
            attempts: 0,
            hedge: None,
            answered: None,
            authorized: None,
            queued: None,
            connected: None,
            uploaded: None,
            body_bytes: 0,
            grpc: None,
            end: None,
        }
    }
}

/// How a tunnel ended, which an exchange is after an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TunnelEnd {
    /// This side ended its direction, and then the other side did. The side that did so first is the one that wanted the end.
    ClosedBy(Peer),
    /// The connection with this side broke: it was reset, or could not be written to.
    BrokenBy(Peer),
    /// Nothing was sent for `timeout.idle`.
    Idle,
    /// We have cut it off: the listener is gone, or the process ends.
    Cut,
}

/// One of the two whom we stand between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// The client.
    Client,
    /// The backend.
    Backend,
}

impl TunnelEnd {
    /// The word for it in the access log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClosedBy(Peer::Client) => "closed_by_client",
            Self::ClosedBy(Peer::Backend) => "closed_by_backend",
            Self::BrokenBy(Peer::Client) => "broken_by_client",
            Self::BrokenBy(Peer::Backend) => "broken_by_backend",
            Self::Idle => "idle",
            Self::Cut => "cut",
        }
    }

    /// Whether it ended as tunnels do: somebody wanted that, or nobody had anything to say.
    pub fn is_usual(self) -> bool {
        matches!(self, Self::ClosedBy(_) | Self::Idle)
    }
}

/// The outcome of a session, complete once it has ended.
#[derive(Debug)]
pub struct SessionOutcome {
    /// When the client came.
    pub began: Instant,
    /// How long after that it had a backend.
    pub connected: Option<Duration>,
    /// Why it failed, where it did.
    pub failure: Option<Kind>,
    /// How many attempts were made with backends.
    pub attempts: u32,
    /// How it ended, where it did not fail.
    pub end: End,
    /// Bytes from the client.
    pub received: u64,
    /// Bytes to the client.
    pub sent: u64,
    /// How many datagrams that were, from the client and to it, where the session is one over UDP.
    pub datagrams: Option<[u64; 2]>,
}

/// How a session that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was closed: by its client or its backend, or, over UDP, because its backend takes no sessions any more.
    Closed,
    /// Nothing was sent for `idle_timeout`.
    Idle,
    /// We have cut it off: the listener is gone, or the process ends.
    Cut,
}

impl SessionOutcome {
    /// Nothing has happened yet. A session whose end is never set was cut off.
    pub fn begun(began: Instant) -> Self {
        Self {
            began,
            connected: None,
            failure: None,
            attempts: 0,
            end: End::Cut,
            received: 0,
            sent: 0,
            datagrams: None,
        }
    }
}
