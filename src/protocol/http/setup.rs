//! The settings that clients' connections are served with, and the limits for reading heads.

use std::rc::Rc;
use std::time::Duration;

use super::fields::Date;
use crate::drain::Drain;
use crate::eviction::IdleList;
use crate::io::pipe::Pipes;
use crate::policy::RequestLimits;
use crate::timer::Timers;

/// The settings that a client's connection is served with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The limits on what the client may send.
    pub limits: RequestLimits,
    /// How long a connection may be without a request, and how long a client may read nothing of its response.
    pub idle_timeout: Duration,
    /// The worker's timers.
    pub timers: Timers,
    /// Tells when the worker is draining.
    pub drain: Drain,
    /// The worker's cache of the `Date` value.
    pub date: Date,
    /// The worker's pool of pipes, for splicing large bodies.
    pub pipes: Rc<Pipes>,
    /// The listener's list of idle connections, when the number of connections is limited. The idle ones are closed to make room
    /// for new ones.
    pub resting: Option<IdleList>,
}

/// The limits for the head of a message.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// The most bytes of the whole head.
    pub bytes: usize,
    /// The most fields.
    pub fields: usize,
    /// Which deviations from the strict grammar are accepted.
    pub leniency: Leniency,
}

/// Deviations from the strict grammar that a configuration can allow. None is allowed by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leniency {
    /// In requests, `%00`, `%0a` and `%0d` are allowed in paths.
    pub encoded_controls: bool,
    /// In responses, lines of a head may end in LF without CR (RFC 9112, section 2.2, allows a recipient to accept that).
    pub bare_lf: bool,
}
