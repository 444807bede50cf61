//! The table of sticky sessions (HAProxy calls it a stick table): from the hash of what identifies a client to the
//! number of its backend.
//!
//! All workers use one table, at each exchange. A sharded map with a lock for each shard (dashmap is one) would make a
//! worker wait for another that was taken off its core while it held the lock, and an exact order of last use would
//! have to write to shared memory at each hit. So the table is an array of atomic words, with a whole session in each:
//!
//! ```text
//!   fingerprint (24) | number of the backend (16) | second of the last use (24)
//! ```
//!
//! Because an entry is one word, it changes in one compare-and-swap and is never seen half changed; no operation waits,
//! and each looks at a bounded number of words. A hit reads two cache lines, and writes only when the second of the
//! last use has changed. The price: when two workers meet a new session at the same moment, and others use the same
//! buckets just then, its first two exchanges may go to two backends; from then on it has one.
//!
//! A session may stand in either of two buckets of eight words (one cache line each) and goes into the emptier one (Azar, Broder,
//! Karlin, Upfal, "Balanced allocations", 1994): with twice as many words as sessions, a bucket is then practically never
//! full. When `max_entries` is reached, the oldest of those in 32 buckets (about a hundred sessions) makes room, expired ones
//! first: on average it is among the oldest hundredth of all, and no order has to be kept for that.
//!
//! The bucket and the fingerprint together tell sessions apart by about 40 bits: a new session is taken for another one once in
//! a million times, and then shares its backend, which harms neither. Buckets depend on a seed, so that no client can choose
//! values that all fall into one.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::numbers::{BackendNumbers, NONE};
use crate::clock::Moment;

/// The word of a free place.
const EMPTY: u64 = 0;
/// Words of a bucket: a cache line.
const WORDS: usize = 8;
/// Buckets that are searched for the oldest when the table is full.
const SAMPLE: usize = 32;
/// How often a change is tried again because another worker was faster. Each time, that worker made progress.
const TRIES: usize = 8;

const STAMP_BITS: u32 = 24;
const STAMP_MASK: u32 = (1 << STAMP_BITS) - 1;
/// Stamps are compared in a circle: what seems older than this is taken for a stamp of a worker whose clock reading is newer.
const HALF: u32 = 1 << (STAMP_BITS - 1);
/// The longest time to live, in seconds (48 days): well below [`HALF`].
const LONGEST: u32 = 1 << 22;

/// The sessions of one service. It stays from snapshot to snapshot.
pub struct StickTable {
    buckets: Box<[Bucket]>,
    max_entries: usize,
    seed: u64,
    /// Seconds.
    ttl: AtomicU32,
    /// Seconds after which a use is written into its entry.
    touch_after: AtomicU32,
    used: EntryCount,
    /// Only the control plane takes this, when it builds a snapshot.
    numbers: Mutex<BackendNumbers>,
}

/// A cache line of sessions.
#[derive(Default)]
#[repr(align(64))]
struct Bucket([AtomicU64; WORDS]);

/// Every worker writes it at each new session, so it stands apart from the fields that every worker only reads.
#[derive(Default)]
#[repr(align(128))]
struct EntryCount(AtomicUsize);

/// A [`StickTable`] with the backends of one snapshot.
#[derive(Debug)]
pub struct StickTableView {
    table: Arc<StickTable>,
    /// By index in the service's list.
    numbers: Box<[u16]>,
    /// By number.
    indices: Box<[Option<u32>]>,
}

/// What a session is looked up by: its two buckets, and its fingerprint at the position that it has in a word.
#[derive(Clone, Copy)]
struct EntryKey {
    buckets: [usize; 2],
    fingerprint: u64,
    now: u32,
    ttl: u32,
}

impl StickTableView {
    /// The table's sessions over the backends with these ids, in the order of the service's list.
    pub fn new<'a>(table: Arc<StickTable>, ids: impl Iterator<Item = &'a str>, now: Moment) -> Self {
        let numbers: Box<[u16]> = {
            let keep = Duration::from_secs(u64::from(table.ttl.load(Relaxed)) + 1);
            table.numbers.lock().unwrap_or_else(PoisonError::into_inner).assign(ids, now, keep).into()
        };
        let highest = numbers.iter().copied().max().unwrap_or_default();
        let mut indices = vec![None; usize::from(highest) + 1];
        for (index, number) in numbers.iter().enumerate().filter(|(_, number)| **number != NONE) {
            indices[usize::from(*number)] = u32::try_from(index).ok();
        }
        Self { table, numbers, indices: indices.into() }
    }

    /// The table itself, to be used by the next snapshot.
    pub fn table(&self) -> &Arc<StickTable> {
        &self.table
    }

    /// The backend of the session with this key: the one that the table holds, when that is `usable`; otherwise the one
    /// that `pick` chooses, which the table then holds.
    pub fn decide(
        &self,
        key: u64,
        now: Moment,
        usable: impl Fn(usize) -> bool,
        pick: impl FnOnce() -> Option<usize>,
    ) -> Option<usize> {
        self.decide_and_tell(key, now, usable, pick, |_, _| {})
    }

    /// As [`decide`](Self::decide); what the table holds then and did not before is told: the backend, and whether the session had another one.
    pub fn decide_and_tell(
        &self,
        key: u64,
        now: Moment,
        usable: impl Fn(usize) -> bool,
        pick: impl FnOnce() -> Option<usize>,
        tell: impl FnOnce(usize, bool),
    ) -> Option<usize> {
        let entry = self.table.entry_key(key, now);
        let had = self.table.find(entry);
        if let Some(index) = had.and_then(|number| self.index(number)).filter(|index| usable(*index)) {
            return Some(index);
        }
        let picked = pick()?;
        let number = self.numbers.get(picked).copied().unwrap_or(NONE);
        if number == NONE {
            return Some(picked);
        }
        // when another worker was faster, its choice for this session holds for this exchange as well
        let held = self.table.remember(entry, number, had);
        if held == number {
            tell(picked, had.is_some());
        }
        Some(self.index(held).filter(|index| usable(*index)).unwrap_or(picked))
    }

    /// The backend that the table holds for this key, `None` where that is gone, and the seconds since this was last noted. Notes nothing.
    pub fn peek(&self, key: u64, now: Moment) -> Option<(Option<usize>, u32)> {
        let entry = self.table.entry_key(key, now);
        let (_, word) = self.table.find_word(entry)?;
        Some((self.index(number(word)), entry.age(word)))
    }

    /// Makes this the backend of the session with this key, whatever the table held.
    pub fn assign(&self, key: u64, index: usize, now: Moment) {
        let number = self.numbers.get(index).copied().unwrap_or(NONE);
        self.table.put(key, number, now);
    }

    /// How many sessions the backend at this index has that have not expired at `now`. It reads the whole table, and disturbs nobody.
    pub fn count(&self, index: usize, now: Moment) -> usize {
        let Some(wanted) = self.numbers.get(index).copied().filter(|number| *number != NONE) else { return 0 };
        let key = self.table.entry_key(0, now);
        let words = self.table.buckets.iter().flat_map(|bucket| &bucket.0).map(|slot| slot.load(Relaxed));
        words.filter(|word| *word != EMPTY && number(*word) == wanted && !key.is_expired(*word)).count()
    }

    fn index(&self, number: u16) -> Option<usize> {
        let index = (*self.indices.get(usize::from(number))?)?;
        Some(index as usize)
    }
}

impl StickTable {
    /// A table for this many sessions (at least one), each forgotten when it was not used for `ttl` (1 s to 48 days).
    pub fn new(max_entries: usize, ttl: Duration, seed: u64) -> Self {
        let max_entries = max_entries.max(1);
        let buckets = (max_entries.saturating_mul(2)).div_ceil(WORDS).next_power_of_two();
        let table = Self {
            buckets: std::iter::repeat_with(Bucket::default).take(buckets).collect(),
            max_entries,
            seed,
            ttl: AtomicU32::new(1),
            touch_after: AtomicU32::new(1),
            used: EntryCount::default(),
            numbers: Mutex::default(),
        };
        table.set_ttl(ttl);
        table
    }

    /// Changes the time to live, also of the sessions that are there.
    pub fn set_ttl(&self, ttl: Duration) {
        let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
        self.ttl.store(u32::try_from(seconds).unwrap_or(LONGEST).clamp(1, LONGEST), Relaxed);
    }

    /// A use is written into its entry only after so many seconds (at least one) since the last one, so that the age of an entry tells for how
    /// long it was not looked up elsewhere.
    pub fn set_touch_after(&self, seconds: u32) {
        self.touch_after.store(seconds.clamp(1, LONGEST), Relaxed);
    }

    /// Makes the backend with this id the one of the session with this key, whatever the table held. Nothing happens where no view of the
    /// table has had such a backend. Not for workers: it may wait for whoever makes a view.
    pub fn follow(&self, key: u64, id: &str, now: Moment) {
        let number = self.numbers.lock().unwrap_or_else(PoisonError::into_inner).of(id);
        self.put(key, number, now);
    }

    fn put(&self, key: u64, number: u16, now: Moment) {
        if number != NONE {
            let entry = self.entry_key(key, now);
            let had = self.find_word(entry).map(|(_, word)| self::number(word));
            self.remember(entry, number, had);
        }
    }

    /// How many sessions it was made for.
    pub fn max_entries(&self) -> usize {
        self.max_entries
    }

    /// How many entries there are, those included that have expired and were not overwritten yet.
    pub fn len(&self) -> usize {
        self.used.0.load(Relaxed)
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn entry_key(&self, key: u64, now: Moment) -> EntryKey {
        let hash = mix(key ^ self.seed);
        let mask = self.buckets.len() - 1;
        // three parts of the hash that don't overlap up to a million buckets
        let first = usize::try_from(hash & 0xf_ffff_ffff).unwrap_or_default() & mask;
        let second = usize::try_from(hash.rotate_right(20) & 0xf_ffff_ffff).unwrap_or_default() & mask;
        let seconds = now.as_millis() / 1000;
        EntryKey {
            buckets: [first, second],
            fingerprint: hash >> 40 << 40,
            now: u32::try_from(seconds & u64::from(STAMP_MASK)).unwrap_or_default(),
            ttl: self.ttl.load(Relaxed),
        }
    }

    /// The word of a session that has not expired.
    fn find_word(&self, entry: EntryKey) -> Option<(&AtomicU64, u64)> {
        let slots = entry.buckets.into_iter().flat_map(|bucket| &self.buckets[bucket].0);
        let mut words = slots.map(|slot| (slot, slot.load(Relaxed)));
        words.find(|(_, word)| entry.is_mine(*word) && !entry.is_expired(*word))
    }

    /// Finds the backend's number of a session, and marks the session as used now.
    fn find(&self, entry: EntryKey) -> Option<u16> {
        let (slot, word) = self.find_word(entry)?;
        if stamp(word) != entry.now && entry.age(word) >= self.touch_after.load(Relaxed) {
            // when this fails another worker has just used the entry, or moved it
            let _ = slot.compare_exchange(word, entry.word(number(word)), Relaxed, Relaxed);
        }
        Some(number(word))
    }

    /// Makes `wanted` the session's number, unless it has got another number than `had` in the meantime. Returns the
    /// number that it has.
    ///
    /// Workers that race for a new session choose the same word for it, as long as they see the same two buckets: one wins it,
    /// and the others find the session there.
    fn remember(&self, entry: EntryKey, wanted: u16, had: Option<u16>) -> u16 {
        for _ in 0..TRIES {
            let (slot, seen) = self.best_word(entry);
            if entry.is_mine(seen) && !entry.is_expired(seen) && Some(number(seen)) != had {
                return number(seen);
            }
            if slot.compare_exchange(seen, entry.word(wanted), Relaxed, Relaxed).is_ok() {
                if seen == EMPTY && self.used.0.fetch_add(1, Relaxed) >= self.max_entries {
                    self.make_room(entry);
                }
                break;
            }
        }
        // when all tries have failed, other workers are changing these buckets so fast that the session's next exchange
        // may as well try again
        wanted
    }

    /// The session's own word when it has one, else, in the emptier of its buckets, one that is free, or the oldest.
    fn best_word(&self, entry: EntryKey) -> (&AtomicU64, u64) {
        let [(first, used), (second, used_by_second)] = entry.buckets.map(|bucket| {
            let mut best: Option<(&AtomicU64, u64)> = None;
            let mut used = 0;
            for slot in &self.buckets[bucket].0 {
                let word = slot.load(Relaxed);
                used += u32::from(word != EMPTY && !entry.is_expired(word));
                if best.is_none_or(|(_, best)| entry.rank(word) > entry.rank(best)) {
                    best = Some((slot, word));
                }
            }
            (best.unwrap_or((&self.buckets[bucket].0[0], EMPTY)), used)
        });
        let second_is_better = used_by_second < used || entry.is_mine(second.1);
        if second_is_better && !entry.is_mine(first.1) { second } else { first }
    }

    /// Removes the oldest among [`SAMPLE`] buckets, but not the session that was just put in.
    fn make_room(&self, entry: EntryKey) {
        let start = usize::try_from(mix(entry.fingerprint ^ entry.buckets[0] as u64) >> 32).unwrap_or_default();
        for _ in 0..TRIES {
            let slots = (start..start + SAMPLE.min(self.buckets.len()))
                .flat_map(|bucket| &self.buckets[bucket & (self.buckets.len() - 1)].0);
            let oldest = slots
                .map(|slot| (slot, slot.load(Relaxed)))
                .filter(|(_, word)| *word != EMPTY && !entry.is_mine(*word))
                .max_by_key(|(_, word)| entry.age(*word));
            let Some((slot, word)) = oldest else { break };
            if slot.compare_exchange(word, EMPTY, Relaxed, Relaxed).is_ok() {
                self.used.0.fetch_sub(1, Relaxed);
                return;
            }
        }
    }
}

impl EntryKey {
    /// The word of this session, used now, with this backend's number.
    fn word(self, number: u16) -> u64 {
        self.fingerprint | u64::from(number) << STAMP_BITS | u64::from(self.now)
    }

    fn is_mine(self, word: u64) -> bool {
        word != EMPTY && word >> 40 == self.fingerprint >> 40
    }

    fn age(self, word: u64) -> u32 {
        let age = self.now.wrapping_sub(stamp(word)) & STAMP_MASK;
        if age < HALF { age } else { 0 }
    }

    fn is_expired(self, word: u64) -> bool {
        self.age(word) > self.ttl
    }

    /// How soon this word is overwritten: the highest rank goes first.
    fn rank(self, word: u64) -> u32 {
        match word {
            _ if self.is_mine(word) => u32::MAX,
            EMPTY => u32::MAX - 1,
            _ => self.age(word),
        }
    }
}

fn stamp(word: u64) -> u32 {
    u32::try_from(word & u64::from(STAMP_MASK)).unwrap_or_default()
}

fn number(word: u64) -> u16 {
    u16::try_from(word >> STAMP_BITS & u64::from(u16::MAX)).unwrap_or_default()
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014): each bit of the
/// result depends on each bit of `x`.
fn mix(x: u64) -> u64 {
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

impl fmt::Debug for StickTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StickTable")
            .field("max_entries", &self.max_entries)
            .field("ttl", &self.ttl)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
