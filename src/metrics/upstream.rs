//! Connections to one backend, and the attempts with it: how many, how they ended, how long they took, and how long those that wait for an
//! answer have waited.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::collect::Shown;
use super::latencies::{self, BUCKETS, WideCounts};
use super::slots::{Count, PerWorker, SmallCount};
use super::stages::StageDurations;

/// The connections to one backend of one service.
///
/// A connection counts from [`connected`](Self::connected) to [`closed`](Self::closed), and as idle between
/// [`parked`](Self::parked) and [`unparked`](Self::unparked); all of it on the thread of the worker that made it.
#[derive(Debug)]
pub struct UpstreamMetrics {
    slots: PerWorker<UpstreamSlot>,
    service: Arc<ServiceAttempts>,
    epoch: Arc<Epoch>,
    wide: WideCounts,
}

/// Attempts with all backends of a service together. Who looks at each of ten thousand backends now and then need not while this
/// stays as it is.
#[derive(Debug)]
pub struct ServiceAttempts {
    slots: PerWorker<ServiceSlot>,
    /// How long their stages take.
    pub stages: StageDurations,
}

#[derive(Debug, Default)]
struct ServiceSlot {
    begun: Count,
    ended: Count,
}

impl ServiceAttempts {
    pub(super) fn new(workers: usize) -> Self {
        Self { slots: PerWorker::new(workers), stages: StageDurations::new(workers) }
    }

    /// How many have ended since the start.
    pub fn ended(&self) -> u64 {
        self.slots.sum(|slot| &slot.ended)
    }

    /// How many have begun since the start.
    pub fn begun(&self) -> u64 {
        self.slots.sum(|slot| &slot.begun)
    }
}

/// The number of the present stretch of time. An attempt remembers the one in which it began, so that its age is known without a
/// clock. Whoever reads the ages moves it on.
#[derive(Debug, Default)]
pub struct Epoch(AtomicU32);

/// How many epochs can be told apart. After as many, a new one has the number of an old one.
pub const EPOCHS: usize = 32;

/// The epoch in which an attempt began, modulo [`EPOCHS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeganIn(u8);

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The connection was refused.
    Refused,
    /// The address can't be reached.
    Unreachable,
    /// It did not answer in time.
    TimedOut,
    /// The connection, or the stream, ended before the answer was whole.
    Reset,
    /// What it sent breaks the protocol, or its TLS can't be verified.
    Broken,
    /// It answered with a status that counts as a failure.
    Status,
}

/// How an attempt ended that says something about its backend.
pub type AttemptEnd = Result<(), Failure>;

const FAILURES: usize = 6;

#[derive(Debug, Default)]
struct UpstreamSlot {
    connects: Count,
    open: Count,
    idle: Count,
    attempts: Count,
    failed: Count,
    micros: Count,
    /// Those of them that attempts took which failed.
    failed_micros: Count,
    retried: Count,
    begun: Count,
    abandoned: Count,
    answered: Count,
    /// The logarithms (base 2) of the microseconds that answers took, and the squares of those, added up; in units of [`LOG_UNIT`] and of its
    /// square.
    logs: Count,
    squares: Count,
    /// What is left of the races that are forgiven, in units of which each success earns one.
    forgiveness: ForgivenessCredit,
    failures: [SmallCount; FAILURES],
    waiting: [SmallCount; EPOCHS],
    latencies: Buckets,
}

/// A histogram of latencies: see [`latencies`].
#[derive(Debug)]
pub(super) struct Buckets(pub(super) [SmallCount; BUCKETS]);

impl Default for Buckets {
    fn default() -> Self {
        Self(std::array::from_fn(|_| SmallCount::default()))
    }
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

/// More about the attempts with a backend, since the start, for those who judge it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AttemptDetails {
    /// How many have begun.
    pub begun: u64,
    /// How many were given up, because the backend seemed to hang.
    pub abandoned: u64,
    /// How many were answered, not with a failure.
    pub answered: u64,
    /// How many failed, by [`Failure`].
    pub failures: [u32; FAILURES],
    /// The logarithms (base 2) of the microseconds that answers took, added up, in units of 1/64.
    pub logs: u64,
    /// Their squares, added up, in units of 1/4096.
    pub squares: u64,
}

/// Logarithms are counted in 64ths.
const LOG_UNIT: u32 = 64;

/// `MANTISSA[i]` is 64 times the logarithm to the base 2 of `1 + i / 64`.
const MANTISSA: [u8; 64] = [
    0, 1, 3, 4, 6, 7, 8, 10, 11, 12, 13, 15, 16, 17, 18, 19, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 34, 35,
    35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 47, 48, 49, 50, 51, 52, 52, 53, 54, 55, 56, 56, 57, 58, 59, 60,
    60, 61, 62, 63, 63,
];

/// The logarithm (base 2) of a number of microseconds, in 64ths; 0 for none.
fn log(micros: u64) -> u32 {
    let micros = micros.max(1);
    let exponent = micros.ilog2();
    // the six bits below the highest one
    let mantissa = if exponent >= 6 { micros >> (exponent - 6) } else { micros << (6 - exponent) };
    exponent * LOG_UNIT + u32::from(MANTISSA[(mantissa & 63) as usize])
}

/// The bucket of an answer with this logarithm, in 64ths: the upper end of the first is 128 µs, and each is half an octave.
fn bucket(log: u32) -> usize {
    (log.saturating_sub(7 * LOG_UNIT).div_ceil(LOG_UNIT / 2) as usize).min(BUCKETS - 1)
}

/// The bucket of an answer that took so long.
pub(super) fn bucket_of(elapsed: Duration) -> usize {
    bucket(log(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)))
}

impl Epoch {
    /// Begins the next one; returns its number.
    pub fn advance(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// Its number.
    pub fn now(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl UpstreamMetrics {
    pub(super) fn new(workers: usize, service: Arc<ServiceAttempts>, epoch: Arc<Epoch>) -> Self {
        Self { slots: PerWorker::new(workers), service, epoch, wide: WideCounts::default() }
    }

    /// A connection was made.
    pub fn connected(&self, worker: usize) {
        let slot = self.slots.of(worker);
        slot.connects.add(1);
        slot.open.add(1);
    }

    /// How long it took to make a connection.
    pub fn connect_took(&self, worker: usize, elapsed: Duration) {
        self.service.stages.connect.observe(worker, elapsed, None);
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

    /// An attempt begins. It waits for an answer until [`waited`](Self::waited) is called, with what this gives back, on the same worker.
    pub fn begun(&self, worker: usize) -> BeganIn {
        #[expect(clippy::cast_possible_truncation, reason = "modulo 32")]
        let began = BeganIn((self.epoch.now() as usize % EPOCHS) as u8);
        let slot = self.slots.of(worker);
        slot.begun.add(1);
        slot.waiting[usize::from(began.0)].add(1);
        self.service.slots.of(worker).begun.add(1);
        began
    }

    /// An attempt waits no more: the head of its answer has come, or it ended.
    pub fn waited(&self, worker: usize, began: BeganIn) {
        self.slots.of(worker).waiting[usize::from(began.0)].sub(1);
    }

    /// An attempt was given up, because the backend seemed to hang.
    pub fn abandoned(&self, worker: usize) {
        self.slots.of(worker).abandoned.add(1);
    }

    /// Another attempt follows one that this backend has failed.
    pub fn retried(&self, worker: usize) {
        self.slots.of(worker).retried.add(1);
    }

    /// An attempt ended in this way, after this time.
    pub fn attempted(&self, worker: usize, end: AttemptEnd, elapsed: Duration) {
        let slot = self.slots.of(worker);
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(0);
        slot.attempts.add(1);
        slot.micros.add(micros);
        match end {
            Ok(()) => {
                let log = log(micros);
                slot.answered.add(1);
                slot.logs.add(u64::from(log));
                slot.squares.add(u64::from(log) * u64::from(log));
                slot.latencies.0[bucket(log)].add(1);
                slot.forgiveness.earn();
            }
            Err(failure) => {
                slot.failed.add(1);
                slot.failed_micros.add(micros);
                slot.failures[failure as usize].add(1);
            }
        }
        self.service.slots.of(worker).ended.add(1);
    }

    /// A kept connection was closed as a request was sent on it. Returns whether that is forgiven: it is nobody's fault where it is rare.
    pub fn forgives_race(&self, worker: usize) -> bool {
        self.slots.of(worker).forgiveness.spend()
    }

    /// Attempts so far.
    pub fn attempts(&self) -> AttemptCounts {
        self.slots.used().fold(AttemptCounts::default(), |sum, slot| AttemptCounts {
            ended: sum.ended + slot.attempts.get(),
            failed: sum.failed + slot.failed.get(),
            micros: sum.micros + slot.micros.get(),
        })
    }

    /// More about the attempts so far.
    pub fn details(&self) -> AttemptDetails {
        self.slots.used().fold(AttemptDetails::default(), |sum, slot| AttemptDetails {
            begun: sum.begun + slot.begun.get(),
            abandoned: sum.abandoned + slot.abandoned.get(),
            answered: sum.answered + slot.answered.get(),
            failures: std::array::from_fn(|at| sum.failures[at].wrapping_add(slot.failures[at].get())),
            logs: sum.logs + slot.logs.get(),
            squares: sum.squares + slot.squares.get(),
        })
    }

    /// Attempts that wait for an answer, by the epoch in which they began, modulo [`EPOCHS`].
    pub fn waiting(&self) -> [u32; EPOCHS] {
        let mut waiting = [0_u32; EPOCHS];
        for slot in self.slots.used() {
            waiting.iter_mut().zip(&slot.waiting).for_each(|(sum, count)| *sum = sum.wrapping_add(count.get()));
        }
        waiting
    }

    /// The histogram of the latencies of answers so far. Its counts wrap around.
    pub fn latencies(&self) -> [u32; BUCKETS] {
        let mut buckets = [0_u32; BUCKETS];
        for slot in self.slots.used() {
            buckets.iter_mut().zip(&slot.latencies.0).for_each(|(sum, count)| *sum = sum.wrapping_add(count.get()));
        }
        buckets
    }

    /// The same as others are shown it.
    pub(super) fn show_durations(&self) -> Shown<{ latencies::SHOWN }> {
        let micros = self.slots.used().map(|slot| slot.micros.get().saturating_sub(slot.failed_micros.get()));
        latencies::show(&self.wide.after(&self.latencies()), micros.sum::<u64>() as f64 / 1e6)
    }

    /// Attempts so far that followed one which it has failed, whoever they were made with.
    pub fn retries(&self) -> u64 {
        self.slots.sum(|slot| &slot.retried)
    }

    /// Connections made so far.
    pub fn connects(&self) -> u64 {
        self.slots.sum(|slot| &slot.connects)
    }
}

/// How many races are forgiven: a number at once, as when a backend restarts and all its kept connections close, and after that a share of what it
/// answers. What is more than that is no race but a backend that resets connections.
#[derive(Debug)]
struct ForgivenessCredit(SmallCount);

impl ForgivenessCredit {
    /// Successes that earn the forgiveness of one race: a kept connection is closed by its backend once in hundreds of requests or more (nginx: 1,000),
    /// so that three in a hundred is far beyond what is usual.
    const COST: u32 = 32;
    /// Races that are forgiven at once, on one worker.
    const AT_ONCE: u32 = 8;

    fn earn(&self) {
        if self.0.get() < Self::COST * Self::AT_ONCE {
            self.0.add(1);
        }
    }

    fn spend(&self) -> bool {
        let forgives = self.0.get() >= Self::COST;
        if forgives {
            self.0.sub(Self::COST);
        }
        forgives
    }
}

impl Default for ForgivenessCredit {
    fn default() -> Self {
        let whole = SmallCount::default();
        whole.add(Self::COST * Self::AT_ONCE);
        Self(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream() -> UpstreamMetrics {
        of(&Arc::new(ServiceAttempts::new(2)), &Arc::default())
    }

    fn of(service: &Arc<ServiceAttempts>, epoch: &Arc<Epoch>) -> UpstreamMetrics {
        UpstreamMetrics::new(2, Arc::clone(service), Arc::clone(epoch))
    }

    #[test]
    fn a_connection_is_idle_or_active() {
        let upstream = upstream();
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
        let [one, other] = [0, 1].map(|_| of(&service, &Arc::default()));
        one.attempted(0, Err(Failure::Reset), Duration::from_micros(3));
        one.attempted(1, Ok(()), Duration::from_micros(4));
        other.attempted(1, Ok(()), Duration::from_micros(5));
        assert_eq!(service.ended(), 3);
        assert_eq!(one.attempts(), AttemptCounts { ended: 2, failed: 1, micros: 7 });
        let AttemptDetails { answered, failures, logs, .. } = one.details();
        assert_eq!((answered, failures, logs), (1, [0, 0, 0, 1, 0, 0], 128));
    }

    #[test]
    fn logarithms_are_right_to_two_sixty_fourths() {
        for micros in (1..5_000).chain([123_456, 9_999_999, 3_600_000_000]) {
            let (exact, found) = ((micros as f64).log2(), f64::from(log(micros)) / 64.0);
            assert!((exact - found).abs() < 2.0 / 64.0, "{micros}: {found} is not {exact}");
        }
        assert_eq!(log(0), 0);
    }

    #[test]
    fn buckets_are_half_octaves_above_128_microseconds() {
        assert_eq!([0, 127, 128, 129, 181, 182, 256].map(|micros| bucket(log(micros))), [0, 0, 0, 0, 1, 1, 2]);
        assert_eq!(bucket(log(u64::MAX)), BUCKETS - 1);
    }

    #[test]
    fn an_attempt_that_waits_is_told_by_the_epoch_in_which_it_began() {
        let epoch = Arc::<Epoch>::default();
        let upstream = of(&Arc::new(ServiceAttempts::new(2)), &epoch);
        let old = upstream.begun(0);
        (0..3).for_each(|_| _ = epoch.advance());
        let new = upstream.begun(1);
        let counts = |upstream: &UpstreamMetrics| [0, 1, 2, 3].map(|at| upstream.waiting()[at]);
        assert_eq!(counts(&upstream), [1, 0, 0, 1]);
        upstream.waited(0, old);
        assert_eq!(counts(&upstream), [0, 0, 0, 1]);
        upstream.waited(1, new);
        assert_eq!(upstream.waiting(), [0; EPOCHS]);
        assert_eq!(upstream.details().begun, 2);
    }

    #[test]
    fn races_are_forgiven_while_they_are_rare() {
        let upstream = upstream();
        let answer = || upstream.attempted(0, Ok(()), Duration::from_millis(5));
        assert_eq!(
            (0..100).filter(|_| upstream.forgives_race(0)).count(),
            8,
            "as when all kept connections are closed at once"
        );
        (0..31).for_each(|_| answer());
        assert!(!upstream.forgives_race(0));
        answer();
        assert!(upstream.forgives_race(0));
        (0..100_000).for_each(|_| answer());
        assert_eq!((0..100).filter(|_| upstream.forgives_race(0)).count(), 8, "there is no more for a long past");
    }
}
