//! What a request to a backend is sent with, and how it fails, whichever version of HTTP the backend speaks.

use std::time::Duration;

use http::StatusCode;

use super::ClientPools;
use crate::error::{Error, Kind};
use crate::policy::Timeouts;
use crate::protocol::http::{HeadLimits, Interim};
use crate::timer::{Deadline, Timers};

/// How long a backend is waited for to say 100; RFC 9110, section 10.1.1, says not to wait indefinitely.
pub(super) const CONTINUE: Duration = Duration::from_secs(1);

/// What a call is made with.
#[derive(Debug)]
pub struct Terms<'a> {
    /// Time-outs.
    pub timeouts: Timeouts,
    /// The worker's.
    pub timers: &'a Timers,
    /// Where interim responses go.
    pub interim: Option<&'a Interim>,
    /// When the whole exchange takes too long. Whoever waits for the call ends it then; but the call ends itself where it waits for the
    /// client, to say so.
    pub deadline: Option<Deadline>,
    /// How the heads of answers are read.
    pub heads: HeadLimits,
    /// Each connection begins with a PROXY header that names the client, so that it can't carry another client's requests.
    pub dedicated: Option<Dedicated<'a>>,
}

/// Connections to backends that carry one client's requests only.
#[derive(Debug, Clone, Copy)]
pub struct Dedicated<'a> {
    /// The kept ones.
    pub pools: &'a ClientPools,
    /// What a new one begins with.
    pub header: &'a [u8],
}

/// How a call that failed leaves things.
#[derive(Debug)]
pub struct Failed {
    /// What happened.
    pub error: Error,
    /// The connection had been used before, and was closed without a byte: the request and the close may have crossed on
    /// their way.
    pub raced: bool,
}

impl<'a> Terms<'a> {
    /// Whether the time of the whole exchange is over.
    pub(super) fn is_too_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| self.timers.is_over(deadline))
    }

    /// What a new connection begins with.
    pub(super) fn first(&self) -> &'a [u8] {
        self.dedicated.map_or(&[], |dedicated| dedicated.header)
    }
}

/// Whether this interim response says that the answer takes its time: 102 of WebDAV (RFC 2518, section 10.1), and 104 of resumable
/// uploads, which tells how much has arrived.
pub(super) fn extends(status: StatusCode) -> bool {
    matches!(status.as_u16(), 102 | 104)
}

/// The time of an exchange is over. `starved`: its client was still to send its body and has used that time up, so that the backend is not
/// to be charged.
pub fn too_late(starved: bool) -> Error {
    Error::new(if starved { Kind::SlowRequest } else { Kind::UpstreamTimeout }, "longer than timeout.total")
}

/// Nothing has moved for too long. `starved`: it was the client's turn to send, which no backend can do anything about.
pub(super) fn stalled(starved: bool) -> Error {
    Error::new(if starved { Kind::SlowRequest } else { Kind::UpstreamTimeout }, "its body stalled")
}
