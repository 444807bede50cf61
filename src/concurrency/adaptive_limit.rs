//! The adaptive limit of a service (`[service.NAME.concurrency]`), as workers meet it: one number that the control plane publishes, and the exchanges in
//! flight. What workers count for whoever finds that number is [`ConcurrencyCounts`].
//!
//! All workers share the number of exchanges in flight, because the backends do: shares of a limit of 20 for each of 16 workers would be 1 or 2, and one
//! worker would refuse what another one has room for. It costs an exchange two atomic operations on a cache line of its own, and only where a service has a
//! limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::metrics::ConcurrencyCounts;

/// The whole of a limit, where a priority's part of it is given in thousandths.
const WHOLE_LIMIT: u32 = 1000;

/// The adaptive limit of one service.
#[derive(Debug)]
pub struct AdaptiveLimit {
    published: Published,
    busy: Busy,
    counts: Arc<ConcurrencyCounts>,
}

/// What the control plane says, on a cache line that workers only read.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Published {
    /// The limit in the lower half; 0 = not known yet, so that nothing is limited. In the upper half the number of the stretch of time (epoch) since
    /// which it holds.
    limit: AtomicU64,
    /// The latency without load, in microseconds; 0 = not known yet.
    unloaded: AtomicU64,
}

/// What all workers write.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Busy {
    in_flight: AtomicU32,
    /// The most that were in flight since this was last read.
    peak: AtomicU32,
}

/// One of the exchanges that may be in flight. It is free again when this is dropped.
#[derive(Debug)]
pub struct ConcurrencyPlace {
    limit: Arc<AdaptiveLimit>,
    /// The epoch in which it was taken.
    epoch: u32,
}

impl AdaptiveLimit {
    /// One that is not known yet, with what workers count for it.
    pub fn new(counts: Arc<ConcurrencyCounts>) -> Self {
        Self { published: Published::default(), busy: Busy::default(), counts }
    }

    /// What workers count for it.
    pub fn counts(&self) -> &ConcurrencyCounts {
        &self.counts
    }

    /// The limit as it holds now; `None` = it is not known yet.
    pub fn limit(&self) -> Option<u32> {
        let (limit, _) = self.read_published();
        (limit > 0).then_some(limit)
    }

    /// The number of the epoch since which the limit holds.
    pub fn epoch(&self) -> u32 {
        self.read_published().1
    }

    fn read_published(&self) -> (u32, u32) {
        let word = self.published.limit.load(Ordering::Relaxed);
        (word as u32, (word >> 32) as u32)
    }

    /// The control plane says the limit, and since which epoch it holds. Latencies of exchanges that were let in in an earlier epoch are not counted.
    pub fn publish(&self, limit: u32, epoch: u32) {
        self.published.limit.store(u64::from(epoch) << 32 | u64::from(limit), Ordering::Relaxed);
    }

    /// The latency without load; `None` = it is not known yet.
    pub fn unloaded(&self) -> Option<Duration> {
        match self.published.unloaded.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Duration::from_micros(micros)),
        }
    }

    /// The control plane says the latency without load.
    pub fn set_unloaded(&self, latency: Option<Duration>) {
        let micros = latency.map_or(0, |latency| u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1));
        self.published.unloaded.store(micros, Ordering::Relaxed);
    }

    /// How many exchanges are in flight.
    pub fn in_flight(&self) -> u32 {
        self.busy.in_flight.load(Ordering::Relaxed)
    }

    /// The most that were in flight since this was last asked.
    pub fn take_peak(&self) -> u32 {
        let now = self.in_flight();
        self.busy.peak.swap(now, Ordering::Relaxed).max(now)
    }

    /// Lets one more in, unless so many are in flight as this part of the limit allows.
    pub fn enter(self: &Arc<Self>, part: u32) -> Option<ConcurrencyPlace> {
        let (limit, epoch) = self.read_published();
        let most = part_of(limit, part);
        let one_more = |count: u32| (count < most).then_some(count + 1);
        let before = self.busy.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        self.note_peak(before + 1);
        Some(ConcurrencyPlace { limit: Arc::clone(self), epoch })
    }

    /// Counts one more, whatever the limit: it was let in before, and has given its place back meanwhile.
    pub fn enter_again(self: &Arc<Self>) -> ConcurrencyPlace {
        let before = self.busy.in_flight.fetch_add(1, Ordering::Relaxed);
        self.note_peak(before + 1);
        ConcurrencyPlace { limit: Arc::clone(self), epoch: self.epoch() }
    }

    fn note_peak(&self, in_flight: u32) {
        // a higher peak is rare, so that mostly this is a load
        if in_flight > self.busy.peak.load(Ordering::Relaxed) {
            self.busy.peak.fetch_max(in_flight, Ordering::Relaxed);
        }
    }
}

impl ConcurrencyPlace {
    /// Its limit.
    pub fn limit(&self) -> &Arc<AdaptiveLimit> {
        &self.limit
    }

    /// Makes it the place of the next exchange, which may have this part of the limit.
    ///
    /// # Errors
    ///
    /// The place itself, where it is above that part.
    pub fn pass_on(mut self, part: u32) -> Result<Self, Self> {
        let (limit, epoch) = self.limit.read_published();
        if self.limit.in_flight() > part_of(limit, part) {
            return Err(self);
        }
        self.epoch = epoch;
        Ok(self)
    }

    /// An attempt of its exchange took so long to the head of the answer, or was given up after so long. It counts only where the limit is still the
    /// one under which the exchange was let in: what was let in before says nothing of that limit.
    pub fn took(&self, worker: usize, elapsed: Duration) {
        if self.epoch == self.limit.epoch() {
            self.limit.counts.took(worker, elapsed);
        }
    }
}

impl Drop for ConcurrencyPlace {
    fn drop(&mut self) {
        self.limit.busy.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// This part of a limit, in thousandths: at least 1.
fn part_of(limit: u32, part: u32) -> u32 {
    match limit {
        0 => u32::MAX,
        limit => u32::try_from(u64::from(limit) * u64::from(part) / u64::from(WHOLE_LIMIT)).unwrap_or(u32::MAX).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Registry;
    use crate::metrics::concurrency::middle_of;

    #[test]
    fn each_part_of_the_limit_has_its_places_and_a_limit_that_is_not_known_has_all() {
        let limit = Arc::new(AdaptiveLimit::new(Registry::new(2).concurrency("api")));
        let free: Vec<_> = (0..100).map(|_| limit.enter(600).unwrap()).collect();
        drop(free);
        assert_eq!((limit.in_flight(), limit.take_peak()), (0, 100));
        limit.publish(10, 1);
        let mut held = Vec::new();
        for (part, places) in [(600, 6), (800, 2), (1000, 2)] {
            let before = held.len();
            held.extend(std::iter::from_fn(|| limit.enter(part)).take(20));
            assert_eq!(held.len() - before, places, "{part}");
        }
        assert_eq!((held.len(), limit.in_flight()), (10, 10));
        held.clear();
        limit.publish(1, 2);
        assert!(limit.enter(600).is_some(), "the least part is one place");
    }

    #[test]
    fn a_place_is_passed_on_within_the_part_of_who_gets_it() {
        let limit = Arc::new(AdaptiveLimit::new(Registry::new(1).concurrency("api")));
        limit.publish(10, 1);
        let mut held: Vec<_> = std::iter::from_fn(|| limit.enter(1000)).collect();
        let place = held.pop().unwrap().pass_on(600).unwrap_err();
        let place = place.pass_on(1000).unwrap();
        assert_eq!(limit.in_flight(), 10, "it was counted all the while");
        drop(place);
        assert_eq!(limit.in_flight(), 9);
    }

    #[test]
    fn what_was_let_in_under_another_limit_is_not_counted() {
        let limit = Arc::new(AdaptiveLimit::new(Registry::new(1).concurrency("api")));
        limit.publish(10, 1);
        let old = limit.enter(1000).unwrap();
        limit.publish(5, 2);
        let new = limit.enter(1000).unwrap();
        old.took(0, Duration::from_secs(1));
        new.took(0, Duration::from_millis(1));
        let latencies = limit.counts().latencies();
        assert_eq!(latencies.iter().sum::<u32>(), 1);
        let middle = middle_of(latencies.iter().position(|count| *count == 1).unwrap());
        assert!(middle < 0.002, "{middle}");
    }
}
