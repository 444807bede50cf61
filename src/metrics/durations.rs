//! How long exchanges take: buckets, not samples, so that memory and cost do not depend on traffic.
//!
//! Inside there are six buckets to a decade (1, 1.5, 2, 3, 5, 7), from 10 us to 100 s: a quantile read from them is off by
//! a fifth at most, and less where the values spread evenly within a bucket. Prometheus gets every second or so of these
//! bounds (1, 2, 5): its buckets are cumulative, so leaving bounds out keeps the rest exact.

use std::sync::OnceLock;
use std::time::Duration;

use super::collect::{Bucket, Shown};
use super::exemplar::{Exemplar, Last};
use super::slots::{Count, PerWorker};

/// Upper bounds of the buckets in nanoseconds, inclusive.
const BOUNDS: [u64; 43] = bounds();
const BUCKETS: usize = BOUNDS.len() + 1;

/// How many of the bounds others are shown: every second one.
const SHOWN: usize = BUCKETS / 2;

const fn bounds() -> [u64; 43] {
    let tenths = [10, 15, 20, 30, 50, 70];
    let mut bounds = [0; 43];
    let (mut i, mut decade) = (0, 1_000);
    while i < bounds.len() {
        bounds[i] = tenths[i % 6] * decade;
        i += 1;
        if i.is_multiple_of(6) {
            decade *= 10;
        }
    }
    bounds
}

/// How many bounds lie below 2^k: where the search for a value in `2^k .. 2^(k+1)` starts.
const START: [u8; 64] = {
    let mut start = [0; 64];
    let mut k = 0;
    while k < 64 {
        let mut below = 0;
        while below < BOUNDS.len() && BOUNDS[below] < 1 << k {
            below += 1;
        }
        start[k] = below as u8;
        k += 1;
    }
    start
};

/// The bucket of a duration: at most two bounds lie within a power of two, so two comparisons settle it, without a search.
#[inline]
fn bucket(nanos: u64) -> usize {
    let start = usize::from(START[(nanos | 1).ilog2() as usize]);
    let above = |i: usize| usize::from(BOUNDS.get(i).is_some_and(|bound| nanos > *bound));
    start + above(start) + above(start + 1)
}

/// The bucket among those that are shown.
fn shown(bucket: usize) -> usize {
    bucket.div_ceil(2)
}

/// How long something takes that is done again and again, such as the exchanges of one service.
#[derive(Debug)]
pub struct Durations(PerWorker<Slot>);

#[derive(Debug)]
struct Slot {
    buckets: [Count; BUCKETS],
    /// In microseconds: nanoseconds would overflow in three weeks of 10,000 long exchanges at a time.
    sum_us: Count,
    /// By the buckets that are shown; made when a trace is sampled for the first time.
    exemplars: OnceLock<Box<[Last; SHOWN + 1]>>,
}

impl Default for Slot {
    fn default() -> Self {
        let buckets = std::array::from_fn(|_| Count::default());
        Self { buckets, sum_us: Count::default(), exemplars: OnceLock::new() }
    }
}

impl Durations {
    pub(super) fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }

    /// Counts a duration, on the thread of `worker`. `exemplar` is given where its trace is sampled, and has the same duration.
    pub fn observe(&self, worker: usize, elapsed: Duration, exemplar: Option<Exemplar>) {
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let (slot, bucket) = (self.0.of(worker), bucket(nanos));
        slot.buckets[bucket].add(1);
        slot.sum_us.add(nanos.saturating_add(500) / 1_000);
        if let Some(exemplar) = exemplar {
            slot.exemplars.get_or_init(Box::default)[shown(bucket)].set(exemplar);
        }
    }

    /// The durations of all workers together.
    pub fn read(&self) -> Distribution {
        Distribution {
            buckets: std::array::from_fn(|bucket| self.0.sum(|slot| &slot.buckets[bucket])),
            sum_us: self.0.sum(|slot| &slot.sum_us),
        }
    }
}

impl Durations {
    /// What others are shown of it.
    pub(super) fn show(&self) -> Shown<SHOWN> {
        let read = self.read();
        let mut last = [None; SHOWN + 1];
        for exemplars in self.0.used().filter_map(|slot| slot.exemplars.get()) {
            for (last, own) in last.iter_mut().zip(exemplars.iter().map(Last::get)) {
                *last = [*last, own].into_iter().flatten().max_by_key(|exemplar| exemplar.at);
            }
        }
        let mut cumulative = read.cumulative();
        let buckets = std::array::from_fn(|at| {
            let (bound, up_to) = cumulative.next().unwrap_or_default();
            Bucket { bound, up_to, exemplar: last[at] }
        });
        Shown { buckets, count: read.count(), sum: read.sum_seconds(), above: last[SHOWN] }
    }
}

/// A reading of [`Durations`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// How many durations are in each bucket, not cumulated.
    buckets: [u64; BUCKETS],
    sum_us: u64,
}

impl Default for Distribution {
    /// Nothing was observed.
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], sum_us: 0 }
    }
}

impl Distribution {
    /// Adds what was observed elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(other.buckets).for_each(|(count, more)| *count += more);
        self.sum_us += other.sum_us;
    }

    /// How many durations were observed.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The sum of all durations, in seconds.
    pub fn sum_seconds(&self) -> f64 {
        self.sum_us as f64 / 1e6
    }

    /// The mean in milliseconds; `None` without observations.
    pub fn mean_ms(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.sum_us as f64 / self.count() as f64 / 1e3)
    }

    /// The duration in milliseconds that the share `q` (0 to 1) of them does not exceed, estimated on a straight line through
    /// its bucket; `None` without observations. What is above the last bound (100 s) is told as that bound.
    pub fn quantile_ms(&self, q: f64) -> Option<f64> {
        let rank = q * self.count() as f64;
        let mut below = 0.0;
        for (at, &count) in self.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = count as f64;
            if below + count >= rank {
                let low = if at == 0 { 0 } else { BOUNDS[at - 1] };
                let high = BOUNDS.get(at).copied().unwrap_or(low);
                return Some((low as f64 + (high - low) as f64 * (rank - below) / count) / 1e6);
            }
            below += count;
        }
        None
    }

    /// What was observed since `before`. A series that has shrunk was dropped and made anew, so all that it has is new.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        if self.buckets.iter().zip(before.buckets).any(|(now, then)| *now < then) {
            return self.clone();
        }
        Self {
            buckets: std::array::from_fn(|at| self.buckets[at] - before.buckets[at]),
            sum_us: self.sum_us.saturating_sub(before.sum_us),
        }
    }

    /// The bounds that Prometheus gets, in seconds, each with the number of durations up to it.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let mut sum = 0;
        BOUNDS.iter().zip(self.buckets).enumerate().filter_map(move |(at, (bound, count))| {
            sum += count;
            matches!(at % 6, 0 | 2 | 4).then_some((*bound as f64 / 1e9, sum))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(durations: impl IntoIterator<Item = Duration>) -> Distribution {
        let all = Durations::new(2);
        durations.into_iter().enumerate().for_each(|(at, duration)| all.observe(at % 2, duration, None));
        all.read()
    }

    #[test]
    fn the_bucket_is_the_one_that_a_search_would_find() {
        let edges = BOUNDS.iter().flat_map(|bound| [bound - 1, *bound, bound + 1]);
        let powers = (0..64).flat_map(|k| [(1_u64 << k) - 1, 1 << k, (1 << k) + 1]);
        for nanos in edges.chain(powers).chain([u64::MAX]) {
            assert_eq!(bucket(nanos), BOUNDS.partition_point(|bound| *bound < nanos), "{nanos} ns");
        }
        assert_eq!((BOUNDS[0], BOUNDS[42]), (10_000, 100_000_000_000));
    }

    #[test]
    fn prometheus_buckets_are_cumulative_and_inclusive() {
        let read = observed([1, 10, 11, 15, 16, 20, 200_000_000].map(Duration::from_micros));
        let shown: Vec<_> = read.cumulative().collect();
        assert_eq!(shown[..3], [(0.00001, 2), (0.00002, 6), (0.00005, 6)]);
        assert_eq!(shown.last(), Some(&(100.0, 6)));
        assert_eq!((shown.len(), read.count(), read.sum_seconds()), (22, 7, 200.000_073));
    }

    #[test]
    fn a_bucket_has_the_last_exemplar_of_all_workers() {
        let all = Durations::new(2);
        let observe = |worker, trace_id: u128, millis, at| {
            let (value, at) = (Duration::from_millis(millis), Duration::from_secs(at));
            all.observe(worker, value, Some(Exemplar { trace_id, value, at }));
        };
        assert!(all.show().buckets.iter().all(|bucket| bucket.exemplar.is_none()));
        observe(0, 1, 2, 10);
        observe(1, 2, 2, 11);
        observe(0, 3, 3, 9);
        observe(1, 4, 200_000, 5);
        let shown = all.show();
        let found: Vec<_> = shown.buckets.iter().filter_map(|b| Some((b.bound, b.exemplar?.trace_id))).collect();
        assert_eq!(found, [(0.002, 2), (0.005, 3)]);
        assert_eq!(shown.above.map(|exemplar| exemplar.trace_id), Some(4));
        assert_eq!(shown.buckets.map(|bucket| bucket.bound)[SHOWN - 1], 100.0);
    }

    #[test]
    fn an_exemplar_lies_in_its_bucket() {
        for nanos in BOUNDS.iter().flat_map(|bound| [bound - 1, *bound, bound + 1]) {
            let all = Durations::new(1);
            let value = Duration::from_nanos(nanos);
            all.observe(0, value, Some(Exemplar { trace_id: 1, value, at: Duration::ZERO }));
            let buckets = all.show().buckets;
            match buckets.iter().position(|bucket| bucket.exemplar.is_some()) {
                Some(at) => {
                    assert!(value.as_secs_f64() <= buckets[at].bound);
                    assert!(at == 0 || value.as_secs_f64() > buckets[at - 1].bound);
                    assert_eq!(buckets[at].up_to, 1);
                }
                None => assert!(nanos > 100_000_000_000),
            }
        }
    }

    #[test]
    fn quantiles_are_close_to_the_truth() {
        let read = observed((1..=10_000).map(|i| Duration::from_micros(i * 10)));
        for (q, truth) in [(0.5, 50.0), (0.9, 90.0), (0.99, 99.0)] {
            let estimate = read.quantile_ms(q).unwrap();
            assert!((estimate / truth - 1.0).abs() < 0.01, "q {q}: {estimate} ms for {truth} ms");
        }
        assert_eq!(read.mean_ms(), Some(50.005));
    }

    #[test]
    fn quantiles_of_nothing_and_of_the_endless() {
        let read = observed([Duration::MAX]);
        assert_eq!(read.quantile_ms(0.5), Some(100_000.0));
        let nothing = read.since(&read);
        assert_eq!((nothing.count(), nothing.quantile_ms(0.5), nothing.mean_ms()), (0, None, None));
    }

    #[test]
    fn what_was_observed_in_two_places_adds_up() {
        let mut both = Distribution::default();
        [1, 1, 40].map(Duration::from_millis).into_iter().for_each(|duration| both.add(&observed([duration])));
        assert_eq!(both, observed([1, 1, 40].map(Duration::from_millis)));
    }

    #[test]
    fn a_series_made_anew_counts_in_full() {
        let before = observed([Duration::from_millis(1); 3]);
        let anew = observed([Duration::from_millis(1); 2]);
        assert_eq!(anew.since(&before), anew);
        assert_eq!(before.since(&anew).count(), 1);
    }
}
