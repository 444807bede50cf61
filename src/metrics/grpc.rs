//! How gRPC calls ended, by their status.

use super::slots::{Count, PerWorker};

/// `code`, by number (gRPC's `statuscodes.md`); then what is no code, and calls that ended without one.
pub const CODES: [&str; 19] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
    "other",
    "none",
];
const OTHER: usize = 17;
const NONE: usize = 18;

/// The calls of one service.
#[derive(Debug)]
pub struct GrpcCalls(PerWorker<[Count; CODES.len()]>);

impl GrpcCalls {
    pub(super) fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }

    /// Counts one that ended with this status, or with none, on the thread of `worker`.
    pub fn count(&self, worker: usize, status: Option<u16>) {
        let code = status.map_or(NONE, |status| usize::from(status).min(OTHER));
        self.0.of(worker)[code].add(1);
    }

    /// How many calls have ended with each status, in the order of [`CODES`].
    pub fn read(&self) -> [u64; CODES.len()] {
        std::array::from_fn(|code| self.0.sum(|codes| &codes[code]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_code_is_counted_apart() {
        let calls = GrpcCalls::new(2);
        for (worker, status) in [(0, Some(0)), (1, Some(0)), (0, Some(14)), (1, Some(17)), (0, Some(999)), (1, None)] {
            calls.count(worker, status);
        }
        let read = calls.read();
        let some: Vec<_> = CODES.into_iter().zip(read).filter(|(_, count)| *count > 0).collect();
        assert_eq!(some, [("OK", 2), ("UNAVAILABLE", 1), ("other", 2), ("none", 1)]);
    }
}
