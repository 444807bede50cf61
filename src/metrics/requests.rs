//! How many exchanges, by the class of their answer.

use super::slots::{Count, PerWorker};

/// `code_class`, by hundreds; the first is for a client that was gone before it could be answered.
pub const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

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

    /// Ended exchanges by class, as in [`CLASSES`].
    pub fn read(&self) -> [u64; CLASSES.len()] {
        std::array::from_fn(|class| self.0.sum(|classes| &classes[class]))
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
        assert_eq!(requests.read(), [1, 1, 2, 1, 2, 3]);
    }
}
