//! What holds for copies of requests that go to a second service.

use std::time::Duration;

/// `mirror` of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mirroring {
    /// The share of the requests that is copied, in ten-thousandths.
    pub share: u32,
    /// The longest body that is copied, in bytes.
    pub max_body: u64,
    /// How many copies one worker has under way at most.
    pub max_in_flight: u32,
    /// How long a copy may take in all.
    pub timeout: Duration,
}
