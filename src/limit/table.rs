//! The keys of a limit and their times: a table of a fixed size that all workers share without a lock.
//!
//! It is a hash table of buckets with eight slots each. A key can stand in its own bucket only, so a look at it is a look at two lines of the processor's cache.
//! Where a bucket is full of keys that are ahead of the clock, a new one takes the place of the key that is least ahead, which has least to lose: a
//! client that floods stays, one that has just begun is forgiven what it has used. A table has two and a half times as many slots as it has to hold keys,
//! so that a few keys of a thousand meet a full bucket.
//!
//! Two workers may take the same slot at the same time. Then the time of one key may be charged with the request of another one, or a key may stand in two
//! slots for a while; both are wrong by a request, once, and right themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use ahash::RandomState;

use super::shared::{ONE, Shared};
use super::{Rate, Taken};

/// The slots of a bucket.
pub(super) const SLOTS: usize = 8;
/// The most buckets that are looked at to tell how full a table is: they are 8 MiB, which takes about a millisecond.
const MOST_BUCKETS: usize = 65_536;
/// The slots for two keys.
const SLOTS_FOR_TWO: usize = 5;

/// The times of keys.
#[derive(Debug)]
pub struct Table {
    buckets: Box<[Bucket]>,
    /// Seeded anew for each table, so that nobody can choose keys that share a bucket.
    hasher: RandomState,
    pub(super) shared: Option<Shared>,
}

/// What came of a look at a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// What became of the request.
    pub taken: Taken,
    /// Another key has lost its place, and with it what it had used, because the table was full.
    pub has_displaced: bool,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Bucket([Slot; SLOTS]);

/// A key, 0 = none; and its theoretical arrival time. All orderings are relaxed: each is right by itself.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub key: AtomicU64,
    pub tat: AtomicU64,
}

impl Table {
    /// A table that has room for so many keys at a time, seeded at random; it takes 40 bytes for each.
    pub fn new(keys: usize) -> Self {
        let buckets = (keys.max(1) * SLOTS_FOR_TWO).div_ceil(2 * SLOTS);
        let buckets = (0..buckets).map(|_| Bucket::default()).collect();
        Self { buckets, hasher: RandomState::new(), shared: None }
    }

    /// The same for a limit that several instances enforce together; it takes 60 bytes for each key.
    pub fn shared(keys: usize) -> Self {
        let table = Self::new(keys);
        Self { shared: Some(Shared::new(table.buckets.len(), SLOTS)), ..table }
    }

    /// Takes a request of this key, at `now` since any one moment, which may be delayed by as much as `delay`. The key is a hash, the same on all
    /// instances that share the limit.
    pub fn take(&self, key: u64, rate: Rate, now: Duration, delay: Duration) -> Look {
        // a time of 0 is that of a slot that was never used
        let (now, delay) = (nanos(now).max(1), nanos(delay));
        let (bucket, key) = self.bucket(key);
        let slots = &self.buckets[bucket].0;
        let known = slots.iter().position(|slot| slot.key.load(Relaxed) == key);
        let (place, has_displaced) = known.map_or_else(|| self.claim(bucket, key, now), |place| (place, false));
        let (slot, at) = (&slots[place], bucket * SLOTS + place);
        let factor = self.shared.as_ref().map_or(ONE, |shared| shared.factor(at));
        let mut tat = slot.tat.load(Relaxed);
        let taken = loop {
            let (taken, next) = rate.take(tat, now, delay, factor);
            let Some(next) = next else { break taken };
            match slot.tat.compare_exchange_weak(tat, next, Relaxed, Relaxed) {
                Ok(_) => break taken,
                Err(other) => tat = other,
            }
        };
        if let Some(shared) = &self.shared {
            shared.count(at, !matches!(taken, Taken::Refused(_)));
        }
        Look { taken, has_displaced }
    }

    /// What was taken of this key does not count after all.
    pub fn give_back(&self, key: u64, rate: Rate) {
        let (bucket, key) = self.bucket(key);
        let slots = &self.buckets[bucket].0;
        if let Some(slot) = slots.iter().find(|slot| slot.key.load(Relaxed) == key) {
            let earlier = |tat: u64| Some(tat.saturating_sub(rate.interval));
            let _ = slot.tat.fetch_update(Relaxed, Relaxed, earlier);
        }
    }

    /// The time that was [kept](Self::keep) of this key; 0 = none.
    pub fn kept(&self, key: u64) -> u64 {
        let (bucket, key) = self.bucket(key);
        let slot = self.buckets[bucket].0.iter().find(|slot| slot.key.load(Relaxed) == key);
        slot.map_or(0, |slot| slot.tat.load(Relaxed))
    }

    /// Keeps a time of this key, which something else has found. It takes the place of an earlier one, where there is no room.
    pub fn keep(&self, key: u64, tat: u64) {
        let (bucket, key) = self.bucket(key);
        let slots = &self.buckets[bucket].0;
        let time = |slot: &&Slot| slot.tat.load(Relaxed);
        let known = slots.iter().find(|slot| slot.key.load(Relaxed) == key);
        if let Some(slot) = known.or_else(|| slots.iter().min_by_key(time).filter(|slot| time(slot) < tat)) {
            slot.key.store(key, Relaxed);
            slot.tat.store(tat, Relaxed);
        }
    }

    /// The bucket of a key, and what stands there for it.
    fn bucket(&self, key: u64) -> (usize, u64) {
        // the upper half of the product spreads hashes evenly over any number of buckets
        let hash = self.hasher.hash_one(key);
        let bucket = ((u128::from(hash) * self.buckets.len() as u128) >> 64) as usize;
        // 0 is no key
        (bucket, key.max(1))
    }

    /// The place in its bucket for a key that has none: one whose time has passed, else the one that is least ahead; and whether the key there has
    /// lost something.
    fn claim(&self, bucket: usize, key: u64, now: u64) -> (usize, bool) {
        let slots = &self.buckets[bucket].0;
        let (mut place, mut tat) = (0, slots[0].tat.load(Relaxed));
        for (next, slot) in slots.iter().enumerate().skip(1) {
            let other = slot.tat.load(Relaxed);
            if other < tat {
                (place, tat) = (next, other);
            }
        }
        slots[place].key.store(key, Relaxed);
        if let Some(shared) = &self.shared {
            shared.forget(bucket * SLOTS + place);
        }
        let is_ahead = tat > now;
        if is_ahead {
            // another worker may have moved it on meanwhile, for this key
            let _ = slots[place].tat.compare_exchange(tat, 0, Relaxed, Relaxed);
        }
        (place, is_ahead)
    }

    pub(super) fn buckets(&self) -> usize {
        self.buckets.len()
    }

    pub(super) fn slot(&self, at: usize) -> &Slot {
        &self.buckets[at / SLOTS].0[at % SLOTS]
    }

    /// How many keys are ahead of the clock at `now`, so that they need their room: of a large table an estimate, by a part of its buckets.
    pub fn keys_ahead(&self, now: Duration) -> usize {
        let (now, step) = (nanos(now), self.buckets.len().div_ceil(MOST_BUCKETS).max(1));
        let is_ahead = |slot: &&Slot| slot.tat.load(Relaxed) > now;
        let looked_at = self.buckets.iter().step_by(step);
        looked_at.map(|bucket| bucket.0.iter().filter(is_ahead).count()).sum::<usize>() * step
    }

    /// Whether what the other instances allow is known; `None` = nobody else enforces its limit.
    pub fn is_united(&self) -> Option<bool> {
        self.shared.as_ref().map(|shared| !shared.is_divided())
    }

    /// The table for the same keys when their rate changes. Where times mean another number of requests then, it is a copy: whoever goes on for a moment by
    /// the rate before does not move times of the new one on, and what is used in that moment is forgiven.
    pub fn at_rate(self: &Arc<Self>, rate: Rate, before: Rate, now: Duration) -> Arc<Self> {
        if before.goes_on_as(rate) {
            return Arc::clone(self);
        }
        let now = nanos(now);
        let slot = |slot: &Slot| {
            let [key, tat] = [&slot.key, &slot.tat].map(|of| of.load(Relaxed));
            let tat = if tat > now { rate.convert(tat, before, now) } else { tat };
            Slot { key: key.into(), tat: tat.into() }
        };
        let buckets = self.buckets.iter().map(|Bucket(slots)| Bucket(slots.each_ref().map(slot))).collect();
        Arc::new(Self { buckets, hasher: self.hasher.clone(), shared: self.shared.as_ref().map(Shared::copy) })
    }

    /// What it takes, in bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.buckets) + self.shared.as_ref().map_or(0, Shared::bytes)
    }

    /// Whether several instances enforce its limit together.
    pub fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Each key of a shared limit has its part of so many instances (above 0) from now on: it is not known what the others allow.
    pub fn divide(&self, instances: u32) {
        self.shared.iter().for_each(|shared| shared.divide(instances.max(1)));
    }

    /// What the others allow is known from now on, but for those of `all` instances that are not `present` (above 0, and no more than all): they have
    /// their part of the rate, and the others enforce together what is left.
    pub fn unite(&self, present: u32, all: u32) {
        self.shared.iter().for_each(|shared| shared.unite(present.max(1), all.max(present)));
    }
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
