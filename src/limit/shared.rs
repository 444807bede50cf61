//! What several instances need to know of each other to enforce a limit together, as far as workers write and read it.
//!
//! Beside the time of each key a shared table keeps one word: how many requests the key has sent here, and how many of them were allowed, since that was
//! last reported; and the factor by which a request moves the key's time on. A request that is allowed moves it on by the time that one request takes,
//! *divided by the share of all requests for this key that come to this instance*: so what the others allow meanwhile is reckoned with. A report sets that
//! right some ten times a second ([`Reporter`](super::Reporter)). While nothing is known of the others, the factor is the number of instances.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// A factor of one; factors are multiples of 1/256.
pub(super) const ONE: u64 = 1 << 8;
/// The bits of a word: allowed requests, all requests, the factor.
const ALLOWED_BITS: u32 = 20;
const SENT_BITS: u32 = 24;
const FACTOR_AT: u32 = ALLOWED_BITS + SENT_BITS;
const FACTOR_MAX: u64 = (1 << (64 - FACTOR_AT)) - 1;
const COUNTS: u64 = (1 << FACTOR_AT) - 1;
const ALLOWED: u64 = (1 << ALLOWED_BITS) - 1;
const ONE_SENT: u64 = 1 << ALLOWED_BITS;
/// Nothing more is counted in a word with so many requests, which nobody has looked at for long: none of its numbers may run into the next one.
const FULL: u64 = ALLOWED / 2;
const BITS: usize = u64::BITS as usize;

/// What is kept beside the times of a table's keys.
#[derive(Debug)]
pub(super) struct Shared {
    /// By slot.
    words: Box<[AtomicU64]>,
    /// A bit for each bucket in which something was counted.
    marks: Box<[AtomicU64]>,
    /// The number of instances, while nothing is known of what the others allow; 0 = the words say.
    divided_by: AtomicU32,
    /// What a request counts for, in 1/256, so that those that are cut off have their part of the rate; [`ONE`] while nobody is.
    weight: AtomicU64,
    slots_per_bucket: usize,
}

/// What one key has sent to this instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    pub allowed: u32,
    pub sent: u32,
}

impl Shared {
    pub(super) fn new(buckets: usize, slots_per_bucket: usize) -> Self {
        let words = (0..buckets * slots_per_bucket).map(|_| AtomicU64::new(ONE << FACTOR_AT)).collect();
        let marks = (0..buckets.div_ceil(BITS)).map(|_| AtomicU64::new(0)).collect();
        Self { words, marks, divided_by: AtomicU32::new(1), weight: AtomicU64::new(ONE), slots_per_bucket }
    }

    /// One in which everything is as it is here now.
    pub(super) fn copy(&self) -> Self {
        let copy = |of: &[AtomicU64]| of.iter().map(|word| word.load(Relaxed).into()).collect();
        let (divided_by, weight) = (self.divided_by.load(Relaxed).into(), self.weight.load(Relaxed).into());
        Self {
            words: copy(&self.words),
            marks: copy(&self.marks),
            divided_by,
            weight,
            slots_per_bucket: self.slots_per_bucket,
        }
    }

    /// The factor for the key in this slot.
    pub(super) fn factor(&self, slot: usize) -> u64 {
        match self.divided_by.load(Relaxed) {
            0 => ((self.words[slot].load(Relaxed) >> FACTOR_AT) * self.weight()) >> 8,
            instances => u64::from(instances) * ONE,
        }
    }

    /// What a request counts for, in 1/256.
    pub(super) fn weight(&self) -> u64 {
        self.weight.load(Relaxed)
    }

    /// Counts a request of the key in this slot.
    pub(super) fn count(&self, slot: usize, is_allowed: bool) {
        let word = &self.words[slot];
        if (word.load(Relaxed) & COUNTS) >> ALLOWED_BITS < FULL {
            word.fetch_add(ONE_SENT + u64::from(is_allowed), Relaxed);
        }
        let bucket = slot / self.slots_per_bucket;
        let (mark, bit) = (&self.marks[bucket / BITS], 1 << (bucket % BITS));
        if mark.load(Relaxed) & bit == 0 {
            mark.fetch_or(bit, Relaxed);
        }
    }

    /// The slot has a new key.
    pub(super) fn forget(&self, slot: usize) {
        self.words[slot].store(ONE << FACTOR_AT, Relaxed);
    }

    /// Takes what was counted for this slot, if anything was.
    pub(super) fn take(&self, slot: usize) -> Option<Counted> {
        let word = &self.words[slot];
        if word.load(Relaxed) & COUNTS == 0 {
            return None;
        }
        // in one step: a worker may give the slot to another key at any moment, and then has set the counts to 0
        let counts = word.fetch_and(!COUNTS, Relaxed) & COUNTS;
        (counts != 0).then(|| counted(counts))
    }

    /// What was counted for this slot since that was last taken.
    pub(super) fn peek(&self, slot: usize) -> Counted {
        counted(self.words[slot].load(Relaxed) & COUNTS)
    }

    /// Sets the factor of the key in this slot to the inverse of a share.
    pub(super) fn set_share(&self, slot: usize, share: f64) {
        let factor = ((ONE as f64 / share) as u64).clamp(ONE, FACTOR_MAX);
        let _ = self.words[slot].fetch_update(Relaxed, Relaxed, |word| Some((word & COUNTS) | (factor << FACTOR_AT)));
    }

    /// Each key has its share of so many instances from now on, above 0.
    pub(super) fn divide(&self, instances: u32) {
        self.divided_by.store(instances, Relaxed);
    }

    /// The shares of keys are known from now on, of the part of the rate that `present` of `all` instances have; both above 0.
    pub(super) fn unite(&self, present: u32, all: u32) {
        self.weight.store((ONE * u64::from(all)).div_ceil(present.into()), Relaxed);
        self.divided_by.store(0, Relaxed);
    }

    /// Whether the shares of keys are not known.
    pub(super) fn is_divided(&self) -> bool {
        self.divided_by.load(Relaxed) != 0
    }

    /// Takes the marks of buckets, from that bucket on and once around, each with what `look` has to do there, which says whether to go on; and where to
    /// begin the next time.
    pub(super) fn marked(&self, from: usize, mut look: impl FnMut(usize) -> bool) -> usize {
        let words = self.marks.len();
        let before = (1 << (from % BITS)) - 1;
        // the first word comes twice: with the buckets from there on, and at the end with those before
        for step in 0..=words {
            let at = (from / BITS + step) % words;
            let wanted = match step {
                0 => !before,
                _ if step == words => before,
                _ => u64::MAX,
            };
            let mut bits = self.marks[at].load(Relaxed) & wanted;
            while bits != 0 {
                let bit = bits & bits.wrapping_neg();
                bits ^= bit;
                // before the bucket is looked at: what is counted during the look marks it again
                self.marks[at].fetch_and(!bit, Relaxed);
                let bucket = at * BITS + bit.trailing_zeros() as usize;
                if !look(bucket) {
                    return bucket + 1;
                }
            }
        }
        from
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.words) + size_of_val(&*self.marks)
    }
}

fn counted(counts: u64) -> Counted {
    // both fit: they have 20 and 24 bits
    Counted { allowed: (counts & ALLOWED) as u32, sent: (counts >> ALLOWED_BITS) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_gets_another_key_while_it_is_reported_tells_no_more_than_was_counted() {
        const ROUNDS: u32 = 200_000;
        let shared = Shared::new(1, 8);
        let is_over = std::sync::atomic::AtomicBool::new(false);
        let (told, most) = std::thread::scope(|scope| {
            let reporter = scope.spawn(|| {
                let (mut told, mut most) = (0, 0);
                while !is_over.load(Relaxed) {
                    if let Some(Counted { allowed, sent }) = shared.take(0) {
                        (told, most) = (told + u64::from(allowed), most.max(allowed).max(sent));
                    }
                }
                (told, most)
            });
            for _ in 0..ROUNDS {
                shared.count(0, true);
                shared.forget(0);
            }
            is_over.store(true, Relaxed);
            reporter.join().unwrap()
        });
        assert!(most <= 1, "{most} of one request");
        assert!(told <= ROUNDS.into(), "{told}");
        assert_eq!(shared.factor(0), ONE);
    }

    #[test]
    fn buckets_that_are_always_marked_all_have_their_turn() {
        for buckets in [1, 63, 64, 65, 200] {
            let shared = Shared::new(buckets, 1);
            let (mut looked, mut next) = (vec![0_usize; buckets], 0);
            for _ in 0..buckets * 3 {
                (0..buckets).for_each(|slot| shared.count(slot, true));
                let mut left = 5;
                next = shared.marked(next, |bucket| {
                    looked[bucket] += 1;
                    left -= 1;
                    left > 0
                });
            }
            assert!(
                looked.iter().all(|times: &usize| times.abs_diff(15.min(buckets * 3)) <= 1),
                "{buckets}: {looked:?}"
            );
        }
    }

    #[test]
    fn every_mark_is_taken_once_wherever_it_is_begun() {
        for from in [0, 1, 63, 64, 130, 192] {
            let shared = Shared::new(150, 1);
            [0, 62, 63, 64, 128, 149].into_iter().for_each(|slot| shared.count(slot, false));
            let mut looked = Vec::new();
            let mut all = |from| {
                shared.marked(from, |bucket| {
                    looked.push(bucket);
                    true
                })
            };
            assert_eq!(all(from), from);
            all(0);
            looked.sort_unstable();
            assert_eq!(looked, [0, 62, 63, 64, 128, 149]);
        }
    }
}
