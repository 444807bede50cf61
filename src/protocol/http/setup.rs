//! What clients' connections are served with, and how heads are read.

use std::rc::Rc;
use std::time::Duration;

use super::fields::Date;
use crate::drain::Drain;
use crate::eviction::IdleList;
use crate::io::pipe::Pipes;
use crate::policy::Limits;
use crate::timer::Timers;

/// What a connection is served with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// What the client may do.
    pub limits: Limits,
    /// How long nothing may be under way, and how long a client may stop reading.
    pub idle_timeout: Duration,
    /// The worker's time-outs.
    pub timers: Timers,
    /// The worker's drain.
    pub drain: Drain,
    /// The worker's `Date`.
    pub date: Date,
    /// The worker's pipes, for large bodies.
    pub pipes: Rc<Pipes>,
    /// The listener's resting connections, where there is a limit to connections: they give way to those that wait for a place.
    pub resting: Option<IdleList>,
}

/// What a head may be at most.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// Bytes of the whole head.
    pub bytes: usize,
    /// Number of fields.
    pub fields: usize,
    /// What strict reading refuses and this one takes.
    pub leniency: Leniency,
}

/// Deviations that a configuration allows; none by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leniency {
    /// Requests: `%00`, `%0a` and `%0d` in paths.
    pub encoded_controls: bool,
    /// Answers: lines of a head may end in LF without CR (RFC 9112, section 2.2, allows a recipient to take that).
    pub bare_lf: bool,
}
