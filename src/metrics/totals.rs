//! The exchanges of one service, whatever listener they came through and whatever backend had them.

use super::failures::Failures;
use super::requests::Requests;

/// What is counted of a service as a whole, or of the exchanges for which no service was found.
#[derive(Debug)]
pub struct Totals {
    /// By the class of their answer.
    pub requests: Requests,
    /// Those that failed, by reason.
    pub failures: Failures,
}

impl Totals {
    pub(super) fn new(workers: usize) -> Self {
        Self { requests: Requests::new(workers), failures: Failures::new(workers) }
    }
}
