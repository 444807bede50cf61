//! Datagrams that were not passed on, by why.

/// Why a datagram was not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It would have begun a session, and there are as many sessions as there may be.
    NoRoom,
    /// No backend takes it.
    NoBackend,
    /// The kernel did not take it: its buffer is full, or there is no way.
    NotSent,
    /// It would have begun a session, and the listener is draining.
    Draining,
}

impl Loss {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::NoRoom, Self::NoBackend, Self::NotSent, Self::Draining];

    /// The word for it, as the label `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoRoom => "no_room",
            Self::NoBackend => "no_backend",
            Self::NotSent => "not_sent",
            Self::Draining => "draining",
        }
    }
}
