//! What is counted. A handle is made by the control plane and held by the snapshot, so the data path looks nothing up.

use std::time::Duration;

use super::slots::{Count, PerWorker};

/// Upper bounds of the buckets of durations, in microseconds: from a cached answer on loopback to a hung report.
pub const BUCKETS: [u64; 18] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// `code_class`, by hundreds; the first is for a client that was gone before it could be answered.
pub const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Ended exchanges, by the class of their status.
#[derive(Debug)]
pub struct Requests(PerWorker<[Count; 6]>);

/// How long exchanges took.
#[derive(Debug)]
pub struct Durations(PerWorker<Histogram>);

#[derive(Debug, Default)]
struct Histogram {
    /// One more than there are bounds, for what is above the last.
    buckets: [Count; BUCKETS.len() + 1],
    sum_us: Count,
}

/// A reading of [`Durations`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// By bucket, not cumulated.
    pub buckets: [u64; BUCKETS.len() + 1],
    /// Microseconds.
    pub sum_us: u64,
}

/// What a listener counts.
#[derive(Debug)]
pub struct ListenerMetrics(PerWorker<ListenerCounts>);

#[derive(Debug, Default)]
struct ListenerCounts {
    opened: Count,
    closed: Count,
    received: Count,
    sent: Count,
}

/// Connections to a backend.
#[derive(Debug)]
pub struct UpstreamMetrics(PerWorker<UpstreamCounts>);

#[derive(Debug, Default)]
struct UpstreamCounts {
    opened: Count,
    closed: Count,
    parked: Count,
    unparked: Count,
}

impl Requests {
    pub(super) fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }

    /// Counts an ended exchange; status 0 = the client was gone before it was answered.
    pub fn count(&self, worker: usize, status: u16) {
        self.0.of(worker)[usize::from(status / 100).min(5)].add(1);
    }

    /// Ended exchanges by class, as in [`CLASSES`].
    pub fn read(&self) -> [u64; 6] {
        let mut sums = [0; 6];
        for counts in self.0.all() {
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += count.get();
            }
        }
        sums
    }
}

impl Durations {
    pub(super) fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }

    /// Takes an exchange's duration in.
    pub fn observe(&self, worker: usize, elapsed: Duration) {
        let us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let histogram = self.0.of(worker);
        let bucket = BUCKETS.iter().position(|&bound| us <= bound).unwrap_or(BUCKETS.len());
        histogram.buckets[bucket].add(1);
        histogram.sum_us.add(us);
    }

    /// All workers' together.
    pub fn read(&self) -> Distribution {
        let mut all = Distribution { buckets: [0; BUCKETS.len() + 1], sum_us: 0 };
        for histogram in self.0.all() {
            for (sum, count) in all.buckets.iter_mut().zip(&histogram.buckets) {
                *sum += count.get();
            }
            all.sum_us += histogram.sum_us.get();
        }
        all
    }
}

impl Distribution {
    /// How many were observed.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// What was observed since `before`.
    pub fn since(&self, before: &Self) -> Self {
        let mut buckets = self.buckets;
        for (now, then) in buckets.iter_mut().zip(before.buckets) {
            *now = now.saturating_sub(then);
        }
        Self { buckets, sum_us: self.sum_us.saturating_sub(before.sum_us) }
    }

    /// An estimate of the quantile `q` (0 to 1) in milliseconds, linear within its bucket; `None` without observations.
    pub fn quantile_ms(&self, q: f64) -> Option<f64> {
        let rank = q * self.count() as f64;
        let mut seen = 0.0;
        for (at, &count) in self.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            let low = if at == 0 { 0 } else { BUCKETS[at - 1] } as f64;
            let high = BUCKETS.get(at).copied().unwrap_or(BUCKETS[BUCKETS.len() - 1]) as f64;
            if seen + count as f64 >= rank {
                return Some((low + (high - low) * (rank - seen) / count as f64) / 1_000.0);
            }
            seen += count as f64;
        }
        None
    }

    /// The mean in milliseconds; `None` without observations.
    pub fn mean_ms(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.sum_us as f64 / self.count() as f64 / 1_000.0)
    }
}

impl ListenerMetrics {
    pub(super) fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }

    /// A client connected.
    pub fn opened(&self, worker: usize) {
        self.0.of(worker).opened.add(1);
    }

    /// A client's connection ended.
    pub fn closed(&self, worker: usize) {
        self.0.of(worker).closed.add(1);
    }

    /// Bytes crossed clients' connections.
    pub fn transferred(&self, worker: usize, received: u64, sent: u64) {
        let counts = self.0.of(worker);
        counts.received.add(received);
        counts.sent.add(sent);
    }

    /// Connections open now.
    pub fn connections(&self) -> u64 {
        difference(self.0.all().map(|c| (&c.opened, &c.closed)))
    }

    /// Bytes received from clients, and sent to them.
    pub fn bytes(&self) -> (u64, u64) {
        self.0.all().fold((0, 0), |(received, sent), c| (received + c.received.get(), sent + c.sent.get()))
    }
}

impl UpstreamMetrics {
    pub(super) fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }

    /// A connection was made.
    pub fn connected(&self, worker: usize) {
        self.0.of(worker).opened.add(1);
    }

    /// A connection was closed; one that was idle has been [`unparked`](Self::unparked) before.
    pub fn closed(&self, worker: usize) {
        self.0.of(worker).closed.add(1);
    }

    /// A connection became idle.
    pub fn parked(&self, worker: usize) {
        self.0.of(worker).parked.add(1);
    }

    /// A connection is idle no more.
    pub fn unparked(&self, worker: usize) {
        self.0.of(worker).unparked.add(1);
    }

    /// Connections that carry an exchange, and idle ones.
    pub fn read(&self) -> (u64, u64) {
        let open = difference(self.0.all().map(|c| (&c.opened, &c.closed)));
        let idle = difference(self.0.all().map(|c| (&c.parked, &c.unparked)));
        (open.saturating_sub(idle), idle)
    }
}

/// What has come less what has gone; never below 0, though the two are not read at one instant.
fn difference<'a>(counts: impl Iterator<Item = (&'a Count, &'a Count)>) -> u64 {
    let (came, gone) = counts.fold((0, 0), |(came, gone), (up, down)| (came + up.get(), gone + down.get()));
    u64::saturating_sub(came, gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_add_up() {
        let requests = Requests::new(2);
        requests.count(0, 200);
        requests.count(1, 204);
        requests.count(1, 0);
        requests.count(0, 599);
        assert_eq!(requests.read(), [1, 0, 2, 0, 0, 1]);
    }

    #[test]
    fn quantiles_are_within_their_bucket() {
        let durations = Durations::new(1);
        for ms in [1, 2, 3, 4, 100] {
            durations.observe(0, Duration::from_millis(ms));
        }
        durations.observe(0, Duration::from_secs(1_000));
        let read = durations.read();
        assert_eq!(read.count(), 6);
        let median = read.quantile_ms(0.5).unwrap();
        assert!((1.0..=5.0).contains(&median), "{median}");
        assert_eq!(read.quantile_ms(1.0), Some(60_000.0));
        assert_eq!(read.since(&read).quantile_ms(0.5), None);
    }
}
