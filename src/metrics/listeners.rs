//! Connections of clients, bytes and datagrams, by listener.

use super::losses::Loss;
use super::refusals::Refusal;
use super::slots::{Count, PerWorker};

/// The counters of one listener.
#[derive(Debug)]
pub struct ListenerMetrics(PerWorker<ListenerSlot>);

#[derive(Debug, Default)]
struct ListenerSlot {
    accepted: Count,
    open: Count,
    received: Count,
    sent: Count,
    datagrams: [Count; 2],
    lost: [Count; Loss::ALL.len()],
    /// Connections that have to begin with a PROXY header.
    with_header: Count,
    refused: [Count; Refusal::ALL.len()],
}

impl ListenerMetrics {
    pub(super) fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }

    /// A client connected, on the thread of `worker`, which keeps the connection to its end.
    pub fn opened(&self, worker: usize) {
        let slot = self.0.of(worker);
        slot.accepted.add(1);
        slot.open.add(1);
    }

    /// A client's connection ended.
    pub fn closed(&self, worker: usize) {
        self.0.of(worker).open.sub(1);
    }

    /// Bytes crossed clients' connections.
    pub fn transferred(&self, worker: usize, received: u64, sent: u64) {
        let slot = self.0.of(worker);
        slot.received.add(received);
        slot.sent.add(sent);
    }

    /// Datagrams were received from clients, and passed on to them.
    pub fn datagrams(&self, worker: usize, received: u64, sent: u64) {
        let slot = self.0.of(worker);
        slot.datagrams[0].add(received);
        slot.datagrams[1].add(sent);
    }

    /// Datagrams were not passed on.
    pub fn lost(&self, worker: usize, why: Loss, datagrams: u64) {
        self.0.of(worker).lost[why as usize].add(datagrams);
    }

    /// Datagrams received from clients, and passed on to them; then those that were lost, as in [`Loss::ALL`].
    pub fn datagrams_read(&self) -> ([u64; 2], [u64; Loss::ALL.len()]) {
        let both = std::array::from_fn(|at| self.0.sum(|slot| &slot.datagrams[at]));
        (both, std::array::from_fn(|at| self.0.sum(|slot| &slot.lost[at])))
    }

    /// A connection has to begin with a PROXY header.
    pub fn wants_header(&self, worker: usize) {
        self.0.of(worker).with_header.add(1);
    }

    /// A connection was refused for its PROXY header. Gives back how many were refused so on this worker.
    pub fn refused(&self, worker: usize, refusal: Refusal) -> u64 {
        let count = &self.0.of(worker).refused[refusal as usize];
        count.add(1);
        count.get()
    }

    /// Connections refused for their PROXY header so far, as in [`Refusal::ALL`]; `None` where none was ever wanted.
    pub fn refusals(&self) -> Option<[u64; Refusal::ALL.len()]> {
        let wanted = self.0.sum(|slot| &slot.with_header) > 0;
        wanted.then(|| std::array::from_fn(|at| self.0.sum(|slot| &slot.refused[at])))
    }

    /// Connections open now.
    pub fn connections(&self) -> u64 {
        self.0.sum(|slot| &slot.open)
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> u64 {
        self.0.sum(|slot| &slot.accepted)
    }

    /// Bytes received from clients, and sent to them.
    pub fn bytes(&self) -> (u64, u64) {
        (self.0.sum(|slot| &slot.received), self.0.sum(|slot| &slot.sent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_connections_are_summed_over_workers() {
        let listener = ListenerMetrics::new(2);
        for worker in [0, 1, 1] {
            listener.opened(worker);
        }
        listener.closed(1);
        listener.transferred(0, 10, 100);
        listener.transferred(1, 1, 2);
        assert_eq!((listener.connections(), listener.accepted()), (2, 3));
        assert_eq!(listener.bytes(), (11, 102));
    }

    #[test]
    fn refusals_are_told_where_headers_are_wanted() {
        let listener = ListenerMetrics::new(2);
        listener.opened(0);
        assert_eq!(listener.refusals(), None);
        listener.wants_header(1);
        assert_eq!(listener.refusals(), Some([0; 5]));
        let counts = [(0, Refusal::Missing), (1, Refusal::Missing), (1, Refusal::Missing), (1, Refusal::Timeout)];
        assert_eq!(counts.map(|(worker, refusal)| listener.refused(worker, refusal)), [1, 1, 2, 1]);
        assert_eq!(listener.refusals(), Some([0, 3, 0, 0, 1]));
    }
}
