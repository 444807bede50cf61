//! Connections refused for their PROXY header, by reason.

/// Why a connection was refused before anything was read of what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It comes from an address that may not send a header (`trusted_proxies`).
    Untrusted,
    /// It begins with something else than a header.
    Missing,
    /// Its header breaks the rules, or is wrong by its own checksum.
    Malformed,
    /// It ended within its header.
    Truncated,
    /// Its header was not whole in time.
    Timeout,
}

impl Refusal {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Untrusted, Self::Missing, Self::Malformed, Self::Truncated, Self::Timeout];

    /// The word for it in metrics and in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Untrusted => "untrusted",
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Truncated => "truncated",
            Self::Timeout => "timeout",
        }
    }
}
