//! Connections on both sides, and bytes.

use std::sync::Arc;
use std::time::Duration;

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

/// The connections to one backend of one service.
///
/// A connection counts from [`connected`](Self::connected) to [`closed`](Self::closed), and as idle between
/// [`parked`](Self::parked) and [`unparked`](Self::unparked); all of it on the thread of the worker that made it.
#[derive(Debug)]
pub struct UpstreamMetrics {
    slots: PerWorker<UpstreamSlot>,
    service: Arc<ServiceAttempts>,
}

/// Attempts with all backends of a service together. Who looks at each of ten thousand backends now and then need not while this
/// stays as it is.
#[derive(Debug)]
pub struct ServiceAttempts(PerWorker<Count>);

impl ServiceAttempts {
    pub(super) fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }

    /// How many have ended since the start.
    pub fn ended(&self) -> u64 {
        self.0.sum(|count| count)
    }
}

#[derive(Debug, Default)]
struct UpstreamSlot {
    connects: Count,
    open: Count,
    idle: Count,
    attempts: Count,
    failed: Count,
    micros: Count,
}

/// Attempts with a backend that have ended, since the start. Those that say nothing about it (their client went away) are not
/// among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AttemptCounts {
    /// How many have ended.
    pub ended: u64,
    /// How many of them the backend failed.
    pub failed: u64,
    /// The sum of their durations, in microseconds.
    pub micros: u64,
}

impl UpstreamMetrics {
    pub(super) fn new(workers: usize, service: Arc<ServiceAttempts>) -> Self {
        Self { slots: PerWorker::new(workers), service }
    }

    /// A connection was made.
    pub fn connected(&self, worker: usize) {
        let slot = self.slots.of(worker);
        slot.connects.add(1);
        slot.open.add(1);
    }

    /// A connection was closed; one that was idle has been [`unparked`](Self::unparked) before.
    pub fn closed(&self, worker: usize) {
        self.slots.of(worker).open.sub(1);
    }

    /// A connection became idle.
    pub fn parked(&self, worker: usize) {
        self.slots.of(worker).idle.add(1);
    }

    /// A connection is idle no more.
    pub fn unparked(&self, worker: usize) {
        self.slots.of(worker).idle.sub(1);
    }

    /// Connections that carry an exchange, and idle ones. Never below 0, though the two are not read at one instant.
    pub fn read(&self) -> (u64, u64) {
        let idle = self.slots.sum(|slot| &slot.idle);
        (self.slots.sum(|slot| &slot.open).saturating_sub(idle), idle)
    }

    /// An attempt ended, with this result, after this time.
    pub fn attempted(&self, worker: usize, failed: bool, elapsed: Duration) {
        let slot = self.slots.of(worker);
        slot.attempts.add(1);
        slot.failed.add(u64::from(failed));
        slot.micros.add(u64::try_from(elapsed.as_micros()).unwrap_or(0));
        self.service.0.of(worker).add(1);
    }

    /// Attempts so far.
    pub fn attempts(&self) -> AttemptCounts {
        self.slots.used().fold(AttemptCounts::default(), |sum, slot| AttemptCounts {
            ended: sum.ended + slot.attempts.get(),
            failed: sum.failed + slot.failed.get(),
            micros: sum.micros + slot.micros.get(),
        })
    }

    /// Connections made so far.
    pub fn connects(&self) -> u64 {
        self.slots.sum(|slot| &slot.connects)
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

    #[test]
    fn a_connection_is_idle_or_active() {
        let upstream = UpstreamMetrics::new(2, Arc::new(ServiceAttempts::new(2)));
        upstream.connected(0);
        upstream.connected(1);
        upstream.parked(1);
        assert_eq!(upstream.read(), (1, 1));
        upstream.unparked(1);
        assert_eq!(upstream.read(), (2, 0));
        upstream.closed(0);
        upstream.closed(1);
        assert_eq!((upstream.read(), upstream.connects()), ((0, 0), 2));
    }

    #[test]
    fn attempts_with_any_backend_are_attempts_of_the_service() {
        let service = Arc::new(ServiceAttempts::new(2));
        let [one, other] = [0, 1].map(|_| UpstreamMetrics::new(2, Arc::clone(&service)));
        one.attempted(0, true, Duration::from_micros(3));
        one.attempted(1, false, Duration::from_micros(4));
        other.attempted(1, false, Duration::from_micros(5));
        assert_eq!(service.ended(), 3);
        assert_eq!(one.attempts(), AttemptCounts { ended: 2, failed: 1, micros: 7 });
    }
}
