//! How many exchanges, by the class of their answer.

use super::slots::{Count, PerWorker};

/// `code_class`: by hundreds, the first for a client that was gone before it could be answered; and how a session ended, which has
/// no status.
pub const CLASSES: [&str; 8] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx", "ok", "failed"];

/// How a session of Layer 4 ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// The client ended it, or left before it had said what it wants.
    Gone = 0,
    /// It ended as it should.
    Ok = 6,
    /// No backend was to be had, or the backend failed.
    Failed = 7,
}

/// Exchanges of one listener with one backend (or with none) that have ended.
#[derive(Debug)]
pub struct Requests(PerWorker<[Count; CLASSES.len()]>);

impl Requests {
    pub(super) fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }

    /// Counts an exchange that ended, on the thread of `worker`. Status 0 = the client was gone before it was answered; what is
    /// above 599 is an error of the server's (RFC 9110, section 15).
    pub fn count(&self, worker: usize, status: u16) {
        self.0.of(worker)[usize::from(status / 100).min(5)].add(1);
    }

    /// Counts a session that ended, on the thread of `worker`.
    pub fn count_session(&self, worker: usize, end: SessionEnd) {
        self.0.of(worker)[end as usize].add(1);
    }

    /// Ended exchanges by class, as in [`CLASSES`].
    pub fn read(&self) -> [u64; CLASSES.len()] {
        // one pass over the slots: of many backends, most have none
        let mut read = [0; CLASSES.len()];
        for classes in self.0.used() {
            read.iter_mut().zip(classes).for_each(|(sum, class)| *sum += class.get());
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_counts_in_its_class_and_workers_add_up() {
        let requests = Requests::new(2);
        for (at, status) in [0, 101, 200, 204, 301, 404, 499, 500, 599, 999].into_iter().enumerate() {
            requests.count(at % 2, status);
        }
        for (at, end) in [SessionEnd::Ok, SessionEnd::Gone, SessionEnd::Failed, SessionEnd::Ok].into_iter().enumerate()
        {
            requests.count_session(at % 2, end);
        }
        assert_eq!(requests.read(), [2, 1, 2, 1, 2, 3, 2, 1]);
    }
}
