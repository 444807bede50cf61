//! How a request to a backend is sent and how it can fail, whichever version of HTTP the backend speaks.

use std::time::Duration;

use http::StatusCode;

use super::ClientPools;
use crate::error::{Error, Kind, Retry};
use crate::policy::Timeouts;
use crate::protocol::http::{HeadLimits, Interim};
use crate::timer::{Deadline, Timers};

/// How long to wait for a backend's 100 before the body is sent without it. RFC 9110, section 10.1.1, says not to wait
/// indefinitely; the length is our choice.
pub(super) const CONTINUE_TIMEOUT: Duration = Duration::from_secs(1);

/// The terms that a request is sent on.
#[derive(Debug)]
pub struct Terms<'a> {
    /// The time-outs.
    pub timeouts: Timeouts,
    /// The worker's timers.
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
    /// The PROXY header that a new connection begins with.
    pub header: &'a [u8],
}

/// A call that failed.
#[derive(Debug)]
pub struct Failed {
    /// Why it failed.
    pub error: Error,
    /// Whether the request can be sent again without counting a failure of the backend. Either the connection had been used
    /// before and was closed before a byte of the response came, so the request and the close may have crossed on the way; or the
    /// backend has said that it did not process the request.
    pub raced: bool,
}

impl Failed {
    /// The path of its connection was found dead, which says nothing of the backend.
    pub fn cut_off() -> Self {
        let error = Error::new(Kind::UpstreamHung, "the path to it is dead").retry(Retry::IfIdempotent);
        Self { error, raced: true }
    }

    /// The backend was found to hang.
    pub fn hung() -> Self {
        let error = Error::new(Kind::UpstreamHung, "it answers nobody").retry(Retry::IfIdempotent);
        Self { error, raced: false }
    }
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

/// Whether this interim response says that the final one will take time: 102 of WebDAV (RFC 2518, section 10.1), and 104 of
/// resumable uploads (draft-ietf-httpbis-resumable-upload), which tells how much has arrived.
pub(super) fn extends_timeout(status: StatusCode) -> bool {
    matches!(status.as_u16(), 102 | 104)
}

/// The time of an exchange is over. `starved`: its client was still to send its body and has used that time up, so that the backend is not
/// to be charged.
pub fn too_late(starved: bool) -> Error {
    Error::new(if starved { Kind::SlowRequest } else { Kind::UpstreamTimeout }, "longer than timeout.total")
}

/// The error for a body on which nothing has moved for too long. With `starved` it was the client that had to send, which is not
/// the backend's fault.
pub(super) fn stall_error(starved: bool) -> Error {
    Error::new(if starved { Kind::SlowRequest } else { Kind::UpstreamTimeout }, "its body stalled")
}
