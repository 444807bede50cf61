//! How long the stages of a service's exchanges take.

use super::durations::Durations;

/// The stages that are measured, of one service.
#[derive(Debug)]
pub struct StageDurations {
    /// From the head of the request to the head of its backend's answer, for the service that is asked.
    pub first_byte: Durations,
    /// What those that had to wait for a place at a backend have waited, whether they got one or not; for the service whose backends do the work, as
    /// connections are.
    pub queue: Durations,
    /// How long it took to make a connection to a backend, from the first SYN to the end of the TLS handshake.
    pub connect: Durations,
}

impl StageDurations {
    pub(super) fn new(workers: usize) -> Self {
        let durations = || Durations::new(workers);
        Self { first_byte: durations(), queue: durations(), connect: durations() }
    }
}
